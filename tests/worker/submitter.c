#include "worker/submitter.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include "base/error.h"
#include "base/sys.h"
#include "ipc/arena.h"
#include "ipc/control.h"
#include "worker/root/root.h"
#include "store/store.h"

extern char **environ;

_Noreturn void fail_check(const char *file, int line, const char *text) {
    fprintf(stderr, "%s:%d: %s (errno %d)\n", file, line, text, errno);
    exit(1);
}

/* --- the codec's store --- */

static const struct codec_stored *put(void *ctx, const struct codec_code *code,
                                      const struct codec_origin *origin) {
    struct submitter *s = ctx;
    return tine__store_put(s->store, code, origin);
}

static void open_lua(struct submitter *s) {
    const struct codec_options options = {.store = {.put = put, .ctx = s}, .send_globals = true};
    s->L = luaL_newstate();
    luaL_openlibs(s->L);
    s->codec = tine__codec_new(s->L, &options);
    lua_setfield(s->L, LUA_REGISTRYINDEX, "codec");
}

/* Push what the Lua expression gives. */
static void push_expression(lua_State *L, const char *text) {
    lua_pushfstring(L, "return %s", text);
    if (luaL_loadstring(L, lua_tostring(L, -1)) || lua_pcall(L, 0, 1, 0)) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(1);
    }
    lua_remove(L, -2);
}

/* Encode a call; the length of the function segment. */
static size_t encode(struct submitter *s, const char *function, uint32_t count,
                     const char *const *arguments, struct buf *out) {
    lua_State *L = s->L;
    push_expression(L, function);
    tine__buf_init(out);
    CHECK(tine__encode_function(L, s->codec, lua_gettop(L), out, NULL) == 0);
    size_t len = out->len;
    for (uint32_t i = 0; i < count; i++) {
        lua_pushstring(L, arguments[i]);
        CHECK(tine__encode_arguments(L, s->codec, tine__codec_function(s->codec), lua_gettop(L), 1,
                                     out) == 0);
    }
    lua_settop(L, 0);
    return len;
}

/* --- opening --- */

static void open_memory(struct submitter *s) {
    CHECK(tine__queue_create(&s->queue) == 0);
    CHECK(tine__shm_create(&s->directory, "tine-heap", 4096) == 0);
    CHECK(tine__heap_create(&s->heap, (struct heap_directory *)s->directory.base, s->directory.fd,
                            4096) == 0);
    CHECK(tine__store_open(&s->store, s->heap, false) == 0);
    CHECK((s->bell = tine__fd_event()) != -1);
    CHECK((s->wakeup = tine__fd_event()) != -1);
}

static void ask_root(struct submitter *s, const struct setup *setup, const struct buf *boot) {
    int capture[2];
    uint64_t place;
    char *block = tine__heap_alloc(s->heap, boot->len, &place);
    CHECK(block);
    memcpy(block, boot->data, boot->len);
    CHECK(tine__control_pair(capture) == 0);
    const int fds[SETUP_FDS] = {
        [SETUP_CALLS] = s->queue.calls.fd,
        [SETUP_CLAIMS] = s->queue.claims.fd,
        [SETUP_HEAP] = s->directory.fd,
        [SETUP_BELL] = tine__fd_ringer(s->bell),
        [SETUP_WAKEUP] = tine__fd_ringer(s->wakeup),
        [SETUP_CAPTURE] = capture[0],
        [SETUP_PRINT] = capture[1],
        [SETUP_ARENA] = tine__arena_fd(s->arena),
        [SETUP_CWD] = open(".", O_PATH | O_CLOEXEC),
        [SETUP_STDOUT] = fcntl(setup->stdout_fd ? setup->stdout_fd : 1, F_DUPFD_CLOEXEC, 3),
        [SETUP_STDERR] = fcntl(2, F_DUPFD_CLOEXEC, 3),
    };
    CHECK(tine__root_set_up(s->control, fds, s->seat, place, (uint32_t)boot->len) == 0);
    for (int i = SETUP_CWD; i < SETUP_FDS; i++)
        close(fds[i]);
    tine__close(&capture[0]);
    tine__close(&capture[1]);
}

void submitter_open(struct submitter *s, const struct setup *setup) {
    *s = (struct submitter){.queue = QUEUE_CLOSED, .directory = SHM_CLOSED, .next = 1};
    for (int i = 0; i < MAX_WORKERS; i++)
        s->links[i] = LINK_CLOSED;
    open_memory(s);
    CHECK((s->arena = tine__arena_get()) != NULL);
    s->seat = tine__seat_give(s->arena);
    open_lua(s);
    struct buf preload, initializer;
    struct inherit inherit;
    struct buf bytes;
    struct boot boot = {.name = "test",
                        .path = "here/?.lua",
                        .environ = setup->environ ? setup->environ : environ,
                        .spin = 20000,
                        .max_tasks = setup->max_tasks,
                        .send_globals = true,
                        .hook = setup->hook,
                        .hook_arg = setup->hook_arg,
                        .hook_name = setup->hook_name};
    tine__buf_init(&preload);
    tine__buf_init(&initializer);
    if (setup->preload) {
        boot.preload_count = 1;
        boot.preload_function = encode(s, setup->preload, 1, &setup->initarg, &preload);
        boot.preload = preload.data;
        boot.preload_len = preload.len;
    }
    if (setup->initializer) {
        boot.initializer_function = encode(s, setup->initializer, 1, &setup->initarg, &initializer);
        boot.initializer = initializer.data;
        boot.initializer_len = initializer.len;
    }
    CHECK(tine__root_open(&s->control, &inherit, setup->spawn, setup->preload != NULL) == 0);
    tine__buf_init(&bytes);
    CHECK(tine__boot_write(&bytes, &boot, &inherit) == 0);
    ask_root(s, setup, &bytes);
    tine__buf_free(&bytes);
    tine__buf_free(&preload);
    tine__buf_free(&initializer);
}

/* --- the control socket --- */

bool submitter_hear_bytes(struct submitter *s, struct message *m, char *bytes, size_t *len) {
    static char packet[MESSAGE_MAX];
    struct pollfd p = {s->control, POLLIN, 0};
    ssize_t n;
    while ((n = tine__control_receive(s->control, packet, sizeof packet, NULL, NULL)) ==
           TINE_EAGAIN)
        poll(&p, 1, -1);
    if (n <= 0)
        return false;
    CHECK((size_t)n >= sizeof *m);
    memcpy(m, packet, sizeof *m);
    if (m->kind == MESSAGE_PRELOADING)
        return submitter_hear_bytes(s, m, bytes, len);
    if (m->kind == MESSAGE_GONE) {
        s->gone = m->status;
        return false;
    }
    *len = (size_t)n - sizeof *m;
    if (m->kind == MESSAGE_STARTED)
        s->living++;
    if (m->kind == MESSAGE_EXITED)
        s->living--;
    memcpy(bytes, packet + sizeof *m, *len);
    return true;
}

bool submitter_hear(struct submitter *s, struct message *m) {
    static char bytes[MESSAGE_MAX];
    size_t len;
    return submitter_hear_bytes(s, m, bytes, &len);
}

struct message submitter_expect(struct submitter *s, enum message_kind kind) {
    struct message m = {0};
    bool heard = submitter_hear(s, &m);
    if (!heard || m.kind != kind) {
        fprintf(stderr, "message %u (status %d, error %d) where %u was expected\n",
                heard ? m.kind : 0u, m.status, m.error, (unsigned)kind);
        exit(1);
    }
    return m;
}

void submitter_up(struct submitter *s) {
    s->server = submitter_expect(s, MESSAGE_UP).pid;
}

void submitter_start(struct submitter *s, unsigned id) {
    struct message m = {.kind = MESSAGE_START, .worker = id};
    tine__link_close(&s->links[id]);
    CHECK(tine__link_create(&s->links[id]) == 0);
    CHECK(tine__control_send(s->control, &m, sizeof m, &s->links[id].shm.fd, 1) == 0);
    m = submitter_expect(s, MESSAGE_STARTED);
    CHECK(m.worker == id);
    s->pids[id] = m.pid;
}

void submitter_kill(struct submitter *s, unsigned id, int signal) {
    struct message m = {.kind = MESSAGE_KILL, .worker = id, .status = signal};
    CHECK(tine__control_send(s->control, &m, sizeof m, NULL, 0) == 0);
}

/* --- calls --- */

uint64_t submitter_put(struct submitter *s, const char *function, uint32_t count,
                       const char *const *arguments) {
    struct buf call;
    struct queue_slot slot = {.call = {.id = s->next, .count = count, .ref = (uint32_t)s->next}};
    uint64_t seq;
    slot.call.function = (uint32_t)encode(s, function, count, arguments, &call);
    slot.call.length = call.len;
    char *to = slot.bytes;
    if (call.len > CALL_INLINE)
        CHECK((to = tine__heap_alloc(s->heap, call.len, &slot.call.offset)));
    memcpy(to, call.data, call.len);
    CHECK(tine__queue_put(&s->queue, &slot.call, slot.bytes, slot.call.id, &seq, NULL) == 0);
    tine__queue_wake(&s->queue);
    tine__buf_free(&call);
    s->next += count;
    return slot.call.id;
}

uint64_t submitter_put1(struct submitter *s, const char *function, const char *argument) {
    return submitter_put(s, function, 1, &argument);
}

/* --- records --- */

static int decode(lua_State *L) {
    struct submitter *s = lua_touserdata(L, 1);
    size_t len;
    const char *p = lua_tolstring(L, 2, &len);
    return tine__decode_values(L, s->codec, p, len);
}

static void push_payload(struct submitter *s, const struct record *r, const char *p, size_t len) {
    lua_State *L = s->L;
    lua_settop(L, 0);
    if (r->kind != RECORD_VALUES && r->kind != RECORD_ERROR && r->kind != RECORD_FAILED) {
        lua_pushlstring(L, p, len);
        return;
    }
    lua_pushcfunction(L, decode);
    lua_pushlightuserdata(L, s);
    lua_pushlstring(L, p, len);
    CHECK(lua_pcall(L, 2, LUA_MULTRET, 0) == LUA_OK);
}

struct record submitter_record(struct submitter *s, unsigned id) {
    struct record r;
    const char *p;
    uint64_t len;
    int err;
    while ((err = tine__link_peek(&s->links[id], &r, &p, &len)) == TINE_EAGAIN) {
        bool alive = is_alive(s->pids[id]);
        CHECK(alive || tine__link_pending(&s->links[id]));
        sched_yield();
    }
    CHECK(err == 0);
    push_payload(s, &r, p, len);
    if (r.large)
        tine__heap_release(s->links[id].heap, tine__link_block(&r, &s->links[id]));
    tine__link_next(&s->links[id]);
    return r;
}

const char *submitter_value(struct submitter *s, unsigned id, enum record_kind kind) {
    struct record r = submitter_record(s, id);
    if (r.kind != kind) {
        fprintf(stderr, "record %u where %u was expected: %s\n", (unsigned)r.kind, (unsigned)kind,
                luaL_tolstring(s->L, 1, NULL));
        exit(1);
    }
    return luaL_tolstring(s->L, 1, NULL);
}

/* --- closing --- */

void submitter_drop(struct submitter *s) {
    tine__close(&s->control);
    tine__close(&s->bell);
    tine__close(&s->wakeup);
    for (int i = 0; i < MAX_WORKERS; i++)
        tine__link_close(&s->links[i]);
    lua_close(s->L);
    tine__seat_vacate(s->arena, s->seat);
    tine__arena_put(s->arena);
    tine__store_close(s->store);
    tine__heap_destroy(s->heap);
    tine__shm_close(&s->directory);
    tine__queue_close(&s->queue);
}

void submitter_close(struct submitter *s) {
    struct message m;
    tine__queue_shut(&s->queue);
    while (s->living > 0 && submitter_hear(s, &m))
        ;
    shutdown(s->control, SHUT_WR);
    while (submitter_hear(s, &m))
        ;
    await_gone(s->server);
    submitter_drop(s);
}

bool is_alive(pid_t pid) {
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    bool alive = fgets(text, sizeof text, f) && strrchr(text, ')') && strrchr(text, ')')[2] != 'Z';
    fclose(f);
    return alive;
}

void await_gone(pid_t pid) {
    while (is_alive(pid))
        sched_yield();
}

/* A worker process: from its fork to its end. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <lauxlib.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/sys.h"
#include "worker/ask.h"
#include "worker/family.h"
#include "worker/internal.h"
#include "worker/loop.h"
#include "worker/output.h"
#include "worker/process.h"
#include "worker/seed.h"
#include "worker/shm_channel.h"
#include "worker/state.h"

struct worker {
    struct server *server;
    uint32_t id;
    struct loop loop;
};

/* --- the process --- */

/* Die when the fork server dies, however that happens. It has no threads, so its death and that of the
** thread that forked us are the same. */
static void tie_to_parent(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(1); /* it was dead before we asked */
}

static void become_worker(struct server *s, int link, pid_t parent) {
    tie_to_parent(parent);
    tine__fault_role("worker");
    tine__process_signals_worker(s->boot.preload != NULL, &s->boot.inherit);
    tine__family_mark(parent, getpid());
    int keep[] = {s->fds[SETUP_CALLS], s->fds[SETUP_CLAIMS], s->fds[SETUP_HEAP],
                  s->fds[SETUP_BELL],  s->fds[SETUP_WAKEUP], link};
    tine__fd_keep(keep, sizeof keep / sizeof *keep);
}

static struct channel *open_channel(struct server *s, uint32_t id, int link) {
    struct channel *ch;
    const struct shm_channel_parts parts = {
        .calls = s->fds[SETUP_CALLS],
        .claims = s->fds[SETUP_CLAIMS],
        .link = link,
        .waiter = s->fds[SETUP_BELL],
        .manager = s->fds[SETUP_WAKEUP],
        .heap = s->heap,
        .worker = id,
        .spin = s->boot.spin,
    };
    return tine__shm_channel_open(&ch, &parts) ? NULL : ch;
}

/* --- the state --- */

/* "lib.so:symbol" */
static boot_hook find_hook(lua_State *L, const char *name) {
    const char *colon = strrchr(name, ':');
    if (!colon)
        luaL_error(L, "the hook '%s' is not of the form 'lib.so:symbol'", name);
    lua_pushlstring(L, name, (size_t)(colon - name));
    void *lib = dlopen(colon > name ? lua_tostring(L, -1) : NULL, RTLD_NOW | RTLD_LOCAL);
    void *symbol = lib ? dlsym(lib, colon + 1) : NULL;
    if (!symbol)
        luaL_error(L, "the hook '%s' cannot be found: %s", name, dlerror());
    boot_hook hook;
    memcpy(&hook, &symbol, sizeof hook);
    return hook;
}

/* Let the host program prepare the state. */
static void run_hook(lua_State *L, const struct server *s) {
    const struct boot *b = &s->boot;
    boot_hook hook = s->executed ? NULL : b->hook;
    void *arg = s->executed ? NULL : b->hook_arg;
    if (b->hook_name)
        hook = find_hook(L, b->hook_name);
    else if (b->hook && s->executed)
        luaL_error(L, "a hook that is a function of the program needs start_method 'fork'; with "
                      "'spawn', or in a program that had threads, name it as 'lib.so:symbol'");
    if (hook && hook(L, arg) != 0)
        lua_error(L);
}

/* (worker) */
static int prepare(lua_State *L) {
    struct worker *w = lua_touserdata(L, 1);
    tine__seed_fresh(L);
    tine__loop_table(L, &w->loop, (lua_Integer)w->id);
    tine__ask_open(L, w->loop.channel);
    run_hook(L, w->server);
    return 0;
}

/* 0, or what became of the initializer (a record kind). */
static enum record_kind initialize(struct worker *w, struct buf *out) {
    const struct boot *b = &w->server->boot;
    if (!b->initializer)
        return RECORD_VALUES;
    const struct run_call call = {
        .function = b->initializer,
        .function_len = b->initializer_function,
        .arguments = b->initializer + b->initializer_function,
        .arguments_len = b->initializer_len - b->initializer_function,
    };
    enum record_kind kind = tine__run(&w->loop.run, &call, out);
    if (kind == RECORD_REFUSED)
        tine__run_text(&w->loop.run, out);
    return kind;
}

/* --- its life --- */

static _Noreturn void fail(struct channel *ch) {
    tine__output_flush();
    ch->say(ch, RECORD_FAILED, 0, 0);
    tine__process_exit(1);
}

static void start(struct worker *w) {
    struct channel *ch = w->loop.channel;
    KILL_POINT("starting");
    w->loop.run = w->server->run;
    if (tine__run_c(&w->loop.run, prepare, w, ch->reply(ch)))
        fail(ch);
    if (initialize(w, ch->reply(ch)) != RECORD_VALUES)
        fail(ch);
    tine__output_flush();
    ch->reply(ch);
    ch->say(ch, RECORD_READY, 0, 0);
}

_Noreturn void tine__worker_main(struct server *s, uint32_t id, int link, pid_t parent) {
    struct worker w = {.server = s, .id = id};
    become_worker(s, link, parent);
    tine__process_title(s->boot.name ? s->boot.name : "", id);
    w.loop.channel = open_channel(s, id, link);
    w.loop.max_tasks = s->boot.max_tasks;
    if (!w.loop.channel)
        tine__process_exit(1);
    start(&w);
    tine__loop_run(&w.loop);
    if (w.loop.max_tasks) { /* else all leave because the pool ends, and nobody asks */
        w.loop.channel->reply(w.loop.channel);
        w.loop.channel->say(w.loop.channel, RECORD_LEAVING, 0, 0);
    }
    KILL_POINT("leaving");
    tine__state_end(s->L);
}

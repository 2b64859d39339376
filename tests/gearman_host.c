/* A program's pool, and a job server with a host that say in this order what real ones say seldom. Nothing is sealed. */
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include "base/buf.h"
#include "codec/segment.h"
#include "gearman/message.h"
#include "gearman/packet.h"
#include "clib/clib.h"

/* --- the job server, which is the host, too --- */

#define ROOM 65536u /* for a read */

struct server {
    int listener, port, fd;
    struct buf in; /* what was read; `taken` bytes of it were heard */
    size_t taken;
    char host[GM_UNIQUE];
    char client[GM_FUNCTION],
        client_line[GM_UNIQUE]; /* the program's function, and our line to it */
};

static void listen_here(struct server *s) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *s = (struct server){.fd = -1, .host = "the-host-of-this-test."};
    tine__buf_init(&s->in);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(s->listener != -1 && bind(s->listener, (struct sockaddr *)&at, size) == 0);
    CHECK(listen(s->listener, 5) == 0 &&
          getsockname(s->listener, (struct sockaddr *)&at, &size) == 0);
    s->port = ntohs(at.sin_port);
}

static void write_all(struct server *s, const char *bytes, size_t n) {
    CHECK_EQ(send(s->fd, bytes, n, MSG_NOSIGNAL), n);
}

static void say(struct server *s, enum gm_type type, unsigned nargs, const struct gm_text *args) {
    struct buf out;
    tine__buf_init(&out);
    CHECK_EQ(tine__gm_write(&out, type, nargs, args), 0);
    memcpy(out.data, "\0RES", 4); /* it writes requests */
    write_all(s, out.data, out.len);
    tine__buf_free(&out);
}

#define TEXT(text) \
    { text, strlen(text) }

/* The host says this about the job. */
static void answer(struct server *s, enum gm_type type, const char *handle,
                   enum gm_answer_kind kind, const void *bytes, size_t n) {
    const struct gm_answer a = {.kind = kind, .length = n};
    struct buf b;
    tine__buf_init(&b);
    CHECK_EQ(buf_append(&b, s->host, GM_SPEAKER) | buf_append(&b, "P", 1) |
                 buf_append(&b, &a, sizeof a),
             0);
    CHECK(n == 0 || buf_append(&b, bytes, n) == 0);
    const struct gm_text args[] = {TEXT(handle), {b.data, b.len}};
    say(s, type, 2, args);
    tine__buf_free(&b);
}

/* No values. */
static void answer_nothing(struct server *s, const char *handle) {
    char empty[SEGMENT_HEAD + 1];
    segment_set_head(empty, 1);
    empty[SEGMENT_HEAD] = (char)0x90; /* msgpack: an empty array */
    answer(s, GM_WORK_COMPLETE, handle, ANSWER_VALUES, empty, sizeof empty);
}

static void open_line(struct server *s) {
    struct gm_line line = {.slots = 1, .name = "host"};
    char envelope[1 + sizeof line] = "P";
    memcpy(line.host, s->host, sizeof line.host);
    memcpy(envelope + 1, &line, sizeof line);
    const struct gm_text args[] = {TEXT("H:line"),
                                   TEXT(s->client),
                                   TEXT("a-line-of-22-character"),
                                   {envelope, sizeof envelope}};
    say(s, GM_JOB_ASSIGN_UNIQ, 4, args);
}

static void list_hosts(struct server *s) {
    char function[GM_FUNCTION], text[GM_FUNCTION + 64];
    tine__gm_function("spec", function);
    snprintf(text, sizeof text, "33 127.0.0.1 1/host : %s\n.\n", function);
    write_all(s, text, strlen(text));
}

/* The next request, or line of text (type GM_TEXT); its bytes are valid until the next call. False: the program has
** hung up. */
static bool hear(struct server *s, enum gm_type *type, const char **body, size_t *n) {
    CHECK_EQ(buf_reserve(&s->in, ROOM), 0);
    memmove(s->in.data, s->in.data + s->taken, s->in.len - s->taken);
    s->in.len -= s->taken;
    s->taken = 0;
    for (;;) {
        const char *p = s->in.data,
                   *newline = s->in.len > 0 && *p ? memchr(p, '\n', s->in.len) : NULL;
        if (newline) {
            *type = GM_TEXT;
            *body = p;
            *n = (size_t)(newline - p);
            s->taken = *n + 1;
            return true;
        }
        if (s->in.len >= GM_HEAD && !*p) {
            const unsigned char *u = (const unsigned char *)p;
            *n = (size_t)u[8] << 24 | (size_t)u[9] << 16 | (size_t)u[10] << 8 | u[11];
            *type = (enum gm_type)u[7];
            *body = p + GM_HEAD;
            s->taken = GM_HEAD + *n;
            if (s->in.len >= s->taken)
                return true;
            s->taken = 0;
        }
        CHECK_EQ(buf_reserve(&s->in, ROOM), 0);
        ssize_t some = recv(s->fd, buf_end(&s->in, ROOM), ROOM, 0);
        if (some <= 0)
            return false;
        s->in.len += (size_t)some;
    }
}

/* Serve like any job server until a request of this type comes, with this body. */
static bool await_body(struct server *s, enum gm_type wanted, const char **body, size_t *n) {
    enum gm_type type;
    while (hear(s, &type, body, n)) {
        if (type == GM_TEXT)
            list_hosts(s);
        else if (type == GM_CAN_DO)
            snprintf(s->client, sizeof s->client, "%.*s", (int)*n, *body);
        if (type == wanted)
            return true;
    }
    return false;
}

static bool await(struct server *s, enum gm_type wanted) {
    const char *body;
    size_t n;
    return await_body(s, wanted, &body, &n);
}

/* How many orders of this kind are in the next message to the host. */
static unsigned count_orders(struct server *s, enum gm_order_kind kind) {
    const char *body;
    size_t n, head = strlen("H:line") + 1 + strlen("P");
    struct gm_order o;
    unsigned count = 0;
    CHECK(await_body(s, GM_WORK_DATA, &body, &n) && n > head);
    struct gm_reader r = {body + head, n - head};
    while (tine__gm_copy(&r, &o, sizeof o)) {
        CHECK(tine__gm_take(&r, o.length) != NULL);
        count += o.kind == kind;
    }
    return count;
}

static void greet(struct server *s) {
    s->fd = accept(s->listener, NULL, NULL);
    CHECK(s->fd != -1);
    s->in.len = s->taken = 0;
}

/* The host lacks these ids. */
static void take_job_and_ask(struct server *s, const char *handle, const uint64_t *ids, size_t n) {
    const struct gm_text args[] = {TEXT(handle)};
    CHECK(await(s, GM_SUBMIT_JOB));
    say(s, GM_JOB_CREATED, 1, args);
    answer(s, GM_WORK_DATA, handle, ANSWER_ASK, ids, n * sizeof *ids);
}

static void take_job(struct server *s, const char *handle) {
    take_job_and_ask(s, handle, NULL, 0);
}

static tine_pool *open_far(const struct server *s, double lost_after) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    char url[64];
    snprintf(url, sizeof url, "gearman://127.0.0.1:%d/spec", s->port);
    options.backend = url;
    options.lost_after = lost_after;
    OK(tine_pool_open(&pool, &options));
    return pool;
}

static void nothing(tine_pool *pool) {
    (void)pool;
}

/* Runs tasks one after the other behind this server, and compares how they end. */
static void run_tasks(void *(*serve)(void *), void (*prepare)(tine_pool *), double lost_after,
                      const int *codes, int n) {
    struct server s;
    pthread_t thread;
    listen_here(&s);
    CHECK_EQ(pthread_create(&thread, NULL, serve, &s), 0);
    tine_pool *pool = open_far(&s, lost_after);
    prepare(pool);
    for (int i = 0; i < n; i++) {
        tine_future *f = submit(pool, "", 1);
        OK(tine_future_wait(f, 60));
        CHECK_EQ(tine_future_code(f), codes[i]);
        tine_future_free(f);
    }
    tine_pool_close(pool);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    close(s.fd);
    close(s.listener);
    tine__buf_free(&s.in);
}

/* --- a host that comes back --- */

static void *come_back(void *arg) {
    struct server *s = arg;
    const struct gm_text first[] = {TEXT("H:first")};
    greet(s);
    take_job(s, "H:first");
    open_line(s);
    CHECK(await(s, GM_WORK_FAIL)); /* of the line: this host has been silent for too long */
    say(s, GM_WORK_FAIL, 1, first);
    take_job(s, "H:second");
    open_line(s);
    CHECK(await(s, GM_WORK_DATA));
    answer_nothing(s, "H:second");
    CHECK(!await(s, GM_NOOP));
    return NULL;
}

/* A host that was lost hands back its job when it comes back: the program still knew the call, by the line of the host,
** which was freed. */
static void a_lost_host_hands_its_job_back(void) {
    run_tasks(come_back, nothing, 0.2, (const int[]){TINE_ELOST, 0}, 2);
}

/* --- a host that prints --- */

static void *print(void *arg) {
    const char text[] = "a line\n";
    struct gm_printed head = {.to = 1};
    char bytes[sizeof head + sizeof text];
    struct server *s = arg;
    greet(s);
    take_job(s, "H:first");
    open_line(s);
    CHECK(await(s, GM_WORK_DATA));
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, text, sizeof text);
    answer(s, GM_WORK_DATA, "H:first", ANSWER_PRINTED, bytes, sizeof bytes - 1);
    answer_nothing(s, "H:first");
    CHECK(!await(s, GM_NOOP));
    return NULL;
}

/* Lines without a prefix: a null pointer was copied from, if no byte. */
static void a_host_prints_and_does_not_say_for_whom(void) {
    run_tasks(print, nothing, 15, (const int[]){0}, 1);
}

/* --- a host without memory --- */

static void *forget(void *arg) {
    const uint64_t errands = 0;
    struct server *s = arg;
    greet(s);
    take_job(s, "H:1");
    open_line(s);
    CHECK_EQ(count_orders(s, SAY_ERRAND), 2);
    answer_nothing(s, "H:1");
    take_job(s, "H:2");
    CHECK_EQ(count_orders(s, SAY_ERRAND), 0);
    answer_nothing(s, "H:2");
    take_job_and_ask(s, "H:3", &errands, 1);
    CHECK_EQ(count_orders(s, SAY_ERRAND), 2);
    answer_nothing(s, "H:3");
    CHECK(!await(s, GM_NOOP));
    return NULL;
}

static void run_twice_everywhere(tine_pool *pool) {
    for (int i = 0; i < 2; i++) {
        tine_task task = TINE_TASK_INIT;
        tine_future *f;
        task.function = "";
        OK(tine_pool_everywhere(pool, &task, &f));
        tine_future_free(f);
    }
}

/* A host that could not keep what its workers have to run first was never told again: all further tasks were lost
** there. */
static void a_host_asks_for_all_errands_again(void) {
    run_tasks(forget, run_twice_everywhere, 15, (const int[]){0, 0, 0}, 3);
}

/* What a host says when there was no memory for the answer itself. */
static void a_message_may_be_empty(void) {
    const struct seal_keys none = {0};
    struct gm_about about;
    struct buf sealed, plain;
    unsigned key;
    const struct seal_about it = tine__gm_about(&about, KIND_ANSWERS, "host", "unique", 0);
    tine__buf_init(&sealed);
    tine__buf_init(&plain);
    CHECK_EQ(tine__seal(&none, 0, it, NULL, 0, &sealed), 0);
    CHECK(tine__unseal(&none, it, sealed.data, sealed.len, &plain, &key));
    CHECK_EQ(plain.len, 0);
    tine__buf_free(&sealed);
    tine__buf_free(&plain);
}

int main(void) {
    a_message_may_be_empty();
    a_host_asks_for_all_errands_again();
    a_lost_host_hands_its_job_back();
    a_host_prints_and_does_not_say_for_whom();
    return 0;
}

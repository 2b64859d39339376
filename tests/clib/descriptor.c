/* The C library's descriptor: a program that sleeps on it is woken for everything that it has to see, also when
** another call has taken that from the pool before. */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clib/clib.h"

static char folder[] = "/tmp/tine-descriptor-XXXXXX";
static unsigned gates;

/* A task that emits `first` events at once, one more at each of `steps` steps, and then ends. */
struct held {
    char gate[64]; /* a FIFO: to open it waits for the other side */
    tine_future *future;
};

static struct held hold(tine_pool *pool, int first, int steps) {
    static const char source[] =
        "local emit = require('tine').worker.emit "
        "local function wait() local f <close> = io.open('%s') f:read('a') end "
        "for i = 1, %d do emit(i) end "
        "for i = 1, %d do wait() emit(i) end wait() return 7";
    struct held h;
    char text[320];
    snprintf(h.gate, sizeof h.gate, "%s/%u", folder, gates++);
    OK(mkfifo(h.gate, 0600));
    snprintf(text, sizeof text, source, h.gate, first, steps);
    h.future = submit(pool, text, 0);
    return h;
}

static void step(const struct held *h) {
    int fd = open(h->gate, O_WRONLY);
    CHECK(fd >= 0);
    close(fd);
}

static void let_go(const struct held *h) {
    step(h);
    unlink(h->gate);
}

static void end(const struct held *h) {
    let_go(h);
    CHECK_EQ(await_integer(h->future), 7);
}

static bool readable(tine_pool *pool, int timeout) {
    struct pollfd fd = {tine_pool_fileno(pool), POLLIN, 0};
    return poll(&fd, 1, timeout) == 1;
}

static int next(tine_future *f) {
    const void *bytes;
    size_t length;
    return tine_future_next_event(f, 0, &bytes, &length);
}

/* Until the task has emitted something that the program can learn of. */
static void await_news(tine_pool *pool) {
    CHECK(readable(pool, -1));
}

/* --- calls that look, or give something to do, and take in what the descriptor had told of --- */

static void by_submit(tine_pool *pool, tine_future *other) {
    (void)other;
    tine_future_free(submit(pool, "return 1", 0));
}

static void by_stats(tine_pool *pool, tine_future *other) {
    tine_stats stats = {.size = sizeof stats};
    (void)other;
    OK(tine_pool_stats(pool, &stats));
}

static void by_workers(tine_pool *pool, tine_future *other) {
    (void)other;
    CHECK_EQ(tine_pool_workers(pool, NULL, 0, sizeof(tine_worker)), 1);
}

static void by_state(tine_pool *pool, tine_future *other) {
    (void)pool;
    CHECK_EQ(tine_future_state(other), TINE_PENDING);
}

static void by_cancel(tine_pool *pool, tine_future *other) {
    (void)pool;
    CHECK(tine_future_cancel(other));
}

static void by_abort(tine_pool *pool, tine_future *other) {
    (void)pool;
    CHECK(tine_future_abort(other));
}

static void by_shutdown(tine_pool *pool, tine_future *other) {
    (void)other;
    OK(tine_pool_shutdown(pool, false));
}

/* The event was taken from the inbox by the call, the descriptor was silent then, and the program slept while
** its event lay there. */
static void test_event_and(void (*call)(tine_pool *pool, tine_future *other)) {
    tine_pool *pool = open_pool(1, TINE_REPLACE);
    CHECK(tine_pool_fileno(pool) >= 0);
    struct held h = hold(pool, 1, 0);
    tine_future *other = submit(pool, "return 1", 0);
    await_news(pool);
    call(pool, other);
    CHECK(readable(pool, 0));
    CHECK_EQ(next(h.future), 1);
    CHECK_EQ(next(h.future), TINE_ETIMEOUT);
    CHECK(!readable(pool, 0)); /* all was taken */
    end(&h);
    tine_future_free(other);
    tine_pool_close(pool);
}

/* The same for an end that no callback tells of. */
static void test_result_and_stats(void) {
    tine_pool *pool = open_pool(1, TINE_REPLACE);
    CHECK(tine_pool_fileno(pool) >= 0);
    tine_future *f = submit(pool, "return 7", 0);
    await_news(pool);
    by_stats(pool, NULL);
    CHECK(readable(pool, 0));
    CHECK_EQ(tine_pool_dispatch(pool), 0);
    CHECK(!readable(pool, 0));
    CHECK_EQ(await_integer(f), 7);
    tine_pool_close(pool);
}

/* And for what was taken before there was a descriptor, by the pool's own thread or by another call. */
static void test_descriptor_made_late(void) {
    tine_pool *pool = open_pool(1, TINE_REPLACE);
    struct held h = hold(pool, 1, 0);
    while (tine_future_state(h.future) != TINE_RUNNING)
        by_stats(pool, NULL);
    await_news(pool);
    CHECK_EQ(next(h.future), 1);
    end(&h);
    tine_pool_close(pool);
}

/* And for the room that a program wanted: of two tasks at most one has ended. */
static void test_room_and_stats(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_task task = TINE_TASK_INIT;
    tine_pool *pool;
    options.workers = 1;
    options.max_pending = 2;
    OK(tine_pool_open(&pool, &options));
    CHECK(tine_pool_fileno(pool) >= 0);
    struct held first = hold(pool, 0, 0), second = hold(pool, 0, 0);
    task.function = "return 1";
    CHECK_EQ(tine_submit(pool, &task, NULL), TINE_EAGAIN);
    let_go(&first);
    await_news(pool);
    by_stats(pool, NULL);
    CHECK(readable(pool, 0));
    OK(tine_submit(pool, &task, NULL));
    end(&second);
    tine_future_free(first.future);
    tine_pool_close(pool);
}

/* --- two futures whose events a program reads in turn --- */

/* The program has asked for the events of both, and there were none. To ask for those of `other` takes in what `h`
** does then, which the program has just asked for: it comes back to that only if it is woken. */
static void let_miss(tine_pool *pool, const struct held *h, tine_future *other) {
    CHECK(!readable(pool, 0));
    step(h);
    await_news(pool);
    CHECK_EQ(next(other), TINE_ETIMEOUT);
}

static void test_two_readers(void) {
    tine_pool *pool = open_pool(2, TINE_REPLACE);
    CHECK(tine_pool_fileno(pool) >= 0);
    struct held silent = hold(pool, 0, 0), h = hold(pool, 0, 3);
    CHECK_EQ(next(silent.future), TINE_ETIMEOUT);
    CHECK_EQ(next(h.future), TINE_ETIMEOUT);

    let_miss(pool, &h, silent.future); /* an event */
    CHECK(readable(pool, 0));
    CHECK_EQ(next(h.future), 1);
    CHECK_EQ(next(h.future), TINE_ETIMEOUT);

    let_miss(pool, &h, silent.future);
    tine_pool_dispatch(pool); /* as a loop does after it has read */
    CHECK(readable(pool, 0));
    tine_pool_dispatch(pool); /* it has lost interest, and is not woken for ever */
    CHECK(!readable(pool, 0));
    CHECK_EQ(next(h.future), 1);

    let_miss(pool, &h, silent.future);
    CHECK(readable(pool, 0));
    CHECK_EQ(next(h.future), 1);

    let_miss(pool, &h, silent.future); /* the end */
    CHECK(readable(pool, 0));
    CHECK_EQ(next(h.future), 0);
    CHECK(!readable(pool, 0));
    unlink(h.gate);
    tine_future_free(h.future);
    end(&silent);
    tine_pool_close(pool);
}

/* An end that the program has learned of in another way, or whose future it has given up, is not told for ever. */
static void test_end_is_seen(bool freed) {
    tine_pool *pool = open_pool(2, TINE_REPLACE);
    CHECK(tine_pool_fileno(pool) >= 0);
    struct held silent = hold(pool, 0, 0), h = hold(pool, 0, 0);
    CHECK_EQ(next(silent.future), TINE_ETIMEOUT);
    CHECK_EQ(next(h.future), TINE_ETIMEOUT);
    let_miss(pool, &h, silent.future);
    CHECK(readable(pool, 0));
    if (freed)
        tine_future_free(h.future);
    else
        OK(tine_future_code(h.future));
    CHECK(!readable(pool, 0));
    if (!freed)
        tine_future_free(h.future);
    unlink(h.gate);
    end(&silent);
    tine_pool_close(pool);
}

int main(void) {
    CHECK(mkdtemp(folder));
    test_event_and(by_submit);
    test_event_and(by_stats);
    test_event_and(by_workers);
    test_event_and(by_state);
    test_event_and(by_cancel);
    test_event_and(by_abort);
    test_event_and(by_shutdown);
    test_result_and_stats();
    test_descriptor_made_late();
    test_room_and_stats();
    test_two_readers();
    test_end_is_seen(false);
    test_end_is_seen(true);
    rmdir(folder);
    return 0;
}

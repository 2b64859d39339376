/* The C library's events of running tasks, and who has to be there for a task that emits many of them. */
#include <unistd.h>

#include "clib/clib.h"

#define FEW 3 /* event_buffer */
#if defined(__SANITIZE_THREAD__)
#define ROUNDS 10 /* each takes ten times as long, and shows what did not happen, too */
#else
#define ROUNDS 100
#endif

static const char emits[] =
    "local emit = require('tine').worker.emit for i = 1, 20 do emit(i) end return 7";

static tine_pool *open_narrow(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    options.workers = 1;
    options.event_buffer = FEW;
    OK(tine_pool_open(&pool, &options));
    return pool;
}

static void test_read(void) {
    tine_pool *pool = open_narrow();
    tine_future *f = submit(pool, emits, 0);
    const void *bytes;
    size_t length;
    int n = 0;
    while (tine_future_next_event(f, 30, &bytes, &length) == 1)
        CHECK_EQ(((const unsigned char *)bytes)[1], ++n); /* msgpack: [n] */
    CHECK_EQ(n, 20);
    CHECK_EQ(await_integer(f), 7);
    tine_pool_close(pool);
}

/* Who waits for a task's end lets it go on, whenever it is that it would have to wait: the pool's own thread, which starts
** the first worker, may hear of that just before the waiting one lies down. */
static void test_awaited(bool any) {
    for (int round = 0; round < ROUNDS; round++) {
        tine_pool *pool = open_narrow();
        tine_future *f = submit(pool, emits, 0);
        OK(any ? tine_wait_any(&f, 1, 30) : tine_future_wait(f, 30));
        CHECK_EQ(await_integer(f), 7);
        tine_pool_close(pool);
    }
}

/* However many pools they are of: it was the first sixteen that were listened to and let go on. */
static void test_awaited_in_many_pools(void) {
    enum { POOLS = 20 };
    tine_pool *pools[POOLS];
    tine_future *futures[POOLS];
    for (int i = 0; i < POOLS; i++) {
        pools[i] = open_narrow();
        futures[i] = submit(pools[i], i < POOLS - 1 ? "while true do end" : emits, 0);
    }
    CHECK_EQ(tine_wait_any(futures, POOLS, 30), POOLS - 1);
    CHECK_EQ(tine_wait_any(futures, POOLS - 1, 0.01), TINE_ETIMEOUT);
    for (int i = 0; i < POOLS; i++) {
        tine_future_abort(futures[i]);
        tine_future_free(futures[i]);
        tine_pool_close(pools[i]);
    }
}

/* Of tasks whose futures nobody has, nobody reads them: they go on, though no thread of the program calls the library. (Its
** own thread looks around every five seconds, which would do for one of them.) */
static void test_forsaken(void) {
    static const char last[] =
        "for i = 1, 20 do require('tine').worker.emit(i) end os.remove('%s')";
    char source[256], name[] = "/tmp/tine-events-XXXXXX";
    int file = mkstemp(name);
    CHECK(file != -1);
    close(file);
    snprintf(source, sizeof source, last, name);
    tine_pool *pool = open_narrow();
    for (int i = 0; i < 20; i++)
        tine_future_free(submit(pool, emits, 0));
    tine_future_free(submit(pool, source, 0));
    for (int i = 0; i < 6000 && access(name, F_OK) == 0; i++)
        usleep(10000);
    CHECK(access(name, F_OK) != 0);
    tine_pool_close(pool);
}

struct half {
    tine_future *future;
    atomic_uint *there;
};

static void *free_half(void *arg) {
    const struct half *h = arg;
    atomic_fetch_add(h->there, 1);
    while (atomic_load(h->there) < 2)
        ; /* both at once */
    tine_future_free(h->future);
    return NULL;
}

/* The same when two threads give up the last references that the program has. */
static void test_forsaken_by_two(void) {
    tine_pool *pool = open_narrow();
    for (int round = 0; round < 2 * ROUNDS; round++) {
        atomic_uint there = 0;
        const struct half half = {submit(pool, emits, 0), &there};
        pthread_t other;
        tine_future_ref(half.future);
        OK(pthread_create(&other, NULL, free_half, (void *)&half));
        free_half((void *)&half);
        OK(pthread_join(other, NULL));
        if (round % 20 == 19) { /* all those before it are through */
            tine_future *f = submit(pool, "return 7", 0);
            for (int i = 0; i < 6000 && tine_future_state(f) != TINE_FINISHED; i++)
                usleep(10000); /* not wait: that lets those go on that are in the way */
            CHECK_EQ(tine_future_state(f), TINE_FINISHED);
            tine_future_free(f);
        }
    }
    tine_pool_close(pool);
}

int main(void) {
    test_read();
    test_awaited(false);
    test_awaited(true);
    test_awaited_in_many_pools();
    test_forsaken();
    test_forsaken_by_two();
    return 0;
}

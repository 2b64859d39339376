/* What the tests of the C library share. */
#ifndef TESTS_CLIB_H
#define TESTS_CLIB_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <msgpack.h>
#include "check.h"
#include "tine.h"

#define OK(call) CHECK_EQ(call, 0)

static inline tine_pool *open_pool(unsigned workers, int on_crash) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    options.workers = workers;
    options.on_crash = on_crash;
    OK(tine_pool_open(&pool, &options));
    return pool;
}

/* A task of Lua source whose arguments are `n` integers. */
static inline tine_future *submit_with(tine_pool *pool, const char *source,
                                       void (*done)(tine_future *, void *), void *arg, unsigned n,
                                       const long long *integers) {
    tine_task task = TINE_TASK_INIT;
    tine_future *future;
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, n);
    for (unsigned i = 0; i < n; i++)
        msgpack_pack_long_long(&packer, integers[i]);
    task.function = source;
    task.args = bytes.data;
    task.args_length = bytes.size;
    task.done = done;
    task.done_arg = arg;
    OK(tine_submit(pool, &task, &future));
    msgpack_sbuffer_destroy(&bytes);
    return future;
}

static inline tine_future *submit(tine_pool *pool, const char *source, long long n) {
    return submit_with(pool, source, NULL, NULL, 1, &n);
}

/* The only value of a future that is done, an integer. */
static inline long long integer_of(tine_future *future) {
    size_t length;
    if (tine_future_code(future) != 0) {
        fprintf(stderr, "future failed with %s: %s\n", tine_error_kind(tine_future_code(future)),
                tine_future_message(future));
        check_failed(__FILE__, __LINE__, "it has a value");
    }
    const void *bytes = tine_future_values(future, &length);
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    CHECK_EQ(msgpack_unpack_next(&u, bytes, length, NULL), MSGPACK_UNPACK_SUCCESS);
    CHECK_EQ(u.data.type, MSGPACK_OBJECT_ARRAY);
    CHECK_EQ(u.data.via.array.size, 1);
    const msgpack_object *o = u.data.via.array.ptr;
    CHECK(o->type == MSGPACK_OBJECT_POSITIVE_INTEGER || o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER);
    long long value = o->via.i64;
    msgpack_unpacked_destroy(&u);
    return value;
}

static inline long long await_integer(tine_future *future) {
    int err;
    while ((err = tine_future_wait(future, -1)) == TINE_EAGAIN)
        ;
    OK(err);
    long long value = integer_of(future);
    tine_future_free(future);
    return value;
}

/* Wait until `condition` holds; the guard ends a test that waits for ever. */
#define EVENTUALLY(condition) \
    while (!(condition)) \
    usleep(1000)

static inline void join_all(pthread_t *threads, int n) {
    for (int i = 0; i < n; i++)
        OK(pthread_join(threads[i], NULL));
}

#define CONTAINS(text, part) check_contains(text, part, __FILE__, __LINE__)
static inline void check_contains(const char *text, const char *part, const char *file, int line) {
    if (strstr(text, part))
        return;
    fprintf(stderr, "'%s' is not in: %s\n", part, text);
    check_failed(file, line, "text has its part");
}

#endif

/* What the servers with loops (loop_uv.c, loop_glib.c) have computed: how many primes there are up to a number. */
#ifndef COUNT_H
#define COUNT_H

#include <msgpack.h>
#include <stdio.h>
#include <tine.h>

static const char count_source[] = "local n, count, composite = ..., 0, {}\n"
                                   "for i = 2, n do\n"
                                   "  if not composite[i] then\n"
                                   "    count = count + 1\n"
                                   "    for k = i * i, n, i do composite[k] = true end\n"
                                   "  end\n"
                                   "end\n"
                                   "return count\n";

/* Have it counted; `done` is called with `arg` from tine_pool_dispatch. 0 or a code. */
static int count_submit(tine_pool *pool, long n, void (*done)(tine_future *, void *), void *arg,
                        tine_future **future) {
    tine_task task = TINE_TASK_INIT;
    msgpack_sbuffer args;
    msgpack_packer packer;
    msgpack_sbuffer_init(&args);
    msgpack_packer_init(&packer, &args, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 1);
    msgpack_pack_long(&packer, n);
    task.function = count_source;
    task.args = args.data;
    task.args_length = args.size;
    task.done = done;
    task.done_arg = arg;
    int err = tine_submit(pool, &task, future);
    msgpack_sbuffer_destroy(&args);
    return err;
}

/* The line that answers a client, of a future that is done. */
static void count_answer(tine_future *future, char *out, size_t size) {
    size_t length;
    msgpack_unpacked values;
    if (tine_future_code(future) != 0) {
        snprintf(out, size, "error: %.*s\n", (int)size - 10, tine_future_message(future));
        return;
    }
    const void *bytes = tine_future_values(future, &length);
    msgpack_unpacked_init(&values);
    if (msgpack_unpack_next(&values, bytes, length, NULL) == MSGPACK_UNPACK_SUCCESS)
        snprintf(out, size, "%lld\n", (long long)values.data.via.array.ptr[0].via.i64);
    msgpack_unpacked_destroy(&values);
}

#endif

/* Four threads of a C program share one pool: each finds the primes in a quarter of the numbers, in slices
** that Lua tasks count.
**
**     threads 200000
*/
#include <msgpack.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tine.h>

enum { THREADS = 4, SLICES = 8 }; /* of each thread */

static const char count_source[] = "local first, last = ...\n"
                                   "local count = 0\n"
                                   "for n = math.max(first, 2), last do\n"
                                   "  local prime = true\n"
                                   "  for d = 2, math.floor(math.sqrt(n)) do\n"
                                   "    if n % d == 0 then prime = false break end\n"
                                   "  end\n"
                                   "  if prime then count = count + 1 end\n"
                                   "end\n"
                                   "return count\n";

struct part {
    tine_pool *pool;
    long first, last;
    long count; /* -1: failed */
};

static tine_future *submit_slice(tine_pool *pool, long first, long last) {
    tine_task task = TINE_TASK_INIT;
    tine_future *future;
    msgpack_sbuffer args;
    msgpack_packer packer;
    msgpack_sbuffer_init(&args);
    msgpack_packer_init(&packer, &args, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 2);
    msgpack_pack_long(&packer, first);
    msgpack_pack_long(&packer, last);
    task.function = count_source;
    task.args = args.data;
    task.args_length = args.size;
    tine_submit(pool, &task, &future); /* on failure the future is NULL */
    msgpack_sbuffer_destroy(&args);
    return future;
}

/* The integer that the task returned; -1: it failed. Frees the future. */
static long result_of(tine_future *future) {
    size_t length;
    long count = -1;
    msgpack_unpacked values;
    msgpack_unpacked_init(&values);
    if (tine_future_wait(future, -1) == 0 && tine_future_code(future) == 0) {
        const void *bytes = tine_future_values(future, &length);
        if (msgpack_unpack_next(&values, bytes, length, NULL) == MSGPACK_UNPACK_SUCCESS)
            count = (long)values.data.via.array.ptr[0].via.i64;
    } else {
        fprintf(stderr, "threads: %s\n", tine_future_message(future));
    }
    msgpack_unpacked_destroy(&values);
    tine_future_free(future);
    return count;
}

static void *count_part(void *arg) {
    struct part *part = arg;
    tine_future *slices[SLICES];
    long size = (part->last - part->first + SLICES) / SLICES;
    for (int i = 0; i < SLICES; i++) {
        long first = part->first + i * size, last = first + size - 1;
        slices[i] = submit_slice(part->pool, first, last < part->last ? last : part->last);
    }
    for (int i = 0; i < SLICES; i++) {
        long count = result_of(slices[i]);
        part->count = part->count < 0 || count < 0 ? -1 : part->count + count;
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--help"))
        return puts("usage: threads [most]      (counts primes; 200000)") == EOF;
    long most = argc > 1 ? atol(argv[1]) : 200000, total = 0;
    pthread_t threads[THREADS];
    struct part parts[THREADS];
    tine_pool *pool;
    int err =
        tine_pool_open(&pool, NULL); /* before there are threads: workers come by forks alone */
    if (err) {
        fprintf(stderr, "threads: %s\n", tine_error_text(err));
        return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        parts[i] = (struct part){pool, most * i / THREADS + 1, most * (i + 1) / THREADS, 0};
        if (pthread_create(&threads[i], NULL, count_part, &parts[i]) != 0)
            return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        total = total < 0 || parts[i].count < 0 ? -1 : total + parts[i].count;
    }
    tine_pool_close(pool);
    printf("%ld primes up to %ld\n", total, most);
    return total < 0;
}

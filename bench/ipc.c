/* What the ipc floor costs by itself: no Lua, no pool. Workers are processes.
**
**     bench_ipc [tasks]
**
** Prints one line for each measurement; the best of five rounds, because on a machine with other work
** the best says most about the code. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys.h"
#include "ipc/heap.h"
#include "ipc/link.h"
#include "ipc/queue.h"

#define ROUNDS 5
#define WORKERS 2
#define SPIN 50000 /* ns */

static struct queue queue;
static struct link links[WORKERS];
static pid_t pids[WORKERS];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void no_ring(void *arg) {
    (void)arg;
}

/* --- one thread ------------------------------------------------------------------------------- */

static double time_put_take(unsigned n) {
    struct queue worker;
    struct queue_slot item = {.call = {.count = 1, .length = 100}};
    uint64_t seq, start = tine__now();
    if (tine__queue_attach(&worker, dup(queue.calls.fd), dup(queue.claims.fd)))
        fail("attach");
    for (unsigned i = 0; i < n; i++) {
        tine__queue_put(&queue, &item, &seq);
        if (!tine__queue_take(&worker, 1, &seq))
            fail("take");
        tine__queue_free(&worker, 1, seq);
    }
    double ns = (double)(tine__now() - start) / n;
    tine__queue_close(&worker);
    return ns;
}

static double time_link(unsigned n) {
    struct link l, worker;
    struct record r = {.kind = RECORD_VALUES, .length = 20};
    const char *payload;
    uint64_t length;
    if (tine__link_create(&l) || tine__link_attach(&worker, dup(l.shm.fd)))
        fail("link");
    uint64_t start = tine__now();
    for (unsigned i = 0; i < n; i++) {
        tine__link_begin(&worker, i, true, 0);
        tine__link_finish(&worker, i);
        tine__link_write(&worker, &r, "01234567890123456789", no_ring, NULL);
        tine__link_idle(&worker);
        if (i % 16 == 15)
            while (tine__link_peek(&l, &r, &payload, &length) == 0)
                tine__link_next(&l);
    }
    double ns = (double)(tine__now() - start) / n;
    tine__link_close(&worker);
    tine__link_close(&l);
    return ns;
}

/* --- workers ---------------------------------------------------------------------------------- */

static void answer_small(struct link *l, const struct queue_slot *item) {
    struct record r = {
        .length = (uint32_t)item->call.length, .kind = RECORD_VALUES, .id = item->call.id};
    tine__link_finish(l, item->call.id);
    tine__link_write(l, &r, item->bytes, no_ring, NULL);
}

/* As a task does it: from the call heap into memory of its own, from there into its own heap. */
static void answer_large(struct link *l, struct heap *calls, const struct queue_slot *item) {
    static char *own;
    static size_t size;
    struct record_block b = {.length = item->call.length};
    struct record r = {.length = sizeof b, .kind = RECORD_VALUES, .large = 1, .id = item->call.id};
    int err;
    const char *from = tine__heap_at(calls, item->call.offset, item->call.length, &err);
    if (!from)
        fail("heap_at");
    if (size < item->call.length)
        own = realloc(own, size = item->call.length);
    if (item->call.flags) /* how many copies: 1 or 2 on this side */
        memcpy(own, from, item->call.length), from = own;
    char *to = tine__heap_alloc(l->heap, item->call.length, &b.offset);
    if (!to)
        fail("heap_alloc");
    memcpy(to, from, item->call.length);
    tine__link_finish(l, item->call.id);
    tine__link_write(l, &r, &b, no_ring, NULL);
}

static void work(unsigned number, int heap_fd, struct heap_directory *dir) {
    struct queue q;
    struct link l;
    struct heap *calls;
    uint64_t seq;
    if (tine__queue_attach(&q, dup(queue.calls.fd), dup(queue.claims.fd)) ||
        tine__link_attach(&l, dup(links[number].shm.fd)) ||
        tine__heap_attach(&calls, dir, heap_fd, false))
        fail("worker");
    for (;;) {
        const struct queue_slot *s = tine__queue_take(&q, number + 1, &seq);
        if (!s) {
            if (tine__queue_wait(&q, number + 1, SPIN, UINT64_MAX) == TINE_ESHUTDOWN)
                _exit(0);
            continue;
        }
        struct queue_slot item;
        memcpy(&item, s, sizeof item.call + (s->call.offset ? 0 : s->call.length));
        tine__link_begin(&l, item.call.id, true, tine__now());
        tine__queue_free(&q, number + 1, seq);
        tine__queue_is_low(&q);
        if (item.call.offset)
            answer_large(&l, calls, &item);
        else
            answer_small(&l, &item);
        tine__link_idle(&l);
    }
}

static void start_workers(int n, int heap_fd, struct heap_directory *dir) {
    for (int i = 0; i < n; i++) {
        if (tine__link_create(&links[i]))
            fail("link");
        if ((pids[i] = fork()) == 0)
            work((unsigned)i, heap_fd, dir);
    }
}

static void stop_workers(int n) {
    tine__queue_shut(&queue);
    for (int i = 0; i < n; i++) {
        waitpid(pids[i], NULL, 0);
        tine__link_close(&links[i]);
    }
}

/* Read what is there; the number of results. */
static unsigned drain(int workers) {
    struct record r;
    const char *payload;
    uint64_t length;
    unsigned n = 0;
    for (int i = 0; i < workers; i++)
        for (; tine__link_peek(&links[i], &r, &payload, &length) == 0; n++)
            tine__link_next(&links[i]);
    return n;
}

static double tasks_per_second(unsigned tasks, unsigned depth) {
    struct queue_slot item = {.call = {.count = 1, .length = 72}};
    unsigned sent = 0, back = 0;
    uint64_t seq, start = tine__now();
    while (back < tasks) {
        unsigned before = sent;
        while (sent < tasks && sent - back < depth) {
            item.call.id = sent + 1;
            if (tine__queue_put(&queue, &item, &seq))
                break;
            sent++;
        }
        for (unsigned w = 0; sent != before && w < WORKERS && tine__queue_wake(&queue); w++)
            ;
        unsigned n = drain(WORKERS);
        if (!n)
            sched_yield();
        back += n;
    }
    return tasks / ((double)(tine__now() - start) / 1e9);
}

/* --- large payloads --------------------------------------------------------------------------- */

static double echo_large(struct heap *calls, size_t size, unsigned n, bool copies) {
    static char *from, *to;
    struct queue_slot item = {.call = {.count = 1, .length = size, .flags = copies}};
    struct record r;
    const char *payload;
    uint64_t length, seq;
    from = realloc(from, size), to = realloc(to, size);
    memset(from, 1, size), memset(to, 2, size);
    uint64_t start = tine__now();
    for (unsigned i = 0; i < n; i++) {
        item.call.id = i + 1;
        char *block = tine__heap_alloc(calls, size, &item.call.offset);
        if (!block)
            fail("alloc");
        memcpy(block, from, size);
        tine__queue_put(&queue, &item, &seq);
        tine__queue_wake(&queue);
        int err;
        while ((err = tine__link_peek(&links[0], &r, &payload, &length)) == TINE_EAGAIN)
            sched_yield();
        if (err)
            fail("peek");
        if (copies)
            memcpy(to, payload, length);
        tine__heap_release(links[0].heap, tine__link_block(&r, &links[0]));
        tine__link_next(&links[0]);
        tine__heap_free(calls, item.call.offset);
    }
    return (double)(tine__now() - start) / n / 1e3;
}

static double two_memcpys(size_t size, unsigned n) {
    char *a = malloc(size), *b = malloc(size), *c = malloc(size);
    memset(a, 1, size), memset(b, 1, size), memset(c, 1, size);
    uint64_t start = tine__now();
    for (unsigned i = 0; i < n; i++) {
        memcpy(b, a, size);
        __asm__ volatile("" ::"r"(b) : "memory");
        memcpy(c, b, size);
        __asm__ volatile("" ::"r"(c) : "memory");
    }
    double us = (double)(tine__now() - start) / n / 1e3;
    free(a), free(b), free(c);
    return us;
}

static void bench_large(void) {
    struct shm file;
    struct heap *calls;
    if (tine__shm_create(&file, "calls", 4096) ||
        tine__heap_create(&calls, (struct heap_directory *)file.base, file.fd, 4096))
        fail("heap");
    if (tine__queue_create(&queue))
        fail("queue");
    start_workers(1, file.fd, (struct heap_directory *)file.base);
    for (size_t size = (size_t)64 << 10; size <= (size_t)64 << 20;
         size *= size < 1 << 20 ? 16 : 64) {
        unsigned n = (unsigned)(((size_t)512 << 20) / size);
        double floor = 1e18, two = 1e18, four = 1e18, first;
        n = n > 2000 ? 2000 : n;
        first = echo_large(calls, size, 1, false);
        for (int i = 0; i < ROUNDS; i++) {
            double t = two_memcpys(size, n);
            floor = t < floor ? t : floor;
            t = echo_large(calls, size, n, false);
            two = t < two ? t : two;
            t = echo_large(calls, size, n, true);
            four = t < four ? t : four;
        }
        printf("echo %6zu KiB, us: two memcpys %.1f, with two copies %.1f (%.2fx), with four %.1f "
               "(%.2fx), the first %.1f\n",
               size >> 10, floor, two, two / floor, four, four / floor, first);
    }
    stop_workers(1);
    tine__queue_close(&queue);
    tine__heap_destroy(calls);
    tine__shm_close(&file);
}

int main(int argc, char **argv) {
    unsigned tasks = argc > 1 ? (unsigned)atoi(argv[1]) : 1000000;
    static const unsigned depths[] = {1, 4, 16, 64, 256, 1024};
    if (tine__queue_create(&queue))
        fail("queue");
    double a = 1e9, b = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double t = time_put_take(tasks);
        a = t < a ? t : a;
        t = time_link(tasks);
        b = t < b ? t : b;
    }
    printf("one thread, ns: put + take + free %.1f, begin + finish + write + read %.1f\n", a, b);
    tine__queue_close(&queue);
    if (tine__queue_create(&queue))
        fail("queue");
    start_workers(WORKERS, -1, NULL);
    for (unsigned d = 0; d < sizeof depths / sizeof *depths; d++) {
        double best = 0;
        unsigned n = depths[d] < 16 ? tasks / 20 : tasks;
        for (int i = 0; i < ROUNDS; i++) {
            double t = tasks_per_second(n, depths[d]);
            best = t > best ? t : best;
        }
        printf("%4u in flight, %d workers: %.0f thousand tasks/s%s", depths[d], WORKERS, best / 1e3,
               depths[d] == 1 ? "" : "\n");
        if (depths[d] == 1)
            printf(" (round trip %.1f us)\n", 1e6 / best);
    }
    stop_workers(WORKERS);
    tine__queue_close(&queue);
    bench_large();
    return 0;
}

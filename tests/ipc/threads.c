/* Races on purpose, between threads. Both sides work on one mapping, so that the thread sanitizer sees
** them touch the same memory. A lost wake-up shows as a test that never ends. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/mixed.h"
#include "ipc/bell.h"
#include "ipc/ring_one.h"
#include "ipc/link.h"
#include "ipc/link_layout.h"
#include "ipc/queue.h"

#define WORKERS 3
#define ITEMS 60000u

static struct queue queue, side; /* the submitter's, and where the workers' start */
static struct link links[WORKERS];
static struct bell bell;
static uint64_t spin;            /* of the workers, ns */
static _Thread_local bool asked; /* told of what is given back: nobody asks here */
static atomic_uchar ran[ITEMS];

static void ring(void *arg) {
    (void)arg;
    ring_one(&bell, BELL_PRESSURE);
}

/* The worker's side of a link, on the submitter's mapping. */
static struct link worker_side(struct link *l) {
    struct link w = *l;
    CHECK_EQ(tine__heap_create(&w.heap, &l->s->directory, l->shm.fd, HEAP_START), 0);
    return w;
}

static void answer(struct link *l, uint64_t id) {
    char bytes[512];
    struct record r = {.length = id % sizeof bytes, .kind = RECORD_VALUES, .id = id};
    memset(bytes, (int)id, sizeof bytes);
    CHECK_EQ(tine__link_finish(l, id, &asked), 0);
    tine__link_write(l, r, bytes, ring, NULL);
}

static void run_item(struct queue *q, struct link *l, unsigned number, const struct queue_slot *s,
                     uint64_t seq) {
    uint64_t id = s->call.id, copy;
    CHECK_EQ(tine__link_begin(l, id, true, 0), 0);
    memcpy(&copy, s->bytes, sizeof copy);
    CHECK(tine__queue_free(q, number, seq, &asked));
    CHECK_EQ(copy, id);
    CHECK_EQ(atomic_fetch_add(&ran[id], 1), 0);
    answer(l, id);
    tine__link_idle(l);
    ring_one(&bell, tine__queue_is_low(q) ? BELL_PRESSURE : BELL_RESULT);
}

static void *work(void *arg) {
    unsigned number = (unsigned)(uintptr_t)arg;
    struct queue q = side;
    struct link l = worker_side(&links[number - 1]);
    const struct queue_slot *s;
    uint64_t seq;
    do
        while ((s = tine__queue_take(&q, number, &seq)) != NULL)
            run_item(&q, &l, number, s, seq);
    while (tine__queue_wait(&q, number, spin, UINT64_MAX) == 0);
    tine__heap_destroy(l.heap);
    return NULL;
}

enum fate { OPEN, DONE, WITHDRAWN };
static unsigned char fate[ITEMS];
static uint64_t seq_of[ITEMS];

static unsigned drain(unsigned limit) {
    struct record r;
    const char *payload;
    uint64_t length;
    unsigned n = 0;
    for (int i = 0; i < WORKERS; i++)
        for (; n < limit && tine__link_peek(&links[i], &r, &payload, &length) == 0; n++) {
            CHECK_LE(r.id, ITEMS - 1);
            CHECK_EQ(length, r.id % 512);
            for (uint64_t k = 0; k < length; k += 37)
                CHECK_EQ(payload[k], (char)r.id);
            CHECK_EQ(fate[r.id], OPEN);
            fate[r.id] = DONE;
            tine__link_next(&links[i]);
        }
    return n;
}

static unsigned sent, settled;

/* Put as many as fit; true: at least one. */
static bool fill(void) {
    unsigned before = sent;
    for (; sent < ITEMS; sent++) {
        struct queue_slot s = {.call = {.count = 1, .length = 100}};
        uint64_t id = sent;
        memcpy(s.bytes, &id, sizeof id);
        if (!put_mixed(&queue, &s, sent, seq_of))
            break;
        tine__queue_wake(&queue);
    }
    return sent > before;
}

static bool any_pending(void) {
    for (int i = 0; i < WORKERS; i++)
        if (tine__link_pending(&links[i]))
            return true;
    return false;
}

/* When there is nothing to read, and nothing can be put. */
static void sleep_until_rung(void) {
    struct pollfd p = {bell.fd, POLLIN, 0};
    if (sent < ITEMS)
        tine__queue_want_low(&queue, QUEUE_SLOTS / 4);
    bell_arm(&bell, BELL_RESULT);
    if (!any_pending() && !fill())
        CHECK_EQ(poll(&p, 1, -1), 1);
    bell_disarm(&bell);
    tine__bell_clear(bell.fd);
}

static void withdraw_some(unsigned long long *seed) {
    for (int i = 0; i < 5; i++) {
        unsigned id = sent - 1 - (unsigned)(check_random(seed) % (sent < 50 ? sent : 50));
        if (fate[id] == OPEN && tine__queue_withdraw(&queue, seq_of[id])) {
            fate[id] = WITHDRAWN;
            settled++;
        }
    }
}

static void submit_all(unsigned at_a_time) {
    unsigned long long seed = spin + at_a_time;
    while (settled < ITEMS) {
        bool some = fill();
        if (some)
            withdraw_some(&seed);
        unsigned n = drain(at_a_time);
        settled += n;
        if (n == 0 && !some && settled < ITEMS)
            sleep_until_rung();
    }
}

static void every_item_once(uint64_t workers_spin, unsigned at_a_time) {
    pthread_t t[WORKERS];
    spin = workers_spin;
    sent = settled = 0;
    memset(fate, OPEN, sizeof fate), memset(ran, 0, sizeof ran);
    CHECK_EQ(tine__queue_create(&queue), 0);
    side = queue;
    bell = (struct bell){tine__queue_bell(&queue, 0), tine__fd_event()};
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQ(tine__link_create(&links[i]), 0);
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, work, (void *)(uintptr_t)(i + 1)), 0);
    submit_all(at_a_time);
    tine__queue_shut(&queue);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(t[i], NULL);
    for (unsigned i = 0; i < ITEMS; i++)
        CHECK_EQ(ran[i], fate[i] == DONE);
    for (int i = 0; i < WORKERS; i++)
        tine__link_close(&links[i]);
    close(bell.fd);
    tine__queue_close(&queue);
}

/* --- the end of a task against its end by force ------------------------------------------------ */

static struct link one;
static atomic_bool over;

static void no_ring(void *arg) {
    (void)arg;
}

#define TASKS 100000u

/* Runs tasks without end; a condemned one writes nothing and "restarts" with the next. */
static void *run_tasks(void *arg) {
    struct link w = worker_side(&one);
    (void)arg;
    for (uint64_t id = 1; id <= TASKS; id++) {
        struct record r = {.kind = RECORD_VALUES, .id = id};
        CHECK_EQ(tine__link_begin(&w, id, true, id % 2 ? tine__now() : 0), 0);
        if (tine__link_finish(&w, id, &asked) == 0)
            tine__link_write(&w, r, NULL, no_ring, NULL);
        tine__link_idle(&w);
    }
    over = true;
    tine__heap_destroy(w.heap);
    return NULL;
}

static void condemn_against_finish(void) {
    static unsigned char ends[TASKS + 1];
    pthread_t t;
    struct record r;
    const char *payload;
    uint64_t length, id, started;
    unsigned condemned = 0, finished = 0;
    CHECK_EQ(tine__link_create(&one), 0);
    CHECK_EQ(pthread_create(&t, NULL, run_tasks, NULL), 0);
    bool last;
    do {
        last = over;
        if (tine__link_running(&one, &id, &started) == RUN_RUNNING) {
            CHECK(started == 0 || id % 2); /* the time of this task, not of another */
            if (tine__link_condemn(&one, id)) {
                CHECK_EQ(ends[id]++, 0);
                condemned++;
            }
        }
        while (tine__link_peek(&one, &r, &payload, &length) == 0) {
            CHECK_EQ(ends[r.id]++, 0);
            tine__link_next(&one);
            finished++;
        }
    } while (!last);
    pthread_join(t, NULL);
    CHECK_EQ(condemned + finished, TASKS);
    tine__link_close(&one);
}

/* --- a chunk against its stop ------------------------------------------------------------------- */

#define CHUNK 40u
#define CHUNKS 4000u

static atomic_uint_fast64_t ended[CHUNKS]; /* first task that did not run, + 1 */

static void *run_chunks(void *arg) {
    struct link w = worker_side(&one);
    (void)arg;
    for (uint64_t c = 0; c < CHUNKS; c++) {
        uint64_t id = c * CHUNK, k = 0;
        do {
            if (tine__link_begin(&w, id + k, k == 0, 0))
                break;
            CHECK_EQ(tine__link_finish(&w, id + k, &asked), 0);
        } while (++k < CHUNK);
        tine__link_idle(&w);
        atomic_store(&ended[c], id + k + 1);
    }
    tine__heap_destroy(w.heap);
    return NULL;
}

static void stop_against_begin(void) {
    pthread_t t;
    CHECK_EQ(tine__link_create(&one), 0);
    memset(ended, 0, sizeof ended);
    CHECK_EQ(pthread_create(&t, NULL, run_chunks, NULL), 0);
    for (uint64_t c = 0; c < CHUNKS; c++) {
        uint64_t next = 0, end;
        bool stop = false;
        while (!(end = atomic_load(&ended[c])))
            if (!stop)
                stop = tine__link_stop(&one, c * CHUNK, CHUNK, &next);
        if (stop)
            CHECK_EQ(end - 1, next);
        else
            CHECK_EQ(end - 1, (c + 1) * CHUNK);
    }
    pthread_join(t, NULL);
    tine__link_close(&one);
}

int main(void) {
    every_item_once(0, UINT32_MAX);
    every_item_once(0, 1);
    every_item_once(50000, UINT32_MAX);
    condemn_against_finish();
    stop_against_begin();
    return 0;
}

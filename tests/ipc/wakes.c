/* Lost wake-ups and lost items, in the one place where they would show: each round depends on a single
** wake-up, so that none that comes later can make up for it. A lost one is a test that never ends. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/bell.h"
#include "ipc/ring_one.h"
#include "ipc/link.h"
#include "ipc/link_layout.h"
#include "ipc/queue.h"
#include "ipc/wakeup.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define ROUNDS 20000u
#else
#define ROUNDS 100000u
#endif

static struct queue queue, side; /* the submitter's and the worker's, on one mapping */
static struct link reader, writer;
static struct bell bell;
static atomic_uint taken;
static _Thread_local bool asked; /* told of what is given back: nobody asks here */

/* A little while of unequal length, so that two threads meet at ever other places. */
static void dawdle(unsigned long long *seed) {
    for (unsigned n = check_random(seed) % 256; n > 0; n--)
        __asm__ volatile("" ::: "memory");
}

static void start(pthread_t *t, void *(*body)(void *)) {
    CHECK_EQ(pthread_create(t, NULL, body, NULL), 0);
}

static void open_queue(void) {
    CHECK_EQ(tine__queue_create(&queue), 0);
    side = queue;
}

static enum slot_state state_of_item(uint64_t seq) {
    unsigned worker;
    return tine__queue_state(&queue, seq, &worker);
}

static uint64_t put(uint64_t id) {
    struct queue_slot s = {.call = {.id = id, .count = 1}};
    uint64_t seq;
    CHECK_EQ(tine__queue_put(&queue, &s.call, s.bytes, 0, &seq, NULL), 0);
    return seq;
}

/* --- a sleeping worker and one item --------------------------------------------------------------- */

static void *take_all(void *arg) {
    struct queue q = side;
    unsigned long long seed = 5;
    const struct queue_slot *s;
    uint64_t seq;
    (void)arg;
    do
        while ((s = tine__queue_take(&q, 1, &seq)) != NULL) {
            unsigned id = (unsigned)s->call.id;
            tine__queue_free(&q, 1, seq, &asked);
            atomic_store_explicit(&taken, id, memory_order_release);
            dawdle(&seed);
        }
    while (tine__queue_wait(&q, 1, 0, UINT64_MAX) == 0);
    return NULL;
}

static void an_item_for_a_sleeper(void) {
    unsigned long long seed = 6;
    pthread_t t;
    open_queue();
    start(&t, take_all);
    for (unsigned id = 1; id <= ROUNDS; id++) {
        put(id);
        tine__queue_wake(&queue);
        while (atomic_load_explicit(&taken, memory_order_acquire) != id)
            sched_yield();
        dawdle(&seed);
    }
    tine__queue_shut(&queue);
    pthread_join(t, NULL);
    tine__queue_close(&queue);
}

/* --- withdraw against take ------------------------------------------------------------------------ */

static atomic_bool stop;

static void *take_eagerly(void *arg) {
    struct queue q = side;
    unsigned idle = 0;
    uint64_t seq;
    (void)arg;
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        if (tine__queue_take(&q, 2, &seq)) {
            atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
            tine__queue_free(&q, 2, seq, &asked);
        } else if (++idle % 64 ==
                   0) { /* mostly here when an item comes, but not for a whole slice */
            sched_yield();
        }
    return NULL;
}

static void withdraw_against_take(void) {
    unsigned long long seed = 8;
    unsigned withdrawn = 0;
    uint64_t seqs[4];
    pthread_t t;
    open_queue();
    atomic_store(&taken, 0), atomic_store(&stop, false);
    start(&t, take_eagerly);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 4; i++)
            seqs[i] = put(round);
        dawdle(&seed);
        for (int i = 0; i < 4; i++)
            withdrawn += tine__queue_withdraw(&queue, seqs[i]);
        for (int i = 0; i < 4; i++) /* also what is being run keeps its slot, but not for long */
            while (state_of_item(seqs[i]) != SLOT_FREE)
                sched_yield();
        CHECK_EQ(tine__queue_ready(&queue, QUEUE_SLOTS), 0);
    }
    atomic_store(&stop, true);
    pthread_join(t, NULL);
    CHECK_EQ(withdrawn + taken, 4 * ROUNDS);
    tine__queue_close(&queue);
}

/* --- spinning workers and two items ----------------------------------------------------------------- */

/* Each item takes until both of its pair are taken: who takes one must not leave the other to nobody. */
static void *take_pairs(void *number) {
    struct queue q = side;
    unsigned worker = (unsigned)(uintptr_t)number;
    const struct queue_slot *s;
    uint64_t seq;
    do
        while ((s = tine__queue_take(&q, worker, &seq)) != NULL) {
            unsigned both = ((unsigned)s->call.id + 1) / 2 * 2;
            tine__queue_free(&q, worker, seq, &asked);
            atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
            while (atomic_load_explicit(&taken, memory_order_relaxed) < both)
                sched_yield();
        }
    while (tine__queue_wait(&q, worker, 20000, UINT64_MAX) == 0);
    return NULL;
}

static void two_items_for_spinners(void) {
    unsigned long long seed = 23;
    pthread_t t[3];
    open_queue();
    atomic_store(&taken, 0);
    for (uintptr_t i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, take_pairs, (void *)(i + 1)), 0);
    for (unsigned id = 1; id < ROUNDS / 10; id += 2) {
        put(id);
        tine__queue_announce(&queue, 1, false, tine__now());
        dawdle(&seed);
        put(id + 1);
        tine__queue_announce(&queue, 1, false, tine__now());
        while (atomic_load_explicit(&taken, memory_order_relaxed) < id + 1)
            sched_yield();
        for (unsigned n = check_random(&seed) % 3 * 20; n > 0; n--)
            dawdle(&seed);
    }
    tine__queue_shut(&queue);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    tine__queue_close(&queue);
}

/* --- a full ring and a sleeping reader ------------------------------------------------------------- */

static void ring(void *arg) {
    (void)arg;
    ring_one(&bell, BELL_PRESSURE);
}

static void *write_much(void *arg) {
    static char bytes[LINK_INLINE];
    unsigned long long seed = 9;
    struct link w = writer;
    (void)arg;
    for (unsigned id = 1; id <= ROUNDS; id++) {
        struct record r = {.kind = RECORD_VALUES, .id = id};
        r.length = (uint32_t)(LINK_INLINE - check_random(&seed) % 200);
        tine__link_write(&w, r, bytes, ring, NULL);
        if (id % 1024 == 0 || id == ROUNDS) /* otherwise only when it cannot go on */
            ring_one(&bell, BELL_PRESSURE);
    }
    return NULL;
}

static void room_for_a_blocked_writer(void) {
    unsigned long long seed = 10;
    const char *payload;
    uint64_t length, id = 0;
    struct record r;
    pthread_t t;
    _Atomic uint32_t word = BELL_OFF;
    bell = (struct bell){&word, tine__fd_event()};
    struct pollfd p = {bell.fd, POLLIN, 0};
    CHECK_EQ(tine__link_create(&reader), 0);
    writer = reader;
    start(&t, write_much);
    while (id < ROUNDS) {
        while (tine__link_peek(&reader, &r, &payload, &length) == 0) {
            CHECK_EQ(r.id, ++id);
            tine__link_next(&reader);
            dawdle(&seed);
        }
        bell_arm(&bell, BELL_PRESSURE);
        if (!tine__link_pending(&reader) && id < ROUNDS)
            CHECK_EQ(poll(&p, 1, -1), 1);
        bell_disarm(&bell);
        tine__bell_clear(bell.fd);
    }
    pthread_join(t, NULL);
    close(bell.fd);
    tine__link_close(&reader);
}

/* --- what comes while nobody sleeps ------------------------------------------------------------------ */

/* One record needs the sleeper at once; it looks only for a ring that is filling up. The other bell is that of threads
** that look for everything. */
static void pressure_before_the_bell_is_armed(void) {
    _Atomic uint32_t words[2] = {BELL_OFF, BELL_OFF};
    struct bell manager = {&words[0], tine__fd_event()}, waiter = {&words[1], tine__fd_event()};
    struct pollfd p = {manager.fd, POLLIN, 0};
    CHECK(bell_arm(&manager, BELL_PRESSURE));
    CHECK_EQ(tine__bell_ring_both(&waiter, &manager, BELL_PRESSURE), BELL_RUNG);
    CHECK_EQ(tine__bell_ring_both(&waiter, &manager, BELL_RESULT), BELL_QUIET);
    tine__bell_clear(manager.fd);
    CHECK(bell_arm(&manager, BELL_PRESSURE)); /* a result can wait */
    CHECK_EQ(tine__bell_ring_either(&manager, &waiter, BELL_PRESSURE), BELL_RUNG);
    CHECK_EQ(tine__bell_ring_either(&manager, &waiter, BELL_PRESSURE), BELL_QUIET);
    CHECK_EQ(tine__bell_ring_both(&waiter, &manager, BELL_PRESSURE), BELL_QUIET);
    tine__bell_clear(manager.fd);
    CHECK(!bell_arm(&manager, BELL_PRESSURE));
    CHECK_EQ(poll(&p, 1, 0), 0);
    CHECK(bell_arm(&manager, BELL_PRESSURE)); /* it has looked */
    CHECK_EQ(tine__bell_ring_both(&waiter, &manager, BELL_PRESSURE), BELL_RUNG);
    CHECK_EQ(poll(&p, 1, 0), 1);
    close(manager.fd);
    close(waiter.fd);
}

/* --- the last slot that is freed, and the wish for room --------------------------------------------- */

static atomic_bool hold;

static void *free_and_tell(void *arg) {
    struct queue q = side;
    unsigned long long seed = 12;
    uint64_t seq;
    (void)arg;
    do
        while (tine__queue_take(&q, 3, &seq)) {
            while (atomic_load_explicit(&hold, memory_order_relaxed))
                sched_yield();
            dawdle(&seed);
            tine__queue_free(&q, 3, seq, &asked);
            if (tine__queue_is_low(&q))
                ring_one(&bell, BELL_PRESSURE);
        }
    while (tine__queue_wait(&q, 3, 0, UINT64_MAX) == 0);
    return NULL;
}

/* All slots are free but the next one, which the worker has. */
static void fill_behind_a_taken_item(void) {
    struct queue_slot s = {.call = {.count = 1}};
    atomic_store(&hold, true);
    uint64_t first = put(0), seq;
    tine__queue_wake(&queue);
    while (state_of_item(first) != SLOT_TAKEN)
        sched_yield();
    while (tine__queue_put(&queue, &s.call, s.bytes, 0, &seq, NULL) == 0)
        CHECK(tine__queue_withdraw(&queue, seq));
    atomic_store(&hold, false);
}

/* Nobody else will ever tell that there is room. */
static void room_for_a_submitter(void) {
    struct queue_slot s = {.call = {.count = 1}};
    unsigned long long seed = 13;
    _Atomic uint32_t word = BELL_OFF;
    uint64_t seq;
    pthread_t t;
    open_queue();
    bell = (struct bell){&word, tine__fd_event()};
    struct pollfd p = {bell.fd, POLLIN, 0};
    start(&t, free_and_tell);
    for (unsigned round = 0; round < ROUNDS / 40; round++) {
        fill_behind_a_taken_item();
        dawdle(&seed);
        for (;;) {
            bell_arm(&bell, BELL_PRESSURE);
            tine__queue_want_low(&queue, QUEUE_SLOTS / 4);
            if (tine__queue_put(&queue, &s.call, s.bytes, 0, &seq, NULL) == 0)
                break;
            CHECK_EQ(poll(&p, 1, -1), 1);
            tine__bell_clear(bell.fd);
        }
        tine__queue_wake(&queue);
        while (state_of_item(seq) != SLOT_FREE)
            sched_yield();
    }
    tine__queue_shut(&queue);
    pthread_join(t, NULL);
    close(bell.fd);
    tine__queue_close(&queue);
}

/* --- wakeup ----------------------------------------------------------------------------------------- */

static struct wakeup wakeup;
static atomic_uint round_, work_done;

/* One piece of work a round. */
static void *send_each_round(void *arg) {
    unsigned long long seed = (uintptr_t)&arg;
    for (unsigned r = 1; r <= ROUNDS / 4; r++) {
        while (atomic_load_explicit(&round_, memory_order_relaxed) < r)
            sched_yield();
        dawdle(&seed);
        atomic_fetch_add_explicit(&work_done, 1, memory_order_relaxed);
        tine__wakeup_send(&wakeup);
    }
    return NULL;
}

static void no_wakeup_is_lost(void) {
    pthread_t t[2];
    CHECK_EQ(tine__wakeup_open(&wakeup), 0);
    struct pollfd p = {wakeup.fd, POLLIN, 0};
    for (int i = 0; i < 2; i++)
        start(&t[i], send_each_round);
    for (unsigned r = 1; r <= ROUNDS / 4; r++) {
        atomic_store(&round_, r);
        while (atomic_load_explicit(&work_done, memory_order_relaxed) < 2 * r) {
            if (r % 2) /* it may also be cleared when nothing was sent */
                CHECK_EQ(poll(&p, 1, -1), 1);
            else
                sched_yield();
            tine__wakeup_clear(&wakeup);
        }
    }
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    tine__wakeup_close(&wakeup);
}

static void *send_often(void *arg) {
    for (int i = 0; i < 20000; i++) {
        atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
        tine__wakeup_send(&wakeup);
    }
    return arg;
}

static void closing_against_late_senders(void) {
    pthread_t t[2];
    uint64_t count;
    atomic_store(&taken, 0);
    CHECK_EQ(tine__wakeup_open(&wakeup), 0);
    for (int i = 0; i < 2; i++)
        start(&t[i], send_often);
    while (atomic_load_explicit(&taken, memory_order_relaxed) < 5000)
        tine__wakeup_clear(&wakeup);
    int old = atomic_load(&wakeup.fd);
    tine__wakeup_close(&wakeup);
    int fd = tine__fd_event();
    CHECK_EQ(fd, old);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    CHECK_EQ(read(fd, &count, sizeof count), -1); /* nobody wrote into somebody else's */
    close(fd);
}

int main(void) {
    an_item_for_a_sleeper();
    two_items_for_spinners();
    withdraw_against_take();
    room_for_a_blocked_writer();
    pressure_before_the_bell_is_armed();
    room_for_a_submitter();
    no_wakeup_is_lost();
    closing_against_late_senders();
    return 0;
}

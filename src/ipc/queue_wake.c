/* Which workers are woken for new items (ipc/queue.h). */
#include <stdatomic.h>

#include "base/clock.h"
#include "base/hot.h"
#include "base/sys.h"
#include "ipc/futex.h"
#include "ipc/queue_layout.h"

#define FRESH 10000ull /* ns: a spinner that looked so lately is looking still */
/* ns: a woken worker comes within this time unless it is kept from the processor */
#define COMING 100000ull
#define WATCH_LATE \
    100000u /* ns: how much too late a short sleep may end (timer slack, a busy processor) */

static bool is_taken(const struct spinner *s) {
    return atomic_load_explicit(&s->worker, memory_order_relaxed) != 0;
}

static uint64_t beat_of(const struct spinner *s) {
    return atomic_load_explicit(&s->beat, memory_order_relaxed);
}

/* Note that the worker is on its way. It replaces the one that was woken longest ago. */
static void expect(struct queue *q, unsigned worker) {
    struct spinner *seat = q->k->coming;
    for (struct spinner *s = seat + 1; s < q->k->coming + QUEUE_COMING; s++)
        if (is_taken(seat) && (!is_taken(s) || beat_of(s) < beat_of(seat)))
            seat = s;
    atomic_store_explicit(&seat->beat, tine__now(), memory_order_relaxed);
    atomic_store_explicit(&seat->worker, worker, memory_order_relaxed);
}

bool tine__queue_unexpect(struct queue *q, unsigned worker) {
    bool expected = false;
    for (struct spinner *s = q->k->coming; s < q->k->coming + QUEUE_COMING; s++) {
        expected |= atomic_load_explicit(&s->worker, memory_order_relaxed) == worker;
        tine__queue_leave_seat(&s->worker, worker);
    }
    return expected;
}

static void rouse(struct queue *q, unsigned worker) {
    atomic_store_explicit(&q->k->wake[worker], 1, memory_order_release);
    futex_wake(&q->k->wake[worker], 1);
}

/* A worker that sleeps; 0: none does. */
static unsigned first_sleeper(const struct queue *q) {
    uint64_t groups = atomic_load_explicit(&q->k->groups, memory_order_relaxed);
    for (; groups; groups &= groups - 1) {
        unsigned group = (unsigned)__builtin_ctzll(groups);
        uint64_t bits = atomic_load_explicit(&q->k->sleepers[group], memory_order_relaxed);
        if (bits)
            return group * 64 + (unsigned)__builtin_ctzll(bits);
    }
    return 0;
}

/* Whoever clears the bit wakes the worker, so each sleep is ended once. */
static bool wake_one(struct queue *q) {
    unsigned worker;
    while ((worker = first_sleeper(q)) != 0) {
        uint64_t bit = (uint64_t)1 << worker % 64;
        expect(q, worker);
        /* acquire: the sleeper's 0 in its futex comes before our 1; release: the sleeper
        ** sees that it is expected */
        if (atomic_fetch_and_explicit(&q->k->sleepers[worker / 64], ~bit, memory_order_acq_rel) &
            bit) {
            rouse(q, worker);
            return true;
        }
        /* The worker has got up by itself. Because it was noted as on its way, items may have been
        ** left to it that were put after it had looked. So another worker is woken in its place,
        ** even one that began to sleep before those items were put. */
        tine__queue_unexpect(q, worker);
        store_then_look();
    }
    return false;
}

HOT bool tine__queue_wake_some(struct queue *q, unsigned n) {
    while (n > 0 && wake_one(q))
        n--;
    return n == 0;
}

bool tine__queue_wake(struct queue *q) {
    /* fence: first items, then sleepers; the sleeper: first its bit, then items */
    store_then_look();
    return wake_one(q);
}

void tine__queue_wake_all(struct queue *q) {
    store_then_look();
    /* A worker that meanwhile goes to sleep again has looked after our stores. One wake for each
    ** worker at most: the loop must not chase it. */
    tine__queue_wake_some(q, QUEUE_MAX_WORKERS);
}

void tine__queue_wake_worker(struct queue *q, unsigned worker) {
    uint64_t bit = (uint64_t)1 << worker % 64;
    store_then_look();
    /* It comes for news, so it is not noted as on its way, and no item is left to it. */
    if (atomic_fetch_and_explicit(&q->k->sleepers[worker / 64], ~bit, memory_order_acq_rel) & bit)
        rouse(q, worker);
}

bool tine__queue_sleeps(const struct queue *q) {
    uint64_t groups = atomic_load_explicit(&q->k->groups, memory_order_relaxed);
    for (; groups; groups &= groups - 1)
        if (atomic_load_explicit(&q->k->sleepers[__builtin_ctzll(groups)], memory_order_relaxed))
            return true;
    return false;
}

/* --- workers that look without being woken --- */

/* Was the time stamp made within the last `within` ns? A stamp slightly in the future counts, too:
** its process read the clock after us. */
static bool is_within(const struct spinner *s, uint64_t now, uint64_t within) {
    return is_taken(s) && now - beat_of(s) + FRESH < within + FRESH;
}

bool tine__queue_spins(const struct spinner *s, uint64_t now) {
    return is_within(s, now, FRESH);
}

unsigned tine__queue_spinners(const struct queue *q, uint64_t now) {
    unsigned n = 1; /* two on their way count as one: the other may be stopped */
    for (const struct spinner *s = q->k->coming; s < q->k->coming + QUEUE_COMING; s++)
        n &= is_within(s, now, COMING);
    for (const struct spinner *s = q->k->spinner; s < q->k->spinner + QUEUE_SPINNERS; s++)
        n += tine__queue_spins(s, now);
    return n;
}

bool tine__queue_is_watched(const struct queue *q, uint64_t now) {
    const struct watcher *w = &q->k->watcher;
    /* neither late, nor further in the future than a watch lasts: that would be rubbish */
    return atomic_load_explicit(&w->worker, memory_order_relaxed) &&
           atomic_load_explicit(&w->until, memory_order_relaxed) + WATCH_LATE - now <=
               QUEUE_WATCH + WATCH_LATE + FRESH;
}

HOT bool tine__queue_announce(struct queue *q, unsigned n, bool left, uint64_t now) {
    /* fence: first items, then spinners, watcher and sleepers; the workers: first they change their
    ** state, then look for items */
    store_then_look();
    unsigned spinners = tine__queue_spinners(q, now);
    if (spinners == 0 && left && tine__queue_sleeps(q) && tine__queue_ready(q, n + 1) > n)
        n++; /* the woken worker passes on what it finds */
    if (n > spinners && tine__queue_is_watched(q, now)) {
        _Atomic uint32_t *spared = &q->k->spared; /* written by the submitter alone */
        atomic_store_explicit(spared, atomic_load_explicit(spared, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        return true;
    }
    if (n > spinners)
        tine__queue_wake_some(q, n - spinners);
    return spinners > 0;
}

/* --- a worker has stopped waiting --- */

void tine__queue_wakes(struct queue *q, unsigned worker) {
    _Atomic uint64_t *sleepers = &q->k->sleepers[worker / 64];
    uint64_t bit = (uint64_t)1 << worker % 64;
    /* acquire: whoever cleared the bit has noted that we are on our way */
    if (atomic_load_explicit(sleepers, memory_order_acquire) & bit)
        atomic_fetch_and_explicit(sleepers, ~bit, memory_order_acquire);
}

void tine__queue_leave_seat(_Atomic uint32_t *seat, unsigned worker) {
    uint32_t expected = worker;
    if (atomic_load_explicit(seat, memory_order_relaxed) == worker)
        atomic_compare_exchange_strong_explicit(seat, &expected, 0, memory_order_relaxed,
                                                memory_order_relaxed);
}

void tine__queue_forget(struct queue *q, unsigned worker) {
    tine__queue_wakes(q, worker);
    tine__queue_leave_seat(&q->k->watcher.worker, worker);
    tine__queue_unexpect(q, worker);
    for (unsigned i = 0; i < QUEUE_SPINNERS; i++)
        tine__queue_leave_seat(&q->k->spinner[i].worker, worker);
}

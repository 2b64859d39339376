/* Who is woken for items (ipc/queue.h). */
#include <stdatomic.h>

#include "base/clock.h"
#include "base/hot.h"
#include "base/sys.h"
#include "ipc/futex.h"
#include "ipc/queue_layout.h"

#define FRESH 10000ull   /* ns: who has looked so lately looks again at once */
#define COMING 100000ull /* ns: who was woken has come, if nothing keeps it from the processor */
#define WATCH_LATE \
    100000u /* ns: so late does a short sleep end, by the kernel's slack and a busy processor */

static bool is_taken(const struct spinner *s) {
    return atomic_load_explicit(&s->worker, memory_order_relaxed) != 0;
}

static uint64_t beat_of(const struct spinner *s) {
    return atomic_load_explicit(&s->beat, memory_order_relaxed);
}

/* It is on its way, instead of who was woken longest ago. */
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

/* The first that sleeps; 0: nobody does. */
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

/* Who clears the bit wakes, so each sleep is ended once. */
static bool wake_one(struct queue *q) {
    unsigned worker;
    while ((worker = first_sleeper(q)) != 0) {
        uint64_t bit = (uint64_t)1 << worker % 64;
        expect(q, worker);
        /* acquire: the sleeper's zero in its futex word comes before our 1; release: it sees that it was expected */
        if (atomic_fetch_and_explicit(&q->k->sleepers[worker / 64], ~bit, memory_order_acq_rel) &
            bit) {
            rouse(q, worker);
            return true;
        }
        /* It has got up by itself, and may have looked before items were left to it, as to one that comes: we wake another
        ** one for them, whoever has begun to sleep before they were put. */
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
    store_then_look(); /* items, then sleepers; the sleeper: its bit, then items */
    return wake_one(q);
}

void tine__queue_wake_all(struct queue *q) {
    store_then_look();
    /* A worker that goes to sleep again meanwhile has looked after our stores: at most one wake for
    ** each keeps this from running after it. */
    tine__queue_wake_some(q, QUEUE_MAX_WORKERS);
}

bool tine__queue_sleeps(const struct queue *q) {
    uint64_t groups = atomic_load_explicit(&q->k->groups, memory_order_relaxed);
    for (; groups; groups &= groups - 1)
        if (atomic_load_explicit(&q->k->sleepers[__builtin_ctzll(groups)], memory_order_relaxed))
            return true;
    return false;
}

/* --- who looks without being woken --- */

/* Is somebody there who looked, or was woken, within so many ns, or (by who has read the clock after us) a moment from
** now? */
static bool is_within(const struct spinner *s, uint64_t now, uint64_t within) {
    return is_taken(s) && now - beat_of(s) + FRESH < within + FRESH;
}

bool tine__queue_spins(const struct spinner *s, uint64_t now) {
    return is_within(s, now, FRESH);
}

unsigned tine__queue_spinners(const struct queue *q, uint64_t now) {
    unsigned n = 1; /* two that come count as one: it may be the other that is stopped */
    for (const struct spinner *s = q->k->coming; s < q->k->coming + QUEUE_COMING; s++)
        n &= is_within(s, now, COMING);
    for (const struct spinner *s = q->k->spinner; s < q->k->spinner + QUEUE_SPINNERS; s++)
        n += tine__queue_spins(s, now);
    return n;
}

bool tine__queue_is_watched(const struct queue *q, uint64_t now) {
    const struct watcher *w = &q->k->watcher;
    /* Neither one that is late, nor one that would be long asleep: rubbish. */
    return atomic_load_explicit(&w->worker, memory_order_relaxed) &&
           atomic_load_explicit(&w->until, memory_order_relaxed) + WATCH_LATE - now <=
               QUEUE_WATCH + WATCH_LATE + FRESH;
}

HOT bool tine__queue_announce(struct queue *q, unsigned n, bool left, uint64_t now) {
    /* items, then who spins, watches and sleeps; they: that they do so no more, or do, then items */
    store_then_look();
    unsigned spinners = tine__queue_spinners(q, now);
    if (spinners == 0 && left && tine__queue_sleeps(q) && tine__queue_ready(q) > n)
        n++; /* who comes passes on what it finds */
    if (n > spinners && tine__queue_is_watched(q, now)) {
        _Atomic uint32_t *spared = &q->k->spared; /* only we write it */
        atomic_store_explicit(spared, atomic_load_explicit(spared, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        return true;
    }
    if (n > spinners)
        tine__queue_wake_some(q, n - spinners);
    return spinners > 0;
}

/* --- a worker is not waiting any more --- */

void tine__queue_wakes(struct queue *q, unsigned worker) {
    _Atomic uint64_t *sleepers = &q->k->sleepers[worker / 64];
    uint64_t bit = (uint64_t)1 << worker % 64;
    /* acquire: who has cleared it expects us */
    if (atomic_load_explicit(sleepers, memory_order_acquire) & bit)
        atomic_fetch_and_explicit(sleepers, ~bit, memory_order_acquire);
}

void tine__queue_leave_seat(_Atomic uint32_t *seat, unsigned worker) {
    uint32_t it = worker;
    if (atomic_load_explicit(seat, memory_order_relaxed) == worker)
        atomic_compare_exchange_strong_explicit(seat, &it, 0, memory_order_relaxed,
                                                memory_order_relaxed);
}

void tine__queue_forget(struct queue *q, unsigned worker) {
    tine__queue_wakes(q, worker);
    tine__queue_leave_seat(&q->k->watcher.worker, worker);
    tine__queue_unexpect(q, worker);
    for (unsigned i = 0; i < QUEUE_SPINNERS; i++)
        tine__queue_leave_seat(&q->k->spinner[i].worker, worker);
}

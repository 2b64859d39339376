/* How workers wait for items, and who wakes them (ipc/queue.h). */
#include <stdatomic.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "base/yield.h"
#include "ipc/futex.h"
#include "ipc/queue_layout.h"

#define FRESH 10000u /* ns: who has looked so lately looks again at once */
#define IN_VAIN 4    /* so many spins in a row that ended in sleep are no accident: */
#define ONE_OF 16    /* then only one wait of so many begins with one */

/* --- the submitter's side --- */

static void rouse(struct queue *q, unsigned worker) {
    atomic_store_explicit(&q->k->wake[worker], 1, memory_order_release);
    futex_wake(&q->k->wake[worker], 1);
}

/* Wake the first sleeper of a group. Who clears the bit wakes, so each sleep is ended once. */
static bool wake_in(struct queue *q, unsigned group) {
    _Atomic uint64_t *sleepers = &q->k->sleepers[group];
    uint64_t bits;
    while ((bits = atomic_load_explicit(sleepers, memory_order_relaxed)) != 0) {
        uint64_t bit = bits & -bits;
        /* acquire: the sleeper's zero in its futex word comes before our 1 */
        if (atomic_fetch_and_explicit(sleepers, ~bit, memory_order_acquire) & bit) {
            rouse(q, group * 64 + (unsigned)__builtin_ctzll(bit));
            return true;
        }
    }
    return false;
}

static bool wake_one(struct queue *q) {
    uint64_t groups = atomic_load_explicit(&q->k->groups, memory_order_relaxed);
    for (; groups; groups &= groups - 1)
        if (wake_in(q, (unsigned)__builtin_ctzll(groups)))
            return true;
    return false;
}

bool tine__queue_wake(struct queue *q) {
    store_then_look(); /* items, then sleepers; the sleeper: its bit, then items */
    return wake_one(q);
}

void tine__queue_wake_all(struct queue *q) {
    store_then_look();
    /* A worker that goes to sleep again meanwhile has looked after our stores: at most one wake for
    ** each keeps this from running after it. */
    for (unsigned n = 0; n < QUEUE_MAX_WORKERS && wake_one(q); n++)
        ;
}

bool tine__queue_sleeps(const struct queue *q) {
    uint64_t groups = atomic_load_explicit(&q->k->groups, memory_order_relaxed);
    for (; groups; groups &= groups - 1)
        if (atomic_load_explicit(&q->k->sleepers[__builtin_ctzll(groups)], memory_order_relaxed))
            return true;
    return false;
}

_Static_assert(QUEUE_SPINNERS == 2, "the two that are looked at here");

/* How many workers are just looking for items. One that was stopped, or is kept from the processor, is not. */
static unsigned count_spinners(const struct queue *q) {
    const struct spinner *s = q->k->spinner;
    uint32_t first = atomic_load_explicit(&s[0].worker, memory_order_relaxed);
    uint32_t second = atomic_load_explicit(&s[1].worker, memory_order_relaxed);
    if (!(first | second))
        return 0;
    uint64_t now = tine__now();
    return (first && now - atomic_load_explicit(&s[0].beat, memory_order_relaxed) < FRESH) +
           (second && now - atomic_load_explicit(&s[1].beat, memory_order_relaxed) < FRESH);
}

bool tine__queue_announce(struct queue *q, unsigned n) {
    /* items, then who spins and who sleeps; they: that they do so no more, or do, then items */
    store_then_look();
    unsigned spinners = count_spinners(q);
    while (n > spinners && wake_one(q))
        n--;
    return spinners > 0;
}

/* --- both sides: a worker is not waiting any more --- */

static void no_sleeper(struct queue *q, unsigned worker) {
    _Atomic uint64_t *sleepers = &q->k->sleepers[worker / 64];
    uint64_t bit = (uint64_t)1 << worker % 64;
    if (atomic_load_explicit(sleepers, memory_order_relaxed) & bit)
        atomic_fetch_and_explicit(sleepers, ~bit, memory_order_relaxed);
}

static void no_spinner(struct spinner *s, unsigned worker) {
    uint32_t it = worker;
    if (atomic_load_explicit(&s->worker, memory_order_relaxed) == worker)
        atomic_compare_exchange_strong_explicit(&s->worker, &it, 0, memory_order_relaxed,
                                                memory_order_relaxed);
}

void tine__queue_forget(struct queue *q, unsigned worker) {
    no_sleeper(q, worker);
    for (unsigned i = 0; i < QUEUE_SPINNERS; i++)
        no_spinner(&q->k->spinner[i], worker);
}

/* --- a worker's side --- */

/* 0: there is an item. TINE_ESHUTDOWN, TINE_EAGAIN: none, and none will come / not yet. */
static int look(struct queue *q) {
    uint64_t word;
    if (tine__queue_has_told(q))
        return 0;
    /* First the flag: what was put before it was set is seen after it. */
    bool closing = atomic_load_explicit(&q->c->closing, memory_order_acquire);
    if (tine__queue_find(q, &word))
        return 0;
    return closing ? TINE_ESHUTDOWN : TINE_EAGAIN;
}

/* A seat among those that spin. NULL: enough do, or it would not pay. */
static struct spinner *begin_to_spin(struct queue *q, unsigned worker) {
    if (q->in_vain >= IN_VAIN && ++q->in_vain % ONE_OF)
        return NULL;
    for (unsigned i = 0; i < QUEUE_SPINNERS; i++) {
        struct spinner *s = &q->k->spinner[i];
        uint32_t nobody = 0;
        if (atomic_load_explicit(&s->worker, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&s->worker, &nobody, worker,
                                                    memory_order_relaxed, memory_order_relaxed))
            return s;
    }
    return NULL;
}

/* What was left to the spinner that has not been woken for it: one item it takes itself, unless it is told something, and
** does that first. */
static void pass_on(struct queue *q) {
    store_then_look(); /* no spinner, then items; the submitter: items, then spinners */
    if (tine__queue_ready(q) > (tine__queue_has_told(q) ? 0 : 1) && count_spinners(q) == 0)
        wake_one(q);
}

/* Give the processor away for up to `spin` ns, looking in between: the peer that would make the
** next item may need this very core. */
static int spin_and_look(struct queue *q, unsigned worker, uint64_t spin) {
    struct yield y;
    int r = look(q);
    bool more = r == TINE_EAGAIN && tine__yield_begin(&y, spin);
    struct spinner *s = more ? begin_to_spin(q, worker) : NULL;
    if (!s)
        return r;
    while (more && r == TINE_EAGAIN) {
        atomic_store_explicit(&s->beat, y.now, memory_order_relaxed);
        KILL_POINT("spinning");
        more = tine__yield(&y);
        if ((r = look(q)) == 0)
            tine__yield_news(&y, y.slow && tine__queue_ready(q) > 1);
    }
    q->in_vain = r == TINE_EAGAIN ? q->in_vain + 1 : 0;
    no_spinner(s, worker);
    KILL_POINT("spun");
    pass_on(q);
    return r;
}

static void announce_sleeper(struct queue *q, unsigned worker) {
    atomic_store_explicit(&q->k->wake[worker], 0, memory_order_relaxed);
    /* release: who finds the bit writes its 1 after our 0 */
    atomic_fetch_or_explicit(&q->k->sleepers[worker / 64], (uint64_t)1 << worker % 64,
                             memory_order_release);
    uint64_t group = (uint64_t)1 << worker / 64;
    if (!(atomic_load_explicit(&q->k->groups, memory_order_relaxed) & group))
        atomic_fetch_or_explicit(&q->k->groups, group, memory_order_relaxed);
    store_then_look();
}

static int sleep_and_look(struct queue *q, unsigned worker, uint64_t patience) {
    announce_sleeper(q, worker);
    KILL_POINT("announced");
    int r = look(q);
    if (r == TINE_EAGAIN) {
        if (patience == UINT64_MAX)
            futex_wait(&q->k->wake[worker], 0);
        else
            futex_wait_for(&q->k->wake[worker], 0, patience);
        KILL_POINT("woken");
        r = look(q);
    }
    no_sleeper(q, worker);
    return r;
}

int tine__queue_wait(struct queue *q, unsigned worker, uint64_t spin, uint64_t patience) {
    int r = patience ? spin_and_look(q, worker, spin) : look(q);
    if (r == TINE_EAGAIN && patience)
        r = sleep_and_look(q, worker, patience);
    if (r != TINE_EAGAIN)
        return r;
    return patience == UINT64_MAX ? 0 : TINE_ETIMEOUT;
}

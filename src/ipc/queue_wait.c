/* How workers wait for items (ipc/queue.h). */
#include <stdatomic.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "base/yield.h"
#include "ipc/futex.h"
#include "ipc/queue_layout.h"

#define IN_VAIN 4    /* after this many spins in a row that ended in sleep a worker spins only */
#define ONE_OF 16    /* in one of this many waits */
#define SHORT 50000u /* ns: a sleep shorter than this costs more than it saves */
#define BRIEF 2      /* after this many short sleeps in a row a worker wants to be the watcher */
#define SPARED 4     /* a watch that saves at least this many wakes is worth another */

/* 0: there is an item, or news. TINE_EAGAIN: nothing yet. TINE_ESHUTDOWN: nothing,
** and nothing will come. */
static int look(struct queue *q) {
    uint64_t word;
    if (tine__queue_has_told(q))
        return 0;
    /* Read the flag first: items put before it was set are then visible. */
    bool closing = atomic_load_explicit(&q->c->closing, memory_order_acquire);
    if (tine__queue_find(q, &word))
        return 0;
    return closing ? TINE_ESHUTDOWN : TINE_EAGAIN;
}

static bool replace(_Atomic uint32_t *seat, uint32_t other, unsigned worker) {
    return atomic_compare_exchange_strong_explicit(seat, &other, worker, memory_order_relaxed,
                                                   memory_order_relaxed);
}

/* Take a seat if it is free. */
static bool sit_down(_Atomic uint32_t *seat, unsigned worker) {
    return atomic_load_explicit(seat, memory_order_relaxed) == 0 && replace(seat, 0, worker);
}

/* --- spinning --- */

/* Take a seat among the spinners, perhaps that of a worker that is kept from the processor; that
** worker then gives up spinning. NULL: enough workers spin, or spinning has not paid of late. */
static struct spinner *begin_to_spin(struct queue *q, unsigned worker, uint64_t now) {
    if (q->in_vain >= IN_VAIN && ++q->in_vain % ONE_OF)
        return NULL;
    for (struct spinner *s = q->k->spinner; s < q->k->spinner + QUEUE_SPINNERS; s++) {
        uint32_t other = atomic_load_explicit(&s->worker, memory_order_relaxed);
        if (!tine__queue_spins(s, now) && replace(&s->worker, other, worker))
            return s;
    }
    return NULL;
}

static bool has_seat(const struct spinner *s, unsigned worker) {
    return atomic_load_explicit(&s->worker, memory_order_relaxed) == worker;
}

/* Are there items that nobody was woken for, because we were spinning or on our way, and that we do
** not take ourselves? We take one, unless there is news for us, which comes first. */
static bool are_left_to_others(struct queue *q) {
    /* fence: first we leave our seat, then look for items; the submitter: first items, then
    ** seats */
    store_then_look();
    unsigned ready = tine__queue_ready(q, 2);
    return ready > 1 || (ready == 1 && tine__queue_has_told(q));
}

/* Wake one worker if items are left to nobody. That one does the same when it comes, so as many get
** up as there is work for. */
static void wake_next(struct queue *q) {
    if (are_left_to_others(q) && tine__queue_spinners(q, tine__now()) == 0)
        tine__queue_wake_some(q, 1);
}

static void pass_on(struct queue *q) {
    if (are_left_to_others(q) && !tine__queue_is_watched(q, tine__now()))
        wake_next(q);
}

/* Yield the processor for up to `spin` ns, looking in between: the process that would make the next
** item may need this very core. */
static int spin_and_look(struct queue *q, unsigned worker, uint64_t spin) {
    struct yield y;
    int r = look(q);
    bool more = r == TINE_EAGAIN && tine__yield_begin(&y, spin);
    struct spinner *s = more ? begin_to_spin(q, worker, y.now) : NULL;
    if (!s)
        return r;
    while (more && r == TINE_EAGAIN && has_seat(s, worker)) {
        atomic_store_explicit(&s->beat, y.now, memory_order_relaxed);
        KILL_POINT("spinning");
        more = tine__yield(&y);
        if ((r = look(q)) == 0)
            tine__yield_news(&y, y.slow && tine__queue_ready(q, 2) > 1);
    }
    q->in_vain = r == TINE_EAGAIN ? q->in_vain + 1 : 0;
    tine__queue_leave_seat(&s->worker, worker);
    KILL_POINT("spun");
    pass_on(q);
    return r;
}

/* --- sleeping --- */

static void announce_sleeper(struct queue *q, unsigned worker) {
    atomic_store_explicit(&q->k->wake[worker], 0, memory_order_relaxed);
    /* release: whoever sees the bit writes its 1 after our 0 */
    atomic_fetch_or_explicit(&q->k->sleepers[worker / 64], (uint64_t)1 << worker % 64,
                             memory_order_release);
    uint64_t group = (uint64_t)1 << worker / 64;
    if (!(atomic_load_explicit(&q->k->groups, memory_order_relaxed) & group))
        atomic_fetch_or_explicit(&q->k->groups, group, memory_order_relaxed);
    store_then_look();
}

/* Sleep for one watch. If an item was there before and still is, wake another worker for it. False:
** watching has not paid, or this worker itself is needed. */
static bool keep_watch(struct queue *q, unsigned worker) {
    uint64_t word, tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    uint32_t spared = atomic_load_explicit(&q->k->spared, memory_order_relaxed);
    atomic_store_explicit(&q->k->watcher.until, tine__now() + QUEUE_WATCH, memory_order_relaxed);
    KILL_POINT("watching");
    futex_wait_for(&q->k->watcher.worker, worker, QUEUE_WATCH);
    if (tine__queue_has_told(q))
        return false;
    if (!tine__queue_find(q, &word) || (int64_t)(tail - q->from) <= 0)
        return atomic_load_explicit(&q->k->spared, memory_order_relaxed) - spared >= SPARED;
    return tine__queue_wake_some(q, 1);
}

/* When other workers take items as fast as they come, a sleeper would be woken for each all the
** same. One of the sleepers becomes the watcher, so that nobody is woken. */
static int watch(struct queue *q, unsigned worker) {
    if (q->brief < BRIEF || !sit_down(&q->k->watcher.worker, worker))
        return look(q);
    q->brief = 0;
    while (keep_watch(q, worker))
        ;
    tine__queue_leave_seat(&q->k->watcher.worker, worker);
    KILL_POINT("watched");
    wake_next(q);
    return look(q);
}

static void sleep_for(struct queue *q, unsigned worker, uint64_t patience) {
    if (patience != UINT64_MAX) {
        futex_wait_for(&q->k->wake[worker], 0, patience);
        return;
    }
    uint64_t since = tine__now();
    futex_wait(&q->k->wake[worker], 0);
    q->brief = tine__now() - since < SHORT ? q->brief + 1 : 0;
}

/* This worker was woken, and for items that were put since then nobody else was. */
static void arrive(struct queue *q, unsigned worker) {
    if (tine__queue_unexpect(q, worker))
        wake_next(q);
}

static int sleep_and_look(struct queue *q, unsigned worker, uint64_t patience) {
    announce_sleeper(q, worker);
    KILL_POINT("announced");
    int r = look(q);
    if (r == TINE_EAGAIN) {
        sleep_for(q, worker, patience);
        KILL_POINT("woken");
        r = look(q);
    }
    tine__queue_wakes(q, worker);
    arrive(q, worker);
    return r;
}

int tine__queue_wait(struct queue *q, unsigned worker, uint64_t spin, uint64_t patience) {
    int r = patience ? spin_and_look(q, worker, spin) : look(q);
    if (r == TINE_EAGAIN && patience == UINT64_MAX)
        r = watch(q, worker);
    if (r == TINE_EAGAIN && patience)
        r = sleep_and_look(q, worker, patience);
    if (r != TINE_EAGAIN)
        return r;
    return patience == UINT64_MAX ? 0 : TINE_ETIMEOUT;
}

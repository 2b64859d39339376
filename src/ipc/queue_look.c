/* Looking for items in the call queue (ipc/queue.h), for both sides. */
#include <stdatomic.h>
#include <stddef.h>

#include "ipc/queue_layout.h"

/* The walk ends at a word of the round before. So the tail, on a cache line that the submitter
** writes for each item, is not read. */
_Atomic uint64_t *tine__queue_find(struct queue *q, uint64_t *word) {
    for (;;) {
        _Atomic uint64_t *s = state_of(q, q->from);
        /* relaxed: whoever reads the slot first claims it, with acquire */
        *word = atomic_load_explicit(s, memory_order_relaxed);
        int64_t age = newer(*word, q->from);
        if (age < 0)
            return NULL;
        if (age == 0 && state_in(*word) == SLOT_READY)
            return s;
        q->from++;
        /* overtaken by a round or more: items older than the last QUEUE_SLOTS are gone */
        if (age > 0) {
            uint64_t tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
            if ((int64_t)(tail - QUEUE_SLOTS - q->from) > 0)
                q->from = tail - QUEUE_SLOTS;
            /* a word of an item that was never put: rubbish */
            else if ((int64_t)(q->from - tail) > 0)
                return q->from = tail, NULL;
        }
    }
}

/* The READY item of the lowest label from *seq, which is READY, up to `end`. */
static void find_lowest(const struct queue *q, uint64_t *seq, uint64_t end) {
    uint64_t lowest = label_of(q, *seq);
    for (uint64_t i = *seq + 1; i < end; i++) {
        uint64_t label = is_ready(q, i) ? label_of(q, i) : UINT64_MAX;
        if (label >= lowest)
            continue;
        lowest = label;
        *seq = i;
    }
}

_Atomic uint64_t *tine__queue_find_next(struct queue *q, uint64_t *seq, uint64_t *word) {
    _Atomic uint64_t *s = tine__queue_find(q, word);
    /* acquire: the labels of the items before this one */
    uint64_t mixed = atomic_load_explicit(&q->c->mixed, memory_order_acquire);
    *seq = q->from;
    if (!s || (int64_t)(mixed - *seq) <= 1)
        return s;
    find_lowest(q, seq, mixed - *seq < QUEUE_SLOTS ? mixed : *seq + QUEUE_SLOTS);
    *word = word_of(*seq, 0, SLOT_READY);
    return state_of(q, *seq);
}

bool tine__queue_has_few(struct queue *q, uint64_t n) {
    uint64_t word;
    if (!tine__queue_find(q, &word))
        return true;
    uint64_t tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    uint64_t mixed = atomic_load_explicit(&q->c->mixed, memory_order_relaxed);
    if ((int64_t)(tail - q->from) <= (int64_t)n)
        return true;
    /* where items are taken in their order, all from the first one on are READY */
    return (int64_t)(mixed - q->from) > 0 && tine__queue_ready(q) <= n;
}

unsigned tine__queue_ready(struct queue *q) {
    uint64_t word, tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    unsigned n = 0;
    if (!tine__queue_find(q, &word))
        return 0;
    for (uint64_t seq = q->from; seq < tail; seq++)
        n += is_ready(q, seq);
    return n;
}

bool tine__queue_has_told(const struct queue *q) {
    return atomic_load_explicit(&q->c->told, memory_order_relaxed) != q->heard;
}

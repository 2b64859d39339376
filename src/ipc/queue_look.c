/* Looking for items in the call queue (ipc/queue.h), for both sides. */
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

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

/* --- where labels count --- */

/* List an item that is READY, or note that it is not listed. */
static void list(struct next *l, uint64_t seq, uint64_t label) {
    unsigned i;
    if (label >= l->others)
        return;
    if (l->n == QUEUE_NEXT) { /* one item must go */
        l->others = label > l->item[0].label ? label : l->item[0].label;
        if (l->others == label)
            return;
        memmove(l->item, l->item + 1, --l->n * sizeof *l->item);
    }
    for (i = l->n++; i > 0 && l->item[i - 1].label < label; i--)
        l->item[i] = l->item[i - 1];
    l->item[i] = (struct next_item){label, seq};
}

/* Look at the items up to `end` that were not looked at, but at none after one that is not put
** yet. */
static void look_on(struct queue *q, uint64_t end) {
    struct next *l = &q->next;
    for (; (int64_t)(end - l->looked) > 0; l->looked++) {
        /* acquire: the label */
        uint64_t word = atomic_load_explicit(state_of(q, l->looked), memory_order_acquire);
        if (newer(word, l->looked) < 0)
            return;
        if (word == word_of(l->looked, 0, SLOT_READY))
            list(l, l->looked, label_of(q, l->looked));
    }
}

/* Find the READY item of the lowest label up to `end`. False: others have taken them all. */
static bool find_lowest(struct queue *q, uint64_t *seq, uint64_t end) {
    struct next *l = &q->next;
    if ((int64_t)(q->from - l->looked) > 0)
        l->looked = q->from;
    for (;;) {
        look_on(q, end);
        while (l->n > 0 && !is_ready(q, l->item[l->n - 1].seq))
            l->n--;
        if (l->n > 0) {
            *seq = l->item[l->n - 1].seq;
            return true;
        }
        if (l->others == UINT64_MAX)
            return false;
        l->looked = q->from;
        l->others = UINT64_MAX;
    }
}

_Atomic uint64_t *tine__queue_find_next(struct queue *q, uint64_t *seq, uint64_t *word) {
    _Atomic uint64_t *s = tine__queue_find(q, word);
    /* acquire: the labels of the items before this one */
    uint64_t mixed = atomic_load_explicit(&q->c->mixed, memory_order_acquire);
    *seq = q->from;
    if (!s || (int64_t)(mixed - *seq) <= 1)
        return s;
    if (!find_lowest(q, seq, mixed - *seq < QUEUE_SLOTS ? mixed : *seq + QUEUE_SLOTS))
        return s; /* another worker has taken it */
    *word = word_of(*seq, 0, SLOT_READY);
    return state_of(q, *seq);
}

/* --- how many --- */

bool tine__queue_has_few(struct queue *q, uint64_t n) {
    uint64_t word;
    if (!tine__queue_find(q, &word))
        return true;
    uint64_t tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    uint64_t mixed = atomic_load_explicit(&q->c->mixed, memory_order_relaxed);
    if ((int64_t)(tail - q->from) <= (int64_t)n)
        return true;
    /* where items are taken in their order, all from the first one on are READY */
    return (int64_t)(mixed - q->from) > 0 && tine__queue_ready(q, (unsigned)n + 1) <= n;
}

unsigned tine__queue_ready(struct queue *q, unsigned most) {
    uint64_t word, tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    unsigned n = 0;
    if (!tine__queue_find(q, &word))
        return 0;
    for (uint64_t seq = q->from; seq < tail && n < most; seq++)
        n += is_ready(q, seq);
    return n;
}

bool tine__queue_has_told(const struct queue *q) {
    return atomic_load_explicit(&q->c->told, memory_order_relaxed) != q->heard;
}

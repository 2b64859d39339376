#include "ipc/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "base/yield.h"
#include "ipc/futex.h"
#include "ipc/places.h"
#include "ipc/queue_layout.h"

/* --- both sides --- */

void tine__queue_close(struct queue *q) {
    tine__shm_close(&q->calls);
    tine__shm_close(&q->claims);
    free(q->places);
    *q = QUEUE_CLOSED;
}

_Atomic uint32_t *tine__queue_bell(struct queue *q, unsigned which) {
    assert(which < QUEUE_BELLS);
    return &q->k->bell[which].word;
}

static void use_maps(struct queue *q) {
    q->c = (struct queue_calls *)q->calls.base;
    q->k = (struct queue_claims *)q->claims.base;
}

/* --- the submitter's side --- */

int tine__queue_create(struct queue *q) {
    *q = QUEUE_CLOSED;
    if (tine__shm_create(&q->calls, "tine-calls", sizeof(struct queue_calls)))
        goto fail;
    if (tine__shm_create(&q->claims, "tine-claims", sizeof(struct queue_claims)))
        goto fail;
    /* Our own writable mapping exists; from now on nobody can make another one. */
    if (sys.fcntl(q->calls.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_GROW) == -1)
        goto fail;
    use_maps(q);
    atomic_store(&q->c->tail, FIRST_SEQ);
    q->from = FIRST_SEQ;
    q->places = tine__places_new(FIRST_SEQ);
    if (!q->places)
        goto fail;
    return 0;
fail:
    tine__queue_close(q);
    return TINE_ESYSTEM;
}

/* Describe the item whose state word is overwritten next, by that word. */
static void tell_past(const struct queue *q, uint64_t seq, struct queue_past *past) {
    uint64_t word = atomic_load_explicit(state_of(q, seq), memory_order_relaxed);
    past->seq = seq;
    past->ref = q->places->ref[seq % QUEUE_SLOTS];
    past->worker = newer(word, seq) == 0 ? worker_in(word) : 0;
}

/* The state words of this many items share a cache line. The words of the next line were last
** written by workers; fetching it takes as long as all the rest of a put, so it is prefetched. */
#define NEXT_LINE (64 / sizeof(uint64_t))

/* Find the READY item of the greatest label again. */
static void find_greatest(struct queue *q, uint64_t tail) {
    uint64_t word;
    q->greatest = 0;
    if (!tine__queue_find(q, &word))
        return;
    for (uint64_t seq = q->from; seq < tail; seq++) {
        if (!is_ready(q, seq) || label_of(q, seq) < q->greatest)
            continue;
        q->greatest = label_of(q, seq);
        q->last = seq;
    }
}

/* Is an item of this label taken after all that are READY? Words that workers write are looked at
** only where `false` would go on being wrong. */
static bool is_last(struct queue *q, uint64_t label, uint64_t tail) {
    if (label >= q->greatest)
        return true;
    if (q->last >= q->from)
        return false;
    find_greatest(q, tail);
    return label >= q->greatest;
}

/* Items that are put soon will be taken before others, too: with all of them `mixed`, a word that
** workers read for each item is not written for each. */
#define MIXED_AHEAD 64

static void note_mixed(struct queue *q, uint64_t tail) {
    if ((int64_t)(atomic_load_explicit(&q->c->mixed, memory_order_relaxed) - tail) > 0)
        return;
    /* release: the labels */
    atomic_store_explicit(&q->c->mixed, tail + MIXED_AHEAD, memory_order_release);
}

/* Item `tail`, which has its place, becomes READY. */
static void append(struct queue *q, uint64_t tail, uint64_t label) {
    atomic_store_explicit(&q->c->label[tail % QUEUE_SLOTS], label, memory_order_relaxed);
    if (is_last(q, label, tail)) {
        q->greatest = label;
        q->last = tail;
    } else {
        note_mixed(q, tail);
    }
    atomic_store_explicit(state_of(q, tail), word_of(tail, 0, SLOT_READY), memory_order_release);
    atomic_store_explicit(&q->c->tail, tail + 1, memory_order_release);
}

HOT int tine__queue_put(struct queue *q, const struct call_head *call, const void *bytes,
                        uint64_t label, uint64_t *seq, struct queue_past *past) {
    uint64_t tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    unsigned place;
    if (!tine__places_take(q, tail, call->offset ? 0 : call->length, &place))
        return TINE_EAGAIN;
    if (past)
        tell_past(q, tail - QUEUE_SLOTS, past);
    q->c->place[tail % QUEUE_SLOTS] = (uint16_t)place;
    q->places->ref[tail % QUEUE_SLOTS] = call->ref;
    struct queue_slot *slot = slot_of(q, tail);
    slot->call = *call;
    if (!call->offset) {
        assert(call->length <= CALL_INLINE);
        memcpy(slot->bytes, bytes, call->length);
    }
    append(q, tail, label);
    __builtin_prefetch(state_of(q, tail + NEXT_LINE), 1);
    *seq = tail;
    return 0;
}

bool tine__queue_withdraw(struct queue *q, uint64_t seq) {
    uint64_t ready = word_of(seq, 0, SLOT_READY);
    /* relaxed: only the submitter writes the slot, and no worker has read it */
    return atomic_compare_exchange_strong_explicit(state_of(q, seq), &ready,
                                                   word_of(seq, 0, SLOT_FREE), memory_order_relaxed,
                                                   memory_order_relaxed);
}

#define LONG 768 /* so many items are too many to look at for each that is taken */

bool tine__queue_renew(struct queue *q, uint32_t *ref, uint64_t *seq, struct queue_past *past) {
    uint64_t word, tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    uint64_t mixed = atomic_load_explicit(&q->c->mixed, memory_order_relaxed);
    if ((int64_t)(mixed - q->from) < LONG || !tine__queue_find(q, &word))
        return false;
    uint64_t oldest = q->from;
    if ((int64_t)(mixed - oldest) < LONG || !tine__places_room(q, tail) ||
        !tine__queue_withdraw(q, oldest))
        return false;
    tell_past(q, tail - QUEUE_SLOTS, past);
    tine__places_pass_on(q, oldest, tail);
    append(q, tail, label_of(q, oldest));
    *ref = q->places->ref[tail % QUEUE_SLOTS];
    *seq = tail;
    return true;
}

/* Change the word from TAKEN by this worker, ASKED or not, to another one. */
static bool change_taken(struct queue *q, uint64_t seq, unsigned worker, uint64_t to) {
    uint64_t taken = word_of(seq, worker, SLOT_TAKEN), word = taken;
    while (!atomic_compare_exchange_strong_explicit(state_of(q, seq), &word, to,
                                                    memory_order_relaxed, memory_order_relaxed))
        if (word != (taken | SLOT_ASKED))
            return false;
    return true;
}

bool tine__queue_condemn(struct queue *q, uint64_t seq, unsigned worker) {
    bool condemned = change_taken(q, seq, worker, word_of(seq, worker, SLOT_FREE));
    if (condemned)
        tine__places_keep(q, seq, worker);
    return condemned;
}

bool tine__queue_ask(struct queue *q, uint64_t seq, unsigned worker) {
    return change_taken(q, seq, worker, word_of(seq, worker, SLOT_TAKEN) | SLOT_ASKED);
}

enum slot_state tine__queue_state(struct queue *q, uint64_t seq, unsigned *worker) {
    /* acquire: the owner notes in its link what it runs before it frees the slot */
    uint64_t word = atomic_load_explicit(state_of(q, seq), memory_order_acquire);
    enum slot_state state = state_in(word);
    bool same = newer(word, seq) == 0;
    *worker = same ? worker_in(word) : 0;
    return same && (state == SLOT_READY || state == SLOT_TAKEN) ? state : SLOT_FREE;
}

const struct queue_slot *tine__queue_slot(const struct queue *q, uint64_t seq) {
    return slot_of(q, seq);
}

const struct queue_slot *tine__queue_held(const struct queue *q, unsigned worker) {
    uint64_t tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    for (uint64_t i = 1; i <= QUEUE_SLOTS; i++) {
        /* acquire: see tine__queue_state */
        uint64_t word = atomic_load_explicit(state_of(q, tail - i), memory_order_acquire);
        if (state_in(word) == SLOT_TAKEN && worker_in(word) == worker)
            return tine__queue_slot(q, tail - i);
    }
    return NULL;
}

unsigned tine__queue_blocker(struct queue *q) {
    uint64_t tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    if (tine__places_room(q, tail))
        return 0;
    uint64_t word = atomic_load_explicit(state_of(q, tail), memory_order_relaxed);
    return state_in(word) == SLOT_TAKEN ? worker_in(word) : 0;
}

void tine__queue_bury(struct queue *q, unsigned worker) {
    uint64_t tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    uint64_t word;
    tine__queue_forget(q, worker);
    atomic_fetch_and_explicit(&q->c->dismissed[worker / 64], ~((uint64_t)1 << worker % 64),
                              memory_order_relaxed);
    /* Newest first: a worker has one slot at a time; an older one in its name can only be
    ** rubbish. */
    for (uint64_t i = 1; i <= QUEUE_SLOTS; i++)
        if (tine__queue_condemn(q, tail - i, worker))
            break;
    tine__places_bury(q, worker);
    /* It may have been woken for an item and died before it took the item: others must look. */
    if (tine__queue_find(q, &word))
        tine__queue_wake_all(q);
}

static _Atomic uint64_t *dismissed(const struct queue *q, unsigned worker) {
    return &q->c->dismissed[worker / 64];
}

void tine__queue_dismiss(struct queue *q, unsigned worker) {
    atomic_fetch_or_explicit(dismissed(q, worker), (uint64_t)1 << worker % 64,
                             memory_order_relaxed);
    atomic_fetch_add_explicit(&q->c->told, 1, memory_order_release);
    tine__queue_wake_worker(q, worker);
}

void tine__queue_spread(struct queue *q, const struct errand_place *first) {
    q->c->first_errand = *first;
    /* release: first_errand, and the errands' bytes */
    atomic_fetch_add_explicit(&q->c->errands, 1, memory_order_release);
    atomic_fetch_add_explicit(&q->c->told, 1, memory_order_release);
    tine__queue_wake_all(q);
}

void tine__queue_shut(struct queue *q) {
    atomic_store_explicit(&q->c->closing, 1, memory_order_release);
    tine__queue_wake_all(q);
}

bool tine__queue_want_low(struct queue *q, unsigned level) {
    atomic_store_explicit(&q->k->want_low, level + 1, memory_order_relaxed);
    /* fence: first the wish, then the count; workers: first the count, then the wish */
    store_then_look();
    return tine__queue_has_few(q, level);
}

/* --- a worker's side --- */

bool tine__queue_told(struct queue *q) {
    uint32_t told = atomic_load_explicit(&q->c->told, memory_order_acquire);
    bool news = told != q->heard;
    q->heard = told;
    return news;
}

uint64_t tine__queue_errands(const struct queue *q, struct errand_place *first) {
    uint64_t n = atomic_load_explicit(&q->c->errands, memory_order_acquire);
    if (n > 0)
        *first = q->c->first_errand;
    return n;
}

bool tine__queue_is_dismissed(const struct queue *q, unsigned worker) {
    return atomic_load_explicit(dismissed(q, worker), memory_order_relaxed) >> worker % 64 & 1;
}

int tine__queue_attach(struct queue *q, int calls_fd, int claims_fd) {
    *q = QUEUE_CLOSED;
    q->claims.fd = claims_fd; /* so that each failure closes both */
    if (tine__shm_attach(&q->calls, calls_fd, sizeof(struct queue_calls), false))
        goto fail;
    if (tine__shm_attach(&q->claims, claims_fd, sizeof(struct queue_claims), true))
        goto fail;
    use_maps(q);
    uint64_t tail = atomic_load_explicit(&q->c->tail, memory_order_relaxed);
    q->from = tail < 2 * FIRST_SEQ ? FIRST_SEQ : tail - QUEUE_SLOTS;
    return 0;
fail:
    tine__queue_close(q);
    return TINE_ESYSTEM;
}

const struct queue_slot *tine__queue_take(struct queue *q, unsigned worker, uint64_t *seq) {
    _Atomic uint64_t *s;
    uint64_t word;
    assert(worker > 0 && worker < QUEUE_MAX_WORKERS);
    do {
        if ((s = tine__queue_find_next(q, seq, &word)) == NULL)
            return NULL;
        /* acquire: the slot's bytes. If another worker wins, look from the same item on again. */
    } while (!atomic_compare_exchange_strong_explicit(s, &word, word_of(*seq, worker, SLOT_TAKEN),
                                                      memory_order_acquire, memory_order_relaxed));
    KILL_POINT("taken");
    q->from += *seq == q->from;
    return tine__queue_slot(q, *seq);
}

bool tine__queue_free(struct queue *q, unsigned worker, uint64_t seq, bool *asked) {
    uint64_t taken = word_of(seq, worker, SLOT_TAKEN), word = taken;
    /* release: the slot has been read, and the link says that the call runs */
    while (!atomic_compare_exchange_strong_explicit(state_of(q, seq), &word,
                                                    word_of(seq, worker, SLOT_FREE),
                                                    memory_order_release, memory_order_relaxed))
        if (word != (taken | SLOT_ASKED))
            return false;
    *asked = word != taken;
    KILL_POINT("freed");
    return true;
}

bool tine__queue_is_low(struct queue *q) {
    uint64_t word;
    bool drained = !tine__queue_find(q, &word);
    /* While there are items, some worker checks again after the next one. After the last item
    ** nobody does, so a wish that is being made right now must not be missed. */
    if (drained)
        store_then_look(); /* fence: first the slot is free, then the wish is read */
    uint32_t wish = atomic_load_explicit(&q->k->want_low, memory_order_relaxed);
    if (!wish)
        return false;
    if (!drained && !tine__queue_has_few(q, wish - 1))
        return false;
    return atomic_exchange_explicit(&q->k->want_low, 0, memory_order_relaxed);
}

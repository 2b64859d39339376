/* The contents of the call queue's two files (ipc/queue.h), for the queue's own .c files and for
** tests that look into them. */
#ifndef TINE_IPC_QUEUE_LAYOUT_H
#define TINE_IPC_QUEUE_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>
#include "ipc/queue.h"
#include "msg/errand.h"

/* Words that different sides write lie on different cache lines. */
#define LINE _Alignas(64)

#define GROUPS (QUEUE_MAX_WORKERS / 64)

#define SLOT_SMALL 64 /* bytes that a small slot has beside the call head */

struct queue_calls {
    LINE _Atomic uint64_t tail; /* sequence number of the next item */
    LINE _Atomic uint32_t closing;
    _Atomic uint32_t told;              /* counts news for workers: errands, dismissals */
    _Atomic uint64_t mixed;             /* sequence number */
    _Atomic uint64_t errands;           /* number of errands given out */
    struct errand_place first_errand;   /* written before `errands` */
    _Atomic uint64_t dismissed[GROUPS]; /* bit of each worker that is to leave */
    LINE uint16_t place[QUEUE_SLOTS];   /* of each item; written before the item is READY */
    /* Slots, numbered by place: QUEUE_SLOTS whole ones, then as many small ones, the first of which
    ** lie in the first page. */
    LINE struct {
        struct call_head call;
        char bytes[SLOT_SMALL];
    } small[QUEUE_SLOTS];
    LINE struct queue_slot slot[QUEUE_SLOTS];
    LINE _Atomic uint64_t label[QUEUE_SLOTS]; /* of each item; written before the item is READY */
};

/* A worker that spins, looking for items again and again before it sleeps; or one that was woken
** and has not come yet. */
struct spinner {
    LINE _Atomic uint32_t worker; /* 0: none */
    _Atomic uint64_t beat;        /* ns: when it last looked, or when it was woken */
};

/* The worker that sleeps in short naps so that nobody needs to be woken. */
struct watcher {
    LINE _Atomic uint32_t worker; /* 0: none */
    _Atomic uint64_t until;       /* ns: when it looks next */
};

struct queue_claims {
    LINE _Atomic uint32_t want_low;
    struct {
        LINE _Atomic uint32_t word;
    } bell[QUEUE_BELLS];
    struct spinner spinner[QUEUE_SPINNERS];
    struct spinner coming[QUEUE_COMING]; /* the workers woken last */
    struct watcher watcher;
    LINE _Atomic uint32_t spared; /* wakes that the watcher has saved */
    LINE _Atomic uint64_t groups; /* bit g: sleepers[g] was in use at some time; never cleared */
    LINE _Atomic uint64_t sleepers[GROUPS];
    LINE _Atomic uint64_t state[QUEUE_SLOTS];
    LINE _Atomic uint32_t wake[QUEUE_MAX_WORKERS];
};

/* --- state words --- */

/* The first sequence number. With it a file of zeros is an empty queue: every word says FREE, of an
** item of the round before. */
#define FIRST_SEQ ((uint64_t)QUEUE_SLOTS)

static inline uint64_t word_of(uint64_t seq, unsigned worker, enum slot_state state) {
    return seq << 24 | (uint64_t)worker << 8 | state;
}

static inline enum slot_state state_in(uint64_t word) {
    return (enum slot_state)(word & 0x7f);
}

static inline unsigned worker_in(uint64_t word) {
    return word >> 8 & 0xffff;
}

/* Is the item in this word newer (> 0) or older (< 0) than item `seq`? Words have only the lower 40
** bits of sequence numbers, which wrap within days. */
static inline int64_t newer(uint64_t word, uint64_t seq) {
    return (int64_t)((word >> 24 << 24) - (seq << 24));
}

/* Words of successive items are neighbours in memory. Spreading them over cache lines makes workers
** share fewer lines, but each walk touch more; with two workers both measured the same. */
static inline _Atomic uint64_t *state_of(const struct queue *q, uint64_t seq) {
    return &q->k->state[seq % QUEUE_SLOTS];
}

/* The slot of an item. Of a small slot only as many bytes exist as the call's length says. */
static inline struct queue_slot *slot_of(const struct queue *q, uint64_t seq) {
    unsigned place = q->c->place[seq % QUEUE_SLOTS];
    return place < QUEUE_SLOTS ? &q->c->slot[place]
                               : (struct queue_slot *)(void *)&q->c->small[place - QUEUE_SLOTS];
}

static inline bool is_ready(const struct queue *q, uint64_t seq) {
    return atomic_load_explicit(state_of(q, seq), memory_order_relaxed) ==
           word_of(seq, 0, SLOT_READY);
}

static inline uint64_t label_of(const struct queue *q, uint64_t seq) {
    return atomic_load_explicit(&q->c->label[seq % QUEUE_SLOTS], memory_order_relaxed);
}

/* Move q->from to the first READY item from there on, and return its state
** word; NULL: there is none. */
_Atomic uint64_t *tine__queue_find(struct queue *q, uint64_t *word);
/* The READY item that is to be taken next, *seq, found as tine__queue_find does; or NULL. */
_Atomic uint64_t *tine__queue_find_next(struct queue *q, uint64_t *seq, uint64_t *word);
/* Are at most `n` items READY? Cheaper than to count them. */
bool tine__queue_has_few(struct queue *q, uint64_t n);
/* Wake `n` sleepers. The caller has already had a fence between its store and this
** (tine__queue_wake). True: there were `n` to wake. */
bool tine__queue_wake_some(struct queue *q, unsigned n);
/* Wake this worker, if it sleeps, for news that is its own. */
void tine__queue_wake_worker(struct queue *q, unsigned worker);
/* The worker is not on its way any more. True: it was. */
bool tine__queue_unexpect(struct queue *q, unsigned worker);
/* Is this seat held by a worker that is really looking, and not by one that is stopped or
** kept from the processor? */
bool tine__queue_spins(const struct spinner *s, uint64_t now);
/* How many workers are looking for items, or will in a moment. */
unsigned tine__queue_spinners(const struct queue *q, uint64_t now);
/* Is there a watcher that looks soon, and is not stopped? */
bool tine__queue_is_watched(const struct queue *q, uint64_t now);
/* Clear the worker's bit among the sleepers. */
void tine__queue_wakes(struct queue *q, unsigned worker);
/* Give up this seat, if the worker has it. */
void tine__queue_leave_seat(_Atomic uint32_t *seat, unsigned worker);
/* Remove the worker from the sleepers, from all seats, and from the workers on their way. */
void tine__queue_forget(struct queue *q, unsigned worker);

#endif

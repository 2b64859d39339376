/* What lies in the two files of the call queue: for its files, and for tests that look into them. */
#ifndef TINE_IPC_QUEUE_LAYOUT_H
#define TINE_IPC_QUEUE_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>
#include "ipc/queue.h"
#include "msg/errand.h"

/* Words that different sides write lie on lines of their own. */
#define LINE _Alignas(64)

#define GROUPS (QUEUE_MAX_WORKERS / 64)

#define SLOT_SMALL 64 /* bytes beside the head of a small slot */

struct queue_calls {
    LINE _Atomic uint64_t tail; /* sequence number of the next item */
    LINE _Atomic uint32_t closing;
    _Atomic uint32_t told;              /* counts what workers are to look at */
    _Atomic uint64_t errands;           /* given out, */
    struct errand_place first_errand;   /* of them, written before */
    _Atomic uint64_t dismissed[GROUPS]; /* workers that are to leave */
    LINE uint16_t place[QUEUE_SLOTS];   /* of each item: written before it is READY */
    /* By place: whole slots, and those of calls that are no longer, of which the first lie in the first page. */
    LINE struct {
        struct call_head call;
        char bytes[SLOT_SMALL];
    } small[QUEUE_SLOTS];
    LINE struct queue_slot slot[QUEUE_SLOTS];
};

/* A worker that looks for items again and again before it sleeps; or one that was woken and has not come yet. */
struct spinner {
    LINE _Atomic uint32_t worker; /* 0: nobody */
    _Atomic uint64_t beat;        /* ns: when it looked last; was woken */
};

/* A worker that sleeps so lightly that nobody needs to be woken. */
struct watcher {
    LINE _Atomic uint32_t worker; /* 0: nobody */
    _Atomic uint64_t until;       /* ns: when it looks next */
};

struct queue_claims {
    LINE _Atomic uint32_t want_low;
    struct {
        LINE _Atomic uint32_t word;
    } bell[QUEUE_BELLS];
    struct spinner spinner[QUEUE_SPINNERS];
    struct spinner coming[QUEUE_COMING]; /* of those that were woken, the last */
    struct watcher watcher;
    LINE _Atomic uint32_t spared; /* wakes, by the watcher */
    LINE _Atomic uint64_t groups; /* bit g: sleepers[g] has been in use; never cleared */
    LINE _Atomic uint64_t sleepers[GROUPS];
    LINE _Atomic uint64_t state[QUEUE_SLOTS];
    LINE _Atomic uint32_t wake[QUEUE_MAX_WORKERS];
};

/* --- state words --- */

/* Sequence numbers start here, so that a file full of zeros is an empty queue: every slot FREE
** after an item of the round before the first. */
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

/* Is the item in this word newer (> 0) or older (< 0) than item `seq`? Words have the lower 40 bits
** of the number, which wrap within days. */
static inline int64_t newer(uint64_t word, uint64_t seq) {
    return (int64_t)((word >> 24 << 24) - (seq << 24));
}

/* Neighbours in the queue lie next to each other. Spreading them over lines makes workers share fewer
** of them, but each walk touches more; measured with two workers it is the same. */
static inline _Atomic uint64_t *state_of(const struct queue *q, uint64_t seq) {
    return &q->k->state[seq % QUEUE_SLOTS];
}

/* Of a small slot only what its call's length says is there. */
static inline struct queue_slot *slot_of(const struct queue *q, uint64_t seq) {
    unsigned place = q->c->place[seq % QUEUE_SLOTS];
    return place < QUEUE_SLOTS ? &q->c->slot[place]
                               : (struct queue_slot *)(void *)&q->c->small[place - QUEUE_SLOTS];
}

/* Move q->from to the first item from there on that is READY, and give its word; NULL: there is none. */
_Atomic uint64_t *tine__queue_find(struct queue *q, uint64_t *word);
/* Wake so many sleepers, by who has looked after its store already (tine__queue_wake). True: as many slept. */
bool tine__queue_wake_some(struct queue *q, unsigned n);
/* It comes no more. True: it was expected. */
bool tine__queue_unexpect(struct queue *q, unsigned worker);
/* Does somebody look from this seat? Not one that was stopped, or is kept from the processor. */
bool tine__queue_spins(const struct spinner *s, uint64_t now);
/* How many workers are just looking for items, or will in a moment. */
unsigned tine__queue_spinners(const struct queue *q, uint64_t now);
/* Is there one that looks soon? Not so one that was stopped. */
bool tine__queue_is_watched(const struct queue *q, uint64_t now);
/* The worker does not sleep any more. */
void tine__queue_wakes(struct queue *q, unsigned worker);
/* It does not have this seat any more, if it had. */
void tine__queue_leave_seat(_Atomic uint32_t *seat, unsigned worker);
/* It waits in no way any more. */
void tine__queue_forget(struct queue *q, unsigned worker);

#endif

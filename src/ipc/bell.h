/* Bell: how workers wake a thread of the submitter that sleeps in poll, and only when it has asked
** for that.
**
** A bell is a word in memory shared with the workers, and an event (base/fd.h). The sleeper arms
** the word, looks for work once more, and sleeps. A worker that has published something rings: that
** costs one load when nobody sleeps, and at most one system call each time the bell was armed.
**
** Each pool has two bells: one for the thread that waits for results, one for the manager thread.
*/
#ifndef TINE_IPC_BELL_H
#define TINE_IPC_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "ipc/futex.h"

enum bell_level {
    BELL_OFF,
    /* wake me when workers cannot go on without me: ring full, queue low, failures */
    BELL_PRESSURE,
    BELL_RESULT, /* wake me at any result */
    /* Nobody slept when something came that needs the sleeper: it must not lie down before it has
    ** looked for that. */
    BELL_MISSED
};

struct bell {
    _Atomic uint32_t *word; /* in shared memory */
    int fd;                 /* the event, borrowed; in a worker its writing end */
};

/* Called by the sleeper before its last look for work. False: a BELL_PRESSURE has come since the
** bell was rung last. A sleeper whose look is only for some of the work must look for all then,
** instead of sleeping. */
static inline bool bell_arm(struct bell *b, enum bell_level level) {
    uint32_t before = atomic_exchange_explicit(b->word, level, memory_order_relaxed);
    /* fence: first the wish, then the look for work; pairs with tine__bell_ring_both */
    store_then_look();
    return before != BELL_MISSED;
}

static inline void bell_disarm(struct bell *b) {
    atomic_store_explicit(b->word, BELL_OFF, memory_order_relaxed);
}

enum bell_rung {
    BELL_QUIET, /* nobody asked; costs a few instructions */
    BELL_RUNG,  /* rung, by a system call */
    BELL_LOST   /* a descriptor is not ours any more, and its sleeper will not hear */
};

/* Called by a worker after it has published its work: wake those sleepers that asked
** for events of this level. */
enum bell_rung tine__bell_ring_both(struct bell *a, struct bell *b, enum bell_level level);
/* The same, but one sleeper is enough: `a` if it sleeps, else `b`. */
enum bell_rung tine__bell_ring_either(struct bell *a, struct bell *b, enum bell_level level);
/* Called by the sleeper: clear the event. False: the descriptor is not ours any more. */
bool tine__bell_clear(int fd);

#endif

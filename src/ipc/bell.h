/* Bell: how workers wake a sleeper of the submitter: rung only when the sleeper asked for it.
**
** A word in memory shared with the workers and an event (base/fd.h). The sleeper arms the word, looks once more
** for work, and sleeps in poll; a worker that has published something rings, which costs one load when
** nobody sleeps and at most one system call for each time the bell was armed.
**
** Two bells for each pool: of the thread that waits for results, and of the manager.
*/
#ifndef TINE_IPC_BELL_H
#define TINE_IPC_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "ipc/futex.h"

enum bell_level {
    BELL_OFF,
    BELL_PRESSURE, /* wake me when you cannot go on without me: ring full, queue low, failures */
    BELL_RESULT    /* wake me at any result */
};

struct bell {
    _Atomic uint32_t *word; /* shared */
    int fd;                 /* the event, borrowed; in a worker its ringer */
};

/* By the sleeper, before it looks for work for the last time. */
static inline void bell_arm(struct bell *b, enum bell_level level) {
    atomic_store_explicit(b->word, level, memory_order_relaxed);
    /* the wish is stored before the work is looked for: pairs with the one in tine__bell_ring_both */
    store_then_look();
}

static inline void bell_disarm(struct bell *b) {
    atomic_store_explicit(b->word, BELL_OFF, memory_order_relaxed);
}

enum bell_rung {
    BELL_QUIET, /* nobody has asked: a few instructions */
    BELL_RUNG,  /* by a system call */
    BELL_LOST   /* a descriptor is not ours any more, and its sleeper will not hear */
};

/* By a worker, after the work is published: wake those sleepers that asked for events of this level. */
enum bell_rung tine__bell_ring_both(struct bell *a, struct bell *b, enum bell_level level);
/* The same, but one that hears of it is enough: `a` if it sleeps, else `b`. */
enum bell_rung tine__bell_ring_either(struct bell *a, struct bell *b, enum bell_level level);
/* By the sleeper: clear the event. False: it is not ours any more. */
bool tine__bell_clear(int fd);

#endif

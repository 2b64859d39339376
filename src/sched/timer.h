/* Timers: the earliest of any number (pairing.h). A timer is a member of the thing that waits.
** Pure: the caller has the clock.
*/
#ifndef TINE_SCHED_TIMER_H
#define TINE_SCHED_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "sched/pairing.h"

#define TIMER_NEVER UINT64_MAX

struct timer {
    struct pairing_node node;
    uint64_t when; /* ns; 0: not set */
    uint8_t kind;  /* the owner's, below TIMER_KINDS: what the timer is a member of */
};

#define TIMER_KINDS 8

struct timers {
    struct pairing heap;
    uint32_t set[TIMER_KINDS]; /* how many are set, by kind */
};

void tine__timers_init(struct timers *h);
/* Set a timer, or move it. `when` is not 0; TIMER_NEVER clears the timer. */
void tine__timer_set(struct timers *h, struct timer *t, uint64_t when);
/* Harmless on a timer that is not set. */
void tine__timer_clear(struct timers *h, struct timer *t);
/* Take out the earliest timer if it is due; else NULL. */
struct timer *tine__timer_due(struct timers *h, uint64_t now);

/* When the earliest timer is due; TIMER_NEVER: none is set. */
static inline uint64_t timers_next(const struct timers *h) {
    return h->heap.root ? LIST_ITEM(h->heap.root, struct timer, node)->when : TIMER_NEVER;
}

#endif

/* Timers: what is due next, of any number, in a pairing heap whose nodes are members of the things
** that wait. Setting and the next one take constant time, taking one out a logarithm; no memory is
** allocated. Pure: the clock is the caller's.
**
** After: Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap", Algorithmica 1 (1986).
*/
#ifndef TINE_SCHED_TIMER_H
#define TINE_SCHED_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_NEVER UINT64_MAX

struct timer {
    uint64_t when; /* ns; 0: not set */
    struct timer *child, *next;
    struct timer *back; /* the left sibling, or of a first child the parent */
    uint8_t kind;       /* the owner's: what it is a member of */
};

struct timers {
    struct timer *root;
};

/* Set it, or move it. `when` is not 0; TIMER_NEVER clears it. */
void tine__timer_set(struct timers *h, struct timer *t, uint64_t when);
/* Harmless on one that is not set. */
void tine__timer_clear(struct timers *h, struct timer *t);
/* Take out the earliest if it is due; else NULL. */
struct timer *tine__timer_due(struct timers *h, uint64_t now);

/* When the earliest is due; TIMER_NEVER: none is set. */
static inline uint64_t timers_next(const struct timers *h) {
    return h->root ? h->root->when : TIMER_NEVER;
}

#endif

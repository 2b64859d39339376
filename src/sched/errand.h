/* Errand: a call that each worker is to run once (pool:everywhere), as the scheduler sees it.
**
** They are numbered from 1, and each worker runs them in this order: those that were given out before it was started, and
** those that are while it is there. An errand is done when every worker that was there when it was given out has run
** it, or is there no more; later ones run it, too, but nobody waits for them.
**
** The memory is the owner's, as long as the pool.
*/
#ifndef TINE_SCHED_ERRAND_H
#define TINE_SCHED_ERRAND_H

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "msg/errand.h"

struct store_refs;

struct errand {
    /* In sched->errands until it is done, then in done_errands until its event is taken. */
    struct list node;
    struct list order; /* in sched->new_errands until it was ordered */
    uint64_t number;
    unsigned left; /* workers that are to run it */
    bool broken;   /* its pool is, and not all have */
    /* the owner's, for the site */
    struct errand_place place;
    struct errand_head *head;      /* there */
    const struct store_refs *refs; /* what it names */
    struct errand *next;           /* the site's */
};

#endif

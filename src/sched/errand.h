/* Errand: a call that each worker is to run once (pool:everywhere), as the scheduler sees it.
**
** Errands are numbered from 1. Each worker runs all of them in this order, those that were given
** out before it was started included. An errand is done when every worker that was there when it
** was given out has run it, or has ended. Workers that start later run it, too, but the errand does
** not wait for them.
**
** The owner keeps the memory of an errand as long as the pool.
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
    unsigned left; /* workers that the errand waits for */
    bool broken;   /* the pool was broken before all of them had run it */
    /* the owner's, for the site */
    struct errand_place place;
    struct errand_head *head;      /* at `place` */
    const struct store_refs *refs; /* what its bytes refer to */
    struct errand *next;           /* the site's */
};

#endif

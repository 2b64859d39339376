/* Errands: the calls that each worker of a pool runs once (pool:everywhere), kept as long as the pool. All is guarded by the
** pool's lock.
*/
#ifndef TINE_POOL_ERRANDS_H
#define TINE_POOL_ERRANDS_H

#include "pool/item.h"
#include "sched/errand.h"
#include "store/store.h"

struct everywhere {
    struct errand errand; /* first member */
    struct list node;     /* in pool->everywhere */
    struct item *item;    /* whose owner waits for it; NULL: that has ended */
    struct inbox *inbox;  /* of the owner; NULL: closed */
    struct store_refs refs;
    struct outcome error; /* the first of a worker that is waited for */
};

#endif

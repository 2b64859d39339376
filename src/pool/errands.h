/* Errands: calls that each worker of a pool runs once (pool:everywhere). Kept as long as the pool,
** since later workers run them, too. Guarded by the pool's lock.
*/
#ifndef TINE_POOL_ERRANDS_H
#define TINE_POOL_ERRANDS_H

#include "pool/item.h"
#include "sched/errand.h"
#include "store/store.h"

struct everywhere {
    struct errand errand; /* first member */
    struct list node;     /* in pool->everywhere */
    struct item *item;    /* whose owner waits for the errand; NULL: the item has ended */
    struct inbox *inbox;  /* of the item's owner; NULL: closed */
    struct store_refs refs;
    struct outcome error; /* the first error in a worker that is waited for */
};

#endif

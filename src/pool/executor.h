/* Executor: the C library's pools and futures (include/tine.h) on top of the pool. */
#ifndef TINE_POOL_EXECUTOR_H
#define TINE_POOL_EXECUTOR_H

#include <stdatomic.h>
#include "pool/pool.h"
#include "tine.h"

struct tine_pool {
    atomic_uint refs; /* the opener's, and one of each future */
    struct pool *core;
};

struct tine_future {
    atomic_uint refs; /* the user's, and one while the task is under way */
    struct item item;
    struct outcome outcome;
    struct tine_pool *pool;
    void (*done)(tine_future *future, void *arg);
    void *done_arg;
    char *label;
    _Atomic(char *) message; /* made when asked for */
};

void tine__executor_unref(struct tine_pool *pool);
/* Take what is done from the pool's list: callbacks, references. The number of callbacks called. */
size_t tine__executor_dispatch(struct pool *p);
/* Seconds to a point in time (tine__now); negative is WAIT_FOREVER. */
uint64_t tine__deadline(double timeout);

#endif

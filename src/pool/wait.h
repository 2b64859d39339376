/* Waiting for news of pools: the thread that waits drains the result rings itself.
*/
#ifndef TINE_POOL_WAIT_H
#define TINE_POOL_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct pool;

#define WAIT_FOREVER UINT64_MAX

/* Called with all signals blocked, just before the thread sleeps, and after each signal handler that ran: lets the
** owner notice what a handler has done. Returning true ends the wait at once with TINE_EAGAIN. It must return; no
** lock is held. */
struct wait_hook {
    bool (*before_sleep)(void *arg); /* may be NULL */
    /* May be NULL: what the thread waits for is there already (asked when a wake-up can no longer be
    ** missed); ends the wait with 0. */
    bool (*ready)(void *arg);
    void *arg;
};

/* Wait until one of the pools may have something new for this thread (a settled task, the end of the
** pool), `deadline` (tine__now) has passed, or a signal came. Spins first, then sleeps. Pools may be
** NULL with n = 0: sleeps until the deadline or a signal.
** 0: look; TINE_ETIMEOUT; TINE_EAGAIN: a signal, or the hook said so; TINE_ESYSTEM. */
int tine__wait(struct pool *const *pools, unsigned n, uint64_t deadline,
               const struct wait_hook *hook);

#endif

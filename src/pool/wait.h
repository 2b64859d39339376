/* Waiting for news: the thread that waits takes in results itself.
*/
#ifndef TINE_POOL_WAIT_H
#define TINE_POOL_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/clock.h"

struct inbox;

/* What the owner has to say while its thread waits. No lock is held. */
struct wait_hook {
    /* May be NULL. Called with all signals blocked, before the thread sleeps: lets the owner notice what a
    ** signal handler has done. Returning true ends the wait at once with TINE_EAGAIN. It must return; it may
    ** itself wait, and close inboxes of this wait: then it must return true. */
    bool (*before_sleep)(void *arg);
    /* May be NULL: what the thread waits for is there already (asked when a wake-up can no longer be
    ** missed); ends the wait with 0. */
    bool (*ready)(void *arg);
    void *arg;
    bool spun; /* the thread has spun already (tine__wait_briefly) */
};

/* Wait until one of the inboxes may have something new for this thread (news, the end of its pool),
** `deadline` (tine__now) has passed, or a signal came. Spins first, then sleeps. `n` may be 0: sleeps until
** the deadline or a signal. Not a point of thread cancellation.
** 0: look; TINE_ETIMEOUT; TINE_EAGAIN: a signal, or the hook said so. Where memory or descriptors are short
** it comes back early, with 0, but not at once. */
int tine__wait(struct inbox *const *inboxes, unsigned n, uint64_t deadline,
               const struct wait_hook *hook);

/* The same, but it only spins, and does not sleep. True: look; false: nothing came. */
bool tine__wait_briefly(struct inbox *const *inboxes, unsigned n, uint64_t deadline);

#endif

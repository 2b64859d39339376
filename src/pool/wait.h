/* Waiting for news in inboxes. A thread that waits takes in results itself.
*/
#ifndef TINE_POOL_WAIT_H
#define TINE_POOL_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/clock.h"

struct inbox;

/* What the owner does while its thread waits. Called with no lock held. */
struct wait_hook {
    /* May be NULL. Called with all signals blocked, before the thread sleeps, so that the owner
    ** can notice what a signal handler has done. Returning true ends the wait at once with
    ** TINE_EAGAIN. It must return. It may itself wait and close inboxes of this wait; it must
    ** return true then. */
    bool (*before_sleep)(void *arg);
    /* May be NULL. Is there already what the thread waits for? Called when a wake-up can no longer
    ** be missed; returning true ends the wait with 0. */
    bool (*ready)(void *arg);
    void *arg;
    bool spun; /* skip spinning, because tine__wait_briefly was called before */
};

/* Wait until one of the inboxes may have something new for this thread (news, or the end of its
** pool), until `deadline` (tine__now) has passed, or until a signal handler has run. Spins first,
** then sleeps. With `n` 0 it sleeps until the deadline or a signal. Not a cancellation point. No
** lock held. 0: look into the inboxes; TINE_ETIMEOUT; TINE_EAGAIN: a signal, or the hook said so.
** When memory or descriptors are short it returns 0 without news, but only after a pause. */
int tine__wait(struct inbox *const *inboxes, unsigned n, uint64_t deadline,
               const struct wait_hook *hook);

/* Like tine__wait, but only spins. True: look into the inboxes; false: nothing came. */
bool tine__wait_briefly(struct inbox *const *inboxes, unsigned n, uint64_t deadline);

#endif

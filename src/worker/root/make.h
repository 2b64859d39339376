/* Making a root, by a fork or by executing the helper. Only root.c calls this, with its lock
** `taking` held; it decides which one is wanted, and when.
*/
#ifndef TINE_WORKER_ROOT_MAKE_H
#define TINE_WORKER_ROOT_MAKE_H

#include "worker/process/inherit.h"

/* The program's end of a root. */
struct root_end {
    int socket; /* -1: none */
    int line;   /* open as long as this process lives, where there are no pidfds; -1 */
    int self;   /* a pidfd of the root; -1 where there are none */
    struct rights rights;
    struct station station; /* of the thread that took the root; the root has the same */
};

/* Fork a root; this process must have one thread. 0 or TINE_ESYSTEM. */
int tine__root_fork(struct root_end *r);
/* Execute the helper, which becomes a root. 0 or TINE_ESYSTEM. */
int tine__root_execute(struct root_end *r);

#endif

/* Making a root: by a fork, or by executing the helper. Which one is wanted, and when, root.c knows, which alone calls this,
** with its lock held.
*/
#ifndef TINE_WORKER_ROOT_MAKE_H
#define TINE_WORKER_ROOT_MAKE_H

#include "worker/process/inherit.h"

/* Our end of a root: of the forked one, of the executed one. */
struct root_end {
    int socket; /* -1: none */
    int line;   /* what lives as long as this process, where there are no pidfds */
    struct rights rights;
    struct station station; /* of the thread that took it, as its own are */
};

/* Fork one. The process has one thread. 0, TINE_ESYSTEM. */
int tine__root_fork(struct root_end *r);
/* Execute the helper, which becomes one. The same. */
int tine__root_execute(struct root_end *r);

#endif

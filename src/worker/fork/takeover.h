/* What a fork server takes over: from the program, whose child it is not, and of its pool's memory.
** A first worker that was forked ahead (ahead.h) does the same by itself; all other workers inherit
** it.
*/
#ifndef TINE_WORKER_FORK_TAKEOVER_H
#define TINE_WORKER_FORK_TAKEOVER_H

#include "worker/fork/server.h"

/* Enter the program's working directory. 0 or TINE_ESYSTEM. */
int tine__server_enter(struct server *s);
/* Take over what else is the program's (streams, rights, environment), unless that is done. 0,
** TINE_ESYSTEM, TINE_ENOMEM. */
int tine__server_take_over(struct server *s);
/* Attach to the pool's memory (`seat` 0: not known yet) and make the state the pool's, unless that
** is done. 0, TINE_ESYSTEM, TINE_ENOMEM; may be tried again. */
int tine__server_attach(struct server *s, uint32_t seat);

#endif

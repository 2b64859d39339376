/* Ahead: the first worker of a pool, forked before anything is known of the pool.
**
** The fork server forks it first of all, while the submitter still makes the pool's memory, or (root/main.c) before there
** is a pool. It is told what the fork server is told, SETUP, and with START who it is. So it makes itself the pool's, and
** the first result waits for no fork. It has nothing that another worker has not: what those inherit from the fork server, which
** takes it over when the second one is asked for, it takes over by the same functions.
**
** A pool with a preload has none: its workers are copies of what that has left. What happens to it before START
** nobody hears of: then the fork server forks the first worker, as it forks all others.
*/
#ifndef TINE_WORKER_FORK_AHEAD_H
#define TINE_WORKER_FORK_AHEAD_H

#include "worker/fork/server.h"

/* By the fork server. Where it cannot be had there is none. */
void tine__ahead_fork(struct server *s);
/* The pool is known by s->setup and s->fds: before the fork server closes any of these. */
void tine__ahead_set_up(struct server *s);
/* Make it the worker of this START. Its pid; 0: there is none. */
pid_t tine__ahead_start(struct server *s, const struct message *m, int link);
/* End it, and wait until it is gone. */
void tine__ahead_drop(struct server *s);
/* A child of ours was reaped: is there still one? */
void tine__ahead_reaped(struct server *s, pid_t pid);

#endif

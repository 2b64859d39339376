/* Ahead: the first worker of a pool, forked before anything is known of the pool.
**
** The fork server forks it first, while the submitter still makes the pool's memory, or
** (root/main.c) before there is a pool. The worker is sent what the fork server is sent, SETUP, and
** learns its id by START; it sets itself up for the pool, so that the first result does not wait
** for a fork. It is like any other worker: what others inherit from the fork server, which does the
** same when the second worker is wanted, it does by the same functions.
**
** A pool with a preload has none: its workers are copies of the state that the preload left. If
** this worker dies before START nobody is told; the fork server then forks the first worker as all
** others.
*/
#ifndef TINE_WORKER_FORK_AHEAD_H
#define TINE_WORKER_FORK_AHEAD_H

#include "worker/fork/server.h"

/* Fork it. If that fails there is none. */
void tine__ahead_fork(struct server *s);
/* Pass SETUP on to it: s->setup and s->fds, before the fork server closes any of these. */
void tine__ahead_set_up(struct server *s);
/* Make it the worker of this START message. Returns its pid; 0: there is none. */
pid_t tine__ahead_start(struct server *s, const struct message *m, int link);
/* Kill it, and wait until it has ended. */
void tine__ahead_drop(struct server *s);
/* A child was reaped; if it was this worker, there is none any more. */
void tine__ahead_reaped(struct server *s, pid_t pid);

#endif

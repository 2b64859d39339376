/* Children: the workers of a fork server, from their fork until their end is reported, and what
** they leave behind.
**
** An end is reported when the worker was reaped and everything that had to be killed with it has
** gone (process/family.h), or will not go in time. Any other child of the fork server is an orphan
** left by a worker. This file knows no socket and no pool: its only caller, the fork server, sends
** the messages.
*/
#ifndef TINE_WORKER_FORK_CHILDREN_H
#define TINE_WORKER_FORK_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "worker/protocol.h"

struct server;

/* This process is a fork server now, and has no workers yet. It may descend from a worker of
** another pool, which has inherited a table with its elder siblings. */
void tine__children_begin(void);

/* Make room for another worker, before it is forked. */
bool tine__children_have_room(void);
/* Add a worker that was forked; there is room. */
void tine__children_add(uint32_t id, pid_t pid);
/* The number of workers whose end was not reported. */
size_t tine__children_count(void);
/* Is there a child, worker or orphan, that was not reaped? */
bool tine__children_remain(void);

/* Send a signal to worker `id` (0: all) and its descendants; SIGCONT: to the worker alone. With
** SIGKILL all of these must go. */
void tine__children_kill(uint32_t id, int signal);
/* The task of worker `id` was asked to end: signal the worker to look. The programs of the
** task are not signalled. */
void tine__children_ask(uint32_t id);

/* Reap a child that has ended; if it is a worker, note how. Returns its pid; 0: none has ended; -1:
** there are no children. */
pid_t tine__children_reap(void);

/* Called with the MESSAGE_EXITED of a worker that was removed from the table. */
typedef void children_tell(struct server *s, const struct message *m);
/* Report the workers that have ended, with everything that had to go with them. */
void tine__children_tell_ends(children_tell *tell, struct server *s);
/* Report also workers that may not be killed or do not end although they were killed, or whose
** descendants do so: they are not waited for. */
void tine__children_give_up(children_tell *tell, struct server *s);
/* ms until a worker must be given up; -1: none is waited for. */
int tine__children_patience_left(void);
/* The time by which processes killed now must have ended (ns of the clock). */
uint64_t tine__children_patience(void);

#endif

/* Children: the workers of a fork server, from their fork until their end is told, and what they leave behind.
**
** An end is told when the worker was reaped and all that had to go with it have gone (process/family.h), or will not go
** in time. What comes to the fork server as a child, and is none of the workers, is an orphan of theirs.
** Here is no socket and no pool: who calls, the fork server alone, tells what there is to tell.
*/
#ifndef TINE_WORKER_FORK_CHILDREN_H
#define TINE_WORKER_FORK_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "worker/protocol.h"

struct server;

/* Make room for another one, before it is forked. */
bool tine__children_have_room(void);
/* A worker was forked; there is room. */
void tine__children_add(uint32_t id, pid_t pid);
/* Workers whose end was not told. */
size_t tine__children_count(void);
/* Is there any child, a worker or an orphan, that was not reaped? */
bool tine__children_remain(void);

/* Send a signal to worker `id` (0: to all) with its descendants. After SIGKILL none of these is to stay. */
void tine__children_kill(uint32_t id, int signal);
/* Its task was asked to end: it is to look. Programs that the task has started have nothing to do with that. */
void tine__children_ask(uint32_t id);

/* Reap one that has ended, if it is a worker note how. Its pid; 0: none has ended; -1: there are no children. */
pid_t tine__children_reap(void);

/* Hears MESSAGE_EXITED of one that is no longer in the table. */
typedef void children_tell(struct server *s, const struct message *m);
/* Tell of those that are gone with all that had to go. */
void tine__children_tell_ends(children_tell *tell, struct server *s);
/* Tell of those, too, who may not be killed, or do not go though they were: they are not waited for. */
void tine__children_give_up(children_tell *tell, struct server *s);
/* ms until somebody must be given up; -1: nobody is waited for. */
int tine__children_patience_left(void);
/* How long who is killed now may take (ns of the clock). */
uint64_t tine__children_patience(void);

#endif

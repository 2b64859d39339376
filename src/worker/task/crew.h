/* Crew: what a worker has run for pools on other machines: their initializers and what was to be run everywhere
** (msg/errand.h). It is run as part of the first task that comes with it, before that, and not on its time.
**
** A worker remembers so many pools; one of which nothing has come for longer than of all of those is met anew.
*/
#ifndef TINE_WORKER_TASK_CREW_H
#define TINE_WORKER_TASK_CREW_H

#include "worker/task/loop.h"

/* Run what the call's pool wants to have been run before it. True: that is done, if the task was not asked to end; false:
** it cannot be, or its initializer has failed, and the text is for the task. What fails is said to the submitter. */
bool tine__crew_prepare(struct loop *l, const char **why);

#endif

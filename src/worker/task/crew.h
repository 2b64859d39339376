/* Crew: which errands a worker has run for pools on other machines: their initializers, and calls
** of pool:everywhere (msg/errand.h). A worker catches up when a task of such a pool comes, before
** the task, and not on its time.
**
** A worker remembers a limited number of pools. One that was forgotten, the least recently used, is
** met anew.
*/
#ifndef TINE_WORKER_TASK_CREW_H
#define TINE_WORKER_TASK_CREW_H

#include "worker/task/loop.h"

/* Run the errands that the call's pool wants to have run before it. True: done, or the task was
** asked to end. False: they cannot be run, or the pool's initializer failed; *why is the task's
** error. Failures are reported to the submitter. */
bool tine__crew_prepare(struct loop *l, const char **why);

#endif

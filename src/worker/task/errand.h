/* Errands: calls that each worker runs once, between two tasks (msg/errand.h). */
#ifndef TINE_WORKER_TASK_ERRAND_H
#define TINE_WORKER_TASK_ERRAND_H

#include "worker/task/loop.h"

/* Run one. False: it failed, and `out`, which was empty, has an error segment;
** else `out` stays empty. */
bool tine__errand_run(struct run *r, const struct errand_call *c, struct buf *out);
/* Run all errands that the channel has, and report each. */
void tine__errands_run(struct loop *l);

#endif

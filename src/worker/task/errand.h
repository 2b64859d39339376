/* Errands: calls that each worker runs once, between two tasks (msg/errand.h). */
#ifndef TINE_WORKER_TASK_ERRAND_H
#define TINE_WORKER_TASK_ERRAND_H

#include "worker/task/loop.h"

/* Run it. False: it has failed, and `out`, which is empty, has an error segment; else it is empty. */
bool tine__errand_run(struct run *r, const struct errand_call *c, struct buf *out);
/* Run all that the channel has, and say so. */
void tine__errands_run(struct loop *l);

#endif

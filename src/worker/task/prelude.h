/* Prelude: what runs in a worker's state before its first task: setting it up for the pool, the
** preload, the host program's hook, the initializer; and after the last task the finalizer. (In a
** pool with processes the fork server does the first two, and the root what depends on no pool.)
*/
#ifndef TINE_WORKER_TASK_PRELUDE_H
#define TINE_WORKER_TASK_PRELUDE_H

#include "ipc/heap.h"
#include "worker/boot.h"
#include "worker/task/loop.h"

/* Make a run in a state that belongs to no pool yet. 0 or TINE_ENOMEM. */
int tine__prelude_open(struct run *r, lua_State *L);
/* Make the run and its state the pool's; functions of calls are in the heap `calls` (reader's
** side). 0 or TINE_ENOMEM. */
int tine__prelude_place(struct run *r, const struct boot *b, struct heap *calls);
/* Run the preload, if there is one. 0, or TINE_ETASK with an error segment in `out`. */
int tine__prelude_preload(struct run *r, const struct boot *b, struct buf *out);
/* Make the state that of worker `id`, whose loop this is: seed, tine.worker, hook. `executed`:
** addresses in the program mean nothing here. 0, or TINE_ETASK with an error segment in `out`. */
int tine__prelude_prepare(struct loop *l, unsigned id, const struct boot *b, bool executed,
                          struct buf *out);
/* Run the initializer, if there is one. 0, or TINE_ETASK with an error segment in `out`. */
int tine__prelude_initialize(struct run *r, const struct boot *b, struct buf *out);
/* Run the finalizer, if there is one, in a worker that ends in good order. Its error is dropped:
** nobody could hear it. */
void tine__prelude_finalize(struct run *r, const struct boot *b, struct buf *out);

#endif

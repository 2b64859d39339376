/* Prelude: what runs in a worker's state before its first task: its place, the preload, the host program's hook, the
** initializer; and after the last one the finalizer. (Of a pool with processes the first two are the fork server's; what
** depends on no pool is the root's.)
*/
#ifndef TINE_WORKER_TASK_PRELUDE_H
#define TINE_WORKER_TASK_PRELUDE_H

#include "ipc/heap.h"
#include "worker/boot.h"
#include "worker/task/loop.h"

/* Make a run in the state, which no pool has as yet. 0, or TINE_ENOMEM. */
int tine__prelude_open(struct run *r, lua_State *L);
/* Make the run the pool's, and its state: of calls whose functions are in this heap (reader's side). 0, or
** TINE_ENOMEM. */
int tine__prelude_place(struct run *r, const struct boot *b, struct heap *calls);
/* Run the preload, if there is any. 0, or TINE_ETASK with an error segment in `out`. */
int tine__prelude_preload(struct run *r, const struct boot *b, struct buf *out);
/* Make the state that of worker `id`, whose loop this is, with its run: seed, tine.worker, hook. `executed`: addresses
** in the program mean nothing here. 0, or TINE_ETASK with an error segment in `out`. */
int tine__prelude_prepare(struct loop *l, unsigned id, const struct boot *b, bool executed,
                          struct buf *out);
/* Run the initializer, if there is any. As above. */
int tine__prelude_initialize(struct run *r, const struct boot *b, struct buf *out);
/* Run the finalizer, if there is any: of a worker that ends in good order. What it raises nobody is there to hear. */
void tine__prelude_finalize(struct run *r, const struct boot *b, struct buf *out);

#endif

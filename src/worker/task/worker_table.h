/* What a task sees of its worker: a table in the registry field TINE_WORKER_FIELD, with `id`,
** `pid`, `state`, functions (`progress`, `emit`, `stopping`), and `task`, which is made when it is
** read.
*/
#ifndef TINE_WORKER_TASK_WORKER_TABLE_H
#define TINE_WORKER_TASK_WORKER_TABLE_H

#include "worker/task/loop.h"

/* Make it; `loop` must live as long as the state. Raises memory errors. */
void tine__worker_table(lua_State *L, struct loop *loop, lua_Integer id);

#endif

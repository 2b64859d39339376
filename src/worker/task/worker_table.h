/* What a task sees of its worker: a table in the registry field TINE_WORKER_FIELD, with `id`, `pid`, `state`, what it can say
** (`progress`, `emit`) and ask (`stopping`), and, made when it is asked for, `task`.
*/
#ifndef TINE_WORKER_TASK_WORKER_TABLE_H
#define TINE_WORKER_TASK_WORKER_TABLE_H

#include "worker/task/loop.h"

/* Put it into the state; `loop` must live as long. Raises memory errors. */
void tine__worker_table(lua_State *L, struct loop *loop, lua_Integer id);

#endif

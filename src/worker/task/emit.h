/* Emit: what a task sends to its future while it runs (tine.worker.emit). */
#ifndef TINE_WORKER_TASK_EMIT_H
#define TINE_WORKER_TASK_EMIT_H

#include "worker/task/loop.h"

/* tine.worker.emit(...); upvalue: the loop */
int tine__emit(lua_State *L);

#endif

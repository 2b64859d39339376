/* Emit: what a task says to its future while it runs (tine.worker.emit). */
#ifndef TINE_WORKER_EMIT_H
#define TINE_WORKER_EMIT_H

#include "worker/loop.h"

/* tine.worker.emit(...); upvalue: the loop */
int tine__emit(lua_State *L);

#endif

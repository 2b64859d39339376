/* Emit: what a task says to its future while it runs (tine.worker.emit). */
#ifndef TINE_WORKER_EMIT_H
#define TINE_WORKER_EMIT_H

#include "worker/loop.h"

/* Push an error that says why something cannot be sent: set by the floor above, which knows error objects. */
extern void (*tine__emit_error)(lua_State *L, int code, const char *text);

/* tine.worker.emit(...); upvalue: the loop */
int tine__emit(lua_State *L);

#endif

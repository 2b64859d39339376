/* tine.pool, for the files that open a pool; open.c has the call as a whole. Errors are raised, and
** what was made before is freed by the collector. */
#ifndef TINE_BIND_OPEN_H
#define TINE_BIND_OPEN_H

#include "bind/view.h"

int tine__pool_open_lua(lua_State *L); /* core.open */

/* --- open_options.c: the option table at `arg` --- */

/* Read everything but the settings of tasks and the trace. What *o refers to stays on the stack. */
void tine__open_read(lua_State *L, int arg, struct pool_options *o);
/* Read the default settings of tasks; `task_timeout` is an older name of `timeout`. Pushes a view
** that holds them. */
struct view *tine__open_settings(lua_State *L, int arg);
/* The file name for the pool's trace, or NULL. It stays on the stack. */
const char *tine__open_trace(lua_State *L, int arg);

/* --- open_calls.c: what workers run before and after their tasks --- */

/* Encode preload, initializer and finalizer, if set, for workers of this machine. */
void tine__open_encode(lua_State *L, int arg, struct pool_options *o);
/* Send the initializer to workers on other machines, once the pool is open. */
void tine__open_initialize(lua_State *L, struct core *c, int view, int arg);

int tine__bytes_gc(lua_State *L); /* __gc of encoded bytes */

#endif

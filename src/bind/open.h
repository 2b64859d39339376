/* tine.pool, inside: open.c is the call as a whole. Errors are raised, and what was begun is given back by the collector. */
#ifndef TINE_BIND_OPEN_H
#define TINE_BIND_OPEN_H

#include "bind/view.h"

int tine__pool_open_lua(lua_State *L); /* core.open */

/* --- open_options.c: what the table at `arg` says --- */

/* All but the settings of tasks and the trace. What `o` names then is on the stack. */
void tine__open_read(lua_State *L, int arg, struct pool_options *o);
/* What holds for tasks that say nothing else; `timeout` has an older name here. Pushes a view that has it. */
struct view *tine__open_settings(lua_State *L, int arg);
/* The file that the pool is to be traced to, or NULL. */
const char *tine__open_trace(lua_State *L, int arg);

/* --- open_calls.c: what workers run before their tasks and after them --- */

/* Preload, initializer and finalizer, if there is any of them, for workers of this machine. */
void tine__open_encode(lua_State *L, int arg, struct pool_options *o);
/* The initializer of workers on other machines, when the pool is open. */
void tine__open_initialize(lua_State *L, struct core *c, int view, int arg);

int tine__bytes_gc(lua_State *L); /* of what holds one of these */

#endif

/* What the host program and worker states need of the module before any script has required it. */
#ifndef TINE_BIND_PRELOAD_H
#define TINE_BIND_PRELOAD_H

#include <lua.h>

/* Make `require "tine"` and its parts work in this state without installed files: fills
** package.preload from what is compiled in (bind/sources.h), with `tine.core` as a C function.
** Starts no processes. May raise memory errors. */
void tine__preload_modules(lua_State *L);

/* The same for the state that workers are forked with (tine__state_dress, worker/state/state.h).
** Compiles the module once, here: a task that uses it would take longer to compile it than its
** worker to start. */
void tine__preload_worker(lua_State *L);

/* Kill the workers of all pools that this state has made, without waiting; unfinished futures fail
** with `broken`. For a host whose script has failed. Does nothing if the module was never loaded.
** Does not raise. */
void tine__kill_pools(lua_State *L);

#endif

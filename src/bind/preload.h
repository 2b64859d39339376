/* What the host program and worker states ask of the binding before any script has required it. */
#ifndef TINE_BIND_PRELOAD_H
#define TINE_BIND_PRELOAD_H

#include <lua.h>

/* Make `require "tine"` and its parts work in this state without anything installed: fills
** package.preload from what is compiled in (bind/sources.h), with `tine.core` as a C function. Takes no
** root process, and starts nothing. May raise memory errors. */
void tine__preload_modules(lua_State *L);

/* The same for the state that workers are copies of (tine__state_dress, worker/state/state.h), with the module
** compiled here once: a worker whose task uses it would take longer to compile it than to start. */
void tine__preload_worker(lua_State *L);

/* Kill the workers of all pools that this state has made, now and without waiting; unfinished
** futures fail with `broken`. For a host whose script has failed. Does not raise; nothing happens
** when the module was never loaded. */
void tine__kill_pools(lua_State *L);

#endif

/* For programs that embed Lua themselves: the tine module without a file to require, and the C
** library's pools and futures (tine.h) as Lua values for the program's scripts.
**
** All functions here must be called by the thread that owns the lua_State. They may raise Lua
** errors (of memory, unless a declaration says more), and make sure of the stack slots that they
** need. All are since 0.1.0. */
#ifndef TINE_LUA_H
#define TINE_LUA_H

#include <lua.h>

#include "tine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Open the complete module, as `require "tine"` does, from what is compiled into the library:
** pushes the module's table and returns 1. Afterwards `require "tine"` works in this state, too.
** May be passed to luaL_requiref. The first state that opens the module starts the program's root
** process (tine_prepare), so open it before the program has other threads. */
TINE_API int luaopen_tine(lua_State *L);

/* The C half of the module alone, which the module's Lua files `require` as "tine.core". */
TINE_API int luaopen_tine_core(lua_State *L);

/* Push a string with the function at `index` in the form that TINE_ENCODED takes: with
** everything that the function needs, for any pool of the same versions of Tine and Lua. Returns
** the string's bytes, valid while it is on the stack, and stores their number in *length (may be
** NULL). If the function cannot be encoded, returns NULL and pushes the message instead. In Lua:
** tine.encode(fn). */
TINE_API const char *tine_encode_function(lua_State *L, int index, size_t *length);

/* Push the pool as a Lua value with all methods of pools that are made in Lua; NULL pushes nil. The
** program keeps the pool: when the value is collected or closed (`<close>`) nothing ends, only an
** explicit shutdown or kill in Lua ends it. The program may close the pool at any time; `submit` in
** Lua then raises `shutdown`. lua_close waits for the tasks that scripts of this state have
** submitted. The module is opened when it is first needed, so the state must have `require`. */
TINE_API void tine_lua_push_pool(lua_State *L, tine_pool *pool);

/* The pool that argument `arg` is a value of; anything else is an argument error. Valid as long as
** the pool is open. */
TINE_API tine_pool *tine_lua_check_pool(lua_State *L, int arg);

/* Push the future as a Lua value, which takes a reference; NULL pushes nil. It has all methods of
** futures that are made in Lua, and works in tine.wait and tine.as_completed. Waiting for it in Lua
** calls none of the program's C callbacks. */
TINE_API void tine_lua_push_future(lua_State *L, tine_future *future);

/* The future that argument `arg` is a value of; anything else is an argument error. Valid as long
** as that value. */
TINE_API tine_future *tine_lua_check_future(lua_State *L, int arg);

#ifdef __cplusplus
}
#endif

#endif

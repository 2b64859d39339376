/* Tine in a program that embeds Lua itself: the module without a file to require, and the C
** library's pools and futures (tine.h) in the hands of its scripts.
**
** All functions here are for the thread that owns the lua_State, raise Lua errors (of memory, if
** nothing else is said), need some slots of the stack, which they make sure of, and are since
** 0.1.0.
*/
#ifndef TINE_LUA_H
#define TINE_LUA_H

#include <lua.h>

#include "tine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Open the complete module, as `require "tine"` does, from what is compiled into the library:
** pushes its table and returns 1. Also makes `require "tine"` work in this state. It may be given
** to luaL_requiref. The first state that opens it takes the program's root process: do that before
** there are other threads. */
TINE_API int luaopen_tine(lua_State *L);

/* The C half alone, which the Lua files `require` as "tine.core". */
TINE_API int luaopen_tine_core(lua_State *L);

/* Push, as a string, the function at `index` in the form that TINE_ENCODED takes: with all that it
** needs, and for any pool of the same version of tine and Lua. The string's bytes, valid while it
** is on the stack, and their number in *length (may be NULL); on failure NULL, and the message is
** pushed. In Lua: tine.encode(fn). */
TINE_API const char *tine_encode_function(lua_State *L, int index, size_t *length);

/* Push the pool for scripts: with all methods of Lua's own pools. The program keeps it: collecting the
** handle, or `<close>`, ends nothing (an explicit shutdown or kill does), and the program closes the pool
** whenever it likes: `submit` then raises `shutdown`. lua_close waits for tasks that scripts of this
** state have submitted. The module is opened when it is first needed, so the state must have `require`.
** NULL pushes nil. */
TINE_API void tine_lua_push_pool(lua_State *L, tine_pool *pool);

/* The pool whose handle is argument `arg`; anything else is an argument error. Good as long as the
** pool is open. */
TINE_API tine_pool *tine_lua_check_pool(lua_State *L, int arg);

/* Push the future, of which a reference is taken: with all methods of Lua's own futures, also in
** tine.wait and tine.as_completed. Waiting for it in Lua calls none of the program's callbacks. NULL
** pushes nil. */
TINE_API void tine_lua_push_future(lua_State *L, tine_future *future);

/* The future whose handle is argument `arg`; anything else is an argument error. Good as long as
** the handle. */
TINE_API tine_future *tine_lua_check_future(lua_State *L, int arg);

#ifdef __cplusplus
}
#endif

#endif

/* Tine in a program that embeds Lua: the module without a file to require. */
#ifndef TINE_LUA_H
#define TINE_LUA_H

#include <lua.h>

#include "tine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Open the complete module, as `require "tine"` does, from what is compiled into the library: pushes
** its table and returns 1. Also makes `require "tine"` work in this state. It may be given to
** luaL_requiref. The first state that opens it takes the program's root process: do that before there
** are other threads. Raises Lua errors.   since 0.1 */
TINE_API int luaopen_tine(lua_State *L);

/* The C half alone, which the Lua files `require` as "tine.core".   since 0.1 */
TINE_API int luaopen_tine_core(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif

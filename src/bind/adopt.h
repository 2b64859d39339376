/* Pools and futures of the C library as Lua values (adopt.c). Lua functions, kept in the state. */
#ifndef TINE_BIND_ADOPT_H
#define TINE_BIND_ADOPT_H

#include <lua.h>

int tine__program_push_pool(lua_State *L);
int tine__program_push_future(lua_State *L);
int tine__program_pool_of(lua_State *L);
int tine__program_future_of(lua_State *L);
int tine__handle_gc(lua_State *L);

#endif

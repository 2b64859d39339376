/* tine.buffer, tine.freeze, tine.type: memory that all processes share (src/data). Lua
** functions. */
#ifndef TINE_BIND_DATA_H
#define TINE_BIND_DATA_H

#include <lua.h>

int tine__data_buffer(lua_State *L);
/* Raises `forked`; the value of tine__data_forked. */
int tine__data_refuse_forked(lua_State *L);
int tine__data_freeze(lua_State *L);
int tine__data_type(lua_State *L);

#endif

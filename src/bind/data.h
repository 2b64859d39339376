/* Buffers and frozen tables. */
#ifndef TINE_BIND_DATA_H
#define TINE_BIND_DATA_H

#include <lua.h>

int tine__data_buffer(lua_State *L);
/* What tine__data_forked is. */
int tine__data_refuse_forked(lua_State *L);
int tine__data_freeze(lua_State *L);
int tine__data_type(lua_State *L);

#endif

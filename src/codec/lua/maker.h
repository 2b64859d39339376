/* Makers: functions that make closures of loaded code. */
#ifndef TINE_CODEC_LUA_MAKER_H
#define TINE_CODEC_LUA_MAKER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Push a maker: a Lua function each call of which returns a new closure of the dumped code, with
** new upvalues that are nil. False, and nothing is pushed: the dump is not understood, or has too
** many upvalues. May raise memory errors. */
bool tine__push_maker(lua_State *L, const char *dump, size_t len);

#endif

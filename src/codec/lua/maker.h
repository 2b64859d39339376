/* Makers of closures. */
#ifndef TINE_CODEC_LUA_MAKER_H
#define TINE_CODEC_LUA_MAKER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Push a function each call of which makes a new closure of the dumped code, with new upvalues that
** are nil; false, and nothing, when it cannot be had. May raise memory errors. */
bool tine__push_maker(lua_State *L, const char *dump, size_t len);

#endif

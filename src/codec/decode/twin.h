/* What this process has put where the sender has put the same. */
#ifndef TINE_CODEC_DECODE_TWIN_H
#define TINE_CODEC_DECODE_TWIN_H

#include <lua.h>
#include <stdbool.h>

/* Are the values at `a` and `b` functions of the same code, or tables with such ones, or objects of such a class? */
bool tine__is_twin(lua_State *L, int a, int b);
/* Push the key in the table at `t` that is a twin of the one at `key`, and was there before the call; false, and nothing: there
** is none. `keys`: a table, empty at first, in which is kept what was there. */
bool tine__push_twin(lua_State *L, int t, int key, int keys);

#endif

/* Steps from one object to another (see names.h). */
#ifndef TINE_CODEC_NAMES_STEP_H
#define TINE_CODEC_NAMES_STEP_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

/* Is the key at stack index `key` one that can be a step? */
static inline bool step_is_key(lua_State *L, int key) {
    return lua_type(L, key) == LUA_TSTRING || (lua_isinteger(L, key) && lua_tointeger(L, key) > 0 &&
                                               lua_tointeger(L, key) < INT32_MAX);
}

/* Replace the value at `at` by the value that is a step from it. The step is on top, and popped.
** False: it leads nowhere. */
bool tine__take_step(lua_State *L, int at);
/* Replace the step on top by its text: ".name", "[3]"; `first`: without the dot. */
void tine__push_step(lua_State *L, bool first);

#endif

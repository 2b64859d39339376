/* Pools that an event loop serves (loop.c, lua/tine/loop.lua). */
#ifndef TINE_BIND_LOOP_H
#define TINE_BIND_LOOP_H

#include <lauxlib.h>
#include "bind/core.h"

/* A task is about to be submitted: the loop must watch the pool and keep running. May run Lua
** code. */
void tine__loop_start(lua_State *L, struct core *c);
static inline void loop_expect(lua_State *L, struct core *c) {
    if (c->served && !c->awake)
        tine__loop_start(L, c);
}
/* Is the running coroutine one of the loop that serves the pool, and can it yield? */
bool tine__loop_here(lua_State *L, struct core *c);
/* Push a method of the pool's loop, and the loop. False, and nothing pushed: no loop serves it. */
bool tine__loop_push(lua_State *L, struct core *c, const char *method);
extern const luaL_Reg tine__loop_functions[], tine__loop_methods[];

#endif

/* Pools that an event loop serves. */
#ifndef TINE_BIND_LOOP_H
#define TINE_BIND_LOOP_H

#include <lauxlib.h>
#include "bind/core.h"

/* Something is about to be submitted: the loop is to watch, and to go on. May run the script. */
void tine__loop_start(lua_State *L, struct core *c);
static inline void loop_expect(lua_State *L, struct core *c) {
    if (c->served && !c->awake)
        tine__loop_start(L, c);
}
/* Is this coroutine one that the loop of the pool runs, and may it yield? */
bool tine__loop_here(lua_State *L, struct core *c);
/* Push a method of the pool's loop, and the loop. False: it has none, and nothing is pushed. */
bool tine__loop_push(lua_State *L, struct core *c, const char *method);
extern const luaL_Reg tine__loop_functions[], tine__loop_methods[];

#endif

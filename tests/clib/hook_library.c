/* A library that prepares worker states: what options.prepare_symbol names in tests/clib/hook.c. */
#include <lauxlib.h>
#include <lua.h>
#include "hook_library.h"

static int twice(lua_State *L) {
    lua_pushinteger(L, 2 * luaL_checkinteger(L, 1));
    return 1;
}

__attribute__((visibility("default"))) int prepare_twice(lua_State *L, void *arg) {
    if (arg)
        return 1;
    lua_register(L, "twice", twice);
    return 0;
}

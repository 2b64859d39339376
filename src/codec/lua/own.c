/* Tables of Lua's own that are in every state and in no library: `require`'s, and metatables.
**
** They go by names of their own, whoever holds them, and are no way to anything: what is in them is this state's.
*/
#include <lauxlib.h>
#include <string.h>
#include "codec/lua/own.h"
#include "codec/lua/standard.h"
#include "codec/state.h"

static const char *const names[OWN_TABLES] = {"package.loaded", STRINGS, "file metatable"};

/* Push what this state has, or something that is no table. */
static void push(lua_State *L, int i) {
    if (i == 0) {
        lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    } else if (i == 1) {
        lua_pushliteral(L, "");
        if (lua_getmetatable(L, -1))
            lua_remove(L, -2);
    } else {
        luaL_getmetatable(L, LUA_FILEHANDLE);
    }
}

void tine__own_keep(lua_State *L, struct codec *c) {
    int slot = lua_gettop(L);
    for (int i = 0; i < OWN_TABLES; i++) {
        push(L, i);
        c->own[i] = lua_istable(L, -1) ? lua_topointer(L, -1) : NULL;
        if (c->own[i])
            lua_setfield(L, slot, names[i]);
        lua_settop(L, slot);
    }
}

const char *tine__own_table(const struct codec *c, const void *p) {
    for (int i = 0; i < OWN_TABLES; i++)
        if (c->own[i] == p)
            return names[i];
    return NULL;
}

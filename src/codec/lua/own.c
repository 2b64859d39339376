/* Lua's own tables that are in each state and in no library: package.loaded and two metatables.
**
** They travel by names of their own, wherever they are held. No other object gets a name through
** them: what they hold belongs to this state.
*/
#include <lauxlib.h>
#include <string.h>
#include "codec/lua/own.h"
#include "codec/lua/standard.h"
#include "codec/state.h"

static const char *const names[OWN_TABLES] = {"package.loaded", STRINGS, "file metatable"};

/* Push table number `i` of this state, or a value that is no table. */
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

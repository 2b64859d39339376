/* Is a module's file still what the module was loaded from?
**
** Lua does not say what it has loaded; what the file was when anybody first looked at the module is as near as one gets. It
** is kept for all codecs of the state, as long as the module lives: with the module's table (or what else `require`
** gave), hash of the code by path.
*/
#include "codec/modules.h"

#define VERSIONS "tine.versions" /* registry, weak keys: module -> path -> hash */

/* Push the hashes of the module at `module`, by path. */
static void push_hashes(lua_State *L, int module) {
    if (!luaL_getsubtable(L, LUA_REGISTRYINDEX, VERSIONS)) {
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "k");
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
    }
    lua_pushvalue(L, module);
    if (lua_rawget(L, -2) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, module);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    lua_remove(L, -2);
}

uint64_t tine__version(lua_State *L, int self, const char *module, const struct file *f) {
    int top = lua_gettop(L);
    uint64_t hash = f->hash;
    luaL_checkstack(L, 10, "modules");
    lua_rawgeti(L, self, ST_LOADED);
    lua_pushstring(L, module);
    lua_rawget(L, top + 1);
    if (lua_istable(L, -1) || lua_isfunction(L, -1)) {
        push_hashes(L, top + 2);
        lua_pushstring(L, f->path);
        if (lua_rawget(L, top + 3) == LUA_TNUMBER) {
            hash = (uint64_t)lua_tointeger(L, -1);
        } else {
            lua_pushstring(L, f->path);
            lua_pushinteger(L, (lua_Integer)hash);
            lua_rawset(L, top + 3);
        }
    }
    lua_settop(L, top);
    return hash;
}

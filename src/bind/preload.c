#include "bind/preload.h"

#include <lauxlib.h>
#include "bind/sources.h"
#include "tine_lua.h"

/* Loader of a module whose source is compiled in: (name, ":preload:"). */
static int load_source(lua_State *L) {
    const struct tine__lua_source *source = lua_touserdata(L, lua_upvalueindex(1));
    lua_settop(L, 1);
    lua_pushfstring(L, "@%s.lua", source->name);
    if (luaL_loadbufferx(L, source->text, source->len, lua_tostring(L, 2), "t") != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static void preload_sources(lua_State *L) {
    for (const struct tine__lua_source *s = tine__lua_sources; s->name; s++) {
        lua_pushlightuserdata(L, (void *)s);
        lua_pushcclosure(L, load_source, 1);
        lua_setfield(L, -2, s->name);
    }
}

void tine__preload_modules(lua_State *L) {
    luaL_checkstack(L, 5, "tine");
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_tine_core);
    lua_setfield(L, -2, "tine.core");
    preload_sources(L);
    lua_pop(L, 1);
}

/* As `require "tine"`, from what is compiled in. */
TINE_API int luaopen_tine(lua_State *L) {
    tine__preload_modules(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_GNAME);
    lua_getfield(L, -1, "require");
    lua_pushliteral(L, "tine");
    lua_call(L, 1, 1);
    return 1;
}

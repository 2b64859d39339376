/* tine.register: classes with encode and decode functions of their own.
**
** One table in the Lua registry, for all codecs of a state, has the records of classes both by name
** (strings) and by metatable (tables). A record is a list: name, metatable, encode, decode.
*/
#include <lauxlib.h>
#include <stdatomic.h>
#include "base/hot.h"
#include "codec/codec.h"
#include "codec/registry.h"

static const char registry_key;

/* Has any Lua state of this process registered a class? If not, lookups are skipped. */
static atomic_bool any;

bool tine__classes_push(lua_State *L) {
    if (likely(!atomic_load_explicit(&any, memory_order_relaxed)))
        return false;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    return true;
}

static void push_or_make(lua_State *L) {
    if (tine__classes_push(L))
        return;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
    atomic_store_explicit(&any, true, memory_order_relaxed);
}

static void check_arguments(lua_State *L) {
    luaL_checktype(L, 1, LUA_TSTRING);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 4);
    if (lua_isnil(L, 3) && lua_isnil(L, 4)) /* travels by value, its metatable by this name */
        return;
    luaL_checktype(L, 3, LUA_TFUNCTION);
    luaL_checktype(L, 4, LUA_TFUNCTION);
}

/* A name has one metatable, and a metatable one name. */
static void check_clash(lua_State *L, int classes) {
    lua_pushvalue(L, 1);
    if (lua_rawget(L, classes) == LUA_TTABLE) {
        lua_rawgeti(L, -1, CLASS_METATABLE);
        if (!lua_rawequal(L, -1, 2))
            luaL_error(L, "class '%s' is registered with another metatable", lua_tostring(L, 1));
    }
    lua_pushvalue(L, 2);
    if (lua_rawget(L, classes) == LUA_TTABLE) {
        lua_rawgeti(L, -1, CLASS_NAME);
        if (!lua_rawequal(L, -1, 1))
            luaL_error(L, "this metatable is registered as class '%s'", lua_tostring(L, -1));
    }
    lua_settop(L, classes);
}

int tine__codec_register(lua_State *L) {
    check_arguments(L);
    push_or_make(L);
    check_clash(L, 5);
    lua_createtable(L, 4, 0);
    for (int i = 1; i <= 4; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, 6, i);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 6);
    lua_rawset(L, 5);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 6);
    lua_rawset(L, 5);
    return 0;
}

static int to_text(lua_State *L) {
    luaL_tolstring(L, 1, NULL);
    return 1;
}

const char *tine__push_text(lua_State *L) {
    lua_pushcfunction(L, to_text);
    lua_pushvalue(L, -2);
    int status = lua_pcall(L, 1, 1, 0); /* __tostring may raise, or give no string */
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (status == LUA_OK)
        return lua_tostring(L, -1);
    lua_pop(L, 1);
    return lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, -1));
}

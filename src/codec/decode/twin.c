/* Twins: objects that this process has made as the sender has made others (see twin.h). In a set of
** functions or objects, an initializer's twin would stand beside the sender's object, and both
** would be called.
*/
#include <lua.h>
#include "codec/decode/twin.h"
#include "codec/lua/dump.h"

/* Are the values at `a` and `b` Lua functions of the same code? */
static bool same_code(lua_State *L, int a, int b) {
    return lua_isfunction(L, a) && lua_isfunction(L, b) && !lua_iscfunction(L, a) &&
           !lua_iscfunction(L, b) && tine__same_code(L, a, b);
}

/* Does the table at `b` have functions of the same code as the one at `a`, under the same keys?
** *any: there are some. */
static bool same_functions(lua_State *L, int a, int b, bool *any) {
    int top = lua_gettop(L);
    bool same = true;
    for (lua_pushnil(L); same && lua_next(L, a); lua_settop(L, top + 1)) {
        if (!lua_isfunction(L, -1))
            continue;
        lua_pushvalue(L, -2);
        lua_rawget(L, b);
        same = lua_rawequal(L, -1, -2) || same_code(L, top + 2, top + 3);
        *any = true;
    }
    lua_settop(L, top);
    return same;
}

/* Do the tables at `a` and `b` have metatables with the same functions in them, or else in their
** __index? */
static bool same_class(lua_State *L, int a, int b) {
    int top = lua_gettop(L);
    bool any = false;
    bool same = lua_getmetatable(L, a) && lua_getmetatable(L, b) &&
                same_functions(L, top + 1, top + 2, &any);
    lua_settop(L, same ? top + 2 : top);
    if (same && !any) {
        lua_pushliteral(L, "__index");
        lua_rawget(L, top + 1);
        lua_pushliteral(L, "__index");
        lua_rawget(L, top + 2);
        same =
            lua_istable(L, -1) && lua_istable(L, -2) && same_functions(L, top + 3, top + 4, &any);
    }
    lua_settop(L, top);
    return same && any;
}

bool tine__is_twin(lua_State *L, int a, int b) {
    bool any = false;
    if (!lua_istable(L, a) || !lua_istable(L, b))
        return same_code(L, a, b);
    bool same = same_functions(L, a, b, &any);
    return any ? same : same_class(L, a, b);
}

/* Push the list of the tables and functions that were keys of the table at `t` when this was called
** first. */
static void push_keys(lua_State *L, int t, int keys) {
    lua_pushvalue(L, t);
    if (lua_rawget(L, keys) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    int list = lua_gettop(L);
    lua_Integer n = 0;
    for (lua_pushnil(L); lua_next(L, t); lua_settop(L, list + 1)) {
        if (!lua_istable(L, list + 1) && !lua_isfunction(L, list + 1))
            continue;
        lua_pushvalue(L, list + 1);
        lua_rawseti(L, list, ++n);
    }
    lua_pushvalue(L, t);
    lua_pushvalue(L, list);
    lua_rawset(L, keys);
}

/* Does the table at `t` have the key on top? */
static bool is_key(lua_State *L, int t) {
    lua_pushvalue(L, -1);
    bool is = lua_rawget(L, t) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

bool tine__push_twin(lua_State *L, int t, int key, int keys) {
    if (!(lua_istable(L, key) || lua_isfunction(L, key)) || !lua_checkstack(L, 20))
        return false;
    push_keys(L, t, keys);
    int list = lua_gettop(L);
    for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++, lua_settop(L, list))
        if (!lua_rawequal(L, -1, key) && is_key(L, t) && tine__is_twin(L, key, list + 1)) {
            lua_replace(L, list);
            return true;
        }
    lua_settop(L, list - 1);
    return false;
}

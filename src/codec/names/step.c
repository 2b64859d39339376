/* Steps from one object to another: a key, an upvalue (a negative integer), or a metatable (a
** boolean).
*/
#include <lua.h>
#include "codec/names/step.h"

static bool take_upvalue(lua_State *L, int at, int i) {
    lua_settop(L, lua_gettop(L) - 1);
    if (!lua_isfunction(L, at) || !lua_getupvalue(L, at, i))
        return false;
    lua_replace(L, at);
    return true;
}

bool tine__take_step(lua_State *L, int at) {
    if (lua_isboolean(L, -1)) {
        lua_pop(L, 1);
        if (!lua_getmetatable(L, at))
            return false;
        lua_replace(L, at);
        return true;
    }
    if (lua_isinteger(L, -1) && lua_tointeger(L, -1) < 0)
        return take_upvalue(L, at, (int)-lua_tointeger(L, -1));
    if (!lua_istable(L, at)) {
        lua_pop(L, 1);
        return false;
    }
    bool there = lua_rawget(L, at) != LUA_TNIL;
    lua_replace(L, at);
    return there;
}

void tine__push_step(lua_State *L, bool first) {
    if (lua_isboolean(L, -1))
        lua_pushliteral(L, ".<metatable>");
    else if (lua_isinteger(L, -1) && lua_tointeger(L, -1) < 0)
        lua_pushfstring(L, ".<upvalue %I>", (LUAI_UACINT)-lua_tointeger(L, -1));
    else if (lua_isinteger(L, -1))
        lua_pushfstring(L, "[%I]", (LUAI_UACINT)lua_tointeger(L, -1));
    else
        lua_pushfstring(L, first ? "%s" : ".%s", lua_tostring(L, -1));
    lua_remove(L, -2);
}

/* Metatables of Tine's own userdata. */
#include <lauxlib.h>
#include "codec/lua/class.h"

/* The metatable is registered only when it is complete. luaL_newmetatable would register it first,
** and if setting __gc then failed for lack of memory, a metatable without __gc would remain. For
** the same reason, a caller that links a userdata into a list, from which its __gc unlinks it, does
** so only after this call. */
void tine__set_class(lua_State *L, const char *name, lua_CFunction gc) {
    if (luaL_getmetatable(L, name) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 2);
        lua_pushstring(L, name);
        lua_setfield(L, -2, "__name");
        lua_pushcfunction(L, gc);
        lua_setfield(L, -2, "__gc");
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, name);
    }
    lua_setmetatable(L, -2);
}

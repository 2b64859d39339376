/* The metatables of the codec's own userdata. */
#include <lauxlib.h>
#include "codec/lua/class.h"

/* Once it is registered it is complete: luaL_newmetatable, and __gc after it, would leave one without __gc behind
** when there is no memory in between. Whoever is on a list that __gc takes it from is put there after this. */
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

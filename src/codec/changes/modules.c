/* Lists of loaded modules (modules.h). They are kept in ST_USES. */
#include "codec/changes/modules.h"

#include <lua.h>
#include "codec/encode/encoder.h"
#include "codec/state.h"

void tine__push_modules(struct encoder *e, const void *key,
                        bool (*belongs)(struct encoder *e, const char *name, const void *arg),
                        const void *arg) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    lua_Integer n = 0;
    lua_rawgeti(L, e->self, ST_USES);
    if (lua_rawgetp(L, top + 1, key) == LUA_TTABLE) {
        lua_replace(L, top + 1);
        return;
    }
    lua_newtable(L);
    lua_rawgeti(L, e->self, ST_LOADED);
    for (lua_pushnil(L); lua_next(L, top + 4); lua_settop(L, top + 5)) {
        if (lua_type(L, top + 5) != LUA_TSTRING || !belongs(e, lua_tostring(L, top + 5), arg))
            continue;
        lua_pushvalue(L, top + 5);
        lua_rawseti(L, top + 3, ++n);
    }
    lua_settop(L, top + 3);
    lua_pushvalue(L, top + 3);
    lua_rawsetp(L, top + 1, key);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

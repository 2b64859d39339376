/* What this process has put where the sender has put the same: in a set of functions or of objects an initializer's copy would
** be there beside the sender's, and both be called.
*/
#include <lua.h>
#include "codec/decode/apply.h"
#include "codec/decode/reader.h"
#include "codec/decode/twin.h"
#include "codec/lua/dump.h"
#include "codec/state.h"

/* Are the values at `a` and `b` Lua functions of one code? */
static bool same_code(lua_State *L, int a, int b) {
    return lua_isfunction(L, a) && lua_isfunction(L, b) && !lua_iscfunction(L, a) &&
           !lua_iscfunction(L, b) && tine__same_code(L, a, b);
}

/* Has the table at `b` functions of the same code as that at `a`, under the same keys? *any: there are some. */
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

/* Have the tables at `a` and `b` metatables with the same functions in them, or in their __index? */
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

/* Has this call put something under the key on top of the table at `t`? */
static bool is_senders(const struct reader *r, int t) {
    lua_State *L = r->L;
    int key = lua_gettop(L);
    bool is = false;
    lua_rawgeti(L, r->self, ST_UNDO);
    for (lua_Integer n = 0; !is && n < r->c->changed; n++, lua_settop(L, key + 1)) {
        lua_rawgeti(L, key + 1, UNDO * n + 1);
        lua_rawgeti(L, key + 1, UNDO * n + 2);
        is = lua_rawequal(L, -1, key) && lua_rawequal(L, -2, t);
    }
    lua_settop(L, key);
    return is;
}

bool tine__is_twin(lua_State *L, int a, int b) {
    bool any = false;
    if (!lua_istable(L, a) || !lua_istable(L, b))
        return same_code(L, a, b);
    bool same = same_functions(L, a, b, &any);
    return any ? same : same_class(L, a, b);
}

bool tine__push_twin(const struct reader *r, int t, int key) {
    lua_State *L = r->L;
    if (!(lua_istable(L, key) || lua_isfunction(L, key)) || !lua_checkstack(L, 20))
        return false;
    for (lua_pushnil(L); lua_next(L, t);) {
        lua_pop(L, 1);
        if (!lua_rawequal(L, -1, key) && tine__is_twin(L, key, lua_gettop(L)) && !is_senders(r, t))
            return true;
    }
    return false;
}

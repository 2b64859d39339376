/* What in a module is the program's (objects.h). Whose the class of an object is, is told by the
** functions in the object's metatable, in the table that this has as __index, and so on from there;
** the first of these that has any functions decides.
*/
#include <lauxlib.h>
#include <lua.h>
#include "codec/changes/objects.h"
#include "codec/encode/encoder.h"
#include "codec/limits.h"
#include "codec/lua/own.h"
#include "codec/names/proof.h"
#include "codec/state.h"

#define MAX_CLASSES 8

bool tine__is_states(const struct encoder *e) {
    const void *p = lua_topointer(e->L, -1);
    return p == e->c->globals || tine__own_table(e->c, p);
}

bool tine__is_finalized(lua_State *L) {
    bool is = luaL_getmetafield(L, -1, "__gc") != LUA_TNIL;
    lua_pop(L, is);
    return is;
}

bool tine__is_given(const struct looker *by, int value) {
    lua_State *L = by->e->L;
    if (!tine__is_programs(by->e, by->file, value) ||
        (!by->others && tine__is_from_reach(by->e, by->reach, value)))
        return false;
    lua_pushvalue(L, value);
    bool text = by->no_text && tine__is_of_text(L);
    lua_pop(L, 1);
    return !text;
}

static bool holds_given(const struct looker *by, int depth, int *left) {
    lua_State *L = by->e->L;
    int t = lua_gettop(L);
    bool holds = false;
    if (!lua_checkstack(L, 20))
        return false;
    for (lua_pushnil(L); !holds && --*left >= 0 && lua_next(L, t); lua_settop(L, t + 1))
        holds = lua_istable(L, -1) ? depth > 0 && holds_given(by, depth - 1, left)
                                   : tine__is_given(by, t + 2);
    lua_settop(L, t);
    return holds;
}

bool tine__holds_given(const struct looker *by, int depth, int fields) {
    return holds_given(by, depth, &fields);
}

void tine__makers_add(const struct looker *by, struct makers *m) {
    struct encoder *e = by->e;
    lua_State *L = e->L;
    int t = lua_gettop(L), left = MODULE_FIELDS;
    if (tine__is_states(e))
        return;
    for (lua_pushnil(L); --left >= 0 && lua_next(L, t); lua_settop(L, t + 1)) {
        if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1) ||
            (by->no_text && tine__is_of_text(L)))
            continue;
        if (tine__is_from_file(e, by->file, t + 2))
            m->module = true;
        else
            m->program |= tine__is_given(by, t + 2);
    }
    lua_settop(L, t);
}

struct makers tine__makers_of(const struct looker *by) {
    lua_State *L = by->e->L;
    int top = lua_gettop(L);
    struct makers m = {false, false};
    if (!lua_checkstack(L, 20))
        return m;
    lua_pushvalue(L, top);
    for (int i = 0; i < MAX_CLASSES && !m.program && !m.module && lua_istable(L, top + 1) &&
                    lua_getmetatable(L, top + 1);
         i++) {
        tine__makers_add(by, &m);
        lua_pushliteral(L, "__index");
        if (lua_rawget(L, top + 2) == LUA_TTABLE && !lua_rawequal(L, top + 3, top + 2))
            tine__makers_add(by, &m);
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return m;
}

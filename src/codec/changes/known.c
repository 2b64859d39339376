/* The records of tables: what is known to belong into them (scan.h). */
#include <lua.h>
#include <math.h>
#include <string.h>
#include "codec/changes/scan.h"
#include "codec/encode/encoder.h"
#include "codec/lua/standard.h"
#include "codec/state.h"

/* Push the C function of that entry, or what stands in for it in this state. Nil if only the state
** itself can make it, and the table at `t` has another one. */
static void push_standard(lua_State *L, const struct standard *s, int t) {
    lua_pushstring(L, s->field);
    lua_rawget(L, t);
    if (tine__standard_is(s, lua_tocfunction(L, -1)))
        return;
    lua_pop(L, 1);
    if (s->closure)
        lua_pushnil(L);
    else
        lua_pushcfunction(L, s->f);
}

/* Fill the record on top with what the standard library has in a new state. `t` is the library's
** table. Returns the number of fields. */
static lua_Integer fill_standard(lua_State *L, int t, const char *module) {
    lua_Integer n = 0;
    int own = lua_gettop(L);
    for (const struct standard *s = tine__standard_list(); s->f; s++) {
        if (strcmp(s->module, module) != 0)
            continue;
        push_standard(L, s, t);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            continue;
        }
        lua_setfield(L, own, s->field);
        n++;
    }
    return n;
}

lua_Integer tine__scan_push_known(struct scan *s, int t) {
    lua_State *L = s->e->L;
    lua_Integer n = 0;
    lua_rawgeti(L, s->e->self, ST_CHANGES);
    lua_pushvalue(L, t);
    s->first = lua_rawget(L, -2) == LUA_TNIL;
    if (s->first) {
        lua_pop(L, 1);
        lua_newtable(L);
        if (s->module)
            n = fill_standard(L, t, s->module);
        lua_pushboolean(L, 1);
        lua_pushinteger(L, n);
        lua_rawset(L, -3);
        lua_pushvalue(L, t);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    } else {
        lua_pushboolean(L, 1);
        lua_rawget(L, -2);
        n = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_remove(L, -2);
    return n;
}

void tine__scan_record(lua_State *L, int own, int key, bool is_new) {
    lua_pushvalue(L, key);
    lua_insert(L, -2);
    lua_rawset(L, own);
    if (!is_new)
        return;
    lua_pushboolean(L, 1);
    lua_pushboolean(L, 1);
    lua_rawget(L, own);
    lua_Integer n = lua_tointeger(L, -1);
    lua_pop(L, 1);
    lua_pushinteger(L, n + 1);
    lua_rawset(L, own);
}

/* Push the constant that a new state's libraries have under that name; nil: none. */
static void push_data(lua_State *L, const char *key) {
    static const char pattern[] = "[\0-\x7F\xC2-\xFD][\x80-\xBF]*"; /* as in lutf8lib.c */
    if (strcmp(key, "pi") == 0)
        lua_pushnumber(L, acos(-1));
    else if (strcmp(key, "huge") == 0)
        lua_pushnumber(L, (lua_Number)HUGE_VAL);
    else if (strcmp(key, "maxinteger") == 0)
        lua_pushinteger(L, LUA_MAXINTEGER);
    else if (strcmp(key, "mininteger") == 0)
        lua_pushinteger(L, LUA_MININTEGER);
    else if (strcmp(key, "charpattern") == 0)
        lua_pushlstring(L, pattern, sizeof pattern - 1);
    else
        lua_pushnil(L);
}

bool tine__scan_is_standard(struct scan *s, int key) {
    lua_State *L = s->e->L;
    const char *k = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : "";
    if (strcmp(s->module, "package") == 0 || strcmp(s->module, "_G") == 0)
        return true;
    if (lua_type(L, -1) == LUA_TUSERDATA) {
        const char *file = tine__standard_file(L, -1);
        return file && strcmp(file + 3, k) == 0;
    }
    push_data(L, k);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    return same;
}

void tine__scan_strings(struct scan *s, int t) {
    lua_State *L = s->e->L;
    int top = lua_gettop(L);
    lua_pushboolean(L, 1);
    lua_pushliteral(L, "");
    if (!lua_getmetatable(L, -1))
        return lua_settop(L, top);
    int meta = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, meta); lua_pop(L, 1)) {
        const char *k = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        const struct standard *known = tine__standard_named(STRINGS, k);
        if (known ? lua_tocfunction(L, -1) == known->f : lua_rawequal(L, -1, t))
            continue;
        if (scan_is_step(L, -2))
            tine__scan_add(s, top + 1, meta + 1);
    }
    lua_settop(L, top);
}

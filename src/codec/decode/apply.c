/* What the sender had changed in modules, for one call: done before it begins, undone after it. */
#include <lauxlib.h>
#include "base/hot.h"
#include "codec/codec.h"
#include "codec/decode/apply.h"
#include "codec/decode/reader.h"
#include "codec/decode/resolve.h"
#include "codec/lua/standard.h"
#include "codec/state.h"

static const char metatable_key; /* in place of a key */

/* The object at `t` had the value on top, which is taken, under the key at `key`: that is to be put back. */
static void note(struct reader *r, int t, int key) {
    lua_State *L = r->L;
    int value = lua_gettop(L);
    lua_Integer n = r->c->changed;
    lua_rawgeti(L, r->self, ST_UNDO);
    lua_insert(L, value);
    lua_rawseti(L, value, 3 * n + 3);
    lua_pushvalue(L, key);
    lua_rawseti(L, value, 3 * n + 2);
    lua_pushvalue(L, t);
    lua_rawseti(L, value, 3 * n + 1);
    r->c->changed++;
    lua_settop(L, value - 1);
}

/* Set field `key` of the table at `t` to the value on top, which is popped, and note what is to be put back. */
static void change(struct reader *r, int t, int key) {
    lua_State *L = r->L;
    int value = lua_gettop(L);
    lua_pushvalue(L, key);
    lua_rawget(L, t);
    note(r, t, key);
    lua_pushvalue(L, key);
    lua_pushvalue(L, value);
    lua_rawset(L, t);
    lua_settop(L, value - 1);
}

/* Replace the table at `t` by the one that the first of two steps leads to; made for the call if there is none. */
static void enter(struct reader *r, int t, int step) {
    lua_State *L = r->L;
    if (lua_isboolean(L, step) && !lua_toboolean(L, step))
        return; /* there is one step only, the other one */
    if (lua_isboolean(L, step)) {
        lua_pushliteral(L, "");
        if (lua_getmetatable(L, -1))
            lua_replace(L, t);
        lua_settop(L, step);
        return;
    }
    lua_pushvalue(L, step);
    if (lua_rawget(L, t) != LUA_TTABLE) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        change(r, t, step);
    }
    lua_replace(L, t);
    lua_settop(L, step);
}

/* Has this process put something of its own in place of Lua's there? Then that stays. */
static bool is_own(lua_State *L, int library, int key) {
    const char *field = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : NULL;
    const struct standard *s =
        field && library ? tine__standard_named(lua_tostring(L, library), field) : NULL;
    return s && lua_tocfunction(L, -1) != s->f;
}

/* The table, the path and the value are on top: they wait, as names must lead to what this process has itself. */
void tine__await_change(struct reader *r) {
    lua_State *L = r->L;
    int t = lua_gettop(L) - 2;
    luaL_checkstack(L, 20, "changes");
    if (!r->call)
        tine__malformed(r, "a change outside of a call");
    lua_rawgeti(L, r->self, ST_PENDING);
    for (int i = 0; i < 3; i++) {
        lua_pushvalue(L, t + i);
        lua_rawseti(L, -2, 3 * (lua_Integer)r->pending + i + 1);
    }
    r->pending++;
    lua_settop(L, t - 1);
}

/* Replace the table at `t` (or the name of a library) by the one to change, and the path behind it by the key. */
static bool find_place(struct reader *r, int t) {
    lua_State *L = r->L;
    int path = t + 1, top = lua_gettop(L);
    if (lua_type(L, t) == LUA_TSTRING) {
        (void)tine__push_module(L, t);
        lua_replace(L, t);
        lua_settop(L, top);
    }
    if (lua_istable(L, t) && lua_istable(L, path)) {
        lua_rawgeti(L, path, 1);
        enter(r, t, top + 1);
        lua_rawgeti(L, path, 2);
        lua_replace(L, path);
    }
    lua_settop(L, top);
    return lua_istable(L, t) && !lua_isnil(L, path) &&
           !(lua_type(L, path) == LUA_TNUMBER && lua_tonumber(L, path) != lua_tonumber(L, path));
}

/* A list of functions ends before item `key` for the call. */
static void end_list(struct reader *r, int t, int key) {
    lua_State *L = r->L;
    int top = lua_gettop(L);
    for (lua_Integer i = lua_tointeger(L, key); lua_rawgeti(L, t, i) == LUA_TFUNCTION; i++) {
        lua_pushinteger(L, i);
        lua_pushnil(L);
        change(r, t, lua_gettop(L) - 1);
        lua_settop(L, top);
    }
    lua_settop(L, top);
}

/* A variable of the function at `t`: its name and minus its number are the path. Others that share it get the value, too. */
static void apply_upvalue(struct reader *r, int t) {
    lua_State *L = r->L;
    int path = t + 1, value = t + 2;
    if (lua_istable(L, path))
        lua_rawgeti(L, path, 2);
    lua_Integer i = lua_isinteger(L, -1) ? -lua_tointeger(L, -1) : 0;
    if (lua_gettop(L) > value && !lua_iscfunction(L, t) && i > 0 && i <= UINT8_MAX &&
        lua_getupvalue(L, t, (int)i) && !lua_rawequal(L, -1, value)) {
        note(r, t, value + 1);
        lua_pushvalue(L, value);
        lua_setupvalue(L, t, (int)i);
    }
    lua_settop(L, t - 1);
}

/* The metatable of the table at `t`. */
static void apply_metatable(struct reader *r, int t) {
    lua_State *L = r->L;
    int path = t + 1, value = t + 2;
    if (lua_istable(L, value)) {
        lua_pushlightuserdata(L, (void *)&metatable_key);
        lua_replace(L, path);
        if (!lua_getmetatable(L, t))
            lua_pushnil(L);
        note(r, t, path);
        lua_pushvalue(L, value);
        lua_setmetatable(L, t);
    }
    lua_settop(L, t - 1);
}

/* The table, the path and the value are on top, and taken. */
static void apply(struct reader *r) {
    lua_State *L = r->L;
    int t = lua_gettop(L) - 2, path = t + 1, value = t + 2;
    if (lua_isfunction(L, t))
        return apply_upvalue(r, t);
    if (lua_istable(L, t) && lua_isboolean(L, path))
        return apply_metatable(r, t);
    lua_pushvalue(L, t); /* a library's name */
    int library = lua_type(L, t) == LUA_TSTRING && !lua_istable(L, path) ? value + 1 : 0;
    if (!find_place(r, t))
        return lua_settop(L, t - 1);
    bool end = !library && lua_isinteger(L, path) && lua_isboolean(L, value);
    if (end)
        end_list(r, t, path);
    lua_pushvalue(L, path);
    lua_rawget(L, t);
    if (!end && !lua_rawequal(L, -1, value) && !is_own(L, library, path)) {
        lua_pushvalue(L, value);
        change(r, t, path);
    }
    lua_settop(L, t - 1);
}

void tine__apply_changes(struct reader *r) {
    lua_State *L = r->L;
    luaL_checkstack(L, 30, "changes");
    for (uint32_t n = 0; n < r->pending; n++) {
        lua_rawgeti(L, r->self, ST_PENDING);
        int list = lua_gettop(L);
        for (int i = 1; i <= 3; i++) {
            lua_rawgeti(L, list, 3 * (lua_Integer)n + i);
            lua_pushnil(L);
            lua_rawseti(L, list, 3 * (lua_Integer)n + i);
        }
        apply(r);
        lua_settop(L, list - 1);
    }
    r->pending = 0;
}

/* (list, how many): the last change first */
static int restore(lua_State *L) {
    for (lua_Integer n = lua_tointeger(L, 2) - 1; n >= 0; n--) {
        for (int i = 1; i <= 3; i++)
            lua_rawgeti(L, 1, 3 * n + i);
        if (lua_isfunction(L, 3))
            lua_setupvalue(L, 3, -(int)lua_tointeger(L, 4));
        else if (lua_touserdata(L, 4) == &metatable_key)
            lua_setmetatable(L, 3);
        else
            lua_rawset(L, 3);
        lua_settop(L, 2);
    }
    return 0;
}

void tine__codec_restore(lua_State *L, struct codec *c) {
    if (likely(!c->changed) || !lua_checkstack(L, 20))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_pushcfunction(L, restore);
    lua_rawgeti(L, -2, ST_UNDO);
    lua_pushinteger(L, c->changed);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        lua_pop(L, 1); /* no memory */
    lua_pop(L, 1);
    c->changed = 0;
}

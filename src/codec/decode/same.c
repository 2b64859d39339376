/* Is what came the same as what this process has? Then its own is taken, so that what a module recognizes by
** identity it still recognizes.
**
** Both are walked in step, access is raw. Tables are the same that have the same keys with the same values and
** metatables that are the same; functions, that have the same code and upvalues that are the same. What the copy has
** taken over from this process already is the same when it is the very object. As all that was met pairs off, one
** with one, cycles and shared parts compare as they should; and so that later references of the message
** lead to this process's own parts, each reference into the copy is turned to its partner.
**
** Functions that only the copy has, as fields of a table, do not make it another one: a method that the program has added
** to a class, an entry of a registry. They are changes (apply.c): its own table has them for the call.
*/
#include <lauxlib.h>
#include "codec/decode/apply.h"
#include "codec/decode/reader.h"
#include "codec/decode/resolve.h"
#include "codec/lua/dump.h"
#include "codec/state.h"

#define MAX_DEPTH 200

struct comparison {
    lua_State *L;
    int pairs; /* stack index: part of the copy -> part of our own, and the other way round */
    int own;   /* part of the copy -> part of our own */
    int added; /* a list: our own table, key, function that only the copy has there */
    lua_Integer nadded;
    bool call; /* that may be */
    int depth;
};

static bool same(struct comparison *c, int a, int b);

/* ---- functions ---- */

static bool same_functions(struct comparison *c, int a, int b) {
    lua_State *L = c->L;
    if (lua_iscfunction(L, a) || lua_iscfunction(L, b) || !tine__same_code(L, a, b))
        return false;
    for (int i = 1; lua_getupvalue(L, a, i); i++) {
        int top = lua_gettop(L);
        if (!lua_getupvalue(L, b, i) || !same(c, top, top + 1))
            return false;
        lua_settop(L, top - 1);
    }
    return true;
}

/* ---- tables ---- */

/* Push the partner of the value at `at`; nil: it has none. */
static void push_partner(struct comparison *c, int at) {
    lua_pushvalue(c->L, at);
    lua_rawget(c->L, c->pairs);
}

/* Push what the table at `b` has under the key at `key` of the copy. */
static bool push_value(struct comparison *c, int key, int b) {
    lua_State *L = c->L;
    push_partner(c, key);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushvalue(L, key);
    }
    return lua_rawget(L, b) != LUA_TNIL;
}

static lua_Integer count(lua_State *L, int t) {
    lua_Integer n = 0;
    for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1))
        n++;
    return n;
}

static bool same_metatables(struct comparison *c, int a, int b) {
    lua_State *L = c->L;
    int top = lua_gettop(L);
    bool has = lua_getmetatable(L, a), other = lua_getmetatable(L, b);
    bool is = has == other && (!has || same(c, top + 1, top + 2));
    lua_settop(L, top);
    return is;
}

/* Note what only the copy has, the key at `key` and the value behind it, to be in our own table at `b`. False: it is nothing
** that can be added. */
static bool add(struct comparison *c, int b, int key) {
    lua_State *L = c->L;
    if (!c->call || !lua_isfunction(L, key + 1) || lua_iscfunction(L, key + 1) ||
        (lua_type(L, key) != LUA_TSTRING && !lua_isinteger(L, key)))
        return false;
    const int at[] = {b, key, key + 1};
    for (int i = 0; i < 3; i++) {
        lua_pushvalue(L, at[i]);
        lua_rawseti(L, c->added, ++c->nadded);
    }
    return true;
}

static bool same_tables(struct comparison *c, int a, int b) {
    lua_State *L = c->L;
    lua_Integer n = 0;
    int top = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, a); lua_settop(L, top + 1)) {
        bool both = push_value(c, top + 1, b);
        if (both ? !same(c, top + 2, top + 3) : !add(c, b, top + 1)) {
            lua_settop(L, top);
            return false;
        }
        n += both;
    }
    return count(L, b) == n && same_metatables(c, a, b);
}

/* ---- values ---- */

/* Pair the objects off. False: one of them has another partner. *done: they were paired already. */
static bool pair(struct comparison *c, int a, int b, bool *done) {
    lua_State *L = c->L;
    int top = lua_gettop(L);
    push_partner(c, a);
    push_partner(c, b);
    *done = lua_rawequal(L, top + 1, b) && lua_rawequal(L, top + 2, a);
    bool good = *done || (lua_isnil(L, top + 1) && lua_isnil(L, top + 2));
    lua_settop(L, top);
    if (!good || *done)
        return good;
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_rawset(L, c->pairs);
    lua_pushvalue(L, b);
    lua_pushvalue(L, a);
    lua_rawset(L, c->pairs);
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_rawset(L, c->own);
    return true;
}

static bool same_objects(struct comparison *c, int a, int b, int type) {
    bool done;
    if (c->depth >= MAX_DEPTH || !lua_checkstack(c->L, 12) || !pair(c, a, b, &done))
        return false;
    if (done)
        return true;
    c->depth++;
    bool is = type == LUA_TTABLE ? same_tables(c, a, b) : same_functions(c, a, b);
    c->depth--;
    return is;
}

static bool same(struct comparison *c, int a, int b) {
    lua_State *L = c->L;
    int type = lua_type(L, a);
    if (type != lua_type(L, b))
        return false;
    if (type == LUA_TNUMBER && lua_isinteger(L, a) != lua_isinteger(L, b))
        return false;
    if (lua_rawequal(L, a, b))
        return true;
    if (type == LUA_TNUMBER) /* NaN */
        return lua_tonumber(L, a) != lua_tonumber(L, a) && lua_tonumber(L, b) != lua_tonumber(L, b);
    return (type == LUA_TTABLE || type == LUA_TFUNCTION) && same_objects(c, a, b, type);
}

bool tine__is_same(struct reader *r, int a, int b, int copy, int own) {
    lua_State *L = r->L;
    int top = lua_gettop(L);
    bool done;
    luaL_checkstack(L, 12, "comparison");
    struct comparison c = {.L = L, .pairs = top + 1, .own = top + 2, .added = top + 3};
    for (int i = 0; i < 3; i++)
        lua_newtable(L);
    bool is = pair(&c, copy, own, &done) && same(&c, a, b);
    lua_settop(L, top);
    return is;
}

/* References of the message into the copy now lead to our own. */
static void turn_references(struct reader *r, struct comparison *c, uint32_t from) {
    lua_State *L = r->L;
    for (uint32_t i = from; r->refs && i < r->ordinal; i++) {
        if (lua_rawgeti(L, r->refs, (lua_Integer)i + 1) != LUA_TNIL) {
            push_partner(c, lua_gettop(L));
            if (!lua_isnil(L, -1))
                lua_rawseti(L, r->refs, (lua_Integer)i + 1);
            else
                lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
}

/* The upvalues of the function on top, and of those in them, that are parts of the copy now are our own. `seen` is a set. */
static void turn_upvalues(struct comparison *c, int seen) {
    lua_State *L = c->L;
    int fn = lua_gettop(L);
    lua_pushvalue(L, fn);
    if (lua_iscfunction(L, fn) || lua_rawget(L, seen) != LUA_TNIL || c->depth >= MAX_DEPTH)
        return lua_settop(L, fn);
    luaL_checkstack(L, 12, "comparison");
    c->depth++;
    lua_pushvalue(L, fn);
    lua_pushboolean(L, 1);
    lua_rawset(L, seen);
    for (int i = 1; lua_settop(L, fn), lua_getupvalue(L, fn, i); i++) {
        lua_pushvalue(L, fn + 1);
        if (lua_rawget(L, c->own) != LUA_TNIL) {
            lua_setupvalue(L, fn, i);
        } else if (lua_isfunction(L, fn + 1)) {
            lua_settop(L, fn + 1);
            turn_upvalues(c, seen);
        }
    }
    c->depth--;
}

/* What only the copy has is ours for the call. */
static void take_added(struct reader *r, struct comparison *c) {
    lua_State *L = c->L;
    int top = lua_gettop(L);
    lua_newtable(L);
    for (lua_Integer n = 0; n < c->nadded; n += 3) {
        for (int i = 1; i <= 3; i++)
            lua_rawgeti(L, c->added, n + i);
        turn_upvalues(c, top + 1);
        tine__await_change(r);
    }
    lua_settop(L, top);
}

void tine__take_same(struct reader *r, int own, int copy, uint32_t from) {
    lua_State *L = r->L;
    luaL_checkstack(L, 12, "comparison");
    struct comparison c = {
        .L = L, .pairs = copy + 1, .own = copy + 2, .added = copy + 3, .call = !r->lasts};
    for (int i = 0; i < 3; i++)
        lua_newtable(L);
    if (!lua_isnil(L, own) && same(&c, copy, own)) {
        lua_settop(L, c.added);
        turn_references(r, &c, from);
        take_added(r, &c);
    } else {
        lua_copy(L, copy, own);
    }
    lua_settop(L, own);
}

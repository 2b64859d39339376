/* Comparison: is a value that has come (the copy) equal to what this process has? If so, its own
** value is taken, so that a module that compares by identity recognizes it.
**
** Both are walked in step, with raw access. Tables are equal if they have the same keys with equal
** values, and equal metatables; functions, if they have the same code and equal upvalues. An object
** is equal to itself, which occurs where the copy holds objects that have come by name. All objects
** that are met are paired, one to one, so cycles and shared parts compare as they should. If the
** copy is dropped, references of the message into it are redirected to the partners, so that they
** lead to this process's own objects.
**
** Functions that only the copy has in a field of a table do not make it different: a method that
** the program has added to a class, or an entry of a registry. They are changes (apply.c): this
** process's own table gets them for the call.
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
    int pairs; /* stack index of a table: object -> its partner, both ways */
    int own;   /* of a table: object of the copy -> its partner */
    int added; /* of a list: own table, key, function that only the copy has there */
    lua_Integer nadded;
    bool call; /* such functions are allowed */
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

/* Push what the table at `b` has under the copy's key at `key`. False: it has nothing there. */
static bool push_value(struct comparison *c, int key, int b) {
    lua_State *L = c->L;
    push_partner(c, key);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushvalue(L, key);
    }
    return lua_rawget(L, b) != LUA_TNIL;
}

static bool is_class(lua_State *L, int t) {
    lua_pushliteral(L, "__index");
    bool is = lua_rawget(L, t) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

/* How many fields has the own table at `t`, but for functions that the copy at `copy` does not have,
** if it is a class? */
static lua_Integer count(lua_State *L, int t, int copy) {
    lua_Integer n = 0;
    bool class = is_class(L, copy);
    for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {
        bool more = class && lua_type(L, -2) == LUA_TSTRING && lua_isfunction(L, -1);
        if (more) {
            lua_pushvalue(L, -2);
            more = lua_rawget(L, copy) == LUA_TNIL;
            lua_pop(L, 1);
        }
        n += !more;
    }
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

/* Note that the own table at `b` is to get the key at `key`, and the value behind it, which only
** the copy has. False: the value is nothing that can be added. */
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
    return count(L, b, a) == n && same_metatables(c, a, b);
}

/* ---- values ---- */

/* Pair two objects. False: one of them has another partner. *done: they were paired before. */
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

/* Redirect the message's references into the copy to own objects. */
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

/* Replace upvalues of the function on top, and of functions in its upvalues, that are objects of
** the copy by their partners. `seen`: set of the functions that were visited. */
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

/* Make changes of the functions that only the copy has. */
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

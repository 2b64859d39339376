/* What the program has put into variables of modules, by way of functions that assign them. */
#include <lua.h>
#include <string.h>

#include "codec/changes/changes.h"
#include "codec/changes/gather.h"
#include "codec/changes/watch.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/state.h"

/* Is that a function of a module that was looked at, whose file assigns variables? It is pushed then. */
static struct name *push_function(const struct gathering *g, uint32_t id) {
    struct encoder *e = g->e;
    const struct names *names = &e->c->names;
    const struct place *p = &names->index->list[id];
    const struct name *root = &names->list[p->root];
    if (p->kind != NAME_FUNCTION || p->builtin || root->look != g->look || !root->file ||
        !root->file->assigns)
        return NULL;
    struct name *n = tine__name_at(e->c, id);
    if (!tine__name_walk(e, n))
        return NULL;
    if (lua_topointer(e->L, -1) == n->key && lua_isfunction(e->L, -1))
        return n;
    lua_pop(e->L, 1);
    return NULL;
}

/* Is that upvalue of the function at `fn` a variable that functions assign, and which was not met yet? `set`: of those that
** were, at a stack index. */
static bool is_variable(struct gathering *g, const struct file *f, int fn, int i, int set) {
    lua_State *L = g->e->L;
    if (!tine__file_assigns(f, tine__hash_function(L, g->e->self, fn), i))
        return false;
    const void *id = lua_upvalueid(L, fn, i);
    bool met = lua_rawgetp(L, set, id) != LUA_TNIL;
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
    lua_rawsetp(L, set, id);
    return !met;
}

/* May the module have put the C function on top into that variable itself: is it one of Lua's own that its code names or that
** is called so (`local getmetatable = require "debug".getmetatable`), or none that others could have (an iterator)? */
static bool is_usual(struct encoder *e, const char *module, const char *variable) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    const struct standard *s = tine__standard_of(lua_tocfunction(L, top));
    bool used = s && strcmp(variable, s->field) == 0;
    if (!s || used)
        return used || !tine__name_find(e->c, lua_topointer(L, top));
    tine__file_push_uses(L, e->c, e->self, module);
    for (lua_Integer i = 1; !used && lua_rawgeti(L, top + 1, i) == LUA_TSTRING; i += 2) {
        bool any = lua_rawgeti(L, top + 1, i + 1) != LUA_TSTRING;
        used = strcmp(lua_tostring(L, top + 2), s->module) == 0 &&
               (any || strcmp(lua_tostring(L, top + 3), s->field) == 0);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return used;
}

/* Does the function on top, which the module makes at each call of something, hold one of the program's? */
static bool is_around_given(const struct gathering *g, const struct file *f) {
    lua_State *L = g->e->L;
    int fn = lua_gettop(L);
    bool given = false;
    for (int i = 1; !given && lua_getupvalue(L, fn, i); lua_settop(L, fn), i++)
        given = tine__is_programs(g->e, f, fn + 1) && !tine__is_from_reach(g->e, g->reach, fn + 1);
    return given;
}

/* Is the value on top, in a variable of that name of the module named `root`, a function that the program has given it, or a
** table with such ones? */
static bool is_given_value(const struct gathering *g, const struct file *f, const char *root,
                           const char *variable) {
    lua_State *L = g->e->L;
    int value = lua_gettop(L);
    if (lua_istable(L, value)) {
        bool given =
            tine__has_given(g, f, 1) || (lua_getmetatable(L, value) && tine__has_given(g, f, 0));
        lua_settop(L, value);
        return given;
    }
    if (lua_iscfunction(L, value))
        return !is_usual(g->e, root, variable);
    if (tine__is_of_text(L) || tine__is_from_reach(g->e, g->reach, value))
        return tine__origin(g->e, f, value) == ORIGIN_AGAIN && is_around_given(g, f);
    return tine__is_programs(g->e, f, value);
}

/* The function on top, of that name, has upvalue `i` from the program, which is pushed and taken. */
static int gather_variable(struct gathering *g, struct name *n, int i, const char *text) {
    lua_State *L = g->e->L;
    int value = lua_gettop(L), fn = value - 1;
    int r = tine__name_consider(g->e, fn, n);
    if (r == GOES_BY_NAME) {
        lua_pushinteger(L, n - g->e->c->names.list + 1);
        lua_pushboolean(L, 0);
        lua_createtable(L, 2, 0);
        lua_pushstring(L, text);
        lua_rawseti(L, -2, 1);
        lua_pushinteger(L, -i);
        lua_rawseti(L, -2, 2);
        lua_pushvalue(L, value);
        tine__gather(g);
        lua_settop(L, value);
        r = tine__gather_value(g);
    }
    if (r >= 0)
        lua_settop(L, fn);
    return r < 0 ? r : 0;
}

int tine__gather_variables(struct gathering *g) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    struct name *n;
    int set = lua_gettop(L) + 1, fn = set + 1, err = 0;
    lua_newtable(L);
    for (uint32_t id = 0; !err && id < e->c->names.index->used; id++) {
        if (!(n = push_function(g, id)))
            continue;
        const struct file *f = e->c->names.list[n->root].file;
        const char *text;
        for (int i = 1; !err && (text = lua_getupvalue(L, fn, i)); i++) {
            if ((lua_isfunction(L, -1) || lua_istable(L, -1)) && is_variable(g, f, fn, i, set) &&
                is_given_value(g, f, tine__name_root(e, n), text))
                err = gather_variable(g, n, i, text);
            if (!err)
                lua_settop(L, fn);
        }
        if (!err)
            lua_settop(L, set);
    }
    if (!err)
        lua_settop(L, set - 1);
    return err;
}

/* Is what is on top a table that may get functions from the program later, and no cache? */
static bool is_small(lua_State *L) {
    int t = lua_gettop(L), left = KEPT_FIELDS;
    if (!lua_istable(L, t))
        return false;
    for (lua_pushnil(L); left >= 0 && lua_next(L, t); lua_pop(L, 1))
        left--;
    lua_settop(L, t);
    return left >= 0;
}

bool tine__watch_variables(struct gathering *g, struct watch *w, int list) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    const struct name *n;
    int set = lua_gettop(L) + 1, fn = set + 1;
    bool good = true;
    lua_newtable(L);
    for (uint32_t id = 0; good && id < e->c->names.index->used; id++) {
        if (!(n = push_function(g, id)))
            continue;
        const struct file *f = e->c->names.list[n->root].file;
        for (int i = 1; good && lua_getupvalue(L, fn, i); i++, lua_settop(L, fn))
            if (is_variable(g, f, fn, i, set))
                good =
                    tine__watch_upvalue(L, w, list, fn, i) &&
                    (!is_small(L) || tine__watch_table(L, w, list, lua_gettop(L), WATCH_FUNCTIONS));
        lua_settop(L, set);
    }
    lua_settop(L, set - 1);
    return good;
}

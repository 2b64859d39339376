/* What the program has put into variables of modules (variable_start.h), mostly by calling
** functions that assign them.
*/
#include <lua.h>
#include <string.h>
#include "codec/changes/gather.h"
#include "codec/changes/objects.h"
#include "codec/changes/variable_start.h"
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

/* Is name number `id` that of a function in a module that was looked at, and (unless `any`) does a
** function of the module's file assign variables? Then push the function and return its name; else
** NULL. */
static struct name *push_function(const struct gathering *g, uint32_t id, bool any) {
    struct encoder *e = g->e;
    const struct names *names = &e->c->names;
    const struct place *p = &names->index->list[id];
    const struct name *root = &names->list[p->root];
    if (p->kind != NAME_FUNCTION || p->builtin || root->look != g->look || !root->file ||
        !root->file->lua || (!any && !root->file->assigns))
        return NULL;
    struct name *n = tine__name_at(e->c, id);
    if (!tine__name_walk(e, n))
        return NULL;
    if (lua_topointer(e->L, -1) == n->key && lua_isfunction(e->L, -1))
        return n;
    lua_pop(e->L, 1);
    return NULL;
}

/* Is upvalue `i` of the function at `fn` a variable that functions assign, and which is met for the
** first time? The set at `set` has those that were met. */
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

/* The value on top is in a variable that no function assigns and into which the file puts a
** function. Is it a function of the program, from a file that is no module's? Then the program has
** put it there with the debug library. */
static bool is_put_there(const struct gathering *g, const struct file *f, int fn, int i, int set) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int value = lua_gettop(L);
    const char *source;
    if (!lua_isfunction(L, value) || lua_iscfunction(L, value) ||
        !tine__file_is_fixed(f, tine__hash_function(L, e->self, fn), i) ||
        *(source = tine__source_of(L, value)) != '@' || !tine__is_programs(e, f, value))
        return false;
    bool theirs = !tine__push_owner(L, e->self, source, SIZE_MAX);
    lua_rawgetp(L, set, lua_upvalueid(L, fn, i));
    theirs = theirs && lua_isnil(L, -1);
    lua_pushboolean(L, 1);
    lua_rawsetp(L, set, lua_upvalueid(L, fn, i));
    lua_settop(L, value);
    return theirs;
}

/* May the module have put the C function on top into the variable itself? It may if the function is
** a standard one that the module's code names, or that is called like the variable, as in
** `local getmetatable = require "debug".getmetatable`; if no module holds it (an iterator); or if
** it is a coroutine that the module has wrapped. */
static bool is_usual(struct encoder *e, const struct file *f, const char *module,
                     const char *variable) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    const struct standard *s = tine__standard_of(lua_tocfunction(L, top));
    if (tine__push_wrapped(L, top)) {
        bool own = !tine__is_programs(e, f, top + 1);
        lua_settop(L, top);
        return own;
    }
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

/* The function on top was made by a function of the module. Has it a function of the program in an
** upvalue? */
static bool is_around_given(const struct gathering *g, const struct file *f) {
    lua_State *L = g->e->L;
    int fn = lua_gettop(L);
    bool given = false;
    struct looker by = {.e = g->e, .file = f, .reach = g->reach};
    for (int i = 1; !given && lua_getupvalue(L, fn, i); lua_settop(L, fn), i++)
        given = tine__is_given(&by, fn + 1);
    return given;
}

/* The function on top is from the file of the module or of one in its reach. Has the program caused
** it to be in the variable? The module may put a function there by itself, too, for instance one
** that it has prepared. So a function that was made by a function of the module counts only if it
** was given to the module, or holds something that was. Any other function counts if it was given,
** or if it took the place of another function. */
static bool is_switched(const struct gathering *g, const struct variable *v) {
    struct encoder *e = g->e;
    bool switches = tine__variable_is_given(v) || (!tine__variable_starts_with(v, START_UNKNOWN) &&
                                                   (tine__variable_starts_with(v, START_FUNCTION) ||
                                                    tine__variable_starts_with(v, START_FIELD)));
    if (tine__origin(e, v->f, lua_gettop(e->L)) == ORIGIN_AGAIN)
        return is_around_given(g, v->f) ||
               (tine__variable_is_given(v) && tine__variable_is_other(e, v));
    return switches && tine__variable_is_other(e, v);
}

/* Has the program replaced what the variable had at first by nil or false, which it gave to a
** function of the module? A module that does so by itself has done something once, which the
** receiver's module has not. */
static bool is_taken_away(const struct gathering *g, const struct variable *v) {
    return tine__variable_is_given(v) && tine__variable_is_other(g->e, v);
}

/* Is the table on top, in a variable to which functions assign arguments, a class: a table with a
** name in a module? */
static bool is_class(const struct gathering *g, const struct variable *v) {
    struct encoder *e = g->e;
    struct name *n =
        tine__variable_is_given(v) ? tine__name_find(e->c, lua_topointer(e->L, -1)) : NULL;
    if (!n || n->builtin || (n->kind != NAME_HELD && n->kind != NAME_MODULE))
        return false;
    bool is = tine__name_consider(e, lua_gettop(e->L), n) == GOES_BY_NAME;
    if (is && n->kind == NAME_HELD) {
        tine__name_push_step(e, (uint32_t)(n - e->c->names.list));
        is = lua_type(e->L, -1) == LUA_TSTRING;
        lua_pop(e->L, 1);
    }
    return is && tine__variable_is_other(e, v);
}

/* Is the table on top, in the variable, given to the module: an object of the program, a table with
** functions of the program, or a class? */
static bool is_given_table(const struct gathering *g, const struct variable *v,
                           const struct looker *by) {
    if (tine__makers_of(by).program)
        return !tine__is_finalized(g->e->L);
    return tine__holds_given(by, 1, MODULE_FIELDS) || is_class(g, v);
}

/* Is the value on top, in the variable, given to the module by the program, or nil or false in
** place of what the module has there? */
static bool is_given_value(const struct gathering *g, const struct variable *v) {
    lua_State *L = g->e->L;
    int value = lua_gettop(L);
    struct looker by = {.e = g->e, .file = v->f, .reach = g->reach};
    switch (lua_type(L, value)) {
    case LUA_TNIL:
        return is_taken_away(g, v);
    case LUA_TBOOLEAN:
        return !lua_toboolean(L, value) && is_taken_away(g, v);
    case LUA_TTABLE:
        return is_given_table(g, v, &by);
    case LUA_TFUNCTION:
        if (lua_iscfunction(L, value))
            return !is_usual(g->e, v->f, v->root, v->name);
        if (tine__is_of_text(L))
            return tine__origin(g->e, v->f, value) == ORIGIN_AGAIN && is_around_given(g, v->f);
        return tine__is_given(&by, value) || is_switched(g, v);
    default:
        return false;
    }
}

/* May the value on top be left out if it cannot be sent? A function that the module has made may,
** if it holds nothing of the program. */
static bool may_stay(const struct gathering *g, const struct file *f) {
    int value = lua_gettop(g->e->L);
    return lua_isfunction(g->e->L, value) && !lua_iscfunction(g->e->L, value) &&
           !tine__is_programs(g->e, f, value) && !is_around_given(g, f);
}

/* The program has put the value on top into the variable of the function below it, which has the
** name `n`. Gather that, and pop the value. */
static int gather_variable(struct gathering *g, struct name *n, const struct variable *v) {
    lua_State *L = g->e->L;
    int value = lua_gettop(L), fn = value - 1;
    bool stays = may_stay(g, v->f);
    int r = tine__name_consider(g->e, fn, n);
    if (r == GOES_BY_NAME) {
        lua_pushinteger(L, n - g->e->c->names.list + 1);
        lua_pushboolean(L, stays);
        lua_createtable(L, 2, 0);
        lua_pushstring(L, v->name);
        lua_rawseti(L, -2, 1);
        lua_pushinteger(L, -v->upvalue);
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
    for (uint32_t id = 0; !err && id < e->c->names.count; id++) {
        if (!(n = push_function(g, id, true)))
            continue;
        const struct file *f = e->c->names.list[n->root].file;
        const char *text;
        uint64_t hash = tine__hash_function(L, e->self, fn);
        for (int i = 1; !err && (text = lua_getupvalue(L, fn, i)); i++) {
            struct variable v = {f, tine__name_root(e, n), text, hash, i, fn};
            bool met = !is_variable(g, f, fn, i, set),
                 joined = met && is_put_there(g, f, fn, i, set);
            if (!met)
                tine__variable_meet(e, &v);
            if (joined || (!met && is_given_value(g, &v)))
                err = gather_variable(g, n, &v);
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

/* Is the value on top a table that may get functions from the program later, and no cache? */
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
    for (uint32_t id = 0; good && id < e->c->names.count; id++) {
        if (!(n = push_function(g, id, false)))
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

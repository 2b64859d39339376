/* What goes along with a name: all that the program has changed in what it names, and in what the code of its module reaches.
**
** It is found by long looks (changes.c) when the name is first used, and again when something of what was looked at is not
** what it was (watch.c). Until then it is kept: a list of numbers of names (or libraries' names), tables, paths and
** values, four each.
*/
#include <lauxlib.h>
#include <string.h>

#include "codec/changes/changes.h"
#include "codec/changes/company.h"
#include "codec/changes/uses.h"
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

struct gathering {
    struct encoder *e;
    int list; /* stack index: what was found */
    int met;  /* tables that were looked at; and as light userdata those that go along as a whole */
    int reach; /* what modules are loaded with it; 0: none are known */
    uint32_t count;
    uint32_t look; /* names.looks when modules were begun to be looked at */
};

/* ---- which tables ---- */

/* Is the value on top, in what is under the key at `key`, a function of the program's, which it has given to the module? */
static bool is_given(const struct gathering *g, const struct name *n, int key) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int value = lua_gettop(L);
    return tine__is_programs(e, n->file, value) && !tine__is_of_text(L) &&
           (!tine__is_from_reach(e, g->reach, value) ||
            tine__is_foreign_key(e, n->file, g->reach, key));
}

/* May the table at `t`, which functions of modules fill, be a registry, and no cache? Of few fields, with those of the
** tables in it, it may be either; of many it is one if there is something given among those that are looked at. */
static bool is_registry(const struct gathering *g, const struct name *n, int t) {
    lua_State *L = g->e->L;
    int left = KEPT_FIELDS;
    bool given = false;
    for (lua_pushnil(L); left >= 0 && !given && lua_next(L, t); lua_pop(L, 1)) {
        left--;
        given = is_given(g, n, t + 1);
        if (!lua_istable(L, -1))
            continue;
        for (lua_pushnil(L); left >= 0 && !given && lua_next(L, t + 2); lua_pop(L, 1)) {
            left--;
            given = is_given(g, n, t + 3);
        }
        lua_settop(L, t + 2);
    }
    lua_settop(L, t);
    return given || left >= 0;
}

/* May the program have put functions into the table of data at `t`, which is some steps from its module: is it empty, or has
** it got any? */
static bool is_open(lua_State *L, int t) {
    int left = KEPT_FIELDS;
    lua_pushnil(L);
    bool empty = !lua_next(L, t), open = empty;
    for (; !empty && !open && --left >= 0; empty = !lua_next(L, t)) {
        open = lua_isfunction(L, -1);
        lua_pop(L, 1);
    }
    lua_settop(L, t);
    return open;
}

/* Does what the program has changed in the table at `t`, on top, go along? A module that is a table of data is what others
** keep things in. */
static bool may_be_changed(const struct gathering *g, const struct name *n, int t) {
    if (n->going == GOES_BY_NAME)
        return true;
    if (n->filled || n->kind == NAME_MODULE)
        return n->file && n->file->lua && is_registry(g, n, t);
    return n->kind == NAME_HELD && n->file && n->file->lua && is_open(g->e->L, t);
}

/* ---- what is found ---- */

/* Append the four values on top, which are taken. */
static void append(struct gathering *g) {
    lua_State *L = g->e->L;
    lua_Integer at = COMPANY_ITEM * (lua_Integer)g->count++;
    for (int i = COMPANY_ITEM; i > 0; i--)
        lua_rawseti(L, g->list, at + i);
}

/* Is this the first look at the table at `t`? */
static bool is_first(struct gathering *g, int t) {
    lua_State *L = g->e->L;
    lua_pushvalue(L, t);
    bool first = lua_rawget(L, g->met) == LUA_TNIL;
    lua_pop(L, 1);
    lua_pushvalue(L, t);
    lua_pushboolean(L, 1);
    lua_rawset(L, g->met);
    return first;
}

static int gather_from(struct gathering *g, int t, uint32_t id);

/* The value on top was found. If it is a table that goes by name, what was changed in it goes along, too; else it does so as a
** whole. */
static int gather_value(struct gathering *g) {
    lua_State *L = g->e->L;
    int value = lua_gettop(L);
    const void *p = lua_topointer(L, value);
    if (!lua_istable(L, value))
        return 0;
    struct name *n = tine__name_find(g->e->c, p);
    int r = n ? tine__name_consider(g->e, value, n) : GOES_BY_VALUE;
    if (r == GOES_BY_NAME)
        return gather_from(g, value, (uint32_t)(n - g->e->c->names.list));
    if (r < 0)
        return r;
    lua_pushboolean(L, 1);
    lua_rawsetp(L, g->met, p);
    return 0;
}

/* Has the table on top a function of the program's as a field, or in so many tables in it? */
static bool has_given(const struct gathering *g, const struct file *f, int depth) {
    lua_State *L = g->e->L;
    int t = lua_gettop(L), left = MODULE_FIELDS;
    bool given = false;
    luaL_checkstack(L, 20, "changes");
    for (lua_pushnil(L); !given && --left >= 0 && lua_next(L, t); lua_settop(L, t + 1))
        given = lua_istable(L, -1) ? depth > 0 && has_given(g, f, depth - 1)
                                   : tine__is_programs(g->e, f, t + 2) &&
                                         !tine__is_from_reach(g->e, g->reach, t + 2);
    lua_settop(L, t);
    return given;
}

/* The table at `t`, whose name has that number, may have got a metatable from the program after the index was made. */
static void gather_new_metatable(struct gathering *g, int t, uint32_t id) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int top = lua_gettop(L);
    const struct file *f = e->c->names.list[id].file;
    if (f && f->lua && lua_getmetatable(L, t) && !tine__name_find(e->c, lua_topointer(L, -1)) &&
        has_given(g, f, 0)) {
        lua_pushinteger(L, (lua_Integer)id + 1);
        lua_pushvalue(L, t);
        lua_pushboolean(L, true);
        lua_pushvalue(L, top + 1);
        append(g);
    }
    lua_settop(L, top);
}

/* What the program has changed in the table at `t`, whose name has that number. */
static int gather_from(struct gathering *g, int t, uint32_t id) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    luaL_checkstack(L, 20, "changes");
    int list = lua_gettop(L) + 1, err = 0;
    int count = is_first(g, t) ? tine__changes_of(e, t, &e->c->names.list[id], g->reach) : 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_pushinteger(L, (lua_Integer)id + 1);
        lua_pushvalue(L, t);
        lua_rawgeti(L, list, 2 * i - 1);
        lua_rawgeti(L, list, 2 * i);
        append(g);
    }
    for (lua_Integer i = 1; !err && i <= count; i++) {
        lua_rawgeti(L, list, 2 * i);
        if (!(err = gather_value(g)))
            lua_settop(L, list);
    }
    if (!err) {
        lua_settop(L, list - 1);
        gather_new_metatable(g, t, id);
    }
    return err ? err : count < 0 ? count : 0;
}

/* The same for the loaded module whose name is on top, and taken. */
static int gather_in(struct gathering *g) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int name = lua_gettop(L), r = 0;
    lua_rawgeti(L, e->self, ST_LOADED);
    lua_pushvalue(L, name);
    if (lua_rawget(L, name + 1) == LUA_TTABLE) {
        struct name *n = tine__name_find(e->c, lua_topointer(L, -1));
        if (n && n->kind == NAME_MODULE) {
            n->look = g->look;
            if ((r = tine__name_consider(e, name + 2, n)) > 0 &&
                (may_be_changed(g, n, name + 2) || (n->file && tine__file_has_fields(n->file))))
                r = gather_from(g, name + 2, (uint32_t)(n - e->c->names.list));
        }
    }
    if (r >= 0)
        lua_settop(L, name - 1);
    return r < 0 ? r : 0;
}

/* Is that a table in one of the modules that were looked at, and is it farther away than where one looks with the module
** itself, or a registry: a private class, a metatable? It is pushed then, and has a name. */
static struct name *push_inner(const struct gathering *g, uint32_t id) {
    struct encoder *e = g->e;
    const struct names *names = &e->c->names;
    const struct place *p = &names->index->list[id];
    if (p->kind != NAME_HELD || p->builtin || !p->depth || names->list[p->root].look != g->look)
        return NULL;
    struct name *n = tine__name_at(e->c, id);
    if ((p->depth < 2 && !p->meta && n->known && !n->filled) || !tine__name_walk(e, n))
        return NULL;
    if (lua_topointer(e->L, -1) == n->key)
        return n;
    lua_pop(e->L, 1);
    return NULL;
}

/* Is it in a table that goes along as a whole? Then the other side need not have it. */
static bool is_in_whole(const struct gathering *g, uint32_t id) {
    lua_State *L = g->e->L;
    const struct index *x = g->e->c->names.index;
    bool is = false;
    for (; !is && id != x->list[id].root; id = tine__name_parent(g->e, id)) {
        is = lua_rawgetp(L, g->met, x->list[id].key) != LUA_TNIL;
        lua_pop(L, 1);
    }
    return is;
}

/* What was found from item `from` on is in the metatable `n`, on top, which has nothing of the module's own: so it is the
** program's, and goes along as a whole, as that of a table. */
static void gather_metatable(struct gathering *g, const struct name *n, uint32_t from) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int meta = lua_gettop(L);
    uint32_t parent = tine__name_parent(e, (uint32_t)(n - e->c->names.list));
    struct name *owner = tine__name_at(e->c, parent);
    if ((owner->kind != NAME_MODULE && owner->kind != NAME_HELD) || !owner->known ||
        owner->going != GOES_BY_NAME || !tine__name_walk(e, owner))
        return;
    g->count = from;
    lua_pushinteger(L, (lua_Integer)parent + 1);
    lua_insert(L, -2);
    lua_pushboolean(L, true);
    lua_pushvalue(L, meta);
    append(g);
}

/* What was changed in the table on top, of that name. */
static int gather_here(struct gathering *g, const struct name *n) {
    uint32_t from = g->count;
    int t = lua_gettop(g->e->L);
    int r = gather_from(g, t, (uint32_t)(n - g->e->c->names.list));
    if (!r && g->count > from && n->meta && n->going == GOES_BY_BOTH)
        gather_metatable(g, n, from);
    return r;
}

static int gather_inside(struct gathering *g) {
    struct encoder *e = g->e;
    struct names *names = &e->c->names;
    struct name *n;
    int top = lua_gettop(e->L), r = 0;
    for (uint32_t id = 0; r >= 0 && id < names->index->used; id++) {
        if (!(n = push_inner(g, id)))
            continue;
        if ((r = tine__name_consider(e, top + 1, n)) > 0 &&
            (n->depth > 1 || n->meta || n->filled) && may_be_changed(g, n, top + 1) &&
            !(g->count && is_in_whole(g, id)))
            r = gather_here(g, n);
        if (r >= 0)
            lua_settop(e->L, top);
    }
    return r < 0 ? r : 0;
}

/* ---- variables that functions assign ---- */

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
        bool given = has_given(g, f, 1) || (lua_getmetatable(L, value) && has_given(g, f, 0));
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
        append(g);
        lua_settop(L, value);
        r = gather_value(g);
    }
    if (r >= 0)
        lua_settop(L, fn);
    return r < 0 ? r : 0;
}

/* What the program has put into variables of modules by way of functions which assign them: a handler in place of another. */
static int gather_variables(struct gathering *g) {
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

static bool watch_variables(struct gathering *g, struct watch *w, int list) {
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

/* What it has changed in modules that the code reaches, and in Lua's own libraries. */
static int gather_under(struct gathering *g, int uses) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int top = lua_gettop(L), err = 0;
    for (lua_Integer i = 1; !err && lua_rawgeti(L, g->reach, i) != LUA_TNIL; i++)
        err = gather_in(g);
    /* Variables first: the other side may have no table there for what is in one. */
    if (err || (err = gather_variables(g)) || (err = gather_inside(g)))
        return err;
    lua_settop(L, top);
    int count = tine__changes_under(e, uses);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, top + 1, 3 * i + 1);
        lua_pushboolean(L, 0);
        lua_rawgeti(L, top + 1, 3 * i + 2);
        lua_rawgeti(L, top + 1, 3 * i + 3);
        append(g);
    }
    lua_settop(L, top);
    return 0;
}

/* ---- what was looked at ---- */

static bool watch_inside(const struct gathering *g, struct watch *w, int list) {
    struct encoder *e = g->e;
    const struct name *n;
    bool good = true;
    for (uint32_t id = 0; good && id < e->c->names.index->used; id++) {
        if (!(n = push_inner(g, id)))
            continue;
        if (n->known && may_be_changed(g, n, lua_gettop(e->L)))
            good = tine__watch_table(e->L, w, list, lua_gettop(e->L),
                                     n->going == GOES_BY_NAME ? WATCH_OBJECTS : WATCH_KEYS);
        lua_pop(e->L, 1);
    }
    return good;
}

/* `uses`: see tine__push_uses_of, or 0. The list is on top. */
static bool watch_all(struct gathering *g, int idx, struct name *n, int uses) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int list = lua_gettop(L);
    bool table = n->kind == NAME_MODULE || n->kind == NAME_HELD;
    n->fields = tine__name_watch(e, n, list);
    bool good = !table || tine__watch_table(L, &n->watch, list, idx,
                                            n->builtin ? WATCH_VALUES : WATCH_OBJECTS);
    if (good && n->builtin && strcmp(tine__name_root(e, n), "string") == 0) {
        lua_pushliteral(L, "");
        if (lua_getmetatable(L, -1))
            good = tine__watch_table(L, &n->watch, list, list + 2, WATCH_VALUES);
        lua_settop(L, list);
    }
    return good &&
           (!uses || (tine__changes_watch(e, &n->watch, list, uses, table ? n->key : NULL) &&
                      watch_inside(g, &n->watch, list) && watch_variables(g, &n->watch, list)));
}

/* Note what was looked at; with it is kept what was found. */
static void make_watch(struct gathering *g, int idx, struct name *n, int uses) {
    lua_State *L = g->e->L;
    tine__watch_free(&n->watch);
    lua_newtable(L);
    n->watch.made = watch_all(g, idx, n, uses);
    n->company = g->count;
    if (g->count) {
        lua_pushvalue(L, g->list);
        lua_rawseti(L, -2, 0);
    }
    lua_rawgeti(L, g->e->self, ST_WATCHES);
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)(n - g->e->c->names.list) + 1);
    lua_pop(L, 1);
}

int tine__company_push(struct encoder *e, int idx, struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L), err = 0, uses = 0;
    uint32_t id = (uint32_t)(n - e->c->names.list);
    luaL_checkstack(L, 40, "changes");
    lua_newtable(L);
    lua_newtable(L);
    struct gathering g = {.e = e, .list = top + 1, .met = top + 2, .look = ++e->c->names.looks};
    bool data = n->kind == NAME_CFUNCTION || n->kind == NAME_USERDATA;
    if (!data && n->file && n->file->lua) {
        tine__push_uses_of(e, n);
        uses = top + 3;
        lua_rawgeti(L, uses, 0);
        g.reach = top + 4;
    }
    if (n->kind == NAME_MODULE || n->kind == NAME_HELD)
        err = gather_from(&g, idx, id);
    if (!err && uses)
        err = gather_under(&g, uses);
    if (err)
        return err;
    lua_settop(L, top + 4);
    make_watch(&g, idx, n, uses);
    lua_settop(L, top + 1);
    return (int)g.count;
}

int tine__company_push_kept(struct encoder *e, const struct name *n) {
    lua_State *L = e->L;
    if (!n->company)
        return 0;
    lua_rawgeti(L, e->self, ST_WATCHES);
    lua_rawgeti(L, -1, (lua_Integer)(n - e->c->names.list) + 1);
    lua_rawgeti(L, -1, 0);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return (int)n->company;
}

/* What the program has changed in a module that goes by name: it goes along, for that call alone.
**
** Of Lua's own libraries it is known what a new state has in them: whatever is otherwise there was changed. Of other
** modules it is known what their files define (proof.c), and what was there when the module was met for the first
** time. Functions, and tables that can be called, that are neither from there nor from a module which the
** file names, were put there by the program: methods that it added, functions that it replaced, registries
** that it filled, stubs and spies of its tests. So were functions of the module that have got other names or places since,
** or have some that the file does not know. Data in a module is the worker's own.
*/
#include <lauxlib.h>
#include <string.h>

#include "codec/changes/changes.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/lua/own.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/state.h"

#define MAX_ITEMS 1024 /* fields of a table in the module's own */
#define MAX_DEPTH 4    /* of data */

struct scan {
    struct encoder *e;
    const struct file *file; /* of the module, unless it is one of Lua's own: */
    const char *module;
    int list;  /* stack index: paths and values in turn, */
    int seen;  /* the tables that were looked at */
    int reach; /* the modules that are loaded with it; 0: none */
    int count;
    bool first;  /* the table was never looked at before */
    bool root;   /* it is the module's own table */
    bool filled; /* it is one that functions fill: a private one, or a module of data */
    bool weak;   /* it has weak keys or values */
    bool data;   /* and it is looked at for data that they have been given, too */
};

/* ---- what is known of a table ---- */

/* Push the C function of that entry; nil when only the state itself can make it, and has another one. */
static void push_standard(lua_State *L, const struct standard *s, int t) {
    if (!s->closure) {
        lua_pushcfunction(L, s->f);
        return;
    }
    lua_pushstring(L, s->field);
    lua_rawget(L, t);
    if (lua_tocfunction(L, -1) == s->f)
        return;
    lua_pop(L, 1);
    lua_pushnil(L);
}

/* The record on top: what one of Lua's own libraries has in a new state. */
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

/* Push the record of the table at `t`: key -> what belongs there, and at `true` how many these are. */
static lua_Integer push_own(struct scan *s, int t) {
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

/* The key at `key` is in the record from now on, with the value on top, which is taken. */
static void record(lua_State *L, int own, int key, bool is_new) {
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

/* ---- one field ---- */

/* Push the __call of the table on top; false, and nothing, when it cannot be called. */
static bool push_call(lua_State *L) {
    if (!lua_getmetatable(L, -1))
        return false;
    lua_pushliteral(L, "__call");
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (lua_isfunction(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

/* Is the key in a registry one that the program has thought of? */
static bool is_foreign_key(struct scan *s, int key) {
    return s->filled && s->file->lua && tine__is_foreign_key(s->e, s->file, s->reach, key);
}

/* Has another module that is loaded with it put the function at `value`, or the table that holds it, there, under that key? The
** program may have done so with that module's function, but then in a registry, and under a key of its own. */
static bool is_of_reach(struct scan *s, int value, int key) {
    return s->filled && tine__is_programs(s->e, s->file, value) &&
           tine__is_from_reach(s->e, s->reach, value) && !is_foreign_key(s, key);
}

/* Is the value at `value`, in what is under that key, a Lua function that no module has put there? */
static bool is_programs(struct scan *s, int value, int key) {
    return tine__is_programs(s->e, s->file, value) && !is_of_reach(s, value, key);
}

/* Does the function on top, which a function of the module made, hold one of the program's, as what a registry keeps does? */
static bool holds_programs(struct scan *s, int key) {
    lua_State *L = s->e->L;
    int fn = lua_gettop(L);
    bool holds = false;
    for (int i = 1; !holds && !lua_iscfunction(L, fn) && lua_getupvalue(L, fn, i); i++) {
        holds = is_programs(s, fn + 1, key);
        lua_settop(L, fn);
    }
    return holds;
}

bool tine__is_of_text(lua_State *L) {
    const char *source = tine__source_of(L, -1);
    return *source != '@' && *source != '=';
}

/* Is the function on top another module's, under a key under which the file stores nothing? Unless the file has nothing to do
** with the table, which is that other module's, too. */
static bool is_anothers(struct scan *s, int key) {
    lua_State *L = s->e->L;
    return key && !s->filled && s->file && s->file->lua && lua_type(L, key) == LUA_TSTRING &&
           tine__file_has_fields(s->file) && !tine__file_may_store(s->file, lua_tostring(L, key)) &&
           !tine__is_from_file(s->e, s->file, lua_gettop(L));
}

/* Does the function on top belong to the module, under that key, as far as can be seen? What was made from a text and lies in
** a private table is taken for something that the module has compiled and keeps, a template, a pattern: it makes it again
** where it needs it, and there may be many. */
static bool belongs(struct scan *s, int key) {
    lua_State *L = s->e->L;
    if (s->module)
        return false; /* all that does was known from the start */
    if (s->filled && tine__is_of_text(L))
        return true;
    if (key && lua_type(L, key) == LUA_TSTRING &&
        tine__is_misplaced(s->e, s->file, lua_gettop(L), lua_tostring(L, key)))
        return false;
    enum origin o = tine__origin(s->e, s->file, lua_gettop(L));
    if (o == ORIGIN_OTHER || o == ORIGIN_ONCE)
        return o == ORIGIN_ONCE && !is_foreign_key(s, key) && !is_anothers(s, key);
    return (s->first || s->filled) && !holds_programs(s, key);
}

/* Append the path and the value, which are on top, and taken. */
static void add_at(struct scan *s) {
    lua_State *L = s->e->L;
    lua_Integer at = 2 * (lua_Integer)s->count++;
    lua_rawseti(L, s->list, at + 2);
    lua_rawseti(L, s->list, at + 1);
}

/* Append the path (the step at `prefix`, if any, and the key) and the value, which is on top. */
static void add(struct scan *s, int prefix, int key) {
    lua_State *L = s->e->L;
    if (prefix) {
        lua_createtable(L, 2, 0);
        lua_pushvalue(L, prefix);
        lua_rawseti(L, -2, 1);
        lua_pushvalue(L, key);
        lua_rawseti(L, -2, 2);
    } else {
        lua_pushvalue(L, key);
    }
    lua_pushvalue(L, -2);
    add_at(s);
}

/* A value of the libraries themselves that is no function. */
static bool is_standard_value(struct scan *s, int key) {
    static const char *const known[] = {"pi", "huge", "maxinteger", "mininteger", "charpattern"};
    lua_State *L = s->e->L;
    const char *k = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : "";
    if (strcmp(s->module, "package") == 0 || strcmp(s->module, "_G") == 0)
        return true;
    if (lua_type(L, -1) == LUA_TUSERDATA) {
        const char *file = tine__standard_file(L, -1);
        return file && strcmp(file + 3, k) == 0;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], k) == 0)
            return true;
    return false;
}

/* Has the program put the table on top there? It has if it holds a function of the program's, unless the module's file
** stores something under such a key: then it may be the module's, and the function was put into it. In a registry it has, too,
** if it holds any function and no file has that key. */
static bool is_added(struct scan *s, int key) {
    lua_State *L = s->e->L;
    int t = lua_gettop(L), left = MAX_ITEMS;
    bool added = false;
    if (s->module || !s->file || !lua_checkstack(L, 20) ||
        (key && lua_type(L, key) == LUA_TSTRING &&
         tine__file_stores(s->file, lua_tostring(L, key))))
        return false;
    bool foreign = is_foreign_key(s, key);
    for (lua_pushnil(L); !added && --left >= 0 && lua_next(L, t); lua_pop(L, 1))
        added = lua_isfunction(L, t + 2) && !(s->filled && tine__is_of_text(L)) &&
                (foreign || is_programs(s, t + 2, key));
    lua_settop(L, t);
    return added;
}

/* How much data is in the value on top, which is in so many tables; more than that, or what is no data: KEPT_DATA + 1. */
static int amount(lua_State *L, int depth) {
    int t = lua_gettop(L), n = 1;
    if (!lua_istable(L, t))
        return lua_isfunction(L, t) || lua_isuserdata(L, t) || lua_isthread(L, t) ? KEPT_DATA + 1
                                                                                  : 1;
    if (depth >= MAX_DEPTH || !lua_checkstack(L, 10))
        return KEPT_DATA + 1;
    for (lua_pushnil(L); n <= KEPT_DATA && lua_next(L, t); lua_settop(L, t + 1))
        n += amount(L, depth + 1);
    lua_settop(L, t);
    return n;
}

static bool is_weak(lua_State *L, int t) {
    bool weak = luaL_getmetafield(L, t, "__mode") != LUA_TNIL;
    lua_pop(L, weak);
    return weak;
}

/* Is the value on top, under the key below it, data that the program has given to a function of the module, as far as that can be
** seen? */
static bool is_given_data(struct scan *s, int key) {
    return amount(s->e->L, 0) <= KEPT_DATA && is_foreign_key(s, key);
}

/* Is the module's table at `t` a C library's, too, which has filled it? */
static bool is_librarys(struct scan *s, int t) {
    lua_State *L = s->e->L;
    int top = lua_gettop(L);
    bool is = false;
    lua_rawgeti(L, s->e->self, ST_LOADED);
    for (lua_pushnil(L); !is && lua_next(L, top + 1); lua_settop(L, top + 2))
        if (lua_rawequal(L, -1, t) && lua_type(L, top + 2) == LUA_TSTRING) {
            const struct file *f = tine__file_of(L, s->e->c, s->e->self, lua_tostring(L, top + 2));
            is = f && !f->lua;
        }
    lua_settop(L, top);
    return is;
}

/* May the table at `t` be a registry of data, and no cache? */
static bool keeps_data(struct scan *s, int t) {
    lua_State *L = s->e->L;
    int n = 0, top = lua_gettop(L);
    if (!s->filled || is_weak(L, t) || (s->root && is_librarys(s, t)))
        return false;
    for (lua_pushnil(L); n <= KEPT_DATA && lua_next(L, t); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && is_given_data(s, top + 1))
            n += amount(L, 0);
    lua_settop(L, top);
    return n > 0 && n <= KEPT_DATA;
}

static void scan_fields(struct scan *s, int t, int prefix);

/* The function on top, or the table with a __call: 1 when the record has something under that key. What is new there, or
** another one than it was, goes along, the module's own functions too: the program may have given them other names. Where
** the program's was found at first, the module's may be back. */
static int look_at(struct scan *s, int own, int prefix, int key, bool callable) {
    lua_State *L = s->e->L;
    lua_pushvalue(L, key);
    lua_rawget(L, own);
    bool same = lua_rawequal(L, -1, -2), known = !lua_isnil(L, -1), given = lua_isboolean(L, -1);
    bool open = known ? given && lua_type(L, key) == LUA_TSTRING : s->first || s->filled;
    lua_pop(L, 1);
    if (same)
        return 1;
    if (callable)
        push_call(L);
    bool mine = open && belongs(s, callable ? 0 : key);
    bool others = !mine && (given || !known) && is_of_reach(s, lua_gettop(L), key);
    if (callable)
        lua_pop(L, 1);
    if (others) /* it is not so for who loads less: nothing to be recorded */
        return known;
    if (!mine)
        add(s, prefix, key);
    if (!mine && (known || !s->first || s->module))
        return known;
    if (mine)
        lua_pushvalue(L, -1);
    else
        lua_pushboolean(L, false); /* nobody knows what it took the place of */
    record(L, own, key, !known);
    return known;
}

/* Is the table on top the state's own, the globals or package.loaded? */
static bool is_states(const struct scan *s) {
    const void *p = lua_topointer(s->e->L, -1);
    return p == s->e->c->globals || tine__own_table(s->e->c, p);
}

/* The value on top, under the key below it. */
static int scan_field(struct scan *s, int own, int prefix) {
    lua_State *L = s->e->L;
    int key = lua_gettop(L) - 1, hit = 0;
    bool callable;
    switch (lua_type(L, -1)) {
    case LUA_TFUNCTION:
        return look_at(s, own, prefix, key, false);
    case LUA_TTABLE:
        if ((callable = push_call(L)))
            lua_pop(L, 1);
        if (is_states(s))
            return 0;
        if (s->module && !prefix && strcmp(s->module, "package") != 0) {
            add(s, prefix, key);
            return 0;
        }
        int before = s->count;
        if (!callable && (is_added(s, key) || (s->data && is_given_data(s, key)))) {
            add(s, prefix, key);
            return 0;
        }
        if (callable)
            hit = look_at(s, own, prefix, key, true);
        if (!prefix && s->count == before && !s->module)
            scan_fields(s, key + 1, key);
        return hit;
    default:
        if (s->module ? !prefix && !is_standard_value(s, key) : s->data && is_given_data(s, key))
            add(s, prefix, key);
        return 0;
    }
}

/* The value on top, under a key below it that is no step: an object, a number that counts nothing. Only what the program has put
** there is looked for; where keys are weak it belongs to what they are. */
static void scan_other(struct scan *s, int prefix) {
    lua_State *L = s->e->L;
    int key = lua_gettop(L) - 1;
    if (s->module || !s->file || s->weak)
        return;
    if (!(lua_isfunction(L, -1) ? is_programs(s, key + 1, 0) && !(s->filled && tine__is_of_text(L))
                                : lua_istable(L, -1) && !is_states(s) && is_added(s, 0)))
        return;
    lua_createtable(L, 2, 0);
    if (prefix)
        lua_pushvalue(L, prefix);
    else
        lua_pushboolean(L, false);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, key);
    lua_rawseti(L, -2, 2);
    lua_insert(L, -2);
    add_at(s);
    lua_pushnil(L); /* in place of the value */
}

/* ---- a table ---- */

/* What was there once and is not any more. */
static void add_removed(struct scan *s, int own, int t, int prefix) {
    lua_State *L = s->e->L;
    for (lua_pushnil(L); lua_next(L, own); lua_pop(L, 1)) {
        int key = lua_gettop(L) - 1;
        if (lua_isboolean(L, key))
            continue;
        lua_pushvalue(L, key);
        if (lua_rawget(L, t) == LUA_TNIL)
            add(s, prefix, key);
        lua_pop(L, 1);
    }
}

/* Nor is what the module's file has put into its table, and the program had taken out before that was looked at. */
static void add_missing(struct scan *s, int own, int t) {
    lua_State *L = s->e->L;
    int top = lua_gettop(L);
    for (uint32_t i = 0; i < s->file->ndefinitions; i++, lua_settop(L, top)) {
        if (!s->file->definitions[i].field)
            continue;
        lua_pushstring(L, s->file->definitions[i].field);
        lua_pushvalue(L, top + 1);
        bool known = lua_rawget(L, own) != LUA_TNIL; /* add_removed tells of it */
        lua_pushvalue(L, top + 1);
        if (lua_rawget(L, t) == LUA_TNIL && !known)
            add(s, 0, top + 1);
    }
}

static bool is_step(lua_State *L, int key) {
    return lua_type(L, key) == LUA_TSTRING || (lua_isinteger(L, key) && lua_tointeger(L, key) > 0);
}

/* Has the file a name for the function on top, under which the program may have found it? */
static bool has_field(struct scan *s) {
    uint64_t hash = tine__hash_function(s->e->L, s->e->self, lua_gettop(s->e->L));
    for (uint32_t i = 0; i < s->file->ndefinitions; i++)
        if (hash && s->file->definitions[i].function == hash)
            return true;
    return false;
}

/* The first item of the list at `t` that the record does not have. */
static lua_Integer first_added(lua_State *L, int own, int t) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, t), i = 1;
    bool known = true;
    for (; known && i <= n; i += known) {
        known = lua_rawgeti(L, own, i) == LUA_TFUNCTION;
        lua_pop(L, 1);
    }
    return i;
}

/* Of a function of the module, on top, which was under that key from the start: may the program have put it there all the
** same, under a name that the file gives to nothing, or in another place of a list? Behind item `added` it has; `changed`:
** something in the table was. */
static bool is_alias(struct scan *s, int key, lua_Integer added, bool changed) {
    lua_State *L = s->e->L;
    bool item = lua_isinteger(L, key);
    if (item && lua_tointeger(L, key) > added)
        return true;
    if (!item && s->file->lua && tine__file_may_store(s->file, lua_tostring(L, key)))
        return false;
    return (changed || (s->file->lua && has_field(s))) &&
           tine__origin(s->e, s->file, lua_gettop(L)) == ORIGIN_ONCE;
}

/* A list of functions ends here: so does the other side's, where it may be longer. */
static void add_end(struct scan *s, int t, int prefix) {
    lua_State *L = s->e->L;
    lua_Integer n = (lua_Integer)lua_rawlen(L, t);
    if (lua_rawgeti(L, t, n) == LUA_TFUNCTION) {
        lua_pushinteger(L, n + 1);
        lua_pushboolean(L, false);
        add(s, prefix, lua_gettop(L) - 1);
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

/* Functions of the module under names or in places that the program may have given them before anybody looked, so that
** they were taken for the module's own doing. `before`: so much had been found when the look at the table began. */
static void add_aliases(struct scan *s, int own, int t, int prefix, int before) {
    lua_State *L = s->e->L;
    bool changed = s->count > before;
    int left = prefix ? MAX_ITEMS : MODULE_FIELDS;
    bool list = false;
    lua_Integer added = changed ? first_added(L, own, t) : LUA_MAXINTEGER;
    for (lua_pushnil(L); --left >= 0 && lua_next(L, t); lua_pop(L, 1)) {
        int key = lua_gettop(L) - 1;
        if (!is_step(L, key) || !lua_isfunction(L, -1))
            continue;
        list |= lua_isinteger(L, key);
        lua_pushvalue(L, key);
        lua_rawget(L, own);
        bool same = lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
        if (same && is_alias(s, key, added, changed))
            add(s, prefix, key);
    }
    lua_settop(L, own);
    if (list && s->count > before)
        add_end(s, t, prefix);
}

/* A class is often its own __index. */
static bool is_seen(struct scan *s, int t) {
    lua_State *L = s->e->L;
    lua_pushvalue(L, t);
    bool seen = lua_rawget(L, s->seen) != LUA_TNIL;
    lua_pop(L, 1);
    lua_pushvalue(L, t);
    lua_pushboolean(L, 1);
    lua_rawset(L, s->seen);
    return seen;
}

static void scan_fields(struct scan *s, int t, int prefix) {
    lua_State *L = s->e->L;
    int left = prefix ? MAX_ITEMS : MODULE_FIELDS, before = s->count;
    luaL_checkstack(L, 30, "changes");
    if (is_seen(s, t))
        return;
    bool first = s->first, data = s->data, weak = s->weak;
    s->data = keeps_data(s, t);
    s->weak = is_weak(L, t);
    lua_Integer known = push_own(s, t), hits = 0;
    int own = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {
        if (--left < 0) {
            lua_pop(L, 2);
            break;
        }
        if (is_step(L, -2))
            hits += scan_field(s, own, prefix);
        else
            scan_other(s, prefix);
    }
    if (hits < known)
        add_removed(s, own, t, prefix);
    if (s->root && s->file && !prefix)
        add_missing(s, own, t);
    if (s->file)
        add_aliases(s, own, t, prefix, before);
    s->first = first;
    s->data = data;
    s->weak = weak;
    lua_settop(L, own - 1);
}

/* What the metatable of strings has that a new state's has not: under the step `true`. */
static void scan_strings(struct scan *s, int t) {
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
        if (is_step(L, -2))
            add(s, top + 1, meta + 1);
    }
    lua_settop(L, top);
}

static void push_lists(struct scan *s) {
    lua_State *L = s->e->L;
    lua_newtable(L);
    s->list = lua_gettop(L);
    lua_newtable(L);
    s->seen = s->list + 1;
}

static int finish(struct scan *s, int top) {
    lua_settop(s->e->L, s->count ? s->list : top);
    return s->count;
}

int tine__changes_of(struct encoder *e, int t, const struct name *n, int reach) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    struct scan s = {.e = e,
                     .file = n->file,
                     .reach = reach,
                     .root = n->kind == NAME_MODULE,
                     .filled = n->going == GOES_BY_BOTH};
    if (n->builtin == BUILTIN_TINE)
        return 0;
    luaL_checkstack(L, 30, "changes");
    if (n->builtin)
        s.module = tine__name_root(e, n);
    push_lists(&s);
    scan_fields(&s, t, 0);
    if (s.module && strcmp(s.module, "string") == 0)
        scan_strings(&s, t);
    return finish(&s, top);
}

/* ---- Lua's own libraries, as the code of a function uses them ---- */

bool tine__push_library(lua_State *L, int self, int name) {
    lua_rawgeti(L, self, ST_LOADED);
    lua_pushvalue(L, name);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (lua_istable(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

bool tine__is_standard_value(lua_State *L, const char *name) {
    const struct standard *known = tine__standard_named("_G", name);
    if (known)
        return lua_tocfunction(L, -1) == known->f;
    if (!lua_istable(L, -1))
        return strcmp(name, "_VERSION") == 0;
    const void *p = lua_topointer(L, -1);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    bool same = lua_topointer(L, -1) == p;
    lua_pop(L, 2);
    return same;
}

/* Is the value on top what a new state has in that field of that library? */
static bool is_unchanged(lua_State *L, const char *library, const char *field) {
    struct encoder unused = {.L = L};
    struct scan s = {.e = &unused, .module = library};
    const struct standard *known = tine__standard_named(library, field);
    if (known)
        return lua_tocfunction(L, -1) == known->f;
    if (strcmp(library, "_G") == 0)
        return lua_isnil(L, -1) || tine__is_standard_value(L, field);
    if (lua_isnil(L, -1) || (lua_istable(L, -1) && strcmp(library, "package") == 0))
        return true;
    lua_pushstring(L, field);
    lua_insert(L, -2);
    bool same = is_standard_value(&s, lua_gettop(L) - 1);
    lua_remove(L, -2);
    return same;
}

/* Move what `s` found to the list of triples. */
static void add_all(struct scan *s, int triples, int *count, const char *library) {
    lua_State *L = s->e->L;
    lua_Integer from = 0, to = 3 * (lua_Integer)*count;
    for (int i = 0; i < s->count; i++, from += 2, to += 3) {
        lua_pushstring(L, library);
        lua_rawseti(L, triples, to + 1);
        lua_rawgeti(L, s->list, from + 1);
        lua_rawseti(L, triples, to + 2);
        lua_rawgeti(L, s->list, from + 2);
        lua_rawseti(L, triples, to + 3);
    }
    *count += s->count;
}

void tine__look_at_use(struct encoder *e, int at, int triples, int *count) {
    lua_State *L = e->L;
    const char *library = lua_tostring(L, at);
    struct scan s = {.e = e, .module = library};
    if (!tine__push_library(L, e->self, at))
        return;
    int t = lua_gettop(L);
    if (lua_toboolean(L, at + 1)) {
        lua_pushvalue(L, at + 1);
        lua_rawget(L, t);
        if (is_unchanged(L, library, lua_tostring(L, at + 1)))
            return lua_settop(L, t - 1);
        push_lists(&s);
        lua_pushvalue(L, t + 1);
        add(&s, 0, at + 1);
    } else {
        push_lists(&s);
        scan_fields(&s, t, 0);
    }
    lua_settop(L, s.seen);
    add_all(&s, triples, count, library);
}

static void look_at_strings(struct encoder *e, int triples, int *count) {
    lua_State *L = e->L;
    struct scan s = {.e = e};
    lua_pushliteral(L, "string");
    if (!tine__push_library(L, e->self, lua_gettop(L)))
        return;
    int t = lua_gettop(L);
    push_lists(&s);
    scan_strings(&s, t);
    e->c->strings = s.count > 0;
    add_all(&s, triples, count, "string");
}

int tine__changes_used(struct encoder *e, const struct code *code, bool strings) {
    lua_State *L = e->L;
    int top = lua_gettop(L), count = 0;
    lua_Integer before = (lua_Integer)code->globals.reads + code->globals.assigns +
                         code->globals.by_g + code->globals.standards;
    luaL_checkstack(L, 40, "changes");
    lua_newtable(L);
    lua_rawgeti(L, e->self, ST_GLOBALS);
    lua_rawgetp(L, -1, code);
    for (uint32_t i = 0; i < code->globals.uses; i++, before += 2) {
        lua_rawgeti(L, top + 3, before + 1);
        lua_rawgeti(L, top + 3, before + 2);
        tine__look_at_use(e, top + 4, top + 1, &count);
        lua_settop(L, top + 3);
    }
    if (strings)
        look_at_strings(e, top + 1, &count);
    lua_settop(L, count ? top + 1 : top);
    return count;
}

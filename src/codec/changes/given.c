/* Is what a scan finds in a module's table the module's or the program's? (scan.h) */
#include <lauxlib.h>
#include <lua.h>
#include "codec/changes/objects.h"
#include "codec/changes/scan.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/state.h"

#define MAX_DEPTH 4  /* nesting of data that is counted */
#define LATE_DEPTH 3 /* levels of a table without a name that are searched for functions */

bool tine__push_call(lua_State *L) {
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

bool tine__scan_is_foreign(struct scan *s, int key) {
    return s->filled && s->file->lua && tine__is_foreign_key(s->e, s->file, s->reach, key);
}

bool tine__scan_is_of_reach(struct scan *s, int value, int key) {
    return s->filled && tine__is_programs(s->e, s->file, value) &&
           tine__is_from_reach(s->e, s->reach, value) && !tine__scan_is_foreign(s, key);
}

bool tine__scan_is_programs(struct scan *s, int value, int key) {
    return tine__is_programs(s->e, s->file, value) && !tine__scan_is_of_reach(s, value, key);
}

/* The function on top was made by a function of the module. Has it a function of the program in an
** upvalue, as the entries of a registry have? */
static bool holds_programs(struct scan *s, int key) {
    lua_State *L = s->e->L;
    int fn = lua_gettop(L);
    bool holds = false;
    for (int i = 1; !holds && !lua_iscfunction(L, fn) && lua_getupvalue(L, fn, i); i++) {
        holds = tine__scan_is_programs(s, fn + 1, key);
        lua_settop(L, fn);
    }
    return holds;
}

/* The function on top is not from the module's file. Has the program put it under the key at `key`,
** under which that file stores nothing? That is not said of a table into which the file puts no
** functions: it is another module's, too. */
static bool is_anothers(struct scan *s, int key) {
    lua_State *L = s->e->L;
    return key && !s->filled && s->file && s->file->lua && lua_type(L, key) == LUA_TSTRING &&
           tine__file_has_fields(s->file) && !tine__file_may_store(s->file, lua_tostring(L, key)) &&
           !tine__is_from_file(s->e, s->file, lua_gettop(L));
}

bool tine__scan_belongs(struct scan *s, int key) {
    lua_State *L = s->e->L;
    if (s->module)
        return false; /* the record has all that belongs there */
    if (s->filled && tine__is_of_text(L))
        return true;
    if (key && lua_type(L, key) == LUA_TSTRING &&
        tine__is_misplaced(s->e, s->file, lua_gettop(L), lua_tostring(L, key)))
        return false;
    enum origin o = tine__origin(s->e, s->file, lua_gettop(L));
    if (o == ORIGIN_OTHER || o == ORIGIN_ONCE)
        return o == ORIGIN_ONCE && !tine__scan_is_foreign(s, key) && !is_anothers(s, key);
    return (s->first || s->filled) && !holds_programs(s, key);
}

/* Does the table on top, or one in it down to `depth` levels, hold a function of the program? With
** `foreign` any function in the table itself counts. In a filled table those that were made from a
** text do not (tine__scan_belongs). */
static bool holds_function(struct scan *s, int key, bool foreign, int depth) {
    lua_State *L = s->e->L;
    int t = lua_gettop(L), left = SCAN_ITEMS;
    bool holds = false;
    for (lua_pushnil(L); !holds && --left >= 0 && lua_next(L, t); lua_pop(L, 1))
        if (lua_isfunction(L, t + 2))
            holds = !(s->filled && tine__is_of_text(L)) &&
                    (foreign || tine__scan_is_programs(s, t + 2, key));
        else if (depth > 0 && lua_istable(L, t + 2) && lua_checkstack(L, 20))
            holds = holds_function(s, key, false, depth - 1);
    lua_settop(L, t);
    return holds;
}

/* Was the table on top made after the index, so that nothing in it has a name? */
static bool is_late(const struct scan *s) {
    return !tine__name_find(s->e->c, lua_topointer(s->e->L, -1));
}

/* Is there in the table on top, or in one in it down to `depth` levels, something that cannot be
** sent (a userdata, a coroutine), or that must not have a copy, since it has a finalizer? */
static bool holds_handle(struct scan *s, int depth) {
    lua_State *L = s->e->L;
    int t = lua_gettop(L), left = SCAN_ITEMS;
    if (!lua_checkstack(L, 20))
        return true;
    bool holds = tine__is_finalized(L);
    for (lua_pushnil(L); !holds && --left >= 0 && lua_next(L, t); lua_settop(L, t + 1))
        if (lua_type(L, t + 2) == LUA_TUSERDATA)
            holds = !tine__name_find(s->e->c, lua_touserdata(L, t + 2));
        else
            holds = lua_isthread(L, t + 2) ||
                    (depth > 0 && lua_istable(L, t + 2) && holds_handle(s, depth - 1));
    lua_settop(L, t);
    return holds;
}

/* ---- objects ---- */

/* Is the table on top an object of a class of the program: a class without functions of the module?
** Functions in the object itself count, too. */
static bool is_object(struct scan *s, int key) {
    struct looker by = {s->e, s->file, s->reach, false, s->filled};
    struct makers m = tine__makers_of(&by);
    if (!m.program && !m.module && tine__scan_is_foreign(s, key)) {
        by.others = true;
        m = tine__makers_of(&by);
    }
    if (m.program)
        tine__makers_add(&by, &m);
    return m.program && !m.module;
}

/* Add to the set at `set` the tables that are in upvalues of the function on top, in variables that
** no function assigns. */
static void add_captured(struct scan *s, int set) {
    lua_State *L = s->e->L;
    int fn = lua_gettop(L);
    uint64_t hash = tine__hash_function(L, s->e->self, fn);
    for (int i = 1; lua_getupvalue(L, fn, i); lua_settop(L, fn), i++) {
        if (!lua_istable(L, -1) || tine__file_upvalue_rank(s->file, hash, i) == STORE_VARIES)
            continue;
        lua_pushboolean(L, 1);
        lua_rawset(L, set);
    }
}

/* Push the set of all tables that the module's functions have in such variables: they are the
** module's own. */
static void push_captured(struct scan *s) {
    struct encoder *e = s->e;
    lua_State *L = e->L;
    const struct names *names = &e->c->names;
    int set = lua_gettop(L) + 1;
    lua_newtable(L);
    for (uint32_t id = 0; id < names->count; id++) {
        const struct place *p = &names->index->list[id];
        if (p->kind != NAME_FUNCTION || names->list[p->root].file != s->file ||
            !tine__name_walk(e, tine__name_at(e->c, id)))
            continue;
        if (lua_isfunction(L, -1) && !lua_iscfunction(L, -1) &&
            tine__is_from_file(e, s->file, set + 1)) /* else the program has put it there */
            add_captured(s, set);
        lua_settop(L, set);
    }
}

/* Is the table on top in that set? The set is made once in a scan; s->seen has it under the key
** false. */
static bool is_captured(struct scan *s) {
    lua_State *L = s->e->L;
    int t = lua_gettop(L);
    lua_pushboolean(L, 0);
    if (lua_rawget(L, s->seen) == LUA_TNIL) {
        push_captured(s);
        lua_pushboolean(L, 0);
        lua_pushvalue(L, -2);
        lua_rawset(L, s->seen);
    }
    lua_pushvalue(L, t);
    bool is = lua_rawget(L, -2) != LUA_TNIL;
    lua_settop(L, t);
    return is;
}

bool tine__scan_is_given_object(struct scan *s, int key) {
    return is_object(s, key) && !holds_handle(s, LATE_DEPTH) && !is_captured(s);
}

bool tine__scan_is_given_key(struct scan *s) {
    return tine__scan_is_given_object(s, 0) ||
           (holds_function(s, 0, false, 0) && !holds_handle(s, LATE_DEPTH));
}

bool tine__scan_is_added(struct scan *s, int key) {
    lua_State *L = s->e->L;
    if (s->module || !s->file || !lua_checkstack(L, 20))
        return false;
    /* The table may be the module's own: then the functions in it are changes, each by itself. A
    ** table that was made after the index is sent as a whole, as they could not be named. */
    if (key && lua_type(L, key) == LUA_TSTRING && tine__file_stores(s->file, lua_tostring(L, key)))
        return is_late(s) ? (holds_function(s, key, false, LATE_DEPTH) || is_object(s, key)) &&
                                !holds_handle(s, LATE_DEPTH)
                          : tine__scan_is_given_object(s, key);
    bool theirs = s->file->lua && tine__is_foreign_key(s->e, s->file, s->reach, key);
    return holds_function(s, key, s->filled && theirs, theirs) ||
           tine__scan_is_given_object(s, key);
}

/* ---- data ---- */

/* The number of values in the value on top, which is nested in `depth` tables. KEPT_DATA + 1: there
** are more, or something that is not data. */
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

bool tine__scan_is_weak(lua_State *L, int t) {
    bool weak = luaL_getmetafield(L, t, "__mode") != LUA_TNIL;
    lua_pop(L, weak);
    return weak;
}

bool tine__scan_is_data(struct scan *s, int key) {
    return amount(s->e->L, 0) <= KEPT_DATA && tine__scan_is_foreign(s, key);
}

bool tine__scan_is_librarys(struct scan *s, int t) {
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

bool tine__scan_keeps_data(struct scan *s, int t) {
    lua_State *L = s->e->L;
    int n = 0, top = lua_gettop(L);
    if (!s->filled || tine__scan_is_weak(L, t) || (s->root && tine__scan_is_librarys(s, t)))
        return false;
    for (lua_pushnil(L); n <= KEPT_DATA && lua_next(L, t); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && tine__scan_is_data(s, top + 1))
            n += amount(L, 0);
    lua_settop(L, top);
    return n > 0 && n <= KEPT_DATA;
}

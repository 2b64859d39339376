/* Scanning a table of a module, or of a standard library, for changes.
**
** Of the standard libraries it is known what a new state has in them: all else was changed. Of
** other modules it is known what their files define (names/proof.c), and what was there when the
** table was scanned first (its record, scan.h). Functions and callable tables that are neither from
** the module's file nor from a module that this file names were put there by the program: added
** methods, replaced functions, registered handlers, stubs and spies of tests. So were functions of
** the module that have moved to other names or places since, or are under names that the file does
** not have. Other data in a module is not sent, as the receiver's module has its own, but for what
** only the program can have put there (settings.c).
*/
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include "codec/changes/changes.h"
#include "codec/changes/objects.h"
#include "codec/changes/scan.h"
#include "codec/changes/settings.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/state.h"

/* ---- one field ---- */

/* Look at the function or callable table on top, under the key at `key`. It is no change if the
** record has it there. Nor is it one if it belongs there (tine__scan_belongs) and the record has
** either false under a string key, or nothing, in the first scan or in a filled table. Else it is a
** change, even if it is the module's, as the program may have put it there. Returns 1 if the record
** has the key, else 0. */
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
        tine__push_call(L);
    bool mine = open && tine__scan_belongs(s, callable ? 0 : key);
    bool others = !mine && (given || !known) && tine__scan_is_of_reach(s, lua_gettop(L), key);
    if (callable)
        lua_pop(L, 1);
    /* For a module with a smaller reach it would be a change: it must not get into the record. */
    if (others)
        return known;
    if (!mine)
        tine__scan_add(s, prefix, key);
    if (!mine && (known || !s->first || s->module))
        return known;
    if (mine)
        lua_pushvalue(L, -1);
    else
        lua_pushboolean(L, false); /* what was there before is not known */
    tine__scan_record(L, own, key, !known);
    return known;
}

/* Look at the value on top, under the key below it, which can be a path. Returns 1 if the record
** has the key, else 0. */
static int scan_field(struct scan *s, int own, int t, int prefix) {
    lua_State *L = s->e->L;
    int key = lua_gettop(L) - 1, hit = 0;
    bool callable;
    switch (lua_type(L, -1)) {
    case LUA_TFUNCTION:
        return look_at(s, own, prefix, key, false);
    case LUA_TTABLE:
        if ((callable = tine__push_call(L)))
            lua_pop(L, 1);
        if (tine__is_states(s->e))
            return 0;
        if (s->module && !prefix && strcmp(s->module, "package") != 0) {
            tine__scan_add(s, prefix, key);
            return 0;
        }
        int before = s->count;
        if (!callable && (tine__scan_is_added(s, key) || (s->data && tine__scan_is_data(s, key)))) {
            tine__scan_add(s, prefix, key);
            return 0;
        }
        if (callable)
            hit = look_at(s, own, prefix, key, true);
        if (!prefix && s->count == before && !s->module)
            tine__scan_fields(s, key + 1, key);
        return hit;
    default:
        if (s->module ? !prefix && !tine__scan_is_standard(s, key)
                      : s->data && tine__scan_is_data(s, key))
            tine__scan_add(s, prefix, key);
        else if (tine__scan_is_setting(s, t, prefix, key))
            tine__scan_add_setting(s, prefix, key);
        return 0;
    }
}

/* Is the key at `key` a function, an object or a table of functions of the program, and the value
** behind it that of a set, or data that functions of the module were given together with the key?
** What they compute themselves (ids[f] = next_id()) is not sent. */
static bool is_about_given(struct scan *s, int key) {
    lua_State *L = s->e->L;
    int type = lua_type(L, key + 1);
    if (type != LUA_TBOOLEAN &&
        !(s->filled && s->told && (type == LUA_TSTRING || type == LUA_TNUMBER)))
        return false;
    lua_pushvalue(L, key);
    bool is = lua_istable(L, -1) ? tine__scan_is_given_key(s)
                                 : lua_isfunction(L, -1) && tine__scan_is_programs(s, key, 0);
    lua_pop(L, 1);
    return is;
}

/* Look at the value on top, under the key below it, which cannot be a path: an object, a number
** that is no index. Only what the program has put there is looked for. In a table with weak keys
** the value belongs to its key (encode/kept.h). */
static void scan_other(struct scan *s, int prefix) {
    lua_State *L = s->e->L;
    int key = lua_gettop(L) - 1;
    if (s->module || !s->file || s->weak)
        return;
    if (!(lua_isfunction(L, -1)
              ? tine__scan_is_programs(s, key + 1, 0) && !(s->filled && tine__is_of_text(L))
              : (lua_istable(L, -1) && !tine__is_states(s->e) && tine__scan_is_added(s, 0)) ||
                    is_about_given(s, key)))
        return;
    lua_pushvalue(L, key);
    tine__scan_push_path(s, prefix);
    lua_insert(L, -2);
    tine__scan_add_at(s);
    lua_pushnil(L); /* for the caller, which pops the value */
}

/* ---- a table ---- */

/* Append a change for each key of the record that the table does not have any more. */
static void add_removed(struct scan *s, int own, int t, int prefix) {
    lua_State *L = s->e->L;
    for (lua_pushnil(L); lua_next(L, own); lua_pop(L, 1)) {
        int key = lua_gettop(L) - 1;
        if (lua_isboolean(L, key))
            continue;
        lua_pushvalue(L, key);
        if (lua_rawget(L, t) == LUA_TNIL)
            tine__scan_add(s, prefix, key);
        lua_pop(L, 1);
    }
}

/* Append a change for each field that the module's file puts into the module's table and which is
** not there, though the record does not have it: the program has removed it before the first
** scan. */
static void add_missing(struct scan *s, int own, int t) {
    lua_State *L = s->e->L;
    int top = lua_gettop(L);
    for (uint32_t i = 0; i < s->file->ndefinitions; i++, lua_settop(L, top)) {
        if (!s->file->definitions[i].of_module || s->file->definitions[i].maybe)
            continue;
        lua_pushstring(L, s->file->definitions[i].field);
        lua_pushvalue(L, top + 1);
        bool known = lua_rawget(L, own) != LUA_TNIL; /* add_removed appends it */
        lua_pushvalue(L, top + 1);
        if (lua_rawget(L, t) == LUA_TNIL && !known)
            tine__scan_add(s, 0, top + 1);
    }
}

/* The definition in the module's file that has put the function on top under the key below it;
** NULL: there is none, or it does not tell into which table. */
static const struct file_definition *find_table(struct scan *s) {
    lua_State *L = s->e->L;
    const struct file *f = s->file;
    if (lua_type(L, -2) != LUA_TSTRING || !lua_isfunction(L, -1) || lua_iscfunction(L, -1))
        return NULL;
    uint64_t hash = tine__hash_function(L, s->e->self, lua_gettop(L));
    for (uint32_t i = 0; i < f->ndefinitions; i++)
        if (f->definitions[i].table && f->definitions[i].function == hash &&
            strcmp(f->definitions[i].field, lua_tostring(L, -2)) == 0 &&
            tine__origin(s->e, f, lua_gettop(L)) == ORIGIN_ONCE)
            return &f->definitions[i];
    return NULL;
}

/* In the first scan of a table in the module's: append a change for each function that the file
** puts into the same table as one that is there, and which is not there. The program has removed
** it, unless the module removes it itself or puts it there in some processes only. */
static void add_missing_beside(struct scan *s, int own, int t, int prefix) {
    lua_State *L = s->e->L;
    int top = lua_gettop(L), left = SCAN_ITEMS;
    const struct file_definition *found = NULL;
    for (lua_pushnil(L); !found && --left >= 0 && lua_next(L, t); lua_settop(L, top + 1))
        found = find_table(s);
    lua_settop(L, top);
    for (uint32_t i = 0; found && i < s->file->ndefinitions; i++, lua_settop(L, top)) {
        const struct file_definition *d = &s->file->definitions[i];
        if (d->table != found->table || d->maybe ||
            tine__file_key_rank(s->file, d->field) == STORE_VARIES)
            continue;
        lua_pushstring(L, d->field);
        lua_pushvalue(L, top + 1);
        if (lua_rawget(L, t) != LUA_TNIL)
            continue;
        tine__scan_add(s, prefix, top + 1);
        lua_pushboolean(L, false); /* so that later scans find it removed, too */
        tine__scan_record(L, own, top + 1, true);
    }
}

/* Was the table at `t` scanned already? From now on it was. (A class is often its own __index.) */
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

/* Has the table at `t` a metatable? If the receiver has no such object there, changes of data in it
** would make a table without the metatable. */
static bool is_object(lua_State *L, int t) {
    bool is = lua_getmetatable(L, t);
    lua_pop(L, is);
    return is;
}

void tine__scan_fields(struct scan *s, int t, int prefix) {
    lua_State *L = s->e->L;
    int left = prefix ? SCAN_ITEMS : MODULE_FIELDS, before = s->count;
    luaL_checkstack(L, 30, "changes");
    if (is_seen(s, t))
        return;
    bool first = s->first, data = s->data, weak = s->weak, settings = s->settings;
    s->data = !(prefix && is_object(L, t)) && tine__scan_keeps_data(s, t);
    s->weak = tine__scan_is_weak(L, t);
    s->settings = tine__scan_has_settings(s, t, prefix);
    lua_Integer known = tine__scan_push_known(s, t), hits = 0;
    int own = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {
        if (--left < 0) {
            lua_pop(L, 2);
            break;
        }
        if (scan_is_step(L, -2))
            hits += scan_field(s, own, t, prefix);
        else
            scan_other(s, prefix);
    }
    if (hits < known)
        add_removed(s, own, t, prefix);
    if (s->root && s->file && !prefix)
        add_missing(s, own, t);
    else if (s->first && s->file && s->file->lua && !s->weak && !s->file->clears &&
             !tine__file_mentions(s->file, "rawset"))
        add_missing_beside(s, own, t, prefix);
    if (s->file)
        tine__scan_aliases(s, own, t, prefix, before);
    tine__scan_placed(s, t, prefix, before);
    s->first = first;
    s->data = data;
    s->weak = weak;
    s->settings = settings;
    lua_settop(L, own - 1);
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
                     .name = tine__name_root(e, n),
                     .table = t,
                     .reach = reach,
                     .root = n->kind == NAME_MODULE,
                     .filled = n->going == GOES_BY_BOTH,
                     .told = n->told};
    if (n->builtin == BUILTIN_TINE)
        return 0;
    luaL_checkstack(L, 30, "changes");
    if (n->builtin)
        s.module = s.name;
    tine__scan_open(&s);
    tine__scan_fields(&s, t, 0);
    if (s.module && strcmp(s.module, "string") == 0)
        tine__scan_strings(&s, t);
    return finish(&s, top);
}

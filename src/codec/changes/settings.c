/* Scalars that the program has put into a module's tables: `m.limit = 5`, `m.options.color = true`.
**
** A module has scalars of its own, too: what it counts, what it has found out. Those are each process's. So only a scalar that
** the module cannot have put there itself is the program's: one in a field in which the main function of the file stores nothing
** but constants, and never this one, or in which the file stores nothing at all; and in which no function of the file, nor
** of those that are loaded with it, stores anything.
*/
#include <lauxlib.h>
#include <lua.h>
#include "codec/changes/objects.h"
#include "codec/changes/scan.h"
#include "codec/changes/settings.h"
#include "codec/changes/watch.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"

static bool is_scalar(lua_State *L, int idx) {
    int type = lua_type(L, idx);
    return type == LUA_TSTRING || type == LUA_TBOOLEAN ||
           (type == LUA_TNUMBER && lua_rawequal(L, idx, idx)); /* NaN is never what it was */
}

/* Key and value are on top: is it a field that may be a setting? */
static bool is_candidate(lua_State *L) {
    return lua_type(L, -2) == LUA_TSTRING && is_scalar(L, -1);
}

/* How many of its fields are that; KEPT_DATA + 1: more. */
static int count_candidates(lua_State *L, int t) {
    int n = 0, top = lua_gettop(L);
    for (lua_pushnil(L); n <= KEPT_DATA && lua_next(L, t); lua_pop(L, 1))
        n += is_candidate(L);
    lua_settop(L, top);
    return n;
}

/* May settings be in the table at `t`: the module's own, or one in it under the key at `key`? */
static bool may_have(lua_State *L, const struct file *f, int t, int key) {
    if (!f || !f->lua || tine__scan_is_weak(L, t))
        return false;
    if (key && (lua_type(L, key) != LUA_TSTRING || tine__file_fills_field(f, lua_tostring(L, key))))
        return false;
    int n = count_candidates(L, t);
    return n > 0 && n <= KEPT_DATA;
}

bool tine__scan_has_settings(struct scan *s, int t, int prefix) {
    bool inner = prefix && !s->filled, told = s->filled && s->told;
    return !s->module && (s->root || inner || told) && may_have(s->e->L, s->file, t, prefix);
}

/* Do the files of modules that are loaded with it store that scalar under that key? */
static bool is_of_reach(struct encoder *e, int reach, const char *key, uint64_t scalar) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool is = false;
    for (lua_Integer i = 1; reach && !is && lua_rawgeti(L, reach, i) == LUA_TSTRING; i++) {
        const struct file *other = tine__file_of(L, e->c, e->self, lua_tostring(L, -1));
        is = other && other->lua && tine__file_sets(other, key, scalar);
        lua_settop(L, top);
    }
    lua_settop(L, top);
    return is;
}

/* No file says what stores something in the field: may something other than the program have done so? A C library whose table
** this is, too; a metamethod that remembers what it has found; functions that keep there what they are given. */
static bool may_fill_itself(struct scan *s, int t) {
    lua_State *L = s->e->L;
    bool may = s->filled && !s->root;
    if (!may && lua_getmetatable(L, t)) {
        lua_pushliteral(L, "__index");
        may = lua_rawget(L, -2) == LUA_TFUNCTION;
        lua_pop(L, 2);
    }
    return may || tine__scan_is_librarys(s, s->table);
}

bool tine__scan_is_setting(struct scan *s, int t, int key) {
    lua_State *L = s->e->L;
    if (!s->settings || !is_candidate(L))
        return false;
    const char *name = lua_tostring(L, key);
    uint64_t scalar = tine__scalar_hash(L, -1);
    if (tine__file_sets(s->file, name, scalar) || is_of_reach(s->e, s->reach, name, scalar))
        return false;
    return tine__file_has_constants(s->file, name) ||
           (tine__file_never_sets(s->file, name) && !may_fill_itself(s, t));
}

/* ---- whether they are the same still ---- */

/* Where to note what was seen, of a module with that file. */
struct noting {
    struct encoder *e;
    struct watch *w;
    const struct file *file;
    int list, reach;
};

static bool watch_in(const struct noting *n, int t, int key) {
    lua_State *L = n->e->L;
    int top = lua_gettop(L);
    bool good = true;
    if (!may_have(L, n->file, t, key))
        return true;
    for (lua_pushnil(L); good && lua_next(L, t); lua_settop(L, top + 1)) {
        const char *name = is_candidate(L) ? lua_tostring(L, top + 1) : NULL;
        if (name && !tine__file_sets(n->file, name, SETTING_OTHER) &&
            !is_of_reach(n->e, n->reach, name, SETTING_OTHER))
            good = tine__watch_field(L, n->w, n->list, t, top + 1);
    }
    lua_settop(L, top);
    return good;
}

bool tine__watch_settings(struct encoder *e, struct watch *w, int list, int t, const struct file *f,
                          int reach) {
    lua_State *L = e->L;
    const struct noting n = {e, w, f, list, reach};
    int top = lua_gettop(L), left = SCAN_ITEMS;
    luaL_checkstack(L, 20, "changes");
    bool good = watch_in(&n, t, 0);
    for (lua_pushnil(L); good && --left >= 0 && lua_next(L, t); lua_settop(L, top + 1))
        good = !lua_istable(L, -1) || tine__is_states(e) || watch_in(&n, top + 2, top + 1);
    lua_settop(L, top);
    return good;
}

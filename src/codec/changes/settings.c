/* Settings (settings.h).
**
** A module has scalars of its own, too: counters, results that it remembers. These are each
** process's own. So a scalar counts as the program's only if the module cannot have put it there
** itself. In the field's name, the main function of the module's file stores constants only, and
** none that is equal to it, or the file stores nothing at all; and no function of the file, of the
** modules in its reach, or of modules that name it, stores anything.
*/
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include "codec/changes/modules.h"
#include "codec/changes/objects.h"
#include "codec/changes/scan.h"
#include "codec/changes/settings.h"
#include "codec/changes/watch.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"

/* Key and value are on top. Is the key a string without zeros and the value a scalar? */
static bool is_candidate(lua_State *L) {
    int type = lua_type(L, -1);
    return (type == LUA_TSTRING || type == LUA_TBOOLEAN || type == LUA_TNUMBER) &&
           lua_type(L, -2) == LUA_TSTRING && strlen(lua_tostring(L, -2)) == lua_rawlen(L, -2);
}

/* The number of such fields in the table at `t`; KEPT_DATA + 1: there are more. */
static int count_candidates(lua_State *L, int t) {
    int n = 0, top = lua_gettop(L);
    for (lua_pushnil(L); n <= KEPT_DATA && lua_next(L, t); lua_pop(L, 1))
        n += is_candidate(L);
    lua_settop(L, top);
    return n;
}

/* May the table at `t` have settings: the module's own table (`key` 0), or one that its file makes
** for the field with the key at `key`? */
static bool may_have(lua_State *L, const struct file *f, int t, int key) {
    if (!f || !f->lua || tine__scan_is_weak(L, t))
        return false;
    if (key && (lua_type(L, key) != LUA_TSTRING ||
                tine__file_key_rank(f, lua_tostring(L, key)) != STORE_FRESH ||
                tine__file_fills_field(f, lua_tostring(L, key))))
        return false;
    int n = count_candidates(L, t);
    return n > 0 && n <= KEPT_DATA;
}

bool tine__scan_has_settings(struct scan *s, int t, int prefix) {
    return s->root && !s->module && may_have(s->e->L, s->file, t, prefix);
}

/* Do the files of the modules in the list at `list` store the scalar under the key `key`, or, if
** there is a `prefix`, anything under computed keys in a table in a field of that name? */
static bool others_set(struct encoder *e, int list, int prefix, const char *key, uint64_t scalar) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool set = false;
    for (lua_Integer i = 1; !set && lua_rawgeti(L, list, i) == LUA_TSTRING; i++) {
        const struct file *f = tine__file_of(L, e->c, e->self, lua_tostring(L, -1));
        set = f && f->lua &&
              (tine__file_sets(f, key, scalar) ||
               (prefix && tine__file_fills_field(f, lua_tostring(L, prefix))));
        lua_settop(L, top);
    }
    lua_settop(L, top);
    return set;
}

static bool names_module(struct encoder *e, const char *name, const void *scan) {
    const struct scan *s = scan;
    const struct file *f = tine__file_of(e->L, e->c, e->self, name);
    return f && f != s->file && f->lua && tine__file_mentions(f, s->name);
}

/* Do those of the loaded modules whose code names the module? */
static bool users_set(struct scan *s, int prefix, const char *key, uint64_t scalar) {
    /* key of the list: the file's address + 1, as that itself is the key of another list
    ** (uses.c) */
    const void *kept = (const char *)s->file + 1;
    tine__push_modules(s->e, kept, names_module, s);
    bool set = others_set(s->e, lua_gettop(s->e->L), prefix, key, scalar);
    lua_pop(s->e->L, 1);
    return set;
}

/* The module's file stores nothing in the field. May something other than the program have done so:
** a C library whose table this is, too, or a metamethod that remembers results? */
static bool may_fill_itself(struct scan *s, int t) {
    lua_State *L = s->e->L;
    bool may = false;
    if (lua_getmetatable(L, t)) {
        lua_pushliteral(L, "__index");
        may = lua_rawget(L, -2) == LUA_TFUNCTION;
        lua_pop(L, 2);
    }
    return may || tine__scan_is_librarys(s, s->table);
}

bool tine__scan_is_setting(struct scan *s, int t, int prefix, int key) {
    lua_State *L = s->e->L;
    /* NaN would always differ from what was seen. */
    if (!s->settings || !is_candidate(L) || !lua_rawequal(L, -1, -1))
        return false;
    const char *name = lua_tostring(L, key);
    uint64_t scalar = tine__scalar_hash(L, -1);
    return !tine__file_sets(s->file, name, scalar) && tine__file_leaves(s->file, name) &&
           (tine__file_has_setting(s->file, name) ||
            (tine__file_never_sets(s->file, name) && !may_fill_itself(s, t))) &&
           !(s->reach && others_set(s->e, s->reach, prefix, name, scalar)) &&
           !users_set(s, prefix, name, scalar);
}

void tine__scan_add_setting(struct scan *s, int prefix, int key) {
    lua_State *L = s->e->L;
    lua_pushvalue(L, key);
    tine__scan_push_path(s, prefix);
    lua_pushstring(L, s->name);
    lua_rawseti(L, -2, 3);
    lua_pushvalue(L, -2);
    tine__scan_add_at(s);
}

/* ---- watching ---- */

/* Watch the fields of the table at `t` that may be settings. `key` as in may_have. */
static bool watch_in(struct encoder *e, struct watch *w, int list, int t, int key,
                     const struct file *f) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool good = true;
    if (!may_have(L, f, t, key))
        return true;
    for (lua_pushnil(L); good && lua_next(L, t); lua_settop(L, top + 1))
        if (is_candidate(L) && tine__file_leaves(f, lua_tostring(L, top + 1)))
            good = tine__watch_field(L, w, list, t, top + 1);
    lua_settop(L, top);
    return good;
}

bool tine__watch_settings(struct encoder *e, struct watch *w, int list, int t,
                          const struct file *f) {
    lua_State *L = e->L;
    int top = lua_gettop(L), left = SCAN_ITEMS;
    luaL_checkstack(L, 20, "changes");
    bool good = watch_in(e, w, list, t, 0, f);
    for (lua_pushnil(L); good && --left >= 0 && lua_next(L, t); lua_settop(L, top + 1))
        good =
            !lua_istable(L, -1) || tine__is_states(e) || watch_in(e, w, list, top + 2, top + 1, f);
    lua_settop(L, top);
    return good;
}

/* What the code of modules reaches: other modules, and standard libraries (uses.h). That nothing in
** them was changed is recorded in a watch.
*/
#include <lauxlib.h>
#include <string.h>
#include "codec/changes/libraries.h"
#include "codec/changes/modules.h"
#include "codec/changes/settings.h"
#include "codec/changes/uses.h"
#include "codec/changes/watch.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/lua/standard.h"
#include "codec/names/names.h"
#include "codec/state.h"

static bool is_mentioned(struct encoder *e, const char *name, const void *file) {
    (void)e;
    return tine__file_mentions(file, name) && !tine__standard_module(name);
}

/* Push the list of the loaded modules that the code of the file names. */
static void push_mentioned(struct encoder *e, const struct file *f) {
    tine__push_modules(e, f, is_mentioned, f);
}

/* Add to the set at `set` what the code of the module with the name at `module` uses, and that of
** the modules that it names. `visited` is the set of the modules added so far. */
static void add_uses(struct encoder *e, int module, int set, int visited) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    luaL_checkstack(L, 30, "modules");
    lua_pushvalue(L, module);
    lua_pushboolean(L, 1);
    lua_rawset(L, visited);
    const char *name = lua_tostring(L, module);
    const struct file *f = tine__file_of(L, e->c, e->self, name);
    if (!f || !f->lua)
        return;
    tine__file_push_uses(L, e->c, e->self, name);
    for (lua_Integer i = 1; lua_rawgeti(L, top + 1, i) != LUA_TNIL; i += 2) {
        if (lua_rawgeti(L, top + 1, i + 1) == LUA_TSTRING)
            lua_pushfstring(L, "%s.%s", lua_tostring(L, -2), lua_tostring(L, -1));
        else
            lua_pushvalue(L, -2);
        lua_pushboolean(L, 1);
        lua_rawset(L, set);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    push_mentioned(e, f);
    for (lua_Integer i = 1; lua_rawgeti(L, top + 1, i) != LUA_TNIL; i++) {
        lua_pushvalue(L, top + 2);
        if (lua_rawget(L, visited) == LUA_TNIL)
            add_uses(e, top + 2, set, visited);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
}

/* Replace the set at `set` by a list of its keys, which has them as keys, too. */
static void make_list(lua_State *L, int set) {
    lua_Integer n = 0;
    lua_newtable(L);
    int list = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, set); lua_settop(L, list + 1)) {
        lua_pushvalue(L, list + 1);
        lua_rawseti(L, list, ++n);
        lua_pushvalue(L, list + 1);
        lua_pushboolean(L, 1);
        lua_rawset(L, list);
    }
    lua_replace(L, set);
}

void tine__push_uses_of(struct encoder *e, const struct name *name) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    lua_Integer n = 0;
    luaL_checkstack(L, 40, "changes");
    lua_rawgeti(L, e->self, ST_USES);
    lua_pushstring(L, tine__name_root(e, name));
    lua_pushvalue(L, -1);
    if (lua_rawget(L, top + 1) == LUA_TNIL) {
        lua_newtable(L);
        lua_newtable(L);
        add_uses(e, top + 2, top + 4, top + 5);
        lua_newtable(L);
        for (lua_pushnil(L); lua_next(L, top + 4); lua_settop(L, top + 7)) {
            const char *use = lua_tostring(L, top + 7), *dot = strchr(use, '.');
            lua_pushlstring(L, use, dot ? (size_t)(dot - use) : strlen(use));
            lua_rawseti(L, top + 6, ++n);
            if (dot)
                lua_pushstring(L, dot + 1);
            else
                lua_pushboolean(L, 0);
            lua_rawseti(L, top + 6, ++n);
        }
        make_list(L, top + 5);
        lua_pushvalue(L, top + 5);
        lua_rawseti(L, top + 6, 0);
        lua_pushvalue(L, top + 2);
        lua_pushvalue(L, top + 6);
        lua_rawset(L, top + 1);
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

int tine__changes_under(struct encoder *e, int uses) {
    lua_State *L = e->L;
    int top = lua_gettop(L), count = 0;
    luaL_checkstack(L, 40, "changes");
    lua_newtable(L);
    for (lua_Integer i = 1; lua_rawgeti(L, uses, i) != LUA_TNIL; i += 2) {
        lua_rawgeti(L, uses, i + 1);
        tine__look_at_use(e, top + 2, top + 1, &count);
        lua_settop(L, top + 1);
    }
    lua_settop(L, count ? top + 1 : top);
    return count;
}

/* ---- watching ---- */

/* Watch the module with the name on top, its file and its table, unless that is `own`, which is
** watched already. */
static bool watch_module(struct encoder *e, struct watch *w, int list, const void *own) {
    lua_State *L = e->L;
    int name = lua_gettop(L);
    const struct file *f = tine__file_of(L, e->c, e->self, lua_tostring(L, name));
    lua_rawgeti(L, e->self, ST_LOADED);
    lua_pushvalue(L, name);
    lua_rawget(L, name + 1);
    bool noted = lua_topointer(L, -1) == own;
    lua_settop(L, name + 1);
    if (noted) {
        lua_pop(L, 1);
        return true;
    }
    bool good =
        tine__watch_field(L, w, list, name + 1, name) && (!f || !f->lua || tine__watch_file(w, f));
    lua_pushvalue(L, name);
    if (good && lua_rawget(L, name + 1) == LUA_TTABLE)
        good = tine__watch_table(L, w, list, name + 2, WATCH_KEYS) &&
               tine__watch_settings(e, w, list, name + 2, f);
    lua_settop(L, name);
    return good;
}

bool tine__changes_watch(struct encoder *e, struct watch *w, int list, int uses, const void *own) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool good = true;
    for (lua_Integer i = 1; good && lua_rawgeti(L, uses, i) != LUA_TNIL; i += 2) {
        lua_rawgeti(L, uses, i + 1);
        good = tine__watch_use(L, e->self, w, list, top + 1);
        lua_settop(L, top);
    }
    lua_settop(L, top);
    lua_rawgeti(L, uses, 0);
    for (lua_Integer i = 1; good && lua_rawgeti(L, top + 1, i) != LUA_TNIL; i++) {
        good = watch_module(e, w, list, own);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return good;
}

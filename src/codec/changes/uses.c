/* What code reaches by names: of a module's, Lua's own functions and other modules; of a function's, Lua's own. And that
** nothing of it was changed, noted (watch.c).
*/
#include <lauxlib.h>
#include <string.h>
#include "codec/changes/changes.h"
#include "codec/changes/uses.h"
#include "codec/changes/watch.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/lua/standard.h"
#include "codec/names/names.h"
#include "codec/state.h"

/* ---- of modules ---- */

/* Push a list of the loaded modules that the code of the file names. */
static void push_mentioned(struct encoder *e, const struct file *f) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    lua_Integer n = 0;
    lua_rawgeti(L, e->self, ST_USES);
    if (lua_rawgetp(L, top + 1, f) == LUA_TTABLE) {
        lua_replace(L, top + 1);
        return;
    }
    lua_newtable(L);
    lua_rawgeti(L, e->self, ST_LOADED);
    for (lua_pushnil(L); lua_next(L, top + 4); lua_settop(L, top + 5)) {
        const char *name = lua_type(L, top + 5) == LUA_TSTRING ? lua_tostring(L, top + 5) : NULL;
        if (!name || !tine__file_mentions(f, name) || tine__standard_module(name))
            continue;
        lua_pushvalue(L, top + 5);
        lua_rawseti(L, top + 3, ++n);
    }
    lua_settop(L, top + 3);
    lua_pushvalue(L, top + 3);
    lua_rawsetp(L, top + 1, f);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

/* Add what the code of the module named at `module` uses to the set at `set`, and what that of modules uses which it
** names; `visited` is a set of modules. */
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

/* The names in the set at `set`, as a list in place of it, which has them as keys, too. */
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

/* ---- what was seen ---- */

/* Note the use whose library is named at `at` (then its field, or false). */
static bool watch_use(lua_State *L, int self, struct watch *w, int list, int at) {
    if (!tine__push_library(L, self, at))
        return true;
    int t = lua_gettop(L);
    bool good = lua_toboolean(L, at + 1) ? tine__watch_field(L, w, list, t, at + 1)
                                         : tine__watch_table(L, w, list, t, WATCH_VALUES);
    lua_settop(L, t - 1);
    return good;
}

/* Note the module named on top, and what it holds; `own` is noted already. */
static bool watch_module(struct encoder *e, struct watch *w, int list, const void *own) {
    lua_State *L = e->L;
    int name = lua_gettop(L);
    lua_rawgeti(L, e->self, ST_LOADED);
    lua_pushvalue(L, name);
    lua_rawget(L, name + 1);
    bool noted = lua_topointer(L, -1) == own;
    lua_settop(L, name + 1);
    if (noted) {
        lua_pop(L, 1);
        return true;
    }
    bool good = tine__watch_field(L, w, list, name + 1, name);
    lua_pushvalue(L, name);
    if (good && lua_rawget(L, name + 1) == LUA_TTABLE)
        good = tine__watch_table(L, w, list, name + 2, WATCH_KEYS);
    lua_settop(L, name);
    return good;
}

bool tine__changes_watch(struct encoder *e, struct watch *w, int list, int uses, const void *own) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool good = true;
    for (lua_Integer i = 1; good && lua_rawgeti(L, uses, i) != LUA_TNIL; i += 2) {
        lua_rawgeti(L, uses, i + 1);
        good = watch_use(L, e->self, w, list, top + 1);
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

/* ---- what a function itself names ---- */

/* Are the globals of Lua's own, which follow number `from` of the list at `list`, what they were? */
static bool standards_unchanged(lua_State *L, const struct code *code, int list, lua_Integer from) {
    bool same = true;
    lua_pushglobaltable(L);
    int globals = lua_gettop(L);
    for (uint32_t i = 1; i <= code->globals.standards && same; i++) {
        lua_rawgeti(L, list, from + i);
        const char *name = lua_tostring(L, -1); /* stays: the list has it */
        lua_rawget(L, globals);
        same = tine__is_standard_value(L, name);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return same;
}

/* The name of the library is at `at`, then its field, or false. */
static bool use_unchanged(lua_State *L, struct codec *c, int self, int at) {
    struct encoder e = {.L = L, .c = c, .self = self};
    int count = 0;
    lua_newtable(L);
    tine__look_at_use(&e, at, at + 2, &count);
    lua_settop(L, at + 1);
    return count == 0;
}

static bool uses_unchanged(lua_State *L, struct codec *c, int self, const struct code *code,
                           int list, lua_Integer from) {
    int top = lua_gettop(L);
    bool same = true;
    for (uint32_t i = 0; i < code->globals.uses && same; i++, from += 2) {
        lua_rawgeti(L, list, from + 1);
        lua_rawgeti(L, list, from + 2);
        same = use_unchanged(L, c, self, top + 1);
        lua_settop(L, top);
    }
    return same;
}

/* Push the list of the code's watch, which stays the same one; the code's names are at `names`. */
static void push_list_of(lua_State *L, int names) {
    if (lua_rawgeti(L, names, 0) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, names, 0);
}

static bool watch_all(lua_State *L, int self, struct code *code, int names, lua_Integer from) {
    bool good = true;
    push_list_of(L, names);
    int list = lua_gettop(L);
    lua_pushglobaltable(L);
    for (uint32_t i = 1; i <= code->globals.standards && good; i++) {
        lua_rawgeti(L, names, from + i);
        good = tine__watch_field(L, &code->watch, list, list + 1, list + 2);
        lua_settop(L, list + 1);
    }
    from += code->globals.standards;
    for (uint32_t i = 0; i < code->globals.uses && good; i++, from += 2) {
        lua_rawgeti(L, names, from + 1);
        lua_rawgeti(L, names, from + 2);
        good = watch_use(L, self, &code->watch, list, list + 2);
        lua_settop(L, list + 1);
    }
    return good;
}

/* Does the code's watch say so still? */
static bool watch_says_so(lua_State *L, int self, const struct code *code) {
    int top = lua_gettop(L);
    if (!code->watch.made)
        return false;
    lua_rawgeti(L, self, ST_GLOBALS);
    lua_rawgetp(L, -1, code);
    lua_rawgeti(L, -1, 0);
    bool same = tine__watch_holds(L, &code->watch, top + 3, 0);
    lua_settop(L, top);
    return same;
}

bool tine__uses_watch(lua_State *L, struct codec *c, int self, struct code *code) {
    int top = lua_gettop(L);
    if (code->globals.standards + code->globals.uses == 0)
        return true;
    luaL_checkstack(L, 60, "changes");
    if (watch_says_so(L, self, code))
        return true;
    tine__watch_free(&code->watch);
    lua_rawgeti(L, self, ST_GLOBALS);
    lua_rawgetp(L, -1, code);
    lua_Integer from =
        (lua_Integer)code->globals.reads + code->globals.assigns + code->globals.by_g;
    code->watch.made = standards_unchanged(L, code, top + 2, from) &&
                       uses_unchanged(L, c, self, code, top + 2, from + code->globals.standards) &&
                       watch_all(L, self, code, top + 2, from);
    lua_settop(L, top);
    return code->watch.made;
}

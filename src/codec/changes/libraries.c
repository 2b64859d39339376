/* Changes in Lua's standard libraries, as far as code uses them (libraries.h). That there are none
** is recorded in a watch.
*/
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include "codec/changes/libraries.h"
#include "codec/changes/scan.h"
#include "codec/changes/watch.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/lua/standard.h"
#include "codec/state.h"

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
        return tine__standard_is(known, lua_tocfunction(L, -1));
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
        return tine__standard_is(known, lua_tocfunction(L, -1));
    if (strcmp(library, "_G") == 0)
        return lua_isnil(L, -1) || tine__is_standard_value(L, field);
    if (lua_isnil(L, -1) || (lua_istable(L, -1) && strcmp(library, "package") == 0))
        return true;
    lua_pushstring(L, field);
    lua_insert(L, -2);
    bool same = tine__scan_is_standard(&s, lua_gettop(L) - 1);
    lua_remove(L, -2);
    return same;
}

/* Append the changes in s->list to the list of triples. */
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
        tine__scan_open(&s);
        lua_pushvalue(L, t + 1);
        tine__scan_add(&s, 0, at + 1);
    } else {
        tine__scan_open(&s);
        tine__scan_fields(&s, t, 0);
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
    tine__scan_open(&s);
    tine__scan_strings(&s, t);
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

/* ---- watching ---- */

bool tine__watch_use(lua_State *L, int self, struct watch *w, int list, int at) {
    if (!tine__push_library(L, self, at))
        return true;
    int t = lua_gettop(L);
    bool good = lua_toboolean(L, at + 1) ? tine__watch_field(L, w, list, t, at + 1)
                                         : tine__watch_table(L, w, list, t, WATCH_VALUES);
    lua_settop(L, t - 1);
    return good;
}

/* Are the standard globals that the code names unchanged? Their names follow item `from` of the
** list at `list`. */
static bool standards_unchanged(lua_State *L, const struct code *code, int list, lua_Integer from) {
    bool same = true;
    lua_pushglobaltable(L);
    int globals = lua_gettop(L);
    for (uint32_t i = 1; i <= code->globals.standards && same; i++) {
        lua_rawgeti(L, list, from + i);
        const char *name = lua_tostring(L, -1); /* stays valid: the list has it */
        lua_rawget(L, globals);
        same = tine__is_standard_value(L, name);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return same;
}

/* Is there no change in the use at `at` and `at` + 1? */
static bool use_unchanged(lua_State *L, struct codec *c, int self, int at) {
    struct encoder e = {.L = L, .c = c, .self = self};
    int count = 0;
    lua_newtable(L);
    tine__look_at_use(&e, at, at + 2, &count);
    lua_settop(L, at + 1);
    return count == 0;
}

/* The same for the library fields that the code uses. */
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

/* Push the list of the code's watch. It is item 0 of the list at `names`, and is never replaced. */
static void push_list_of(lua_State *L, int names) {
    if (lua_rawgeti(L, names, 0) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, names, 0);
}

/* Watch the standard globals and library fields that the code uses. They follow item `from` of the
** list at `names`. */
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
        good = tine__watch_use(L, self, &code->watch, list, list + 2);
        lua_settop(L, list + 1);
    }
    return good;
}

/* Does the code's watch hold? */
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

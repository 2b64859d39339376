/* What the program has changed in Lua's own libraries, as the code of a function uses them. */
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include "codec/changes/changes.h"
#include "codec/changes/scan.h"
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

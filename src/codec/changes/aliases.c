/* Functions of the module under names or in places that the program may have given them before anybody looked, so that they
** were taken for the module's own doing. */
#include <lua.h>
#include "codec/changes/scan.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/proof.h"

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

/* Push a set of the functions in the table at `t`: function -> is it under two keys there? Nil, if a file of Lua's says what is
** whose. */
static void push_twins(const struct scan *s, int t) {
    lua_State *L = s->e->L;
    if (s->file->lua) {
        lua_pushnil(L);
        return;
    }
    lua_newtable(L);
    int set = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, t); lua_settop(L, set + 1)) {
        if (!lua_iscfunction(L, -1))
            continue;
        lua_pushvalue(L, -1);
        lua_pushboolean(L, lua_rawget(L, set) != LUA_TNIL);
        lua_replace(L, -2);
        lua_rawset(L, set);
    }
}

/* Of a function of the module, on top, which was under that key from the start: may the program have put it there all the
** same, under a name that the file gives to nothing, under a second one in a C library, or in another place of a list? Behind
** item `added` it has; `changed`: something in the table was; `twins`: see push_twins. */
static bool is_alias(struct scan *s, int key, lua_Integer added, bool changed, int twins) {
    lua_State *L = s->e->L;
    bool item = lua_isinteger(L, key);
    if (!s->file->lua) {
        lua_pushvalue(L, -1);
        lua_rawget(L, twins);
        changed |= lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
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
        tine__scan_add(s, prefix, lua_gettop(L) - 1);
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

void tine__scan_aliases(struct scan *s, int own, int t, int prefix, int before) {
    lua_State *L = s->e->L;
    bool changed = s->count > before;
    int left = prefix ? SCAN_ITEMS : MODULE_FIELDS;
    bool list = false;
    lua_Integer added = changed ? first_added(L, own, t) : LUA_MAXINTEGER;
    push_twins(s, t);
    int twins = lua_gettop(L);
    for (lua_pushnil(L); --left >= 0 && lua_next(L, t); lua_pop(L, 1)) {
        int key = lua_gettop(L) - 1;
        if (!scan_is_step(L, key) || !lua_isfunction(L, -1))
            continue;
        list |= lua_isinteger(L, key);
        lua_pushvalue(L, key);
        lua_rawget(L, own);
        bool same = lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
        if (same && is_alias(s, key, added, changed, twins))
            tine__scan_add(s, prefix, key);
    }
    lua_settop(L, own);
    if (list && s->count > before)
        add_end(s, t, prefix);
}

/* Functions of the module under names or at places that the program may have given them before the
** table was scanned first (scan.h). The record has them there, as if the module had put them there.
*/
#include <lua.h>
#include "codec/changes/scan.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/proof.h"

/* Has the module's file the function on top under some field name, by which the program may have
** found it? */
static bool has_field(struct scan *s) {
    uint64_t hash = tine__hash_function(s->e->L, s->e->self, lua_gettop(s->e->L));
    for (uint32_t i = 0; i < s->file->ndefinitions; i++)
        if (hash && s->file->definitions[i].function == hash)
            return true;
    return false;
}

/* The index of the first item in the list at `t` that is no function in the record at `own`. */
static lua_Integer first_added(lua_State *L, int own, int t) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, t), i = 1;
    bool known = true;
    for (; known && i <= n; i += known) {
        known = lua_rawgeti(L, own, i) == LUA_TFUNCTION;
        lua_pop(L, 1);
    }
    return i;
}

/* Push a table from each C function in the table at `t` to a boolean: is it there under two keys?
** Nil if the module's file is Lua code, which tells the key of each function. */
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

/* The function on top is the module's, and the record has it under the key at `key`. May the
** program have put it there, though? It may under a string key under which the module's file stores
** nothing, under a second key in a C library, or at another place of a list. `added` is the index
** of the first item that the program has put into the list, `changed`: there are changes in the
** table; `twins`: the stack index of what push_twins has pushed. */
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

/* If the table's list ends with a function, append the change that the receiver's list ends there,
** too. */
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

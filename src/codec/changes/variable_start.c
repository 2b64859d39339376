/* What a variable of a module had at first (variable_start.h): what the file's code says, or what
** was there when the variable was looked at first.
*/
#include <lua.h>
#include "base/hash.h"
#include "codec/changes/variable_start.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/state.h"

bool tine__variable_starts_with(const struct variable *v, uint64_t what) {
    return tine__file_starts_with(v->f, v->function, v->upvalue, what);
}

bool tine__variable_is_given(const struct variable *v) {
    return tine__file_is_given(v->f, v->function, v->upvalue);
}

/* Does the file leave it open whether the variable may have had the value on top at first? */
static bool is_unclear(lua_State *L, const struct variable *v) {
    return tine__variable_starts_with(v, START_UNKNOWN) ||
           (tine__variable_starts_with(v, START_FIELD) && !lua_toboolean(L, -1)) ||
           (tine__variable_starts_with(v, START_TABLE) && lua_istable(L, -1));
}

/* Is the value on top the one that was seen first in the variable? If none was, this is the first.
** ST_CHANGES has a table for each function: the value under the upvalue's index, and under its
** negative that there is one. */
static bool was_met_with(struct encoder *e, const struct variable *v) {
    lua_State *L = e->L;
    int value = lua_gettop(L);
    lua_rawgeti(L, e->self, ST_CHANGES);
    lua_pushvalue(L, v->fn);
    if (lua_rawget(L, -2) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, v->fn);
        lua_pushvalue(L, -2);
        lua_rawset(L, value + 1);
    }
    if (lua_rawgeti(L, value + 2, -v->upvalue) == LUA_TNIL) {
        lua_pushvalue(L, value);
        lua_rawseti(L, value + 2, v->upvalue);
        lua_pushboolean(L, 1);
        lua_rawseti(L, value + 2, -v->upvalue);
    }
    lua_rawgeti(L, value + 2, v->upvalue);
    bool same = lua_rawequal(L, -1, value);
    lua_settop(L, value);
    return same;
}

void tine__variable_meet(struct encoder *e, const struct variable *v) {
    if (tine__variable_is_given(v) &&
        (tine__variable_starts_with(v, START_UNKNOWN) ||
         tine__variable_starts_with(v, START_FIELD) || tine__variable_starts_with(v, START_TABLE)))
        was_met_with(e, v);
}

/* Does the file say that the variable has its first value from a field of something, and that the
** field's key is the one on top? */
static bool is_first_key(lua_State *L, const struct variable *v) {
    size_t len;
    if (lua_type(L, -1) != LUA_TSTRING)
        return false;
    const char *key = lua_tolstring(L, -1, &len);
    return tine__variable_starts_with(v, tine__hash(key, len));
}

/* Is the function or table on top in a field with such a key: by its name, or in the module's own
** table? If that is too large to search, it may be. */
static bool is_from_field(struct encoder *e, const struct variable *v) {
    lua_State *L = e->L;
    int value = lua_gettop(L), left = KEPT_FIELDS;
    const struct name *n = tine__name_find(e->c, lua_topointer(L, value));
    bool is = false;
    if (!tine__variable_starts_with(v, START_FIELD))
        return false;
    if (n) {
        tine__name_push_step(e, (uint32_t)(n - e->c->names.list));
        is = is_first_key(L, v);
        lua_settop(L, value);
    }
    lua_rawgeti(L, e->self, ST_LOADED);
    lua_pushstring(L, v->root);
    if (!is && lua_rawget(L, -2) == LUA_TTABLE)
        for (lua_pushnil(L); !is && lua_next(L, value + 2); lua_settop(L, value + 3)) {
            bool same = lua_rawequal(L, -1, value);
            lua_pushvalue(L, -2);
            is = --left < 0 || (same && is_first_key(L, v));
        }
    lua_settop(L, value);
    return is;
}

/* Does the file say that the variable may have had the value on top at first? */
static bool is_start(struct encoder *e, const struct variable *v) {
    lua_State *L = e->L;
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        return tine__variable_starts_with(v, START_NIL);
    case LUA_TBOOLEAN:
        return tine__variable_starts_with(v, START_FALSE);
    case LUA_TFUNCTION:
        return tine__variable_starts_with(v, tine__hash_function(L, e->self, lua_gettop(L))) ||
               is_from_field(e, v);
    default:
        return is_from_field(e, v);
    }
}

bool tine__variable_is_other(struct encoder *e, const struct variable *v) {
    return !is_start(e, v) && !(is_unclear(e->L, v) && was_met_with(e, v));
}

/* Witnesses: tell tables of one module apart (see witness.h). */
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include "base/hash.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/witness.h"

#define INNER 1u /* a bit of a witness: the function is in a table in the table */

static uint64_t join(uint64_t key, uint64_t function) {
    return (key << 32) | (function & UINT32_MAX & ~(uint64_t)INNER);
}

static bool is_field(lua_State *L) {
    return lua_type(L, -2) == LUA_TSTRING && lua_isfunction(L, -1) && !lua_iscfunction(L, -1);
}

static uint64_t hash_of_key(lua_State *L) {
    size_t len;
    const char *key = lua_tolstring(L, -2, &len);
    return tine__hash(key, len);
}

/* Number + 1 of the last definition of this function under this key, if the file makes the function
** once; else 0. */
static uint32_t definition_of(const struct file *f, uint64_t key, uint64_t function) {
    const struct file_hash *h = tine__file_function(f, function);
    uint32_t i = h && h->level == 1 && !h->again ? f->ndefinitions : 0;
    while (i && (f->definitions[i - 1].key != key || f->definitions[i - 1].function != function))
        i--;
    return i;
}

/* Number + 1 of the file's last definition that the table at `t` has; 0: it has none. With `inner`,
** in the tables in it. */
static uint32_t last_in(lua_State *L, int self, const struct file *f, int t, bool inner) {
    int top = lua_gettop(L), left = MODULE_FIELDS;
    uint32_t last = 0;
    luaL_checkstack(L, 10, "classes");
    for (lua_pushnil(L); left > 0 && lua_next(L, t); lua_settop(L, top + 1), left--) {
        uint32_t found = 0;
        if (inner && lua_istable(L, top + 2) && !lua_rawequal(L, top + 2, t))
            found = last_in(L, self, f, top + 2, false);
        else if (!inner && is_field(L))
            found = definition_of(f, hash_of_key(L), tine__hash_function(L, self, top + 2));
        last = found > last ? found : last;
    }
    lua_settop(L, top);
    return last;
}

uint64_t tine__witness(lua_State *L, int self, const struct file *f, int t) {
    uint32_t last = last_in(L, self, f, t, false);
    uint64_t inner = last ? 0 : INNER;
    if (!last)
        last = last_in(L, self, f, t, true);
    return last ? join(f->definitions[last - 1].key, f->definitions[last - 1].function) | inner : 0;
}

/* The key and the function under it, of this hash, are on top. Was that function put there by other
** code than the file's? */
static bool is_replaced(lua_State *L, const struct file *f, uint64_t hash) {
    return !f || !tine__file_function(f, hash) ||
           tine__file_defines_another(f, lua_tostring(L, -2), hash);
}

/* Look for the witness in the table at `t`; with `inner`, in the tables in it. */
static enum witnessed look_in(lua_State *L, int self, const struct file *f, int t, uint64_t witness,
                              bool inner) {
    int top = lua_gettop(L), left = MODULE_FIELDS;
    enum witnessed is = WITNESS_MISSING;
    luaL_checkstack(L, 10, "classes");
    for (lua_pushnil(L); left > 0 && is != WITNESS_HERE && lua_next(L, t);
         lua_settop(L, top + 1), left--) {
        enum witnessed found = WITNESS_MISSING;
        if (inner && lua_istable(L, top + 2) && !lua_rawequal(L, top + 2, t))
            found = look_in(L, self, f, top + 2, witness, false);
        else if (!inner && is_field(L)) {
            uint64_t hash = tine__hash_function(L, self, top + 2);
            uint64_t there = join(hash_of_key(L), hash);
            if ((uint32_t)there == (uint32_t)witness)
                found = WITNESS_HERE;
            else if (there >> 32 == witness >> 32 && is_replaced(L, f, hash))
                found = WITNESS_REPLACED;
        }
        is = found == WITNESS_MISSING ? is : found;
    }
    lua_settop(L, top);
    return is;
}

enum witnessed tine__has_witness(lua_State *L, int self, const struct file *f, int t,
                                 uint64_t witness) {
    return look_in(L, self, f, t, witness & ~(uint64_t)INNER, witness & INNER);
}

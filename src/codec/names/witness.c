/* By what tables of a module are told from one another: the function that the file puts last into such a table, and under
** which key. Whoever receives the table's name sees whether what it finds under it has that, too.
*/
#include <lua.h>
#include <string.h>
#include "base/hash.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/witness.h"

static uint64_t join(uint64_t key, uint64_t function) {
    return (key << 32) | (function & UINT32_MAX);
}

static bool is_field(lua_State *L) {
    return lua_type(L, -2) == LUA_TSTRING && lua_isfunction(L, -1) && !lua_iscfunction(L, -1);
}

static uint64_t hash_of_key(lua_State *L) {
    size_t len;
    const char *key = lua_tolstring(L, -2, &len);
    return tine__hash(key, len);
}

/* The number + 1 of the last definition of that function under that key, if the file makes that once; else 0. */
static uint32_t definition_of(const struct file *f, uint64_t key, uint64_t function) {
    const struct file_hash *h = tine__file_function(f, function);
    uint32_t i = h && h->level == 1 && !h->again ? f->ndefinitions : 0;
    while (i && (f->definitions[i - 1].key != key || f->definitions[i - 1].function != function))
        i--;
    return i;
}

uint64_t tine__witness(lua_State *L, int self, const struct file *f, int t) {
    int top = lua_gettop(L), left = MODULE_FIELDS;
    uint32_t last = 0;
    for (lua_pushnil(L); left > 0 && lua_next(L, t); lua_pop(L, 1), left--) {
        if (!is_field(L))
            continue;
        uint32_t found =
            definition_of(f, hash_of_key(L), tine__hash_function(L, self, lua_gettop(L)));
        last = found > last ? found : last;
    }
    lua_settop(L, top);
    return last ? join(f->definitions[last - 1].key, f->definitions[last - 1].function) : 0;
}

/* The key is below the function on top, of that hash: has somebody else put that there than the file itself? */
static bool is_replaced(lua_State *L, const struct file *f, uint64_t hash) {
    return !f || !tine__file_function(f, hash) ||
           tine__file_defines_another(f, lua_tostring(L, -2), hash);
}

enum witnessed tine__has_witness(lua_State *L, int self, const struct file *f, int t,
                                 uint64_t witness) {
    int top = lua_gettop(L), left = MODULE_FIELDS;
    enum witnessed is = WITNESS_MISSING;
    for (lua_pushnil(L); left > 0 && is != WITNESS_HERE && lua_next(L, t); lua_pop(L, 1), left--) {
        if (!is_field(L))
            continue;
        uint64_t hash = tine__hash_function(L, self, lua_gettop(L));
        uint64_t there = join(hash_of_key(L), hash);
        if ((uint32_t)there == (uint32_t)witness)
            is = WITNESS_HERE;
        else if (there >> 32 == witness >> 32 && is_replaced(L, f, hash))
            is = WITNESS_REPLACED;
    }
    lua_settop(L, top);
    return is;
}

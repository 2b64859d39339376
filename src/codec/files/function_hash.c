/* The hash of a Lua function: of its dump, without the chunk's name but with lines and names. */
#include <lauxlib.h>
#include "base/buf.h"
#include "base/hash.h"
#include "codec/files/files.h"
#include "codec/lua/dump.h"
#include "codec/state.h"

uint64_t tine__function_hash(const char *dump, const struct dump_function *f) {
    return tine__hash(dump + f->source_end, f->end - f->source_end);
}

static bool hash_of(lua_State *L, int fn, uint64_t *out) {
    struct dump_function f;
    struct buf b;
    tine__buf_init(&b);
    bool good = tine__dump_append(L, fn, false, &b) && tine__dump_main(b.data, b.len, &f);
    if (good)
        *out = tine__function_hash(b.data, &f);
    tine__buf_free(&b);
    return good;
}

uint64_t tine__hash_function(lua_State *L, int self, int fn) {
    uint64_t hash = 0;
    lua_rawgeti(L, self, ST_HASHES);
    lua_pushvalue(L, fn);
    if (lua_rawget(L, -2) == LUA_TNUMBER) {
        hash = (uint64_t)lua_tointeger(L, -1);
        lua_pop(L, 2);
        return hash;
    }
    lua_pop(L, 1);
    if (!hash_of(L, fn, &hash))
        hash = 0;
    lua_pushvalue(L, fn);
    lua_pushinteger(L, (lua_Integer)hash);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return hash;
}

#include "worker/seed.h"

#include <lualib.h>
#include <sys/random.h>

#include "base/sys.h"

static const char randomseed_key; /* in the registry */

void tine__seed_open(lua_State *L) {
    lua_getglobal(L, LUA_MATHLIBNAME);
    lua_getfield(L, -1, "randomseed");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &randomseed_key);
    lua_pop(L, 1);
}

void tine__seed_with(lua_State *L, const uint64_t seed[2]) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &randomseed_key);
    lua_pushinteger(L, (lua_Integer)seed[0]);
    lua_pushinteger(L, (lua_Integer)seed[1]);
    lua_call(L, 2, 0);
}

void tine__seed_fresh(lua_State *L) {
    uint64_t seed[2];
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed[0] = tine__now();
        seed[1] = (uint64_t)getpid();
    }
    tine__seed_with(L, seed);
}

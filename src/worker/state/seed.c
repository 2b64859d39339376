#include "worker/state/seed.h"

#include <lualib.h>
#include <string.h>
#include <sys/random.h>

#include "base/sys.h"

static const char randomseed_key; /* registry key */

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

/* Lua's generator, a userdata that is an upvalue of its functions; NULL: this Lua has another
** one. */
static void *generator(lua_State *L, size_t *size) {
    void *p = NULL;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, 2))
        return NULL;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &randomseed_key) == LUA_TFUNCTION &&
        lua_getupvalue(L, -1, 1) && lua_isuserdata(L, -1)) {
        p = lua_touserdata(L, -1);
        *size = lua_rawlen(L, -1);
    }
    lua_settop(L, top);
    return p;
}

void tine__seed_save(lua_State *L, struct seed_state *s) {
    void *p = generator(L, &s->size);
    if (!p || s->size > sizeof s->bytes)
        s->size = 0;
    if (s->size)
        memcpy(s->bytes, p, s->size);
}

void tine__seed_restore(lua_State *L, const struct seed_state *s) {
    size_t size = 0;
    void *p = s->size ? generator(L, &size) : NULL;
    if (p && size == s->size)
        memcpy(p, s->bytes, size);
}

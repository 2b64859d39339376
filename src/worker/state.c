#include "worker/state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "worker/loop.h"
#include "worker/root.h"

/* Registry key of math.randomseed, kept from before anybody could replace it. */
static const char randomseed_key;

static struct alloc allocator; /* of the one state there is */

static int dress(lua_State *L) {
    luaL_openlibs(L);
    lua_getglobal(L, LUA_MATHLIBNAME);
    lua_getfield(L, -1, "randomseed");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &randomseed_key);
    lua_settop(L, 0);
    /* no worker yet, but no submitter either: the module takes no root here */
    lua_pushboolean(L, 0);
    lua_setfield(L, LUA_REGISTRYINDEX, TINE_WORKER_FIELD);
    if (tine__root_dress)
        tine__root_dress(L);
    return 0;
}

lua_State *tine__state_new(void) {
    lua_State *L = luaL_newstate();
    if (!L)
        return NULL;
    allocator.f = lua_getallocf(L, &allocator.ud);
    lua_setallocf(L, tine__alloc, &allocator);
    lua_pushcfunction(L, dress);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_close(L);
        return NULL;
    }
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT); /* so that the workers' collectors do not begin with our rubbish */
    return L;
}

static void set_text(lua_State *L, const char *key, const char *text) {
    if (!text)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

void tine__state_place(lua_State *L, const struct boot *boot) {
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_LOADLIBNAME);
    set_text(L, "path", boot->path);
    set_text(L, "cpath", boot->cpath);
    lua_pop(L, 2);
}

void tine__state_seed(lua_State *L) {
    lua_Integer seed[2];
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed[0] = (lua_Integer)tine__now();
        seed[1] = getpid();
    }
    srandom((unsigned)seed[0]);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &randomseed_key);
    lua_pushinteger(L, seed[0]);
    lua_pushinteger(L, seed[1]);
    lua_call(L, 2, 0);
}

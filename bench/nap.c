/* nap: a clock and a sleep for the benchmarks, as small as a C module can be. Tasks use it by name, so
** what a worker needs to load for it counts in what they measure. */
#include <lauxlib.h>
#include <lua.h>
#include <time.h>

static int nap_now(lua_State *L) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec * 1e-9);
    return 1;
}

static int nap_sleep(lua_State *L) {
    lua_Number s = luaL_checknumber(L, 1);
    struct timespec t = {(time_t)s, (long)((s - (lua_Number)(time_t)s) * 1e9)};
    while (nanosleep(&t, &t))
        ;
    return 0;
}

int luaopen_nap(lua_State *L);
int luaopen_nap(lua_State *L) {
    static const luaL_Reg functions[] = {{"now", nap_now}, {"sleep", nap_sleep}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

#include "host/cli.h"

#include <limits.h>
#include <time.h>
#include <unistd.h>
#include <lauxlib.h>

#include "bind/preload.h"
#include "bind/sources.h"
#include "host/call.h"

/* The files of lua/tine/cli, compiled in by cmake/embed_lua.cmake. */
extern const struct tine__lua_source tine__cli_sources[];

static double seconds(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* clock() -> monotonic seconds */
static int cli_clock(lua_State *L) {
    lua_pushnumber(L, seconds(CLOCK_MONOTONIC));
    return 1;
}

/* time() -> seconds since 1970, with fractions */
static int cli_time(lua_State *L) {
    lua_pushnumber(L, seconds(CLOCK_REALTIME));
    return 1;
}

/* program() -> the path of the running program */
static int cli_program(lua_State *L) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    if (n == -1)
        return luaL_fileresult(L, 0, "/proc/self/exe");
    lua_pushlstring(L, path, (size_t)n);
    return 1;
}

/* working_folder() */
static int cli_working_folder(lua_State *L) {
    char path[PATH_MAX];
    if (!getcwd(path, sizeof path))
        return luaL_fileresult(L, 0, NULL);
    lua_pushstring(L, path);
    return 1;
}

/* output_error() -> why some of what was printed to stdout was not written, or nil */
static int cli_output_error(lua_State *L) {
    lua_pushstring(L, output_error());
    return 1;
}

int luaopen_tine_cli_host(lua_State *L) {
    static const luaL_Reg functions[] = {{"clock", cli_clock},
                                         {"time", cli_time},
                                         {"program", cli_program},
                                         {"working_folder", cli_working_folder},
                                         {"output_error", cli_output_error},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    add_descriptors(L);
    add_reader(L);
    add_spawn(L);
    add_look(L);
    add_serve(L);
    return 1;
}

void enable_commands(void) {
    static const struct tine__extra_modules extra = {tine__cli_sources, "tine.cli.host",
                                                     luaopen_tine_cli_host};
    tine__extra = &extra;
}

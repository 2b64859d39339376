/* Options of pools with workers on other machines. */
#include <string.h>
#include "bind/hosts.h"
#include "bind/options.h"
#include "site/far/far.h"

/* Options for workers of this machine. */
static const char *const here_only[] = {"workers",
                                        "preload",
                                        "start_method",
                                        "idle_timeout",
                                        "min_workers",
                                        "max_worker_age",
                                        "max_worker_memory",
                                        "max_tasks_per_worker",
                                        "finalizer",
                                        "start_timeout",
                                        "exit_timeout",
                                        "on_worker_exit",
                                        "warnings",
                                        "spin",
                                        NULL};
static const char *const far_only[] = {"key",        "window",  "connect_timeout",
                                       "lost_after", "confirm", NULL};

static bool is_given(lua_State *L, int arg, const char *name) {
    bool given = tine__option(L, arg, name) != LUA_TNIL;
    lua_pop(L, 1);
    return given;
}

static void check_without(lua_State *L, int arg) {
    for (const char *const *name = far_only; *name; name++)
        if (is_given(L, arg, *name))
            luaL_argerror(
                L, arg,
                lua_pushfstring(
                    L, "option '%s' needs option 'backend': it is for workers on other machines",
                    *name));
}

static void check_with(lua_State *L, int arg) {
    for (const char *const *name = here_only; *name; name++)
        if (is_given(L, arg, *name))
            luaL_argerror(
                L, arg,
                lua_pushfstring(
                    L,
                    "option '%s' is not there with 'backend': each host has its own workers (tine serve)",
                    *name));
    if (tine__option(L, arg, "on_crash") == LUA_TSTRING &&
        strcmp(lua_tostring(L, -1), "break") == 0)
        luaL_argerror(L, arg,
                      "option 'on_crash' cannot be \"break\" with 'backend': a crash on "
                      "another machine breaks no pool");
    lua_pop(L, 1);
}

static void read_key(lua_State *L, int arg, struct far_options *o) {
    char why[512];
    const char *other;
    int type = tine__option(L, arg, "key");
    if (type != LUA_TNIL && !tine__is_text(L, -1))
        tine__option_error(L, arg, "key", "the name of a key file, without zero bytes");
    if (type != LUA_TNIL && !tine__seal_read(lua_tostring(L, -1), &o->keys, why, sizeof why))
        luaL_argerror(L, arg, lua_pushfstring(L, "option 'key': %s", why));
    lua_pop(L, 1);
    if (type == LUA_TNIL && !tine__gm_are_loopback(&o->servers, &other))
        luaL_argerror(L, arg,
                      lua_pushfstring(
                          L,
                          "option 'key' is needed: %s is not on this machine (tine key makes one)",
                          other));
}

const struct far_options *tine__far_read(lua_State *L, int arg) {
    char why[512];
    int type = tine__option(L, arg, "backend");
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        check_without(L, arg);
        return NULL;
    }
    if (!tine__is_text(L, -1))
        tine__option_error(L, arg, "backend", "the address of job servers, without zero bytes");
    check_with(L, arg);
    struct far_options *o = lua_newuserdatauv(L, sizeof *o, 0);
    memset(o, 0, sizeof *o);
    if (!tine__gm_resolve(lua_tostring(L, -2), &o->servers, why, sizeof why))
        luaL_argerror(L, arg, lua_pushfstring(L, "option 'backend': %s", why));
    read_key(L, arg, o);
    o->window = (unsigned)tine__option_count(L, arg, "window", FAR_SLOTS, 0);
    o->connect_timeout = tine__option_seconds(L, arg, "connect_timeout", FAR_CONNECT_TIMEOUT);
    o->lost_after = tine__option_limit(L, arg, "lost_after", FAR_LOST_AFTER);
    if (o->lost_after == 0)
        o->lost_after = UINT64_MAX;
    o->confirm = tine__option_flag(L, arg, "confirm", true);
    return o;
}

/* Reading the option table of tine.pool (open.h). */
#include <locale.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include "bind/hosts.h"
#include "bind/open.h"
#include "bind/options.h"
#include "msg/settings.h"
#include "worker/state/arg.h"
#include "worker/state/state.h"

#define MOST_WORKERS 4095

/* A field of `package`; stays on the stack. */
static const char *package_field(lua_State *L, const char *field) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    const char *value = NULL;
    if (lua_getfield(L, -1, LUA_LOADLIBNAME) == LUA_TTABLE) {
        lua_getfield(L, -1, field);
        value = lua_tostring(L, -1);
    }
    return value;
}

/* 0 means no worker processes. */
static void read_workers(lua_State *L, int arg, struct pool_options *o) {
    int type = tine__option(L, arg, "workers");
    lua_Number n = lua_tonumber(L, -1);
    if (type == LUA_TNUMBER && n < 0)
        tine__option_error(L, arg, "workers",
                           "an integer of 1 or more, or 0 for a pool without processes");
    lua_pop(L, 1);
    o->in_process = type == LUA_TNUMBER && n == 0;
    o->workers = 1;
    if (!o->in_process && type == LUA_TNIL)
        o->workers = tine_cpu_count(); /* only if needed, since it reads files */
    else if (!o->in_process)
        o->workers = (unsigned)tine__option_count(L, arg, "workers", MOST_WORKERS, 1);
}

/* Priority steps a second. */
static double read_ageing(lua_State *L, int arg) {
    int type = tine__option(L, arg, "ageing");
    double x = type == LUA_TNIL ? POOL_AGEING : lua_tonumber(L, -1);
    if ((type != LUA_TNIL && type != LUA_TNUMBER) || !(x >= 0))
        tine__option_error(L, arg, "ageing", "a number of 0 or more");
    lua_pop(L, 1);
    return x;
}

/* An integer from 0 to `most`; 0 if nil. */
static lua_Integer read_natural(lua_State *L, int arg, const char *name, lua_Integer most) {
    int exact = 1, type = tine__option(L, arg, name);
    lua_Integer n = type == LUA_TNIL ? 0 : lua_tointegerx(L, -1, &exact);
    if ((type != LUA_TNIL && type != LUA_TNUMBER) || !exact || n < 0 || n > most) {
        const char *wanted = lua_pushfstring(L, "an integer from 0 to %I", (LUAI_UACINT)most);
        lua_insert(L, -2);
        tine__option_error(L, arg, name, wanted);
    }
    lua_pop(L, 1);
    return n;
}

/* At most `workers`, if that option is set. */
static unsigned read_min_workers(lua_State *L, int arg, const struct pool_options *o) {
    lua_Integer n = read_natural(L, arg, "min_workers", MOST_WORKERS);
    bool said = tine__option(L, arg, "workers") != LUA_TNIL;
    lua_pop(L, 1);
    if (said && !o->in_process && n > o->workers) {
        (void)tine__option(L, arg, "min_workers");
        const char *wanted =
            lua_pushfstring(L, "at most %d, as option 'workers' is", (int)o->workers);
        lua_insert(L, -2);
        tine__option_error(L, arg, "min_workers", wanted);
    }
    return (unsigned)n;
}

static void read_limits(lua_State *L, int arg, struct pool_options *o) {
    static const char *const methods[] = {"fork", "spawn", NULL};
    static const char *const crashes[] = {"break", "replace", NULL};
    static const char *const globals[] = {"named", "none", NULL};
    read_workers(L, arg, o);
    o->max_pending = tine__option_count(L, arg, "max_pending", OPTION_ANY, 0);
    o->ageing = read_ageing(L, arg);
    o->max_bytes = tine__option_count(L, arg, "max_pending_bytes", OPTION_ANY, 0);
    o->min_workers = read_min_workers(L, arg, o);
    o->max_age = tine__option_limit(L, arg, "max_worker_age", 0);
    o->boot.idle = tine__option_limit(L, arg, "idle_timeout", 0);
    o->boot.max_memory = tine__option_count(L, arg, "max_worker_memory", OPTION_ANY, 0);
    o->boot.event_buffer =
        tine__option_count(L, arg, "event_buffer", OPTION_ANY, POOL_EVENT_BUFFER);
    o->boot.max_tasks = tine__option_count(L, arg, "max_tasks_per_worker", OPTION_ANY, 0);
    o->boot.spin = tine__option_seconds(L, arg, "spin", 50000);
    o->start_timeout = tine__option_limit(L, arg, "start_timeout", 0);
    o->exit_timeout = tine__option_limit(L, arg, "exit_timeout", POOL_EXIT_TIMEOUT);
    o->spawn = tine__option_choice(L, arg, "start_method", methods) == 1;
    o->replace = tine__option_choice(L, arg, "on_crash", crashes) == 1 || o->far;
    o->boot.send_globals = tine__option_choice(L, arg, "globals", globals) == 0;
}

/* --- the program as a process --- */

/* Read the global `arg`. Its values stay on the stack. */
static void read_arg(lua_State *L, struct boot *boot) {
    lua_pushglobaltable(L);
    lua_pushliteral(L, "arg");
    if (lua_rawget(L, -2) == LUA_TTABLE)
        boot->arg = tine__arg_push(L);
}

static void read_warnings(lua_State *L, int arg, struct boot *boot) {
    int type = tine__option(L, arg, "warnings");
    if (type == LUA_TNIL) /* as of `tine -W` */
        lua_getfield(L, LUA_REGISTRYINDEX, TINE_WARNINGS_FIELD);
    else if (type != LUA_TBOOLEAN)
        tine__option_error(L, arg, "warnings", "a boolean");
    boot->warnings = lua_toboolean(L, -1);
}

/* Is the option set? Raises if it is no function. */
static bool check_function(lua_State *L, int arg, const char *name) {
    bool any = tine__option(L, arg, name) != LUA_TNIL;
    if (any && !tine__is_callable(L, -1))
        tine__option_error(L, arg, name, "a function");
    lua_pop(L, 1);
    return any;
}

void tine__open_read(lua_State *L, int arg, struct pool_options *o) {
    luaL_checkstack(L, 60, "options");
    o->far = tine__far_read(L, arg);
    read_limits(L, arg, o);
    o->boot.name = tine__option_string(L, arg, "name", "tine");
    o->boot.path = package_field(L, "path");
    o->boot.cpath = package_field(L, "cpath");
    o->boot.environ = environ;
    o->boot.locale = lua_pushstring(L, setlocale(LC_ALL, NULL));
    read_arg(L, &o->boot);
    read_warnings(L, arg, &o->boot);
    check_function(L, arg, "on_callback_error");
    o->tell_exits = check_function(L, arg, "on_worker_exit");
    tine__open_encode(L, arg, o);
}

struct view *tine__open_settings(lua_State *L, int arg) {
    struct settings base;
    memcpy(&base, &tine__settings_none, sizeof base);
    bool old = tine__option(L, arg, "task_timeout") != LUA_TNIL;
    bool new = tine__option(L, arg, "timeout") != LUA_TNIL;
    lua_pop(L, 2);
    if (old && new)
        luaL_argerror(L, arg, "options 'timeout' and 'task_timeout' are one: give one of them");
    base.timeout = tine__option_limit(L, arg, "task_timeout", 0);
    struct view *v = lua_newuserdatauv(L, sizeof *v, VIEW_LAST);
    *v = (struct view){0};
    lua_pushvalue(L, UP(UP_VIEW));
    lua_setmetatable(L, -2);
    tine__view_settings(L, arg, lua_gettop(L), &base, 0);
    return v;
}

const char *tine__open_trace(lua_State *L, int arg) {
    int type = tine__option(L, arg, "trace"); /* stays on the stack */
    if (type == LUA_TNIL)
        return getenv("TINE_TRACE");
    if (type == LUA_TBOOLEAN && !lua_toboolean(L, -1))
        return NULL;
    if (type != LUA_TSTRING)
        tine__option_error(L, arg, "trace", "the name of a file, or false");
    if (!tine__is_text(L, -1))
        tine__option_error(L, arg, "trace", "a name without zero bytes");
    return lua_tostring(L, -1);
}

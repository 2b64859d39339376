/* tine.pool: from an option table to an open pool. */
#include <errno.h>
#include "base/why.h"
#include "bind/errors.h"
#include "bind/open.h"
#include "bind/options.h"
#include "msg/settings.h"
#include "trace/trace.h"
#include "worker/state/state.h"

#define FAR_GUESS 4 /* guess of the number of workers on other machines, until a host is known */
#define DEEPEST 8   /* nesting limit of pools in workers of pools */

static const char *const known[] = {"workers",
                                    "initializer",
                                    "initargs",
                                    "max_tasks_per_worker",
                                    "task_timeout",
                                    SETTING_NAMES,
                                    "start_method",
                                    "preload",
                                    "on_crash",
                                    "globals",
                                    "warnings",
                                    "max_pending",
                                    "max_pending_bytes",
                                    "event_buffer",
                                    "min_workers",
                                    "idle_timeout",
                                    "max_worker_age",
                                    "max_worker_memory",
                                    "ageing",
                                    "on_callback_error",
                                    "on_worker_exit",
                                    "finalizer",
                                    "spin",
                                    "start_timeout",
                                    "exit_timeout",
                                    "name",
                                    "trace",
                                    "backend",
                                    "key",
                                    "window",
                                    "connect_timeout",
                                    "lost_after",
                                    "confirm",
                                    NULL};

/* Raise why the pool, or its trace, could not be opened. */
static void refuse(lua_State *L, struct core *c, int err, const char *what, const char *file) {
    int error = errno;
    c->p = NULL;
    tine__core_unanchor(L, c);
    what = lua_pushfstring(L, what, file);
    errno = error;
    tine__error(L, err, "%s: %s", what, tine__why_failed(err, error));
}

static void open_pool(lua_State *L, struct core *c, struct pool_options *o, const char *file) {
    tine__why_clear();
    int err = tine__trace_open(&o->trace, file, o->boot.name, tine__boot_depth() > 0);
    if (err)
        refuse(L, c, err, "cannot open the trace '%s'", file);
    err = tine__pool_open(&c->p, o);
    if (err)
        refuse(L, c, err, "cannot make a pool", NULL);
    c->inbox.wants_exits = o->tell_exits;
    tine__core_start(state_of(L), c, o->far ? FAR_GUESS : o->workers);
}

/* Is a module being loaded (is `require` running)? */
static bool is_loading(lua_State *L) {
    lua_Debug ar;
    bool loading = false;
    for (int level = 0; !loading && lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "f", &ar);
        loading = tine__is_require(L, lua_gettop(L));
        lua_pop(L, 1);
    }
    return loading;
}

/* A script that opens a pool in its main part and is also loaded by workers would open pools
** without end. */
static void check_nesting(lua_State *L) {
    bool task = lua_getfield(L, LUA_REGISTRYINDEX, TINE_WORKER_FIELD) == LUA_TTABLE;
    lua_pop(L, 1);
    if (tine__boot_depth() == 0 && !task) /* a task in an in-process pool counts as a worker, too */
        return;
    luaL_checkstack(L, 4, "pools");
    if (is_loading(L))
        tine__error(L, TINE_EINVALID,
                    "cannot make a pool while a worker is loading a module: what only the program "
                    "is to do must not "
                    "stand in the module's main part; give it a test whether there is a caller");
    if (tine__boot_depth() >= DEEPEST)
        tine__error(
            L, TINE_EINVALID,
            "cannot make a pool inside of a pool inside of a pool ...: they may lie %d deep",
            DEEPEST);
}

/* tine.pool([workers | options]) */
int tine__pool_open_lua(lua_State *L) {
    struct pool_options o = {0};
    struct state *S = state_of(L);
    if (S->closed)
        return tine__error(L, TINE_EINVALID, "this Lua state is being closed");
    tine__state_check(L, S);
    check_nesting(L);
    lua_settop(L, 1);
    if (lua_type(L, 1) == LUA_TTABLE) {
        tine__check_options(L, 1, known);
    } else if (!lua_isnil(L, 1)) { /* a number of workers */
        if (lua_type(L, 1) != LUA_TNUMBER)
            return luaL_typeerror(L, 1, "table or number of workers");
        lua_createtable(L, 0, 1);
        lua_insert(L, 1);
        lua_setfield(L, 1, "workers");
    }
    tine__open_read(L, 1, &o);
    const char *trace = tine__open_trace(L, 1);
    o.settings = tine__open_settings(L, 1)->settings;
    int said = lua_gettop(L);
    struct core *c = tine__core_push(L);
    int core = lua_gettop(L);
    c->settings = tine__settings_ref(o.settings);
    open_pool(L, c, &o, trace);
    lua_pushvalue(L, UP(UP_POOL)); /* from here on its __gc closes the pool */
    lua_setmetatable(L, core - 1);
    tine__view_adopt_settings(L, core - 1, said);
    tine__core_equip(L, c, core, 1, o.boot.send_globals);
    tine__codec_learn(L, c->codec); /* the workers start meanwhile */
    if (o.far)
        tine__open_initialize(L, c, core - 1, 1);
    lua_settop(L, core - 1);
    return 1;
}

/* Opening the module tine.core. */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "bind/adopt.h"
#include "bind/box.h"
#include "bind/callbacks.h"
#include "bind/data.h"
#include "bind/embed.h"
#include "bind/errors.h"
#include "bind/events.h"
#include "bind/loop.h"
#include "bind/map.h"
#include "bind/nested.h"
#include "bind/open.h"
#include "bind/options.h"
#include "bind/preload.h"
#include "bind/share.h"
#include "bind/watch.h"
#include "bind/workers.h"
#include "data/data.h"
#include "tine_lua.h"
#include "worker/inner/inner.h"
#include "worker/root/root.h"
#include "worker/state/state.h"

#define STATE "tine.state" /* registry: the state userdata */
#define CORE "tine.core"   /* registry: the module's table */
/* Registry: set in worker states, and in the states they are copied from. */
#define WORKER "tine.worker"

/* Stack of luaopen_tine_core: the upvalues of all functions come first. */
enum { AT_MODULE = UP_LAST + 1 };

static void set_functions(lua_State *L, const luaL_Reg *functions) {
    for (int up = 1; up <= UP_LAST; up++)
        lua_pushvalue(L, up);
    luaL_setfuncs(L, functions, UP_LAST);
}

static void set_function(lua_State *L, const char *name, lua_CFunction f) {
    const luaL_Reg one[] = {{name, f}, {NULL, NULL}};
    set_functions(L, one);
}

/* --- the state --- */

static void push_state(lua_State *L) {
    struct state *S = lua_newuserdatauv(L, sizeof *S, KEPT_LAST);
    memset(S, 0, sizeof *S);
    list_init(&S->cores);
    list_init(&S->busy);
    list_init(&S->news);
    list_init(&S->boxes);
    list_init(&S->questions);
    list_init(&S->heard);
    list_init(&S->limbo);
    S->due_first = S->gives_first = 1;
    S->generation = tine__root_generation();
    S->inside = tine__inner_is(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    S->main = lua_tothread(L, -1);
    lua_pop(L, 1);
}

/* Keep the value on top (popped) in the state. */
static void keep(lua_State *L, enum kept which) {
    lua_setiuservalue(L, UP_STATE, which);
}

static void keep_meta(lua_State *L, enum kept which, const char *name, lua_CFunction gc) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    if (gc)
        set_function(L, "__gc", gc);
    keep(L, which);
}

static void keep_function(lua_State *L, enum kept which, lua_CFunction f) {
    for (int up = 1; up <= UP_LAST; up++)
        lua_pushvalue(L, up);
    lua_pushcclosure(L, f, UP_LAST);
    keep(L, which);
}

/* Keep a table with weak values. */
static void keep_weak(lua_State *L, enum kept which) {
    lua_createtable(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    keep(L, which);
}

/* Fill the metatable of iterators of as_completed. */
static void fill_watch(lua_State *L) {
    lua_getiuservalue(L, UP_STATE, KEPT_WATCH);
    set_function(L, "__call", tine__watch_next);
    lua_createtable(L, 0, 1);
    set_function(L, "add", tine__watch_add);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

static void fill_state(lua_State *L) {
    lua_createtable(L, 0, 0);
    keep(L, KEPT_CORES);
    lua_createtable(L, 0, 0);
    keep(L, KEPT_NESTED);
    lua_createtable(L, 0, 0);
    keep(L, KEPT_DUE);
    lua_createtable(L, 0, 0);
    keep(L, KEPT_GIVES);
    keep_weak(L, KEPT_FUTURES);
    keep_weak(L, KEPT_WEAK);
    keep_meta(L, KEPT_BOX, "tine.box", tine__box_gc);
    keep_meta(L, KEPT_ROOM, "tine.room", tine__room_gc);
    keep_meta(L, KEPT_CORE, "tine.core", tine__core_gc);
    keep_meta(L, KEPT_CHUNK, "tine.chunk", tine__chunk_gc);
    keep_meta(L, KEPT_WATCH, "tine.completed", NULL);
    fill_watch(L);
    keep_meta(L, KEPT_EVENTS, "tine.events", tine__events_gc);
    keep_meta(L, KEPT_BYTES, "tine.bytes", tine__bytes_gc);
    keep_meta(L, KEPT_CLOSER_META, "tine.closer", tine__state_gc);
    keep_meta(L, KEPT_SWEEPER, "tine.sweeper", tine__sweep);
    keep_meta(L, KEPT_HANDLE, "tine.handle", tine__handle_gc);
    keep_function(L, KEPT_PUSH_POOL, tine__program_push_pool);
    keep_function(L, KEPT_PUSH_FUTURE, tine__program_push_future);
    keep_function(L, KEPT_POOL_OF, tine__program_pool_of);
    keep_function(L, KEPT_FUTURE_OF, tine__program_future_of);
    keep_function(L, KEPT_WAITER, tine__wait_ended);
    keep_function(L, KEPT_HANDLER, tine__callback_handler);
    keep_function(L, KEPT_REPORT, tine__callback_report);
}

/* --- metatables --- */

/* Fill the metatable at `meta`. The table of its methods becomes field `name` of the module, so
** that the Lua half can add to it. */
static void fill_meta(lua_State *L, int meta, const char *type, const char *name,
                      const luaL_Reg *methods, const luaL_Reg *special) {
    lua_pushvalue(L, meta);
    if (special)
        set_functions(L, special);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "__name");
    lua_pushliteral(L, "a handle of tine");
    lua_setfield(L, -2, "__metatable");
    lua_createtable(L, 0, 16);
    set_functions(L, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_setfield(L, AT_MODULE, name);
    lua_pop(L, 1);
}

static void fill_metas(lua_State *L) {
    static const luaL_Reg future_meta[] = {{"__tostring", tine__future_tostring}, {NULL, NULL}};
    fill_meta(L, UP_FUTURE, "tine.future", "future_methods", tine__future_methods, future_meta);
    tine__future_mark_meta(L, UP_FUTURE);
    fill_meta(L, UP_POOL, "tine.pool", "pool_methods", tine__pool_methods, tine__pool_meta);
    fill_meta(L, UP_VIEW, "tine.view", "view_methods", tine__view_methods, tine__view_meta);
    lua_getfield(L, AT_MODULE, "pool_methods");
    set_functions(L, tine__loop_methods);
    lua_pop(L, 1);
    luaL_newmetatable(L, CODEC_SHARED);
    fill_meta(L, lua_gettop(L), CODEC_SHARED, "shared_methods", tine__shared_methods,
              tine__shared_meta);
    lua_pop(L, 1);
    luaL_newmetatable(L, "tine.nested");
    fill_meta(L, lua_gettop(L), "tine.nested", "nested_methods", tine__nested_methods,
              tine__nested_meta);
    lua_pop(L, 1);
    luaL_newmetatable(L, "tine.map");
    fill_meta(L, lua_gettop(L), "tine.map", "map_methods", tine__map_methods, tine__map_meta);
    lua_pop(L, 1);
}

/* --- functions of the module --- */

/* core.worker(): the value of tine.worker, or nil. */
static int worker(lua_State *L) {
    if (lua_getfield(L, LUA_REGISTRYINDEX, WORKER) != LUA_TTABLE)
        return lua_pushnil(L), 1;
    lua_pushliteral(L, "pool");
    if (lua_rawget(L, -2) == LUA_TNIL) {
        tine__nested_push(L);
        lua_setfield(L, -3, "pool");
    }
    return lua_pop(L, 1), 1;
}

#define COLUMNS 80 /* if the terminal does not tell */
#define ROWS 24

/* core.terminal([fd]): columns and rows of the terminal that stderr, or `fd`, is; nothing if it is
** none. */
static int terminal(lua_State *L) {
    struct winsize size = {0};
    int fd = (int)luaL_optinteger(L, 1, STDERR_FILENO);
    if (!isatty(fd))
        return 0;
    ioctl(fd, TIOCGWINSZ, &size);
    lua_pushinteger(L, size.ws_col ? size.ws_col : COLUMNS);
    lua_pushinteger(L, size.ws_row ? size.ws_row : ROWS);
    return 2;
}

static int cpu_count(lua_State *L) {
    lua_pushinteger(L, tine_cpu_count());
    return 1;
}

/* Like error(value, 0), which the program may have replaced, as busted does. */
static int raise_value(lua_State *L) {
    lua_settop(L, 1);
    return lua_error(L);
}

/* Public functions, in a table that is in package.loaded only under the module's name: Lua's
** messages and tracebacks use the first name that they find there ("bad argument #1 to
** 'tine.core.pool'"). */
static const luaL_Reg public_functions[] = {
    {"pool", tine__pool_open_lua},
    {"future", tine__future_manual},
    {"kind", tine__kind},
    {"register", tine__codec_register},
    {"cpu_count", cpu_count},
    {"clock", tine__clock},
    {"sleep", tine__sleep},
    {"encode", tine__encode_lua},
    {"buffer", tine__data_buffer},
    {"freeze", tine__data_freeze},
    {"thaw", tine__thaw},
    {"type", tine__data_type},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"raise", raise_value},        {"worker", worker},         {"terminal", terminal},
    {"told", tine__pool_told_lua}, {"nearest", tine__nearest}, {NULL, NULL},
};

static void fill_module(lua_State *L) {
    set_functions(L, functions);
    lua_createtable(L, 0, 16);
    set_functions(L, public_functions);
    set_functions(L, tine__watch_functions);
    lua_setfield(L, AT_MODULE, "public");
    lua_createtable(L, 0, 12);
    set_functions(L, tine__map_functions);
    lua_setfield(L, AT_MODULE, "map");
    lua_createtable(L, 0, 12);
    set_functions(L, tine__loop_functions);
    lua_setfield(L, AT_MODULE, "loop");
    lua_createtable(L, 0, 4);
    set_functions(L, tine__events_functions);
    lua_setfield(L, AT_MODULE, "events");
    tine__errors_open(L); /* the codec knows the metatable of error objects by this name */
    lua_setfield(L, AT_MODULE, "error");
    lua_pushliteral(L, TINE_VERSION);
    lua_setfield(L, AT_MODULE, "version");
}

/* Start the root process, but not in workers, nor in the states they are copied from: these start
** one when they open a pool of their own. */
static void take_root(lua_State *L) {
    if (lua_getfield(L, LUA_REGISTRYINDEX, WORKER) == LUA_TNIL)
        tine__root_take(); /* on failure the first pool reports the error */
    lua_pop(L, 1);
}

TINE_API int luaopen_tine_core(lua_State *L) {
    luaL_checkstack(L, 40, "tine.core");
    if (lua_getfield(L, LUA_REGISTRYINDEX, CORE) == LUA_TTABLE)
        return 1;
    lua_settop(L, 0);
    push_state(L);
    for (int up = UP_FUTURE; up <= UP_LAST; up++)
        lua_createtable(L, 0, 8); /* three metatables, and the anchors */
    lua_createtable(L, 0, 16);
    fill_state(L);
    fill_metas(L);
    fill_module(L);
    tine__state_dress = tine__preload_worker;
    tine__data_forked = tine__data_refuse_forked;
    take_root(L);
    lua_pushvalue(L, UP_STATE);
    lua_setfield(L, LUA_REGISTRYINDEX, STATE);
    lua_pushvalue(L, AT_MODULE);
    lua_setfield(L, LUA_REGISTRYINDEX, CORE);
    lua_settop(L, AT_MODULE);
    return 1;
}

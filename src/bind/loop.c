/* Pools that an event loop serves: the C functions for lua/tine/loop.lua.
**
** A loop watches the pool's descriptor. Its record of the pool, the *service*, is a Lua table in
** the core. While tasks are unfinished the loop must keep running, otherwise it may end (`awake`):
** it is told when the first task is submitted (tine__loop_start), and notices by itself when the
** last one has ended. News taken by somebody who waits without the loop are signalled to it
** (tine__core_ring), since coroutines of the loop may wait for them.
*/
#include "base/clock.h"
#include "bind/callbacks.h"
#include "bind/errors.h"
#include "bind/fileno.h"
#include "bind/loop.h"
#include "bind/reap.h"

/* --- for submits --- */

bool tine__loop_push(lua_State *L, struct core *c, const char *method) {
    luaL_checkstack(L, 6, "loop");
    if (!c->served)
        return false;
    int top = lua_gettop(L);
    push_kept(L, KEPT_CORES);
    if (lua_rawgetp(L, -1, c) == LUA_TNIL) /* the core was joined */
        return lua_settop(L, top), false;
    lua_getiuservalue(L, -1, CORE_LOOP);
    lua_getfield(L, -1, method);
    lua_insert(L, top + 1);
    lua_insert(L, top + 2); /* [method, service, ...] */
    lua_settop(L, top + 2);
    return true;
}

void tine__loop_start(lua_State *L, struct core *c) {
    if (tine__loop_push(L, c, "start"))
        lua_call(L, 1, 0);
}

bool tine__loop_here(lua_State *L, struct core *c) {
    if (!lua_isyieldable(L) || !tine__loop_push(L, c, "runs"))
        return false;
    lua_call(L, 1, 1);
    bool here = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return here;
}

/* --- the service --- */

static struct core *check_core(lua_State *L, int arg) {
    struct core *c = test_kept(L, arg, KEPT_CORE);
    if (!c)
        luaL_typeerror(L, arg, "core");
    return c;
}

/* attach(pool, service): make `service` the pool's service. Returns the descriptor and the core. */
static int loop_attach(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    if (!c->p)
        return tine__error(L, TINE_ESHUTDOWN, "the pool has ended");
    int fd = tine__core_fileno(state_of(L), c);
    if (fd < 0)
        return tine__refused(L, c, fd);
    lua_getiuservalue(L, 1, VIEW_CORE);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, CORE_LOOP);
    c->served = true;
    c->awake = false;
    lua_pushinteger(L, fd);
    lua_insert(L, -2);
    return 2;
}

/* release(core, service): the service no longer watches the descriptor. */
static int loop_release(lua_State *L) {
    struct core *c = check_core(L, 1);
    lua_getiuservalue(L, 1, CORE_LOOP);
    if (!lua_rawequal(L, -1, 2) || !tine__core_is_ours(c))
        return 0; /* another service has replaced it */
    lua_pushnil(L);
    lua_setiuservalue(L, 1, CORE_LOOP);
    c->served = c->awake = false;
    if (!c->p && !c->polled)
        tine__core_close_fileno(state_of(L), c);
    else
        tine__core_alarm(c, WAIT_FOREVER);
    return 0;
}

/* Push the service of a core, or nil. */
static int push_service(lua_State *L, const struct core *c, int core) {
    if (c->served && tine__core_is_ours(c))
        lua_getiuservalue(L, core, CORE_LOOP);
    else
        lua_pushnil(L);
    return 1;
}

/* of_pool(pool or view): its service, or nil. */
static int loop_of_pool(lua_State *L) {
    struct view *v = tine__check_view(L, 1);
    lua_getiuservalue(L, 1, VIEW_CORE);
    return push_service(L, v->core, -1);
}

/* of(future): the service of its pool, or nil; and whether it has a pool. */
static int loop_of(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (!f->core) {
        lua_pushnil(L);
        lua_pushboolean(L, false);
        return 2;
    }
    lua_getmetatable(L, 1);
    lua_rawgeti(L, -1, 1);
    push_service(L, f->core, -1);
    lua_pushboolean(L, true);
    return 2;
}

/* --- turns of the loop --- */

/* awake(core, whether): the loop keeps running for this pool, or not. */
static int loop_awake(lua_State *L) {
    check_core(L, 1)->awake = lua_toboolean(L, 2);
    return 0;
}

/* ring(core): wake the loop. */
static int loop_ring(lua_State *L) {
    tine__core_ring(state_of(L), check_core(L, 1), true);
    return 0;
}

static void take_turn(lua_State *L, struct core *c) {
    tine__core_ring(state_of(L), c, !c->p);
    c->turning = true;
    /* Raises only memory errors; the loop then runs again. */
    tine__reap(L);
    c->turning = false;
    /* Coroutines wait for ends. Events know of these ends themselves (events_awaited), but not of
    ** other tasks that stand and may delay them. */
    if (c->awaiting > 0 && c->p && tine__events_stand(c->p))
        tine__events_loosen(c->p, tine__events_no_end, NULL, &c->loose);
    tine__callbacks_run(L);
}

/* open, news, ended = turn(core): take in results and run callbacks. `open`: number of unfinished
** tasks; `news`: tasks have ended or emitted something, or there is room for more, also if somebody
** else has taken that in since the last turn; `ended`: the pool has ended. */
static int loop_turn(lua_State *L) {
    struct core *c = check_core(L, 1);
    if (tine__core_is_ours(c) && !state_of(L)->closed)
        take_turn(L, c);
    lua_pushinteger(L, c->p ? (lua_Integer)c->inbox.open : 0);
    lua_pushboolean(L, c->taken != c->shown || !c->p);
    c->shown = c->taken;
    lua_pushboolean(L, !c->p);
    return 3;
}

/* alarm(core, deadline): wake the loop at this time; -1: no longer. */
static int loop_alarm(lua_State *L) {
    struct core *c = check_core(L, 1);
    int err = tine__core_is_ours(c) ? tine__core_alarm(c, (uint64_t)luaL_checkinteger(L, 2)) : 0;
    return err ? tine__refused(L, c, err) : 0;
}

/* refuse(text): raise invalid_state. */
static int loop_refuse(lua_State *L) {
    return tine__error(L, TINE_EINVALID, "%s", luaL_checkstring(L, 1));
}

/* main(): the main coroutine. */
static int loop_main(lua_State *L) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    return 1;
}

const luaL_Reg tine__loop_functions[] = {
    {"attach", loop_attach},
    {"release", loop_release},
    {"of_pool", loop_of_pool},
    {"of", loop_of},
    {"awake", loop_awake},
    {"ring", loop_ring},
    {"turn", loop_turn},
    {"alarm", loop_alarm},
    {"refuse", loop_refuse},
    {"main", loop_main},
    {NULL, NULL},
};

/* --- pools as objects that loops can wait for --- */

static int fileno_or(lua_State *L, struct core *c) {
    return c->p || c->epoll != -1 ? tine__core_fileno(state_of(L), c) : -1;
}

/* pool:pollfd(), for cqueues; nil if the pool has ended. */
static int pool_pollfd(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    int fd = fileno_or(L, c);
    if (fd < -1 || (fd < 0 && c->p))
        return tine__refused(L, c, fd);
    c->polled = true;
    if (fd == -1)
        return lua_pushnil(L), 1;
    return lua_pushinteger(L, fd), 1;
}

/* pool:events(), for cqueues: to be polled for reading. */
static int pool_events(lua_State *L) {
    tine__check_pool(L, 1);
    lua_pushliteral(L, "r");
    return 1;
}

/* pool:timeout(), for cqueues: nil, or 0 if the pool has ended, so that nothing is waited for. */
static int pool_timeout(lua_State *L) {
    if (tine__check_pool(L, 1)->p)
        return lua_pushnil(L), 1;
    return lua_pushinteger(L, 0), 1;
}

/* pool:getfd(), for LuaSocket; -1, as of a closed socket, if the pool has ended. */
static int pool_getfd(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    int fd = fileno_or(L, c);
    if (fd < 0 && c->p)
        return tine__refused(L, c, fd);
    return lua_pushinteger(L, fd), 1;
}

/* pool:dirty(), for LuaSocket: is there something to dispatch already? */
static int pool_dirty(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    lua_pushboolean(L, callbacks_due(state_of(L)) || (c->p && inbox_has_news(&c->inbox)));
    return 1;
}

const luaL_Reg tine__loop_methods[] = {
    {"pollfd", pool_pollfd}, {"events", pool_events}, {"timeout", pool_timeout},
    {"getfd", pool_getfd},   {"dirty", pool_dirty},   {NULL, NULL},
};

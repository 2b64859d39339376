/* Pools and futures of the C library in the hands of scripts (include/tine_lua.h). They belong to
** the program: a handle is a reference, and collecting it ends nothing. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include "bind/bind.h"
#include "bind/embed.h"
#include "pool/executor.h"
#include "tine_lua.h"

#define POOL "tine.program.pool"
#define FUTURE "tine.program.future"

/* Push a handle that is still empty. */
static void push_handle(lua_State *L, const char *type, const luaL_Reg *methods) {
    void **handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = NULL;
    if (luaL_newmetatable(L, type)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
        tine__errors_open(L);
        lua_pop(L, 1);
    }
    lua_setmetatable(L, -2);
}

static int fail(lua_State *L, int code) {
    return tine__error(L, code, "%s",
                       code == TINE_ESYSTEM ? strerror(errno) : tine_error_text(code));
}

/* --- futures --- */

tine_future *tine_lua_check_future(lua_State *L, int arg) {
    return *(tine_future **)luaL_checkudata(L, arg, FUTURE);
}

static int future_gc(lua_State *L) {
    tine_future **handle = luaL_checkudata(L, 1, FUTURE);
    tine_future_free(*handle);
    *handle = NULL;
    return 0;
}

/* Let a hook run that a signal handler has set (lua.c's Ctrl-C): it may raise. */
static void run_hook(lua_State *L) {
    if (!lua_gethook(L))
        return;
    if (luaL_loadstring(L, "") != LUA_OK)
        lua_error(L);
    lua_call(L, 0, 0);
}

/* 0 or TINE_ETIMEOUT. */
static int await(lua_State *L, tine_future *f, int arg) {
    double timeout = luaL_optnumber(L, arg, HUGE_VAL);
    luaL_argcheck(L, timeout == timeout, arg, "NaN is no time");
    timeout = timeout == HUGE_VAL ? -1 : timeout < 0 ? 0 : timeout;
    double end = timeout < 0 ? 0 : (double)tine__now() * 1e-9 + timeout;
    int err;
    while ((err = tine_future_wait(f, timeout)) == TINE_EAGAIN) {
        run_hook(L);
        if (timeout >= 0)
            timeout = end - (double)tine__now() * 1e-9;
        if (timeout < 0 && end > 0)
            timeout = 0;
    }
    if (err && err != TINE_ETIMEOUT)
        return fail(L, err);
    return err;
}

/* The number of values pushed; -1: error and traceback are. */
static int push_outcome(lua_State *L, tine_future *f) {
    struct core core = {.codec = tine__embed_codec(L)};
    struct outcome outcome;
    memcpy(&outcome, &f->outcome, sizeof outcome);
    outcome.readers = 1; /* the bytes stay with the future */
    if (tine_future_code(f) == 0) {
        int n = tine__values_push(L, &core, &outcome, &f->item.name, 0);
        if (n < 0)
            lua_pushliteral(L, "");
        return n;
    }
    tine__failure_push(L, &core, &outcome, &f->item.name, 0);
    return -1;
}

/* future:result([timeout]) */
static int future_result(lua_State *L) {
    tine_future *f = tine_lua_check_future(L, 1);
    if (await(L, f, 2))
        return fail(L, TINE_ETIMEOUT);
    int n = push_outcome(L, f);
    if (n >= 0)
        return n;
    lua_pop(L, 1);
    return lua_error(L);
}

/* future:pcall([timeout]) */
static int future_pcall(lua_State *L) {
    tine_future *f = tine_lua_check_future(L, 1);
    lua_settop(L, 2);
    if (await(L, f, 2)) {
        lua_pushboolean(L, false);
        tine__error_push(L, TINE_ETIMEOUT, "%s", tine_error_text(TINE_ETIMEOUT));
        lua_pushliteral(L, "");
        return 3;
    }
    lua_pushnil(L);
    int n = push_outcome(L, f);
    lua_pushboolean(L, n >= 0);
    lua_replace(L, 3);
    return n >= 0 ? n + 1 : 3;
}

static const char *state_name(lua_State *L, tine_future *f) {
    static const char *const names[] = {[TINE_PENDING] = "pending",
                                        [TINE_RUNNING] = "running",
                                        [TINE_CANCELLED] = "cancelled",
                                        [TINE_FINISHED] = "finished"};
    int state = tine_future_state(f);
    if (state < 0)
        fail(L, state);
    return names[state];
}

static int future_state(lua_State *L) {
    lua_pushstring(L, state_name(L, tine_lua_check_future(L, 1)));
    return 1;
}

static int future_done(lua_State *L) {
    int state = tine_future_state(tine_lua_check_future(L, 1));
    lua_pushboolean(L, state == TINE_CANCELLED || state == TINE_FINISHED);
    return 1;
}

static int future_cancel(lua_State *L) {
    lua_pushboolean(L, tine_future_cancel(tine_lua_check_future(L, 1)));
    return 1;
}

static int future_abort(lua_State *L) {
    lua_pushboolean(L, tine_future_abort(tine_lua_check_future(L, 1)));
    return 1;
}

static int future_tostring(lua_State *L) {
    tine_future *f = tine_lua_check_future(L, 1);
    lua_pushfstring(L, "future: %s, %s", tine__label_push(L, &f->item.name, 0), state_name(L, f));
    return 1;
}

static int future_eq(lua_State *L) {
    tine_future **a = luaL_testudata(L, 1, FUTURE), **b = luaL_testudata(L, 2, FUTURE);
    lua_pushboolean(L, a && b && *a == *b);
    return 1;
}

static const luaL_Reg future_methods[] = {
    {"result", future_result}, {"pcall", future_pcall},
    {"state", future_state},   {"done", future_done},
    {"cancel", future_cancel}, {"abort", future_abort},
    {"__gc", future_gc},       {"__tostring", future_tostring},
    {"__eq", future_eq},       {NULL, NULL}};

void tine_lua_push_future(lua_State *L, tine_future *future) {
    luaL_checkstack(L, 10, "tine");
    if (!future)
        return lua_pushnil(L);
    push_handle(L, FUTURE, future_methods);
    *(tine_future **)lua_touserdata(L, -1) = tine_future_ref(future);
}

/* --- pools --- */

tine_pool *tine_lua_check_pool(lua_State *L, int arg) {
    return *(tine_pool **)luaL_checkudata(L, arg, POOL);
}

static int pool_gc(lua_State *L) {
    tine_pool **handle = luaL_checkudata(L, 1, POOL);
    if (*handle)
        tine__executor_unref(*handle);
    *handle = NULL;
    return 0;
}

/* The label of the function at 2, pushed. */
static const char *push_label(lua_State *L) {
    lua_Debug ar;
    if (lua_type(L, 2) == LUA_TSTRING)
        return lua_pushstring(L, lua_tostring(L, 2));
    if (!lua_isfunction(L, 2) || lua_iscfunction(L, 2))
        return lua_pushliteral(L, "function");
    lua_pushvalue(L, 2);
    lua_getinfo(L, ">S", &ar);
    return lua_pushfstring(L, "function (%s:%d)", ar.short_src, ar.linedefined);
}

/* An encoding failed, and the message is on top. */
static void check_encoded(lua_State *L, int code) {
    if (code)
        tine__error(L, code, "%s", lua_tostring(L, -1));
}

/* pool:submit(fn, ...) */
static int pool_submit(lua_State *L) {
    tine_pool *pool = tine_lua_check_pool(L, 1);
    tine_task task = TINE_TASK_INIT;
    tine_future *future;
    int n = lua_gettop(L) - 2;
    luaL_checkany(L, 2);
    if (!lua_isfunction(L, 2) && lua_type(L, 2) != LUA_TSTRING &&
        luaL_getmetafield(L, 2, "__call") == LUA_TNIL)
        return luaL_typeerror(L, 2, "function");
    lua_settop(L, n + 2);
    struct codec *c = tine__embed_codec(L);
    struct buf *function = tine__embed_buf(L), *arguments = tine__embed_buf(L);
    check_encoded(L, tine__encode_function(L, c, 2, function, NULL));
    check_encoded(L, tine__encode_arguments(L, c, 3, n, arguments));
    task.kind = TINE_ENCODED;
    task.function = function->data;
    task.function_length = function->len;
    task.label = push_label(L);
    push_handle(L, FUTURE, future_methods); /* first, as it may raise */
    int err = tine__executor_submit(pool, &task, arguments, &future);
    if (err)
        return fail(L, err);
    *(tine_future **)lua_touserdata(L, -1) = future;
    return 1;
}

/* pool:stats() */
static int pool_stats(lua_State *L) {
    tine_stats s = {.size = sizeof s};
    int err = tine_pool_stats(tine_lua_check_pool(L, 1), &s);
    if (err)
        return fail(L, err);
    const struct {
        const char *name;
        uint64_t n;
    } fields[] = {{"submitted", s.submitted},
                  {"pending", s.pending},
                  {"running", s.running},
                  {"finished", s.finished},
                  {"failed", s.failed},
                  {"cancelled", s.cancelled},
                  {"workers_started", s.workers_started},
                  {"workers_lost", s.workers_lost}};
    lua_createtable(L, 0, 8);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        lua_pushinteger(L, (lua_Integer)fields[i].n);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

void tine_lua_push_pool(lua_State *L, tine_pool *pool) {
    static const luaL_Reg methods[] = {
        {"submit", pool_submit}, {"stats", pool_stats}, {"__gc", pool_gc}, {NULL, NULL}};
    luaL_checkstack(L, 10, "tine");
    if (!pool)
        return lua_pushnil(L);
    push_handle(L, POOL, methods);
    tine__executor_ref(pool);
    *(tine_pool **)lua_touserdata(L, -1) = pool;
}

/* The C library in a program that embeds Lua itself: include/tine_lua.h. */
#include <lauxlib.h>
#include <lualib.h>
#include "clib/clib.h"
#include "tine_lua.h"

static void run(lua_State *L, const char *code) {
    if (luaL_dostring(L, code) != LUA_OK) {
        fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
        check_failed(__FILE__, __LINE__, code);
    }
    lua_settop(L, 0);
}

static lua_State *new_state(void) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "tine", luaopen_tine, 1);
    lua_settop(L, 0);
    return L;
}

/* The module from what is compiled in, with no file to require. */
static void test_module(void) {
    lua_State *L = new_state();
    run(L, "package.path = '' package.cpath = '' "
           "local tine = require 'tine' local pool <close> = tine.pool(1) "
           "assert(pool:submit(function(n) return n * n end, 7):result() == 49)");
    lua_close(L);
}

/* A function that one state encodes and a pool of the C library runs. */
static void test_encoded(tine_pool *pool) {
    lua_State *L = new_state();
    tine_task task = TINE_TASK_INIT;
    tine_future *f;
    size_t length;
    run(L,
        "local k = 100 local function add(a) return a + k end f = function(a) return add(a) end");
    lua_getglobal(L, "f");
    const char *bytes = tine_encode_function(L, -1, &length);
    CHECK(bytes && length > 20);
    CHECK_EQ(lua_gettop(L), 2);
    task.kind = TINE_ENCODED;
    task.function = bytes;
    task.function_length = length;
    task.args = "\x91\x07";
    task.args_length = 2;
    OK(tine_submit(pool, &task, &f));
    OK(tine_submit(pool, &task, NULL)); /* as often as one likes */
    CHECK_EQ(await_integer(f), 107);
    task.function_length = length - 1;
    CHECK_EQ(tine_submit(pool, &task, &f), TINE_EARG);
    lua_settop(L, 0);
    run(L, "g = tine.encode(f) assert(#g == #tine.encode(f)) "
           "local ok, e = pcall(tine.encode, coroutine.wrap(print)) "
           "assert(tine.kind(e) == 'serialization', e) "
           "assert(not pcall(tine.encode, 7))");
    lua_getglobal(L, "g");
    task.function = lua_tolstring(L, -1, &task.function_length);
    OK(tine_submit(pool, &task, &f));
    CHECK_EQ(await_integer(f), 107);
    lua_settop(L, 0);
    luaL_dostring(L, "local co = coroutine.create(print) return function() return co end");
    CHECK(!tine_encode_function(L, 1, &length) && length == 0);
    CHECK_EQ(lua_gettop(L), 2);
    CONTAINS(lua_tostring(L, 2), "co");
    lua_close(L);
}

static void test_handles(tine_pool *pool) {
    lua_State *L = new_state();
    tine_lua_push_pool(L, pool);
    CHECK(tine_lua_check_pool(L, 1) == pool);
    lua_setglobal(L, "pool");
    run(L, "local f = pool:submit(function(a, b) return {sum = a + b}, a end, 1, 2) "
           "local t, a = f:result() assert(t.sum == 3 and a == 1) "
           "assert(f:result() and f:state() == 'finished' and f:done()) "
           "local ok, u = f:pcall() assert(ok and u.sum == 3) "
           "assert(tostring(f):find 'function %(.*:1%), finished', tostring(f))");
    run(L, "local f = pool:submit(function() error({code = 5}) end) "
           "local ok, e, tb = f:pcall() assert(not ok and e.code == 5 and tb:find 'traceback') "
           "local ok2, e2 = pcall(f.result, f) assert(not ok2 and e2.code == 5)");
    run(L, "local f = pool:submit('string.rep', 'ab', 100000) assert(#f:result() == 200000)");
    run(L, "local f = pool:submit(function() while true do end end) "
           "local ok, e = f:pcall(0) assert(not ok and tine.kind(e) == 'timeout') "
           "ok, e = pcall(f.result, f, 0.001) assert(not ok and tine.kind(e) == 'timeout') "
           "while f:state() ~= 'running' do end assert(not f:cancel() and f:abort()) "
           "ok, e = f:pcall() assert(not ok and tine.kind(e) == 'cancelled' and e.task.id) ");
    run(L, "local ok, e = pcall(pool.submit, pool, print, coroutine.create(print)) "
           "assert(tine.kind(e) == 'serialization') assert(pool:stats().submitted > 3) "
           "assert(not pcall(pool.submit, pool)) assert(not pcall(pool.submit, pool, 5))");
    tine_future *f = submit(pool, "return ... + 1", 4);
    tine_lua_push_future(L, f);
    tine_lua_push_future(L, f);
    CHECK(tine_lua_check_future(L, 1) == f && lua_compare(L, 1, 2, LUA_OPEQ));
    tine_future_free(f); /* the handles have their own */
    lua_setglobal(L, "f");
    run(L, "assert(f:result() == 5) f = nil collectgarbage()");
    tine_lua_push_pool(L, NULL);
    tine_lua_push_future(L, NULL);
    CHECK(lua_isnil(L, 1) && lua_isnil(L, 2));
    tine_pool_close(pool);
    run(L, "local ok, e = pcall(pool.submit, pool, print) assert(tine.kind(e) == 'shutdown')");
    lua_close(L);
}

int main(void) {
    test_module();
    tine_pool *pool = open_pool(1, TINE_REPLACE);
    test_encoded(pool);
    test_handles(pool);
    return 0;
}

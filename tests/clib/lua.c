/* The C library in a program that embeds Lua itself: include/tine_lua.h. */
#include <lauxlib.h>
#include <lualib.h>
#include "base/fault.h"
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

/* A state that knows the pool as `pool`. */
static lua_State *state_with(tine_pool *pool) {
    lua_State *L = new_state();
    tine_lua_push_pool(L, pool);
    tine_lua_push_pool(L, pool);
    CHECK(lua_rawequal(L, 1, 2));
    CHECK(tine_lua_check_pool(L, 1) == pool);
    lua_setglobal(L, "pool");
    lua_settop(L, 0);
    return L;
}

static void set_future(lua_State *L, const char *name, tine_future *f) {
    tine_lua_push_future(L, f);
    lua_setglobal(L, name);
}

static tine_future *get_future(lua_State *L, const char *name) {
    lua_getglobal(L, name);
    tine_future *f = tine_lua_check_future(L, -1);
    lua_pop(L, 1);
    return f;
}

/* The program's pool is one like any other. */
static void test_pool(tine_pool *pool) {
    lua_State *L = state_with(pool);
    run(L, "local f = pool:submit(function(a, b) return {sum = a + b}, a end, 1, 2) "
           "local t, a = f:result() assert(t.sum == 3 and a == 1) "
           "assert(f:result() == t and f:state() == 'finished' and f:done()) "
           "local ok, u = f:pcall() assert(ok and u == t) "
           "assert(tostring(f):find 'finished, function %(.*:1%)', tostring(f))");
    run(L, "local f = pool:submit(function() error({code = 5}) end) "
           "local ok, e, tb = f:pcall() assert(not ok and e.code == 5 and tb:find 'traceback') "
           "local ok2, e2 = pcall(f.result, f) assert(not ok2 and e2 == e)");
    run(L, "local f = pool:submit('string.rep', 'ab', 100000) assert(#f:result() == 200000)");
    run(L, "local f = pool:submit(function() while true do end end) "
           "local ok, e = f:pcall(0) assert(not ok and tine.kind(e) == 'timeout') "
           "ok, e = pcall(f.result, f, 0.001) assert(not ok and tine.kind(e) == 'timeout') "
           "while f:state() ~= 'running' do end assert(not f:cancel() and f:abort()) "
           "ok, e = f:pcall() assert(not ok and tine.kind(e) == 'cancelled' and e.task.id) ");
    run(L, "local ok, e = pool:submit(print, coroutine.create(print)):pcall() "
           "assert(tine.kind(e) == 'serialization') assert(pool:stats().submitted > 3) "
           "assert(not pcall(pool.submit, pool)) assert(not pcall(pool.submit, pool, 5))");
    run(L, "local list = pool:map(function(x) return x * x end, {1, 2, 3}):totable() "
           "assert(list.n == 3 and list[3] == 9) assert(#pool:workers() == 1) "
           "local f = pool:with{label = 'mine'}:submit(math.abs, -1) "
           "local seen f:add_done_callback(function(g) seen = g end) "
           "assert(#tine.wait{f} == 1 and f:result() == 1 and seen == f) "
           "assert(tostring(f):find 'mine')");
    /* its handle is not the pool */
    run(L, "do local p <close> = pool end assert(pool:submit(math.abs, -2):result() == 2) "
           "pool = nil collectgarbage() collectgarbage()");
    lua_close(L);
    CHECK_EQ(await_integer(submit(pool, "return ...", 4)), 4);
}

/* Futures of the program, pending and done, of every kind of result. */
static void test_given_futures(tine_pool *pool) {
    lua_State *L = state_with(pool);
    tine_future *f = submit(pool, "return ... + 1", 4);
    tine_lua_push_future(L, f);
    tine_lua_push_future(L, f);
    CHECK(tine_lua_check_future(L, 1) == f && lua_rawequal(L, 1, 2));
    tine_future_free(f); /* the script's has its own */
    lua_setglobal(L, "f");
    run(L, "local seen f:add_done_callback(function(g) seen = g end) assert(f:result() == 5) "
           "assert(seen == f and tostring(f):find 'source #%d+: returned 5', tostring(f)) "
           "assert(tine.wait{f}[1] == f) f = nil collectgarbage()");
    static const char *const sources[] = {"return ('x'):rep(100)", "return ('x'):rep(1000000)",
                                          "error {code = 6}", "os.exit(7)"};
    static const char *const checks[] = {
        "assert(f:result() == ('x'):rep(100) and f:result() == ('x'):rep(100))",
        "assert(#f:result() == 1000000)",
        "local ok, e, tb = f:pcall() assert(not ok and e.code == 6 and #tb > 0)",
        "local e = f:exception() assert(e.kind == 'crashed' and e.exit_code == 7)"};
    for (int i = 0; i < 8; i++) {
        f = submit(pool, sources[i / 2], 0);
        if (i % 2)
            OK(tine_future_wait(f, -1));
        set_future(L, "f", f);
        run(L, checks[i / 2]);
        OK(tine_future_wait(f, 0));
        CHECK(*tine_future_message(f) != '\0' || tine_future_code(f) == 0);
        tine_future_free(f);
    }
    f = submit(pool, "while true do end", 0);
    set_future(L, "f", f);
    run(L, "while f:state() ~= 'running' do end assert(not f:cancel() and f:abort()) "
           "assert(tine.kind(select(2, f:pcall())) == 'cancelled' and f:cancelled())");
    CHECK_EQ(tine_future_code(f), TINE_ECANCELLED);
    tine_future_free(f);
    lua_close(L);
}

/* The value of a future that a script has submitted. */
static void check_taken(tine_future *f, size_t length) {
    size_t n;
    OK(tine_future_wait(f, -1));
    OK(tine_future_code(f));
    CHECK(tine_future_values(f, &n) && n > length && n < length + 10);
}

static void test_taken_futures(tine_pool *pool) {
    lua_State *L = state_with(pool);
    char label[200];
    run(L, "f = pool:submit(function(n) return n + 1 end, 41)");
    tine_future *f = get_future(L, "f");
    CHECK(get_future(L, "f") == f);
    tine_future_ref(f);
    tine_lua_push_future(L, f);
    lua_getglobal(L, "f");
    CHECK(lua_rawequal(L, -1, -2));
    CHECK(tine_future_label(f, label, sizeof label) > 0);
    CONTAINS(label, "function (");
    run(L, "f = nil collectgarbage() collectgarbage()");
    CHECK_EQ(await_integer(f), 42);
    for (int n = 10; n <= 1000000; n *= 10)
        for (int i = 0; i < 3; i++) { /* in flight, done, looked at */
            lua_pushinteger(L, n);
            lua_setglobal(L, "n");
            run(L, "f = pool:submit(string.rep, 'x', n)");
            if (i >= 1)
                run(L, "tine.wait{f}");
            if (i == 2)
                run(L, "assert(#f:result() == n)");
            f = get_future(L, "f");
            run(L, "collectgarbage() assert(#f:result() == n)");
            check_taken(f, (size_t)n);
        }
    run(L, "f = pool:submit(function() while true do end end)");
    f = get_future(L, "f");
    EVENTUALLY(tine_future_state(f) == TINE_RUNNING);
    CHECK(tine_future_abort(f));
    OK(tine_future_wait(f, -1));
    run(L, "assert(tine.kind(select(2, f:pcall())) == 'cancelled')");
    run(L, "f = pool:submit(function() error 'oh' end) f:pcall()");
    f = tine_future_ref(get_future(L, "f"));
    lua_close(L);
    CHECK_EQ(tine_future_code(f), TINE_ETASK);
    CONTAINS(tine_future_message(f), "oh");
    tine_future_free(f);
}

static int check_both(lua_State *L) {
    lua_pushboolean(L, tine_lua_check_future(L, 1) && tine_lua_check_pool(L, 2));
    return 1;
}

static void test_wrong_handles(tine_pool *pool) {
    lua_State *L = state_with(pool);
    lua_register(L, "check", check_both);
    run(L,
        "local mine <close> = tine.pool(1) local f = mine:submit(math.abs, 1) "
        "local g = pool:submit(math.abs, 1) assert(check(g, pool)) "
        "for _, v in ipairs {f, tine.future(), 7, {}, io.stdout, pool} do "
        "  local ok, e = pcall(check, v, pool) assert(not ok and e:find '#1.*future of a pool', e) "
        "end "
        "for _, v in ipairs {mine, g, 'x', pool:with{}} do "
        "  local ok, e = pcall(check, g, v) assert(not ok and e:find '#2.*pool of the program', e) "
        "end");
    tine_lua_push_pool(L, NULL);
    tine_lua_push_future(L, NULL);
    CHECK(lua_isnil(L, 1) && lua_isnil(L, 2));
    lua_close(L);
    /* a state that does not know the module yet */
    L = luaL_newstate();
    luaL_openlibs(L);
    lua_pushliteral(L, "below");
    tine_lua_push_pool(L, pool);
    CHECK_EQ(lua_gettop(L), 2);
    CHECK(tine_lua_check_pool(L, 2) == pool);
    lua_close(L);
}

/* A state that is closed waits for what its scripts have submitted, and for nothing else. */
static void test_closed_state(tine_pool *pool) {
    lua_State *L = state_with(pool);
    tine_future *endless = submit(pool, "while true do end", 0);
    set_future(L, "f", endless);
    run(L, "f:add_done_callback(os.exit)");
    lua_close(L);
    CHECK(tine_future_state(endless) != TINE_FINISHED);
    /* nor for what its scripts have submitted with the future of a task of the program: this hung */
    L = state_with(pool);
    set_future(L, "f", endless);
    run(L, "g = pool:submit(math.abs, f) h = pool:submit(math.max, f, g, f) i = h:chain(print)");
    tine_future *given = tine_future_ref(get_future(L, "i"));
    lua_close(L);
    CHECK_EQ(tine_future_code(given), TINE_ECANCELLED);
    tine_future_free(given);
    CHECK(tine_future_abort(endless));
    OK(tine_future_wait(endless, -1));
    CHECK_EQ(tine_future_code(endless), TINE_ECANCELLED);
    tine_future_free(endless);
    L = state_with(pool);
    run(L, "local now = os.clock pool:submit(function() local t = os.clock() + 0.02 "
           "while os.clock() < t do end end)");
    lua_close(L);
    tine_stats s = {.size = sizeof s};
    OK(tine_pool_stats(pool, &s));
    CHECK_EQ(s.pending + s.running, 0);
}

/* --- with other threads --- */

static void *abort_it(void *future) {
    usleep(20000);
    CHECK(tine_future_abort(future));
    return NULL;
}

/* max_pending counts whoever submits: room that the program makes lets a script go on. */
static void test_room(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    pthread_t thread;
    options.workers = 1;
    options.max_pending = 1;
    options.on_crash = TINE_REPLACE;
    OK(tine_pool_open(&pool, &options));
    lua_State *L = state_with(pool);
    tine_future *f = submit(pool, "while true do end", 0);
    EVENTUALLY(tine_future_state(f) == TINE_RUNNING);
    OK(pthread_create(&thread, NULL, abort_it, f));
    run(L, "assert(select(2, pool:try_submit(math.abs, 1)) == 'full') "
           "assert(pool:submit(math.abs, -3):result() == 3)");
    OK(pthread_join(thread, NULL));
    lua_close(L);
    tine_future_free(f);
    tine_pool_close(pool);
}

static void *close_it(void *pool) {
    usleep(20000);
    tine_pool_close(pool);
    return NULL;
}

/* The program closes its pool whenever it likes. */
static void test_closed_pool(tine_pool *pool) {
    pthread_t thread;
    lua_State *L = state_with(pool);
    run(L, "f = pool:submit(string.rep, 'x', 100000) g = pool:submit(function() "
           "local t = os.clock() + 0.05 while os.clock() < t do end return 8 end)");
    tine_future *f = submit(pool, "return 9", 0);
    set_future(L, "h", f);
    OK(pthread_create(&thread, NULL, close_it, pool));
    run(L, "assert(g:result() == 8)");
    OK(pthread_join(thread, NULL));
    run(L, "local ok, e = pcall(pool.submit, pool, print) assert(tine.kind(e) == 'shutdown') "
           "assert(h:result() == 9 and #f:result() == 100000 and #pool:workers() == 0) "
           "assert(pool:stats().finished >= 3) pool:shutdown()");
    set_future(L, "i", f); /* futures outlive it */
    CHECK_EQ(await_integer(tine_future_ref(get_future(L, "i"))), 9);
    run(L, "assert(h == i and h:result() == 9)");
    check_taken(get_future(L, "f"), 100000);
    tine_future_free(f);
    lua_close(L);
}

static void test_shutdown_by_script(void) {
    tine_pool *pool = open_pool(1, TINE_REPLACE);
    lua_State *L = state_with(pool);
    run(L, "local f = pool:submit(math.abs, -1) assert(pool:shutdown() and f:result() == 1) "
           "assert(tostring(pool):find 'ended')");
    OK(tine_pool_wait(pool, 0));
    lua_close(L);
    tine_pool_close(pool);
}

/* --- workers that come to be in the midst of a look at them --- */

struct submitter {
    lua_Alloc alloc;
    void *ud;
    tine_pool *pool;
    unsigned left;
};

/* Whenever Lua makes a userdata, the pool is given more to do. */
static void *submit_meanwhile(void *arg, void *block, size_t before, size_t after) {
    struct submitter *s = arg;
    bool userdata = !block && before == LUA_TUSERDATA;
    for (unsigned i = 0; userdata && s->left > 0 && i < 6; i++, s->left--)
        tine_future_free(submit(s->pool, "while true do end", 0));
    return s->alloc(s->ud, block, before, after);
}

/* There was not enough room for them all; what had been made first stayed on the stack, and stats raised "attempt to
** index a userdata value". */
static void test_workers_meanwhile(void) {
    tine_pool *pool = open_pool(12, TINE_REPLACE);
    lua_State *L = state_with(pool);
    struct submitter s = {.pool = pool, .left = 12};
    run(L, "stats = pool.stats");
    s.alloc = lua_getallocf(L, &s.ud);
    lua_setallocf(L, submit_meanwhile, &s);
    run(L, "assert(#stats(pool).workers > 4)");
    lua_setallocf(L, s.alloc, s.ud);
    CHECK_EQ(s.left, 0);
    lua_close(L);
    CHECK_EQ(tine_pool_kill(pool, true), 0);
    tine_pool_close(pool);
}

/* --- no memory in the midst of a submit --- */

struct miser {
    lua_Alloc alloc;
    void *ud;
    unsigned left; /* so many more are given */
    bool on;
};

static void *give_some(void *arg, void *block, size_t before, size_t after) {
    struct miser *m = arg;
    if (m->on && after > 0 && (!block || after > before) && m->left-- == 0) {
        m->left = 0;
        return NULL;
    }
    return m->alloc(m->ud, block, before, after);
}

/* Where memory ended just after a task had been handed over, the future made by hand that it waits for was not told whom
** it is to give its value to: the task stayed pending for ever. */
static void test_no_memory(tine_pool *pool) {
    lua_State *L = state_with(pool);
    struct miser m = {.on = false};
    m.alloc = lua_getallocf(L, &m.ud);
    lua_setallocf(L, give_some, &m);
    run(L, "tine = require 'tine' function submit() return pool:submit(math.abs, promise) end "
           "function pending() return pool:stats().pending end");
    int status = LUA_ERRMEM;
    for (unsigned n = 0; status != LUA_OK; n++) {
        CHECK(n < 10000);
        run(L, "promise = tine.future() given = nil collectgarbage()");
        lua_getglobal(L, "submit");
        m.left = n;
        m.on = true;
        status = lua_pcall(L, 0, 1, 0);
        m.on = false;
        if (status == LUA_OK)
            lua_setglobal(L, "given");
        else
            run(L, "assert(pending() == 0) promise:set_result(-3) assert(pending() == 0)");
    }
    run(L, "promise:set_result(-3) assert(given:result() == 3)");
    lua_setallocf(L, m.alloc, m.ud);
    lua_close(L);
}

/* A task of the program stands, because nobody reads its events, in front of the one that a script waits for. The
** pool's own thread may hear of that just before the script's lies down, which then slept for ever: within some
** twenty pools. */
static void test_standing(void) {
    for (int round = 0; round < 60; round++) {
        tine_options options = TINE_OPTIONS_INIT;
        tine_pool *pool;
        options.workers = 1;
        options.event_buffer = 3;
        OK(tine_pool_open(&pool, &options));
        lua_State *L = state_with(pool);
        tine_future *f =
            submit(pool, "for i = 1, 20 do require('tine').worker.emit(i) end return 7", 0);
        run(L, "assert(pool:submit(math.abs, -1):result() == 1)");
        CHECK_EQ(await_integer(f), 7);
        lua_close(L);
        tine_pool_close(pool);
    }
}

#ifdef TINE_FAULTS
static int push_future(lua_State *L) {
    tine_lua_push_future(L, lua_touserdata(L, 1));
    return 1;
}

/* The n-th allocation outside of Lua fails while a script is given a future that is not done: there is no memory,
** and nothing else is the matter ("forked" was said). */
static void test_no_memory_to_follow(tine_pool *pool) {
    lua_State *L = state_with(pool);
    tine_future *f = submit(pool, "while true do end", 0);
    unsigned long struck = 1;
    for (int n = 1; struck > 0; n++) {
        char fault[32];
        snprintf(fault, sizeof fault, "calloc:%d", n);
        lua_pushcfunction(L, push_future);
        lua_pushlightuserdata(L, f);
        CHECK(tine__fault_set(fault));
        int status = lua_pcall(L, 1, 1, 0);
        struck = tine__fault_struck();
        tine__fault_set(NULL);
        lua_setglobal(L, "given");
        if (status != LUA_OK)
            run(L, "assert(tine.kind(given) == 'system', given) "
                   "assert(given.message:find('memory', 1, true), given)");
        run(L, "given = nil collectgarbage() collectgarbage()");
    }
    CHECK(tine_future_abort(f));
    OK(tine_future_wait(f, -1));
    run(L, "pool:dispatch()"); /* the script's future has ended, too */
    tine_future_free(f);
    lua_close(L);
}
#endif

int main(void) {
    test_module();
    tine_pool *pool = open_pool(1, TINE_REPLACE);
    test_encoded(pool);
    test_pool(pool);
    test_given_futures(pool);
    test_taken_futures(pool);
    test_wrong_handles(pool);
    test_closed_state(pool);
    test_no_memory(pool);
#ifdef TINE_FAULTS
    test_no_memory_to_follow(pool);
#endif
    test_standing();
    test_room();
    test_closed_pool(pool);
    test_shutdown_by_script();
    test_workers_meanwhile();
    return 0;
}

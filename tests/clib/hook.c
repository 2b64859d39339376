/* Hooks that prepare worker states: a host's own C functions in its tasks. */
#include <lauxlib.h>
#include <lua.h>
#include "clib/clib.h"

static int prices[] = {0, 250, 999};

/* A function of this program, with its memory. */
static int price(lua_State *L) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= 2, 1, "no such article");
    lua_pushinteger(L, prices[n] + lua_tointeger(L, lua_upvalueindex(1)));
    return 1;
}

static int add_price(lua_State *L, void *arg) {
    lua_pushinteger(L, *(int *)arg);
    lua_pushcclosure(L, price, 1);
    lua_setglobal(L, "price");
    return 0;
}

static int refuse(lua_State *L, void *arg) {
    (void)arg;
    lua_pushliteral(L, "no licence");
    return 1;
}

static int refuse_dumbly(lua_State *L, void *arg) {
    (void)L, (void)arg;
    return 1;
}

static tine_pool *open_with(const tine_options *options) {
    tine_pool *pool;
    OK(tine_pool_open(&pool, options));
    return pool;
}

static void check_broken(const tine_options *options, const char *why) {
    tine_pool *pool = open_with(options);
    tine_future *f = submit(pool, "return 1", 0);
    OK(tine_future_wait(f, -1));
    CHECK_EQ(tine_future_code(f), TINE_EBROKEN);
    CONTAINS(tine_future_message(f), why);
    tine_future_free(f);
    OK(tine_pool_wait(pool, -1));
    tine_pool_close(pool);
}

static void test_function(void) {
    static int extra = 5; /* as it was when the root was taken */
    tine_options options = TINE_OPTIONS_INIT;
    options.workers = 2;
    options.prepare = add_price;
    options.prepare_arg = &extra;
    options.initializer = "assert(price(1) == 255)"; /* it comes after the hook */
    tine_pool *pool = open_with(&options);
    extra = 1000;
    CHECK_EQ(await_integer(submit(pool, "return price(...)", 2)), 1004);
    tine_future *f = submit(pool, "return price(...)", 3);
    OK(tine_future_wait(f, -1));
    CHECK_EQ(tine_future_code(f), TINE_ETASK);
    CONTAINS(tine_future_message(f), "no such article");
    tine_future_free(f);
    tine_pool_close(pool);
    options.prepare = refuse;
    check_broken(&options, "no licence");
    options.prepare = refuse_dumbly; /* what lay on the stack was taken for the message */
    check_broken(&options, "the hook has failed, and has not said why");
}

static void test_symbol(int start_method) {
    tine_options options = TINE_OPTIONS_INIT;
    options.start_method = start_method;
    options.prepare_symbol = HOOK_LIBRARY ":prepare_twice";
    tine_pool *pool = open_with(&options);
    CHECK_EQ(await_integer(submit(pool, "return twice(...)", 21)), 42);
    tine_pool_close(pool);
    options.prepare_symbol = HOOK_LIBRARY ":no_such_function";
    check_broken(&options, "no_such_function");
    options.prepare_symbol = "/no/such/library.so:prepare";
    check_broken(&options, "cannot open shared object file");
    options.prepare_symbol = "no colon";
    check_broken(&options, "not of the form");
}

static void test_wrong_combinations(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    options.prepare = refuse;
    options.start_method = TINE_SPAWN;
    CHECK_EQ(tine_pool_open(&pool, &options), TINE_EARG);
    options.start_method = TINE_FORK;
    options.prepare_symbol = "x:y";
    CHECK_EQ(tine_pool_open(&pool, &options), TINE_EARG);
}

/* --- a program that has threads before it has a root --- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *pause_there(void *arg) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return arg;
}

static void test_late(void) {
    pthread_t thread;
    pid_t pid = fork(); /* a process of its own, without a root */
    int status;
    if (pid > 0) {
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
        return;
    }
    pthread_mutex_lock(&gate);
    OK(pthread_create(&thread, NULL, pause_there, NULL));
    tine_options options = TINE_OPTIONS_INIT;
    OK(tine_prepare());
    tine_pool *pool = open_with(&options);
    CHECK_EQ(await_integer(submit(pool, "return ... + 1", 1)), 2);
    tine_pool_close(pool);
    options.prepare = refuse;
    check_broken(&options, "needs start_method 'fork'");
    options.prepare = NULL;
    options.prepare_symbol = HOOK_LIBRARY ":prepare_twice";
    pool = open_with(&options);
    CHECK_EQ(await_integer(submit(pool, "return twice(...)", 4)), 8);
    tine_pool_close(pool);
    pthread_mutex_unlock(&gate);
    OK(pthread_join(thread, NULL));
    _exit(0);
}

int main(void) {
    test_late();
    test_wrong_combinations();
    test_function();
    test_symbol(TINE_FORK);
    test_symbol(TINE_SPAWN);
    return 0;
}

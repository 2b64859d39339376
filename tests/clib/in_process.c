/* A program whose only pool has no processes: nothing takes the root process, which makes the states of other workers. */
#include "clib/clib.h"

/* Each task's state has the module, from what is compiled in: it was there only when something else had called
** tine_prepare, and else that of a file was found, another copy of the library, which knew nothing of the task. */
static void test_module(tine_pool *pool) {
    CHECK_EQ(await_integer(submit(pool, "return require('tine').worker.id", 0)), 0);
    CHECK_EQ(await_integer(submit(pool,
                                  "local pool = require('tine').worker.pool "
                                  "return pool:submit(function(n) return n * 2 end, ...):result()",
                                  21)),
             42);
}

static void *submit_elsewhere(void *pool) {
    test_module(pool);
    return NULL;
}

int main(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    pthread_t thread;
    unsetenv("LUA_PATH");
    unsetenv("LUA_CPATH");
    options.in_process = true;
    OK(tine_pool_open(&pool, &options));
    test_module(pool);
    OK(pthread_create(&thread, NULL, submit_elsewhere, pool));
    join_all(&thread, 1);
    tine_pool_close(pool);
    return 0;
}

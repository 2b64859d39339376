/* A program that is out of memory, with a pool without processes: the Lua state of its tasks is in this program, and what
** is said of one that could not be run was made outside of Lua's protection, so that Lua ended the program ("PANIC:
** unprotected error in call to Lua API"). */
#include <errno.h>
#include "clib/clib.h"

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static _Atomic long left = -1; /* so many may succeed still; < 0: all */
static _Atomic long asked;

static bool is_refused(void) {
    asked++;
    if (left > 0)
        left--;
    if (left == 0)
        errno = ENOMEM;
    return left == 0;
}

void *malloc(size_t n) {
    return is_refused() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    return is_refused() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    return is_refused() ? NULL : __libc_realloc(p, n);
}

static void run(tine_pool *pool, const char *source) {
    tine_task task = TINE_TASK_INIT;
    tine_future *future;
    task.function = source;
    if (tine_submit(pool, &task, &future) != 0)
        return;
    OK(tine_future_wait(future, -1));
    CHECK(tine_future_code(future) != TINE_EAGAIN);
    tine_future_free(future);
}

static void scenario(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    options.in_process = true;
    if (tine_pool_open(&pool, &options) != 0)
        return;
    run(pool, "return ('x'):rep(100)");
    run(pool, "error {}");
    tine_pool_close(pool);
}

int main(void) {
    scenario();
    long before = asked;
    scenario();
    long most = asked - before;
    for (long n = 0; n < most; n += 1 + n % 17) {
        left = n;
        scenario();
        left = -1;
    }
    return 0;
}

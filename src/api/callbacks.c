/* Callbacks of the C library: who calls them, and how others know that they have returned. */
#include <time.h>
#include "base/sys.h"
#include "pool/executor.h"

/* The callbacks that this thread is in, the innermost first. */
struct call {
    const struct tine_pool *pool;
    struct call *outer;
};
static _Thread_local struct call *calls;

/* The pool whose manager this thread is, while it is in a callback. */
static _Thread_local const struct pool *managing;

static void call(tine_future *f) {
    struct call here = {f->pool, calls};
    calls = &here;
    f->done(f, f->done_arg);
    calls = here.outer;
}

static size_t call_all(struct pool *p) {
    struct item *item;
    size_t called = 0;
    while (tine__pool_take_done(p, &item, 1) > 0) {
        tine_future *f = item->owner;
        if (f->done) {
            call(f);
            called++;
        }
        tine_future_free(f); /* the task's own reference */
    }
    return called;
}

size_t tine__executor_manage(struct pool *p) {
    managing = p;
    size_t called = call_all(p);
    managing = NULL;
    return called;
}

size_t tine__executor_dispatch(struct tine_pool *pool) {
    if (!tine__pool_has_done(pool->core))
        return 0;
    tine__executor_ref(pool);
    pthread_mutex_lock(&pool->lock);
    pool->calling++;
    pthread_mutex_unlock(&pool->lock);
    size_t called = call_all(pool->core);
    pthread_mutex_lock(&pool->lock);
    if (--pool->calling == 0)
        pthread_cond_broadcast(&pool->quiet);
    pthread_mutex_unlock(&pool->lock);
    tine__executor_unref(pool);
    return called;
}

void tine__executor_leave(struct tine_pool *pool) {
    struct item *item;
    if (!tine__pool_has_done(pool->core))
        return;
    while ((item = tine__pool_take_unwatched(pool->core)) != NULL)
        tine_future_free(item->owner);
    tine__pool_call_owner(pool->core);
}

bool tine__executor_await_quiet(struct tine_pool *pool, uint64_t deadline) {
    const struct timespec until = {(time_t)(deadline / 1000000000u),
                                   (long)(deadline % 1000000000u)};
    int error = 0;
    pthread_mutex_lock(&pool->lock);
    while (pool->calling > 0 && !error) {
        if (deadline == WAIT_FOREVER)
            pthread_cond_wait(&pool->quiet, &pool->lock);
        else
            error = pthread_cond_timedwait(&pool->quiet, &pool->lock, &until);
    }
    bool quiet = pool->calling == 0;
    pthread_mutex_unlock(&pool->lock);
    return quiet;
}

bool tine__executor_is_calling(const struct tine_pool *pool) {
    for (const struct call *c = calls; c; c = c->outer)
        if (c->pool == pool)
            return true;
    return false;
}

bool tine__executor_is_managing(const struct tine_pool *pool) {
    return managing == pool->core;
}

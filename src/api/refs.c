/* References: of pools, which their futures hold, and of futures, which their tasks hold. */
#include "api/api.h"
#include "base/sys.h"

void tine__api_ref(struct tine_pool *pool) {
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
}

void tine__api_unref(struct tine_pool *pool) {
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (!tine__pool_is_forked(pool->core)) { /* there they may be in use by a thread that is not */
        pthread_cond_destroy(&pool->quiet);
        pthread_mutex_destroy(&pool->lock);
    }
    tine__inbox_close(&pool->inbox);
    tine__pool_unref(pool->core);
    tine__failure_unref(pool->reason);
    free(pool->name);
    free(pool);
}

tine_future *tine_future_ref(tine_future *f) {
    if (f)
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void tine_future_free(tine_future *f) {
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    tine__outcome_free(&f->outcome);
    if (f->origin && !tine__pool_is_forked(f->pool->core))
        tine__store_drop(tine__pool_store(f->pool->core), f->origin);
    tine__api_unref(f->pool);
    free(f->label);
    tine__settings_unref(f->settings);
    tine__attempts_free(f->item.attempts);
    tine__events_unref(f->item.events);
    free(f->message);
    free(f->traceback);
    free(f->item.told);
    tine__printed_unref(f->item.printed);
    free(f);
}

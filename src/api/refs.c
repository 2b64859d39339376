/* References to pools and futures. */
#include "api/api.h"
#include "base/sys.h"

void tine__api_ref(struct tine_pool *pool) {
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
}

void tine__api_unref(struct tine_pool *pool) {
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1)
        return;
    /* In a forked child a thread that does not exist there may hold them. */
    if (!tine__pool_is_forked(pool->core)) {
        pthread_cond_destroy(&pool->quiet);
        pthread_mutex_destroy(&pool->lock);
    }
    tine__inbox_close(&pool->inbox);
    tine__pool_unref(pool->core);
    free(pool->message);
    free(pool->name);
    free(pool);
}

tine_future *tine_future_ref(tine_future *f) {
    if (f)
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

/* The future is about to be held only by its task: nobody can read its events any more. */
static void forsake_events(struct tine_future *f) {
    if (outcome_settled(&f->outcome) || tine__pool_is_forked(f->pool->core))
        return;
    tine__unread_forget(f); /* before `events` goes */
    struct events *e = f->events ? f->events : tine__item_events(f->pool->core, &f->item);
    f->events = NULL;
    if (e)
        tine__events_drop(e);
    tine__events_unref(e);
}

void tine_future_free(tine_future *f) {
    if (!f)
        return;
    unsigned refs = atomic_load(&f->refs);
    do /* the last thread before the task's reference, whichever it is, drops the events */
        if (refs == 2)
            forsake_events(f);
    while (!atomic_compare_exchange_strong(&f->refs, &refs, refs - 1));
    if (refs != 1)
        return;
    tine__unread_forget(f);
    tine__outcome_free(&f->outcome);
    if (f->origin && !tine__pool_is_forked(f->pool->core))
        tine__store_drop(tine__pool_store(f->pool->core), f->origin);
    tine__api_unref(f->pool);
    free(f->label);
    tine__settings_unref(f->settings);
    tine__outcome_free(&f->event);
    tine__events_unref(f->events);
    free(f->message);
    free(f->traceback);
    tine__item_drop_rare(&f->item);
    free(f);
}

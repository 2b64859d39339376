/* Keeping the descriptor of tine_pool_fileno readable.
**
** The inbox keeps it readable until its news is taken. But every call that takes in results takes
** all news of the pool, and tells the program at most about one future. So what was taken keeps the
** descriptor readable (the pool "holds" it) as long as the program may not know of it:
**
** - everything that was taken by a call that neither dispatches nor waits, until one does;
** - the unread events of a future that the program reads, and that future's end, whoever took them,
**   until they were read or the future was freed.
**
** A program may lose interest in the events of a future that it keeps, and must not be woken for
** ever: the second tine_pool_dispatch without a tine_future_next_event in between lets go of them.
** Not the first: what was taken just before it, or by it, the program has had no time to see.
*/
#include "api/api.h"

static bool has_more(const struct tine_future *f) {
    return (outcome_settled(&f->outcome) && !f->done) || tine__events_unread(f->events) > 0;
}

static void hold(struct tine_pool *pool) {
    bool held = pool->untold || !list_empty(&pool->unread);
    if (held != pool->held)
        tine__inbox_hold(&pool->inbox, held);
    pool->held = held;
}

static void enlist(tine_future *f) {
    list_remove(&f->unread);
    list_push(&f->pool->unread, &f->unread);
    f->since = f->pool->dispatches;
}

void tine__unread_item(tine_future *f) {
    if (atomic_load_explicit(&f->reads, memory_order_relaxed) && has_more(f))
        enlist(f);
}

void tine__unread_all(struct tine_pool *pool, bool told) {
    pool->untold = !told;
    hold(pool);
}

void tine__unread_age(struct tine_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->dispatches++;
    while (!list_empty(&pool->unread) &&
           LIST_ITEM(pool->unread.next, tine_future, unread)->since + 2 <= pool->dispatches)
        list_pop(&pool->unread);
    pthread_mutex_unlock(&pool->lock);
}

/* Note whether the program reads the future's events, and whether there are some for it. */
static void note(tine_future *f, bool reads, bool more) {
    atomic_store_explicit(&f->reads, reads, memory_order_relaxed);
    if (more)
        enlist(f);
    else
        list_remove(&f->unread);
    hold(f->pool);
}

void tine__unread_begin(tine_future *f) {
    pthread_mutex_lock(&f->pool->lock);
    atomic_store_explicit(&f->reads, false, memory_order_relaxed);
    pthread_mutex_unlock(&f->pool->lock);
}

void tine__unread_end(tine_future *f, int code) {
    pthread_mutex_lock(&f->pool->lock);
    note(f, code != 0, code != 0 && has_more(f));
    pthread_mutex_unlock(&f->pool->lock);
}

void tine__unread_ended(tine_future *f) {
    pthread_mutex_lock(&f->pool->lock);
    if (tine__events_unread(f->events) == 0)
        note(f, false, false);
    pthread_mutex_unlock(&f->pool->lock);
}

void tine__unread_forget(tine_future *f) {
    if (!atomic_load_explicit(&f->reads, memory_order_relaxed) ||
        tine__pool_is_forked(f->pool->core))
        return;
    pthread_mutex_lock(&f->pool->lock);
    note(f, false, false);
    pthread_mutex_unlock(&f->pool->lock);
}

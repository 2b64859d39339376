/* Callbacks of the C library: which thread calls them, and how others learn that they have
** returned. */
#include "api/api.h"
#include "base/clock.h"
#include "pool/wait.h"

/* --- emptying the inbox --- */

/* Nobody is told of the errors of tine_pool_everywhere in later workers. */
static void drop_faults(struct inbox *inbox) {
    struct outcome error;
    uint64_t number;
    while (tine__inbox_next_fault(inbox, &number, NULL, &error))
        tine__outcome_free(&error);
}

/* Move all released items from the inbox into pool->due, or into `gone` if they have no callback.
** The lock is held, so that each item is always in one of these places. `told`: the program's thread
** dispatches or waits. */
static void take_all(struct tine_pool *pool, struct list *gone, bool told) {
    struct item *items[64];
    unsigned n;
    if (!told && !inbox_has_news(&pool->inbox))
        return;
    drop_faults(&pool->inbox);
    while ((n = tine__inbox_take(&pool->inbox, items, sizeof items / sizeof *items)) > 0)
        for (unsigned i = 0; i < n; i++) {
            tine_future *f = items[i]->owner;
            tine__unread_item(f);
            if (items[i]->released) /* else the task has emitted an event */
                list_push(f->done ? &pool->due : gone, &items[i]->news);
        }
    tine__unread_all(pool, told);
}

static tine_future *pop(struct list *items) {
    struct list *node = list_pop(items);
    return node ? LIST_ITEM(node, struct item, news)->owner : NULL;
}

/* Drop the tasks' references. */
static void free_all(struct list *gone) {
    tine_future *f;
    while ((f = pop(gone)) != NULL)
        tine_future_free(f);
}

void tine__api_collect(struct tine_pool *pool) {
    struct list gone;
    if (!inbox_has_news(&pool->inbox))
        return;
    list_init(&gone);
    pthread_mutex_lock(&pool->lock);
    take_all(pool, &gone, false);
    bool due = !list_empty(&pool->due);
    pthread_mutex_unlock(&pool->lock);
    if (due)
        tine__inbox_remind(&pool->inbox);
    free_all(&gone);
}

/* --- calling --- */

/* The callbacks that this thread is inside of, the innermost first. */
struct call {
    const struct tine_pool *pool;
    struct call *outer;
};
static _Thread_local struct call *calls;

/* The pool whose manager thread this is, while it dispatches. */
static _Thread_local const struct tine_pool *managing;

static void call(tine_future *f) {
    struct call here = {f->pool, calls};
    calls = &here;
    f->done(f, f->done_arg);
    calls = here.outer;
    tine_future_free(f); /* the task's reference */
}

/* The lock is held, except during the calls. */
static size_t call_due(struct tine_pool *pool) {
    tine_future *f;
    size_t called = 0;
    pool->calling++;
    while ((f = pop(&pool->due)) != NULL) {
        pthread_mutex_unlock(&pool->lock);
        call(f);
        called++;
        pthread_mutex_lock(&pool->lock);
    }
    if (--pool->calling == 0)
        pthread_cond_broadcast(&pool->quiet);
    return called;
}

static size_t dispatch(struct tine_pool *pool, bool told) {
    struct list gone;
    list_init(&gone);
    pthread_mutex_lock(&pool->lock);
    take_all(pool, &gone, told);
    size_t called = list_empty(&pool->due) ? 0 : call_due(pool);
    pthread_mutex_unlock(&pool->lock);
    free_all(&gone);
    return called;
}

size_t tine__api_dispatch(struct tine_pool *pool) {
    return dispatch(pool, true);
}

void tine__api_manage(struct inbox *inbox) {
    managing = inbox->owner;
    dispatch(inbox->owner, false);
    managing = NULL;
}

bool tine__api_is_calling(const struct tine_pool *pool) {
    for (const struct call *c = calls; c; c = c->outer)
        if (c->pool == pool)
            return true;
    return false;
}

bool tine__api_is_managing(const struct tine_pool *pool) {
    return managing == pool;
}

/* --- waiting --- */

struct waiting {
    bool (*met)(void *arg);
    void *arg;
    const struct pool *core;
    uint32_t stood; /* tine__events_stood, read before the tasks were looked at */
};

/* Must the thread not go to sleep? */
static bool has_more(void *arg) {
    const struct waiting *w = arg;
    return w->met(w->arg) || tine__events_stood(w->core) != w->stood;
}

int tine__api_wait(struct tine_pool *pool, bool (*met)(void *arg),
                   bool (*ends)(const struct item *item, const void *arg), void *arg,
                   uint64_t deadline) {
    struct inbox *inbox = &pool->inbox;
    struct waiting w = {.met = met, .arg = arg, .core = pool->core};
    const struct wait_hook hook = {.ready = has_more, .arg = &w};
    bool loose = false;
    for (int err = 0;;) {
        tine__pool_poll(pool->core);
        tine__api_dispatch(pool);
        bool there = met(arg);
        if (!there && !err && deadline != WAIT_FOREVER && tine__now() >= deadline)
            err = TINE_ETIMEOUT;
        if (there || err) {
            tine__events_tighten(pool->core, &loose);
            return there ? 0 : err;
        }
        w.stood = tine__events_stood(pool->core);
        if (tine__events_stand(pool->core))
            tine__events_loosen(pool->core, ends, arg, &loose);
        err = tine__wait(&inbox, 1, deadline, &hook);
        err = err == TINE_EAGAIN ? err : 0;
    }
}

bool tine__api_await_quiet(struct tine_pool *pool, uint64_t deadline) {
    const struct timespec until = clock_timespec(deadline);
    int error = 0;
    pthread_mutex_lock(&pool->lock);
    while (pool->calling > 0 && !error)
        error = deadline == WAIT_FOREVER
                    ? pthread_cond_wait(&pool->quiet, &pool->lock)
                    : pthread_cond_timedwait(&pool->quiet, &pool->lock, &until);
    bool quiet = pool->calling == 0;
    pthread_mutex_unlock(&pool->lock);
    return quiet;
}

/* The reference count of a pool, and queries that are valid in any state of it. */
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "worker/root/root.h"

static void free_pool(struct pool *p) {
    tine__show_close(p);
    tine__mail_close(p);
    tine__kin_free(&p->kin);
    tine__store_close(p->store);
    if (p->site)
        p->site->ops->close(p->site);
    tine__sched_free(&p->s);
    tine__wakeup_close(&p->wakeup);
    tine__carried_drop(&p->carried);
    tine__failure_unref(p->reason);
    tine__failure_unref(p->crash);
    tine__failure_unref(p->desert);
    tine__settings_unref(p->settings);
    tine__trace_free(p->trace);
    free(p->remotes.list);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->word);
    free(p);
}

struct pool *tine__pool_ref(struct pool *p) {
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void tine__pool_unref(struct pool *p) {
    /* In a forked child the pool's memory is a copy in an unknown state: leave it alone. */
    if (!p || tine__pool_is_forked(p))
        return;
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
        free_pool(p);
}

bool tine__pool_is_forked(const struct pool *p) {
    return p->generation != tine__root_generation();
}

bool tine__pool_ended(struct pool *p) {
    return atomic_load_explicit(&p->ended, memory_order_acquire);
}

struct settings *tine__pool_settings(struct pool *p) {
    return p->settings;
}

void tine__pool_forget(struct pool *p, uint64_t id) {
    if (!p->site->ops->forget || tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (p->s.life != LIFE_ENDED)
        p->site->ops->forget(p->site, id);
    pthread_mutex_unlock(&p->lock);
}

struct store *tine__pool_store(struct pool *p) {
    return p->store;
}

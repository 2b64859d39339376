/* Opening and joining a pool. */
#include "pool/pool.h"

#include <errno.h>
#include <sched.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "site/far/far.h"
#include "site/here/here.h"
#include "site/local/local.h"
#include "worker/inner/inner.h"
#include "worker/root/root.h"

/* --- opening --- */

static void init_word(struct pool *p) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->word, &attr);
    pthread_condattr_destroy(&attr);
}

static struct pool *new_pool(const struct pool_options *options) {
    struct pool *p = sys.calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->refs = 1;
    p->generation = tine__root_generation();
    pthread_mutex_init(&p->lock, NULL);
    init_word(p);
    list_init(&p->inboxes);
    list_init(&p->waiters);
    list_init(&p->met);
    tine__children_open(p);
    list_init(&p->everywhere);
    list_init(&p->standing);
    list_init(&p->loose);
    p->event_buffer = options->boot.event_buffer;
    p->wakeup = WAKEUP_CLOSED;
    p->show.listener = p->show.peer = -1;
    p->settings = tine__settings_ref(options->settings);
    p->spin = options->boot.spin;
    p->in_process = options->in_process;
    p->trace = options->trace;
    p->far = options->far != NULL;
    if (options->carried) {
        p->carried = *options->carried;
        *options->carried = (struct carried){0};
    }
    p->figures.began = tine__now();
    return p;
}

/* How many processors a task can use at once. */
static unsigned processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int open_parts(struct pool *p, const struct pool_options *o) {
    bool one = o->in_process || o->far;
    const struct sched_options policy = {.workers = one ? 1 : o->workers,
                                         .most = one ? 1 : POOL_MAX_WORKERS,
                                         .min_workers = o->min_workers,
                                         .max_age = o->in_process ? 0 : o->max_age,
                                         .max_bytes = o->max_bytes,
                                         .tell_exits =
                                             (o->tell_exits || o->trace) && !o->in_process,
                                         .slots = o->far          ? FAR_SLOTS
                                                  : o->in_process ? HERE_SLOTS
                                                                  : LOCAL_SLOTS,
                                         .labels = !one,
                                         .far = o->far != NULL,
                                         .replace = o->replace,
                                         .max_pending = o->max_pending,
                                         .ageing = o->ageing,
                                         .seed = tine__now(),
                                         .at_once = o->in_process,
                                         .asks = o->in_process,
                                         .start_timeout = o->start_timeout,
                                         .exit_timeout = o->exit_timeout,
                                         .cpus = processors()};
    const struct inner_chore timers = {tine__serve_timers, p};
    int err = tine__sched_init(&p->s, &policy);
    if (!err)
        err = tine__wakeup_open(&p->wakeup);
    if (!err && o->far)
        err = tine__far_open(&p->site, o->far, p->event_buffer, &p->wakeup, &p->bells);
    else if (!err && o->in_process)
        err = tine__here_open(&p->site, &o->boot, &p->wakeup, &p->bells, p->settings, &timers);
    else if (!err)
        err = tine__local_open(&p->site, o->workers, o->spawn, &o->boot, &p->wakeup, &p->bells);
    if (!err)
        err = tine__store_open(&p->store, p->site->ops->heap(p->site), o->far != NULL);
    if (!err)
        tine__show_open(p, o->boot.name);
    return err ? err : tine__manager_start(p);
}

int tine__pool_open(struct pool **out, const struct pool_options *options) {
    *out = NULL;
    int err = options->in_process || options->far ? tine__root_heed_forks() : tine__root_take();
    struct pool *p = err ? NULL : new_pool(options);
    if (!p) {
        int saved = errno;
        tine__trace_free(options->trace);
        errno = saved;
        return err ? err : TINE_ENOMEM;
    }
    err = open_parts(p, options);
    if (err) {
        int saved = errno;
        tine__pool_unref(p);
        errno = saved;
        return err;
    }
    *out = p;
    return 0;
}

/* --- joining --- */

void tine__pool_join(struct pool *p) {
    if (tine__pool_is_forked(p) || atomic_exchange(&p->joined, true))
        return;
    pthread_join(p->manager, NULL);
    pthread_mutex_lock(&p->lock);
    /* These threads were woken, and may still use the pool's descriptors. */
    while (p->waiting > 0) {
        pthread_mutex_unlock(&p->lock);
        sched_yield();
        pthread_mutex_lock(&p->lock);
    }
    tine__show_close(p);
    tine__errands_free(p);
    tine__store_retire(p->store);
    p->site->ops->retire(p->site);
    p->bells.waiter.fd = p->bells.manager.fd = -1;
    tine__wakeup_close(&p->wakeup);
    pthread_mutex_unlock(&p->lock);
    if (p->trace)
        tine__trace_end(p->trace);
}

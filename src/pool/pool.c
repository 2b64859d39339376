/* Opening, closing, and what a pool says of itself. */
#include "pool/pool.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "worker/root.h"

#define PIDS_PATIENCE (100 * MILLISECOND)
#define TERM_GRACE (5 * SECOND) /* after SIGTERM, before SIGKILL */

/* --- memory --- */

static void free_pool(struct pool *p) {
    tine__store_close(p->store);
    if (p->backend)
        p->backend->ops->close(p->backend);
    tine__wakeup_close(&p->wakeup);
    tine__close(&p->notify);
    tine__failure_unref(p->reason);
    pthread_mutex_destroy(&p->lock);
    free(p->queued);
    free(p->free_refs);
    free(p->workers);
    free(p);
}

struct pool *tine__pool_ref(struct pool *p) {
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void tine__pool_unref(struct pool *p) {
    /* in a forked child its memory is a copy in which anything may be half done: leave it alone */
    if (!p || tine__pool_is_forked(p))
        return;
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
        free_pool(p);
}

bool tine__pool_is_forked(const struct pool *p) {
    return p->generation != tine__root_generation();
}

struct store *tine__pool_store(struct pool *p) {
    return p->store;
}

static int make_tables(struct pool *p) {
    p->nrefs = p->nfree = QUEUE_SLOTS + p->workers_max + 1;
    p->queued = sys.calloc(p->nrefs, sizeof *p->queued);
    p->free_refs = sys.calloc(p->nrefs, sizeof *p->free_refs);
    p->workers = sys.calloc(p->workers_max + 1, sizeof *p->workers);
    if (!p->queued || !p->free_refs || !p->workers)
        return TINE_ENOMEM;
    for (uint32_t i = 0; i < p->nrefs; i++)
        p->free_refs[i] = p->nrefs - 1 - i;
    return 0;
}

static struct pool *new_pool(const struct pool_options *options) {
    struct pool *p = sys.calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->refs = 1;
    p->generation = tine__root_generation();
    pthread_mutex_init(&p->lock, NULL);
    list_init(&p->pending);
    list_init(&p->done);
    list_init(&p->waiters);
    p->next_id = 1;
    p->notify = -1;
    p->wakeup = WAKEUP_CLOSED;
    p->workers_max = options->workers;
    p->replace = options->replace;
    p->on_done = options->on_done;
    p->task_limit = options->task_limit;
    p->max_pending = options->max_pending;
    p->spin = options->boot.spin;
    return p;
}

int tine__pool_open(struct pool **out, const struct pool_options *options, struct failure **why) {
    *out = NULL;
    if (why)
        *why = NULL;
    int err = tine__root_take();
    struct pool *p = err ? NULL : new_pool(options);
    if (!p)
        return err ? err : TINE_ENOMEM;
    err = make_tables(p);
    if (!err)
        err = tine__wakeup_open(&p->wakeup);
    if (!err)
        err = tine__local_open(&p->backend, p->workers_max, options->spawn, &options->boot,
                               &p->wakeup, &p->bells);
    if (!err)
        err = tine__store_open(&p->store, p->backend->ops->heap(p->backend));
    if (!err)
        err = tine__manager_start(p);
    if (err) {
        int saved = errno;
        tine__pool_unref(p);
        errno = saved;
        return err;
    }
    *out = p;
    return 0;
}

/* --- the end --- */

void tine__pool_shutdown(struct pool *p, bool cancel) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (p->state == POOL_OPEN)
        p->state = POOL_CLOSING;
    if (!p->gone) {
        if (cancel && p->state == POOL_CLOSING)
            tine__pool_cancel_all(p);
        tine__pool_collect(p);
        tine__pool_notify(p);
        tine__wakeup_send(&p->wakeup);
    }
    pthread_mutex_unlock(&p->lock);
}

static struct failure *killed_reason(int signal) {
    struct failure *f = tine__failure_new(TINE_EBROKEN);
    if (f)
        tine__failure_say(f, "the pool's workers were %s",
                          signal == SIGKILL ? "killed (kill_workers)"
                                            : "terminated (terminate_workers)");
    return f;
}

void tine__pool_kill(struct pool *p, int signal) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (p->state <= POOL_CLOSING) {
        tine__pool_collect(p); /* what is finished counts */
        p->state = POOL_KILLED;
        p->reason = killed_reason(signal);
        p->kill_at = signal == SIGKILL ? 0 : tine__now() + TERM_GRACE;
        tine__pool_fail_all(p);
        for (unsigned w = 1; w <= p->workers_max && signal != SIGKILL; w++)
            if (p->workers[w].state != WORKER_NONE)
                p->backend->ops->kill(p->backend, w, signal);
    } else if (p->state == POOL_KILLED && signal == SIGKILL) {
        p->kill_at = 0;
    }
    if (!p->gone)
        tine__pool_progress(p);
    tine__wakeup_send(&p->wakeup);
    pthread_mutex_unlock(&p->lock);
}

bool tine__pool_ended(struct pool *p) {
    return atomic_load_explicit(&p->ended, memory_order_acquire);
}

void tine__pool_join(struct pool *p) {
    if (tine__pool_is_forked(p) || p->joined)
        return;
    pthread_join(p->manager, NULL);
    pthread_mutex_lock(&p->lock);
    while (p->waiting > 0) { /* they have been woken, and may still hold our descriptors */
        pthread_mutex_unlock(&p->lock);
        sched_yield();
        pthread_mutex_lock(&p->lock);
    }
    p->joined = true;
    tine__store_retire(p->store);
    p->backend->ops->retire(p->backend);
    p->bells.waiter.fd = p->bells.manager.fd = -1;
    tine__wakeup_close(&p->wakeup);
    tine__close(&p->notify);
    pthread_mutex_unlock(&p->lock);
}

/* --- looking --- */

/* Items that a worker has taken up: it runs one task of each. */
static uint64_t count_running(struct pool *p) {
    uint64_t n = 0;
    for (uint32_t ref = 0; ref < p->nrefs && p->state <= POOL_CLOSING; ref++)
        if (p->queued[ref])
            n += tine__item_is_taken(p, p->queued[ref]);
    return n;
}

void tine__pool_stats(struct pool *p, struct pool_stats *out) {
    memset(out, 0, sizeof *out);
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (!p->gone)
        tine__pool_collect(p);
    out->submitted = p->stats.submitted;
    out->finished = p->stats.finished;
    out->failed = p->stats.failed;
    out->cancelled = p->stats.cancelled;
    out->workers_started = p->stats.workers_started;
    out->workers_lost = p->stats.workers_lost;
    out->running = count_running(p);
    out->pending = out->submitted - out->finished - out->failed - out->cancelled - out->running;
    pthread_mutex_unlock(&p->lock);
}

static const char *worker_state(struct pool *p, unsigned w) {
    uint64_t id, started;
    if (p->workers[w].state == WORKER_STARTING)
        return "starting";
    enum run_state run = p->backend->ops->running(p->backend, w, &id, &started);
    return run == RUN_IDLE ? "idle" : "running";
}

static bool knows_pids(const struct pool *p) {
    for (unsigned w = 1; w <= p->workers_max; w++)
        if (p->workers[w].state != WORKER_NONE && p->workers[w].pid == 0)
            return false;
    return true;
}

/* A worker may be at work before the word of its pid has been read: hear what there is, and give the
** fork server a moment for those that it is just forking. */
static void learn_pids(struct pool *p) {
    struct backend_sink sink = {0};
    uint64_t end = tine__now() + PIDS_PATIENCE;
    tine__pool_death_sink(p, &sink);
    while (!p->gone && !knows_pids(p)) {
        tine__pool_hear(p, &sink);
        if (knows_pids(p) || tine__now() >= end)
            break;
        pthread_mutex_unlock(&p->lock);
        sched_yield();
        pthread_mutex_lock(&p->lock);
    }
    if (p->gone) /* it was us who heard it */
        tine__wakeup_send(&p->wakeup);
}

unsigned tine__pool_workers(struct pool *p, struct worker_info *out, unsigned max) {
    unsigned n = 0;
    if (tine__pool_is_forked(p))
        return 0;
    pthread_mutex_lock(&p->lock);
    learn_pids(p);
    if (!p->gone)
        tine__pool_collect(p);
    for (unsigned w = 1; w <= p->workers_max; w++) {
        const struct worker *worker = &p->workers[w];
        if (worker->state == WORKER_NONE || worker->state == WORKER_LEAVING || worker->doomed)
            continue;
        if (n < max)
            out[n] = (struct worker_info){w, worker->pid, worker_state(p, w), worker->tasks};
        n++;
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

struct failure *tine__pool_reason(struct pool *p) {
    if (tine__pool_is_forked(p))
        return NULL;
    pthread_mutex_lock(&p->lock);
    struct failure *f = tine__failure_ref(p->reason);
    pthread_mutex_unlock(&p->lock);
    return f;
}

bool tine__pool_is_open(struct pool *p) {
    if (tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool open = p->state == POOL_OPEN;
    pthread_mutex_unlock(&p->lock);
    return open;
}

uint64_t tine__pool_unfinished(struct pool *p) {
    if (tine__pool_is_forked(p))
        return 0;
    pthread_mutex_lock(&p->lock);
    uint64_t n = p->open_items;
    pthread_mutex_unlock(&p->lock);
    return n;
}

size_t tine__task_label(const struct task_name *name, uint32_t k, char *out, size_t size) {
    const struct codec_origin *o = name->origin;
    char index[32] = "";
    unsigned long long id = name->id + k;
    int n;
    if (name->index)
        snprintf(index, sizeof index, "[%llu]", (unsigned long long)name->index + k);
    if (name->label)
        n = snprintf(out, size, "%.*s%s", (int)name->label_len, name->label, index);
    else if (!o || !o->name)
        n = snprintf(out, size, "task%s #%llu", index, id);
    else if (o->line > 0)
        n = snprintf(out, size, "%s%s (%s:%d) #%llu", o->name, index, o->source, o->line, id);
    else
        n = snprintf(out, size, "%s%s #%llu", o->name, index, id);
    return n < 0 ? 0 : (size_t)n;
}

/* What a pool says of itself. */
#include <sched.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"

#define PIDS_PATIENCE (100 * MILLISECOND)

/* Items that a worker has taken up: it runs one task of each. */
uint64_t tine__pool_running(struct pool *p) {
    uint64_t n = 0;
    for (uint32_t ref = 0; ref < p->s.nrefs && !pool_site_is_gone(p); ref++)
        if (p->s.sent[ref])
            n += p->site->ops->taken(p->site, ref);
    return n;
}

void tine__pool_stats(struct pool *p, struct pool_stats *out) {
    memset(out, 0, sizeof *out);
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (!pool_site_is_gone(p))
        tine__take_in(p, false);
    out->submitted = p->submitted;
    out->finished = p->ends.finished;
    out->failed = p->ends.failed;
    out->cancelled = p->ends.cancelled;
    out->workers_started = p->in_process ? 0 : p->s.started;
    out->workers_lost = p->in_process ? 0 : p->s.lost_ones;
    out->running = tine__pool_running(p);
    out->pending = out->submitted - out->finished - out->failed - out->cancelled - out->running;
    pthread_mutex_unlock(&p->lock);
}

static bool knows_pids(const struct pool *p) {
    for (unsigned w = 1; w <= p->s.top; w++)
        if (p->s.workers[w].state != WORKER_NONE && p->s.workers[w].pid == 0)
            return false;
    return true;
}

/* A worker may be at work before the word of its pid has been read: hear what there is, and give the
** fork server a moment for those that it is just forking. */
static void learn_pids(struct pool *p) {
    uint64_t end = tine__now() + PIDS_PATIENCE;
    while (!pool_site_is_gone(p) && !knows_pids(p)) {
        tine__take_in(p, true);
        if (knows_pids(p) || tine__now() >= end)
            break;
        pthread_mutex_unlock(&p->lock);
        sched_yield();
        pthread_mutex_lock(&p->lock);
    }
    if (pool_site_is_gone(p)) /* it was us who heard it */
        tine__wakeup_send(&p->wakeup);
}

static const char *state_name(struct pool *p, unsigned w) {
    if (p->s.workers[w].state == WORKER_STARTING)
        return "starting";
    if (p->s.workers[w].state != WORKER_READY)
        return "ending";
    return p->site->ops->busy(p->site, w) ? "running" : "idle";
}

unsigned tine__pool_workers(struct pool *p, struct worker_info *out, unsigned max) {
    unsigned n = 0;
    if (tine__pool_is_forked(p) || p->in_process)
        return 0;
    pthread_mutex_lock(&p->lock);
    learn_pids(p);
    if (!pool_site_is_gone(p))
        tine__take_in(p, false);
    for (unsigned w = 1; w <= p->s.top; w++) {
        const struct worker *worker = &p->s.workers[w];
        if (worker->state == WORKER_NONE)
            continue;
        if (n < max)
            out[n] = (struct worker_info){w, worker->pid, state_name(p, w), worker->tasks};
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
    bool open = p->s.life == LIFE_OPEN;
    pthread_mutex_unlock(&p->lock);
    return open;
}

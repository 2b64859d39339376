/* Run-time limits: ending tasks that have run too long. */
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"

/* Look at what one worker runs; when to look at it again. */
static uint64_t check_worker(struct pool *p, unsigned w, uint64_t now) {
    uint64_t id, started;
    if (p->backend->ops->running(p->backend, w, &id, &started) != RUN_RUNNING || !started)
        return UINT64_MAX;
    struct item *item = tine__pool_find(p, id);
    if (!item || !item->limit)
        return UINT64_MAX;
    if (now < started + item->limit)
        return started + item->limit;
    if (p->backend->ops->condemn(p->backend, w, id)) {
        tine__pool_doom(p, w);
        tine__pool_settle_failed(p, item, (uint32_t)(id - item->name.id), TINE_ETIMEOUT, NULL);
    }
    return now;
}

uint64_t tine__pool_check_limits(struct pool *p, uint64_t now) {
    if (p->timed_items == 0)
        return UINT64_MAX;
    uint64_t ends = p->stats.failed;
    /* a task that is taken up later cannot be over its limit before this */
    uint64_t next = now + p->least_limit;
    for (unsigned w = 1; w <= p->workers_max; w++) {
        if (p->workers[w].state == WORKER_NONE || p->workers[w].doomed)
            continue;
        uint64_t at = check_worker(p, w, now);
        if (at < next)
            next = at;
    }
    if (p->stats.failed != ends)
        tine__pool_notify(p);
    return next;
}

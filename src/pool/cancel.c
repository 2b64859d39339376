/* Cancel and abort: who decides that a task never runs, or runs no longer.
**
** Each decision is one compare-and-swap that either the worker or we win: on the slot's state (not taken
** yet), on the word `running` of the worker's link (its rest of a chunk is stopped; the task is
** condemned). So every task has one ending.
*/
#include <errno.h>
#include <sched.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"

/* Take the item out of the queue if nobody has taken it. */
static bool withdraw(struct pool *p, struct item *item) {
    if (item->state != ITEM_QUEUED || item->taken)
        return false;
    if (p->backend->ops->withdraw(p->backend, item->seq))
        return true;
    item->taken = true;
    return false;
}

/* Is it certain that no task of the item runs, or will? Then it may be settled by us. */
static bool not_started(struct pool *p, struct item *item) {
    return item->state == ITEM_PENDING || withdraw(p, item);
}

bool tine__item_is_taken(struct pool *p, struct item *item) {
    if (item->state == ITEM_QUEUED && !item->taken)
        item->taken = p->backend->ops->taken(p->backend, item->seq);
    return item->state == ITEM_QUEUED && item->taken;
}

enum task_state tine__task_state(struct pool *p, struct item *item, uint32_t k) {
    if (outcome_settled(&item->outcomes[k]))
        return TASK_SETTLED;
    if (tine__pool_is_forked(p))
        return TASK_PENDING;
    enum task_state state = TASK_PENDING;
    pthread_mutex_lock(&p->lock);
    tine__pool_collect(p);
    if (outcome_settled(&item->outcomes[k]))
        state = TASK_SETTLED;
    else if (tine__item_is_taken(p, item))
        state = TASK_RUNNING;
    pthread_mutex_unlock(&p->lock);
    return state;
}

/* Stop a chunk that a worker has: tasks from *next on never run. */
static bool stop_chunk(struct pool *p, struct item *item, uint32_t *next) {
    uint64_t id = item->name.id + item->first, stop;
    uint32_t count = item->count - item->first;
    for (unsigned w = 1; w <= p->workers_max; w++)
        if (p->workers[w].state != WORKER_NONE &&
            p->backend->ops->stop(p->backend, w, id, count, &stop)) {
            *next = (uint32_t)(stop - item->name.id);
            return true;
        }
    return false;
}

static uint32_t cancel_item(struct pool *p, struct item *item) {
    uint32_t next = item->count;
    if (item->open == 0)
        return 0;
    if (not_started(p, item))
        next = item->first;
    else if (item->count - item->first <= 1 || !stop_chunk(p, item, &next))
        return 0;
    return tine__pool_settle_rest(p, item, next, TINE_ECANCELLED, NULL);
}

uint32_t tine__item_cancel(struct pool *p, struct item *item) {
    if (tine__pool_is_forked(p))
        return 0;
    pthread_mutex_lock(&p->lock);
    tine__pool_collect(p);
    uint32_t n = cancel_item(p, item);
    if (n > 0) {
        tine__pool_notify(p);
        tine__pool_progress(p);
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

bool tine__task_cancel(struct pool *p, struct item *item, uint32_t k) {
    if (tine__pool_is_forked(p))
        return false;
    const struct outcome *o = &item->outcomes[k];
    if (!outcome_settled(o) && item->count == 1)
        tine__item_cancel(p, item);
    return outcome_settled(o) && o->state == OUTCOME_FAILED && o->code == TINE_ECANCELLED;
}

void tine__pool_cancel_all(struct pool *p) {
    while (!list_empty(&p->pending))
        cancel_item(p, LIST_ITEM(p->pending.next, struct item, node));
    for (uint32_t ref = 0; ref < p->nrefs; ref++)
        if (p->queued[ref])
            cancel_item(p, p->queued[ref]);
}

void tine__pool_doom(struct pool *p, unsigned worker) {
    struct worker *w = &p->workers[worker];
    if (!w->doomed && w->state != WORKER_LEAVING)
        p->live--;
    w->doomed = true;
    w->unkilled = p->backend->ops->kill(p->backend, worker, SIGKILL) != 0;
    if (w->unkilled)
        p->retry = true;
}

/* End the task by force if a worker is in the middle of it. */
static bool condemn(struct pool *p, struct item *item, uint32_t k) {
    for (unsigned w = 1; w <= p->workers_max; w++)
        if (p->workers[w].state != WORKER_NONE &&
            p->backend->ops->condemn(p->backend, w, item->name.id + k)) {
            tine__pool_doom(p, w);
            tine__pool_settle_failed(p, item, k, TINE_ECANCELLED, NULL);
            return true;
        }
    return false;
}

bool tine__task_abort(struct pool *p, struct item *item, uint32_t k) {
    if (tine__pool_is_forked(p))
        return false;
    bool ended = false;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        tine__pool_collect(p);
        bool settled = outcome_settled(&item->outcomes[k]);
        if (!settled)
            ended = item->count == 1 && not_started(p, item)
                        ? tine__pool_settle_rest(p, item, 0, TINE_ECANCELLED, NULL) > 0
                        : condemn(p, item, k);
        if (ended) {
            tine__pool_notify(p);
            tine__pool_progress(p);
        }
        pthread_mutex_unlock(&p->lock);
        if (settled || ended)
            return ended;
        /* between taking it and saying so, or between its end and its answer: a few instructions of the
        ** worker, or its death, which the manager sees */
        sched_yield();
    }
}

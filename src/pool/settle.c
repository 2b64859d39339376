/* Settling: from result records to outcomes, and from outcomes to whoever waits for them. */
#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "pool/outcome.h"

/* --- items by their names --- */

struct item *tine__pool_find(struct pool *p, uint64_t id) {
    for (uint32_t ref = 0; ref < p->nrefs; ref++) {
        struct item *item = p->queued[ref];
        if (item && id - item->name.id < item->count)
            return item;
    }
    return NULL;
}

struct item *tine__pool_find_seq(struct pool *p, uint64_t seq) {
    for (uint32_t ref = 0; ref < p->nrefs; ref++)
        if (p->queued[ref] && p->queued[ref]->seq == seq)
            return p->queued[ref];
    return NULL;
}

void tine__pool_unqueue(struct pool *p, struct item *item) {
    assert(p->queued[item->ref] == item);
    p->queued[item->ref] = NULL;
    p->free_refs[p->nfree++] = item->ref;
}

/* --- one task's end --- */

/* The owner is to hear of it. */
static void list_done(struct pool *p, struct item *item) {
    if (item->listed)
        return;
    item->listed = true;
    list_push(&p->done, &item->news);
    atomic_store_explicit(&p->has_done, true, memory_order_release);
}

/* No task of the item is open any more. */
static void finish_item(struct pool *p, struct item *item) {
    if (item->state == ITEM_QUEUED)
        tine__pool_unqueue(p, item);
    list_remove(&item->node);
    tine__pool_free_payload(p, item);
    item->state = ITEM_DONE;
    p->open_items--;
    p->watched_items -= item->watched;
    if (item->limit)
        p->timed_items--;
}

static void count_end(struct pool *p, const struct outcome *o) {
    if (o->state == OUTCOME_VALUES)
        p->stats.finished++;
    else if (o->state == OUTCOME_FAILED && o->code == TINE_ECANCELLED)
        p->stats.cancelled++;
    else
        p->stats.failed++;
}

/* After the outcome of task `k` was set. */
static void settled(struct pool *p, struct item *item, uint32_t k) {
    assert(item->open > 0);
    count_end(p, &item->outcomes[k]);
    if (--item->open == 0)
        finish_item(p, item);
    list_done(p, item);
}

void tine__pool_settle_bytes(struct pool *p, struct item *item, uint32_t k,
                             enum outcome_state state, int code, const char *bytes, size_t length) {
    tine__outcome_set_bytes(&item->outcomes[k], state, code, bytes, length);
    settled(p, item, k);
}

void tine__pool_settle_failed(struct pool *p, struct item *item, uint32_t k, int code,
                              struct failure *f) {
    tine__outcome_set_failure(&item->outcomes[k], code, f);
    settled(p, item, k);
}

uint32_t tine__pool_settle_rest(struct pool *p, struct item *item, uint32_t from, int code,
                                struct failure *f) {
    uint32_t n = 0;
    for (uint32_t k = from; k < item->count; k++)
        if (!outcome_settled(&item->outcomes[k])) {
            tine__pool_settle_failed(p, item, k, code, f);
            n++;
        }
    return n;
}

/* --- results --- */

/* The item and task that a record is about; NULL when there is none such. */
static struct item *item_of(struct pool *p, const struct result_item *r, uint32_t *k) {
    struct item *item = r->ref < p->nrefs ? p->queued[r->ref] : NULL;
    if (!item || r->id - item->name.id >= item->count)
        return NULL;
    *k = (uint32_t)(r->id - item->name.id);
    return item;
}

static void set_result(struct pool *p, struct item *item, uint32_t k, const struct result_item *r,
                       bool *keep) {
    enum outcome_state state = r->kind == RECORD_VALUES  ? OUTCOME_VALUES
                               : r->kind == RECORD_ERROR ? OUTCOME_ERROR
                                                         : OUTCOME_FAILED;
    int code = r->kind == RECORD_ERROR     ? TINE_ETASK
               : r->kind == RECORD_REFUSED ? TINE_ESERIALIZE
                                           : 0;
    if (!r->large) {
        tine__pool_settle_bytes(p, item, k, state, code, r->bytes, r->length);
        return;
    }
    *keep = tine__outcome_set_block(&item->outcomes[k], state, code, p, r);
    p->kept += *keep;
    settled(p, item, k);
}

static void answer_lost(struct pool *p, struct item *item, uint32_t k,
                        const struct result_item *r) {
    struct failure *f = tine__failure_new(TINE_ESYSTEM);
    if (f) {
        f->error = r->error;
        tine__failure_say(f, "the result cannot be read: %s", strerror(r->error));
    }
    tine__pool_settle_failed(p, item, k, TINE_ESYSTEM, f);
    tine__failure_unref(f);
}

static bool task_result(struct pool *p, const struct result_item *r, bool *keep) {
    uint32_t k;
    struct item *item = item_of(p, r, &k);
    if (!item || outcome_settled(&item->outcomes[k]))
        return false;
    item->taken = true;
    p->workers[r->worker].tasks++;
    p->failed_starts = 0;
    if (r->error)
        answer_lost(p, item, k, r);
    else
        set_result(p, item, k, r, keep);
    return true;
}

/* A chunk was left in the middle. Tasks that were cancelled are settled already; others (the worker ends
** after so many tasks) go to the next worker. */
static void chunk_stopped(struct pool *p, const struct result_item *r) {
    uint32_t k;
    struct item *item = item_of(p, r, &k);
    if (item && !outcome_settled(&item->outcomes[k]))
        tine__pool_requeue(p, item, k);
}

static void worker_ready(struct worker *w) {
    if (w->state == WORKER_STARTING)
        w->state = WORKER_READY;
}

static void worker_leaves(struct pool *p, struct worker *w) {
    if (w->state == WORKER_LEAVING)
        return;
    w->state = WORKER_LEAVING;
    if (!w->doomed)
        p->live--;
}

static void initializer_failed(struct pool *p, const struct result_item *r) {
    struct failure *f = tine__failure_new(TINE_EBROKEN);
    if (f) {
        f->worker = r->worker;
        f->pid = p->workers[r->worker].pid;
        f->cause = sys.malloc(r->length);
        if (f->cause) {
            memcpy(f->cause, r->bytes, r->length);
            f->cause_len = r->length;
        }
        tine__failure_say(f, "the pool is broken: its initializer failed");
    }
    tine__pool_break(p, f);
}

static bool on_result(void *arg, const struct result_item *r, bool *keep) {
    struct pool *p = arg;
    struct worker *w = &p->workers[r->worker];
    if (p->state > POOL_CLOSING)
        return true; /* all is settled; what still comes is too late */
    switch (r->kind) {
    case RECORD_READY:
        worker_ready(w);
        return true;
    case RECORD_LEAVING:
        worker_leaves(p, w);
        return true;
    case RECORD_FAILED:
        initializer_failed(p, r);
        return true;
    case RECORD_SPOILT:
        w->spoilt = true;
        return true;
    case RECORD_STOPPED:
        chunk_stopped(p, r);
        return true;
    default:
        return task_result(p, r, keep);
    }
}

static void on_rubbish(void *arg, unsigned worker) {
    /* the death that follows blames the task it runs */
    struct pool *p = arg;
    p->workers[worker].rubbish = true;
    if (p->backend->ops->kill(p->backend, worker, SIGKILL)) {
        p->workers[worker].unkilled = true;
        p->retry = true;
    }
}

void tine__pool_result_sink(struct pool *p, struct backend_sink *sink) {
    sink->result = on_result;
    sink->rubbish = on_rubbish;
    sink->arg = p;
}

static uint64_t ends(const struct pool *p) {
    return p->stats.finished + p->stats.failed + p->stats.cancelled;
}

void tine__pool_collect(struct pool *p) {
    uint64_t before = ends(p);
    if (p->backend->ops->pending(p->backend)) {
        struct backend_sink sink = {0};
        tine__pool_result_sink(p, &sink);
        p->backend->ops->collect(p->backend, &sink);
    }
    tine__pool_progress(p);
    if (ends(p) != before)
        tine__pool_notify(p);
}

void tine__pool_hear(struct pool *p, const struct backend_sink *sink) {
    uint64_t before = ends(p), lost = p->stats.workers_lost;
    p->backend->ops->control(p->backend, sink);
    tine__pool_progress(p);
    if (ends(p) != before || p->stats.workers_lost != lost)
        tine__pool_notify(p);
}

/* --- whom it concerns --- */

void tine__pool_notify(struct pool *p) {
    if (p->notify != -1 && !list_empty(&p->done))
        tine__fd_ring(p->notify);
    for (struct list *n = p->waiters.next; n != &p->waiters; n = n->next) {
        struct wait_entry *entry = LIST_ITEM(n, struct wait_entry, node);
        if (n == p->waiters.next)
            tine__fd_ring(
                p->bells.waiter.fd); /* armed or not: who disarmed it may have died since */
        else
            tine__fd_ring(entry->fd);
    }
}

/* --- the owner's side --- */

void tine__pool_poll(struct pool *p) {
    if (tine__pool_is_forked(p) || tine__pool_ended(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (p->backend->ops->pending(p->backend))
        tine__pool_collect(p);
    pthread_mutex_unlock(&p->lock);
}

bool tine__pool_has_done(struct pool *p) {
    return atomic_load_explicit(&p->has_done, memory_order_acquire);
}

/* (lock held) The first item of the done list, which is not empty, is its owner's. */
static struct item *take_first(struct pool *p) {
    struct item *item = LIST_ITEM(p->done.next, struct item, news);
    list_remove(&item->news);
    item->listed = false;
    item->released = item->open == 0;
    return item;
}

/* (lock held) Some have been taken. */
static void taken(struct pool *p) {
    if (!list_empty(&p->done))
        return;
    atomic_store_explicit(&p->has_done, false, memory_order_relaxed);
    if (p->notify != -1)
        tine__bell_clear(p->notify);
}

unsigned tine__pool_take_done(struct pool *p, struct item **out, unsigned max) {
    unsigned n = 0;
    if (!tine__pool_has_done(p) || tine__pool_is_forked(p))
        return 0;
    pthread_mutex_lock(&p->lock);
    while (n < max && !list_empty(&p->done))
        out[n++] = take_first(p);
    taken(p);
    pthread_mutex_unlock(&p->lock);
    return n;
}

struct item *tine__pool_take_unwatched(struct pool *p) {
    struct item *item = NULL;
    if (!tine__pool_has_done(p) || tine__pool_is_forked(p))
        return NULL;
    pthread_mutex_lock(&p->lock);
    if (!list_empty(&p->done) && !LIST_ITEM(p->done.next, struct item, news)->watched)
        item = take_first(p);
    taken(p);
    pthread_mutex_unlock(&p->lock);
    return item;
}

void tine__pool_call_owner(struct pool *p) {
    if (!tine__pool_has_done(p) || tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (p->on_done && p->notify == -1)
        tine__wakeup_send(&p->wakeup);
    pthread_mutex_unlock(&p->lock);
}

int tine__pool_fileno(struct pool *p) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    pthread_mutex_lock(&p->lock);
    if (p->joined) { /* nobody would close it any more */
        pthread_mutex_unlock(&p->lock);
        return TINE_ESHUTDOWN;
    }
    if (p->notify == -1) {
        p->notify = tine__fd_event();
        if (p->notify != -1 && !list_empty(&p->done))
            tine__fd_ring(p->notify);
        tine__wakeup_send(&p->wakeup); /* from now on the manager takes in every result */
    }
    int fd = p->notify;
    pthread_mutex_unlock(&p->lock);
    return fd == -1 ? TINE_ESYSTEM : fd;
}

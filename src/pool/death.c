/* Deaths: who is to blame, what goes on, and when the pool is broken. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"

#define FAILED_STARTS 3 /* workers in a row that died before they took up a task break the pool */

/* --- the broken pool --- */

void tine__pool_fail_all(struct pool *p) {
    int code = TINE_EBROKEN;
    for (uint32_t ref = 0; ref < p->nrefs; ref++)
        if (p->queued[ref])
            tine__pool_settle_rest(p, p->queued[ref], 0, code, p->reason);
    while (!list_empty(&p->pending))
        tine__pool_settle_rest(p, LIST_ITEM(p->pending.next, struct item, node), 0, code,
                               p->reason);
    tine__pool_notify(p);
}

void tine__pool_break(struct pool *p, struct failure *f) {
    if (p->state > POOL_CLOSING) {
        tine__failure_unref(f);
        return;
    }
    p->state = POOL_BROKEN;
    p->reason = f;
    tine__pool_fail_all(p);
    tine__pool_progress(p);
}

/* --- the death of a worker --- */

/* What it was doing: the task it had begun, or the first one of the item it had just taken. */
static struct item *victim(struct pool *p, unsigned worker, uint32_t *k) {
    uint64_t seq, id, started;
    struct item *item = NULL;
    if (p->backend->ops->reclaim(p->backend, worker, &seq)) {
        item = tine__pool_find_seq(p, seq);
        if (item) {
            *k = item->first;
            return item;
        }
    }
    if (p->backend->ops->running(p->backend, worker, &id, &started) == RUN_IDLE)
        return NULL;
    item = tine__pool_find(p, id);
    if (item)
        *k = (uint32_t)(id - item->name.id);
    return item;
}

static void say_end(char *out, size_t size, int status, bool spoilt) {
    if (spoilt)
        snprintf(out, size, "a task closed or replaced its descriptors");
    else if (WIFSIGNALED(status))
        snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exit code %d", WEXITSTATUS(status));
}

static void blame(struct failure *f, const struct item *item, uint32_t k) {
    char label[256];
    tine__task_label(&item->name, k, label, sizeof label);
    f->task = item->name.id + k;
    f->label = strdup(label);
    if (item->name.origin) {
        f->source = strdup(item->name.origin->source);
        f->line = item->name.origin->line;
    }
}

/* `item` NULL: it was running nothing. */
static struct failure *death_failure(int code, unsigned worker, const struct worker *w, int pid,
                                     int status, const struct item *item, uint32_t k) {
    struct failure *f = tine__failure_new(code);
    if (!f)
        return NULL;
    char end[96], place[128] = "";
    say_end(end, sizeof end, status, w->spoilt);
    f->worker = worker;
    f->pid = pid;
    f->has_status = true;
    f->status = status;
    if (item)
        blame(f, item, k);
    if (f->source && f->line > 0 && !strstr(f->label, f->source))
        snprintf(place, sizeof place, " (%.100s:%d)", f->source, f->line);
    tine__failure_say(f, "%sworker %u (pid %d) died while it was %s%s%s: %s",
                      code == TINE_EBROKEN ? "the pool is broken: " : "", worker, pid,
                      f->label                      ? "running "
                      : w->state == WORKER_STARTING ? "starting"
                                                    : "idle",
                      f->label ? f->label : "", place, end);
    return f;
}

/* The worker's place is free again. */
static void forget(struct pool *p, unsigned worker) {
    struct worker *w = &p->workers[worker];
    if (w->state != WORKER_LEAVING && !w->doomed)
        p->live--;
    p->present--;
    *w = (struct worker){.state = WORKER_NONE};
    p->backend->ops->forget(p->backend, worker);
}

/* After a task's end by force, or a death that ends only the task itself: the rest of its chunk runs elsewhere. */
static void go_on_after(struct pool *p, struct item *item, uint32_t k) {
    if (item->state == ITEM_QUEUED && item->open > 0 && k + 1 < item->count)
        tine__pool_requeue(p, item, k + 1);
}

/* Is it a task of the item that some worker is at, or has just finished? */
static bool in_good_hands(struct pool *p, const struct item *item) {
    uint64_t id, started;
    for (unsigned w = 1; w <= p->workers_max; w++)
        if (p->workers[w].state != WORKER_NONE &&
            p->backend->ops->running(p->backend, w, &id, &started) != RUN_IDLE &&
            id - item->name.id < item->count)
            return true;
    return false;
}

/* A worker that scribbled over its answers took those with it that lay behind the rubbish: items which
** somebody has taken, which nobody is at, and which no answer settles. In this order, so that none is
** mistaken: a worker says what it runs before it frees the slot, and answers before it says no more. */
static void settle_lost(struct pool *p, struct failure *f) {
    for (uint32_t ref = 0; ref < p->nrefs; ref++) {
        struct item *item = p->queued[ref];
        if (!item || !p->backend->ops->freed(p->backend, item->seq) || in_good_hands(p, item))
            continue;
        tine__pool_collect(p);
        if (p->queued[ref] == item)
            tine__pool_settle_rest(p, item, item->first, TINE_ECRASHED, f);
    }
}

/* `item` NULL: it had none. Task k may have its answer already: then it died between two tasks of a chunk
** and nobody is to blame. */
static void crashed(struct pool *p, unsigned worker, int pid, int status, struct item *item,
                    uint32_t k) {
    struct worker w = p->workers[worker];
    bool useless = !item && w.tasks == 0;
    struct item *culprit = item && !outcome_settled(&item->outcomes[k]) ? item : NULL;
    p->stats.workers_lost++;
    forget(p, worker);
    p->failed_starts = useless ? p->failed_starts + 1 : 0;
    if (!p->replace || p->failed_starts >= FAILED_STARTS) {
        tine__pool_break(p, death_failure(TINE_EBROKEN, worker, &w, pid, status, culprit, k));
        return;
    }
    struct failure *f = death_failure(TINE_ECRASHED, worker, &w, pid, status, culprit, k);
    if (culprit)
        tine__pool_settle_failed(p, item, k, TINE_ECRASHED, f);
    if (item)
        go_on_after(p, item, k);
    if (w.rubbish)
        settle_lost(p, f);
    tine__failure_unref(f);
}

static void on_exited(void *arg, unsigned worker, int pid, int status) {
    struct pool *p = arg;
    struct worker *w = &p->workers[worker];
    if (w->state == WORKER_NONE)
        return;
    uint32_t k = 0;
    struct item *item = p->state <= POOL_CLOSING ? victim(p, worker, &k) : NULL;
    if (p->state > POOL_CLOSING) {
        forget(p, worker);
    } else if (w->doomed) {
        forget(p, worker);
        if (item)
            go_on_after(p, item, k); /* task k has its ending already */
    } else if ((p->shut || w->state == WORKER_LEAVING) && !item) {
        forget(p, worker);
    } else {
        crashed(p, worker, pid, status, item, k);
    }
    tine__pool_progress(p);
}

/* --- the fork server --- */

static void on_started(void *arg, unsigned worker, int pid) {
    struct pool *p = arg;
    p->workers[worker].pid = pid;
}

static void on_not_started(void *arg, unsigned worker, int error) {
    struct pool *p = arg;
    if (p->workers[worker].state == WORKER_NONE)
        return;
    forget(p, worker);
    p->stats.workers_started--;
    if (p->live > 0 || p->open_items == 0)
        return; /* those that are there go on; the next demand tries again */
    struct failure *f = tine__failure_new(TINE_EBROKEN);
    if (f) {
        f->error = error;
        tine__failure_say(f, "the pool is broken: cannot start a worker: %s", strerror(error));
    }
    tine__pool_break(p, f);
}

static void on_failed(void *arg, int error, const char *segment, size_t length) {
    struct pool *p = arg;
    struct failure *f = tine__failure_new(TINE_EBROKEN);
    if (f && error) {
        f->error = error;
        tine__failure_say(f, "the pool is broken: %.*s", (int)length, segment);
    } else if (f) {
        f->cause = sys.malloc(length);
        if (f->cause) {
            memcpy(f->cause, segment, length);
            f->cause_len = length;
        }
        tine__failure_say(f, "the pool is broken: its preload failed");
    }
    tine__pool_break(p, f);
}

static void on_gone(void *arg) {
    struct pool *p = arg;
    p->gone = true;
    if (!p->ending) {
        struct failure *f = tine__failure_new(TINE_EBROKEN);
        if (f)
            tine__failure_say(f, "the pool is broken: its fork server died");
        tine__pool_break(p, f);
    }
    for (unsigned w = 1; w <= p->workers_max; w++) /* it took them with it */
        if (p->workers[w].state != WORKER_NONE)
            forget(p, w);
}

bool tine__pool_lost(struct pool *p) {
    int control = p->backend->ops->descriptor(p->backend);
    if (p->gone ||
        (control != -1 && tine__fd_ours(control) && tine__fd_ours(p->wakeup.fd) &&
         tine__fd_ours(tine__fd_ringer(p->wakeup.fd)) && tine__fd_ours(p->bells.waiter.fd)))
        return false;
    struct failure *f = p->ending ? NULL : tine__failure_new(TINE_EBROKEN);
    if (f)
        tine__failure_say(f,
                          "the pool is broken: the program has closed or replaced its descriptors");
    tine__pool_break(p, f);
    on_gone(p);
    return true;
}

void tine__pool_death_sink(struct pool *p, struct backend_sink *sink) {
    tine__pool_result_sink(p, sink);
    sink->started = on_started;
    sink->not_started = on_not_started;
    sink->exited = on_exited;
    sink->failed = on_failed;
    sink->gone = on_gone;
}

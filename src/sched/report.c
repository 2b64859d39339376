/* What the site reports: results, and what becomes of workers and of the site. */
#include <assert.h>
#include <signal.h>
#include "base/hot.h"
#include "sched/internal.h"

#define FAILED_STARTS 3 /* workers in a row that die before they take up a task break the pool */

/* The SENT call of this ref if `id` is one of its tasks; else NULL. *k: which. */
static struct task *find(struct sched *s, uint32_t ref, uint64_t id, uint32_t *k) {
    struct task *t = sched_sent(s, ref);
    if (!t || id - t->call.id >= t->call.count)
        return NULL;
    *k = (uint32_t)(id - t->call.id);
    return t;
}

/* --- results --- */

/* How a task ends by the kind of its result alone; ENDING_NONE: as the result says. */
static enum ending ending_of(const struct report *r) {
    if (r->kind == REPORT_VALUES)
        return ENDING_NONE; /* as nearly all */
    switch (r->kind) {
    case REPORT_TIMEOUT:
        return ENDING_TIMEOUT;
    case REPORT_CPU:
        return ENDING_CPU;
    case REPORT_CRASHED:
        return ENDING_CRASHED;
    case REPORT_AWAY:
        return ENDING_LOST;
    default:
        return ENDING_NONE;
    }
}

static void answered(struct worker *w, const struct report *r) {
    w->tasks++;
    if (r->ended < r->started)
        return;
    w->ran += r->ended - r->started;
    w->changed = r->ended;
}

HOT struct task *tine__sched_result(struct sched *s, const struct report *r, uint32_t *k,
                                    enum ending *how, bool *again) {
    struct task *t = find(s, r->ref, r->id, k);
    if (!t || *k != t->next || *k >= t->upto || !sched_is_worker(s, r->worker)) {
        if (sched_is_worker(s, r->worker))
            tine__sched_doom(s, r->worker, DOOM_RUBBISH);
        return NULL;
    }
    answered(&s->workers[r->worker], r);
    s->failed_starts = 0;
    s->recent++;
    bool asked = t->asked;
    t->worker = r->there ? r->there : r->worker;
    t->pid = r->there ? r->pid : s->workers[r->worker].pid;
    t->host = r->host;
    *how = asked || t->doom ? tine__sched_heard(s, t) : ENDING_NONE;
    if (*how == ENDING_NONE)
        *how = ending_of(r);
    bool error = r->kind == REPORT_ERROR || r->kind == REPORT_MEMORY;
    *again = (error || *how != ENDING_NONE) && tine__sched_fails(s, t, *how, error);
    if (*again)
        return t;
    t->attempts++;
    if (++t->next == t->upto)
        tine__sched_done(s, t);
    else if (t->unrun && !t->doom) /* while it was being taken up it could not be recalled */
        tine__sched_wish(s, t, ORDER_RECALL);
    else if (asked && (t->set->timeout || t->set->cpu))
        tine__sched_wish(s, t, ORDER_LOOK); /* the timer was set for the grace of this task */
    return t;
}

/* A worker has left a chunk in the middle: it ends after so many tasks, or was told to stop. */
static void stopped(struct sched *s, const struct report *r) {
    uint32_t k;
    struct task *t = find(s, r->ref, r->id, &k);
    if (!t)
        return;         /* its cancelled tasks have ended already */
    if (k != t->next) { /* results are missing, or there is one too many */
        if (sched_is_worker(s, r->worker))
            tine__sched_doom(s, r->worker, DOOM_RUBBISH);
        return;
    }
    if (t->asked) {
        enum ending how = tine__sched_heard(s, t);
        bool unrun = s->o.far && how == ENDING_TIMEOUT; /* else it was asked while it ran */
        tine__sched_end(s, t, k, k + 1, unrun ? ENDING_LATE : how);
    }
    if (t->state == TASK_DONE)
        return;
    tine__sched_unsend(s, t);
    tine__sched_wait_again(s, t, true);
    tine__sched_overtake(s, true);
}

/* --- workers --- */

static void ready(struct sched *s, const struct report *r) {
    struct worker *w = &s->workers[r->worker];
    w->unborn = false;
    if (w->pid == 0) /* its first results may come before REPORT_STARTED of who has forked it */
        w->pid = r->pid ? r->pid : (int)r->id;
    if (w->state != WORKER_STARTING)
        return;
    w->changed = s->heard;
    s->starting += s->heard - w->since;
    tine__timer_clear(&s->timers, &w->timer);
    w->state = WORKER_READY;
    /* a SIGTERM that came while the worker was starting may have had no effect */
    if (s->life == LIFE_STOPPING && !s->hard)
        tine__sched_signal(s, r->worker, SIGTERM);
}

static void initializer_failed(struct sched *s, const struct report *r) {
    const struct blame b = {.why = WHY_INITIALIZER,
                            .worker = r->worker,
                            .pid = s->workers[r->worker].pid,
                            .error = r->error, /* why the segment cannot be read, or 0 */
                            .segment = r->bytes,
                            .length = r->length};
    tine__sched_stop(s, &b, true);
}

static void not_started(struct sched *s, const struct report *r, uint64_t now) {
    tine__sched_vanish(s, r->worker);
    s->started--;
    if (sched_runnable(s) > s->live && s->life <= LIFE_CLOSING)
        tine__sched_no_process(s, r->error, now);
}

/* --- the death of a worker --- */

static void lose(struct sched *s, struct task *t, uint32_t begun) {
    tine__sched_unsend(s, t);
    t->begun = begun;
    list_push(&s->lost, &t->node);
}

/* A dying worker had this call. How its tasks end is decided when the end of the worker is told,
** which says why. */
static void lost(struct sched *s, const struct report *r) {
    struct task *t = sched_sent(s, r->ref);
    if (!t)
        return;
    uint64_t begun = r->id - t->call.id;
    if (t->asked && begun > t->next + 1 && begun <= t->upto)
        tine__sched_end(s, t, t->next, t->next + 1, tine__sched_heard(s, t)); /* it had answered */
    lose(s, t, begun <= t->call.count ? (uint32_t)begun : 0);
}

static struct task *next_lost(struct sched *s) {
    struct list *node = list_pop(&s->lost);
    return node ? LIST_ITEM(node, struct task, node) : NULL;
}

/* How the tasks of a lost call that had begun end. */
static enum ending end_of_lost(const struct sched *s, const struct task *t) {
    if (t->doom)
        return t->doom;
    return s->life >= LIFE_STOPPING ? ENDING_BROKEN : ENDING_CRASHED;
}

/* The worker is gone. Of its calls the tasks that had begun end, the others wait again or never
** run. A task that was ended by force may not have begun: then it is `next`, and ends alone. */
static void settle_lost(struct sched *s, unsigned worker, int pid) {
    struct task *t;
    while ((t = next_lost(s)) != NULL) {
        if (t->begun > t->next || t->doom) {
            t->worker = worker;
            t->pid = pid;
        }
        enum ending how = end_of_lost(s, t);
        uint32_t begun = t->begun < t->upto ? t->begun : t->upto;
        if (how == ENDING_BROKEN)
            begun = t->upto;
        else if (how != ENDING_CRASHED)
            begun = t->next + 1;
        if (begun > t->next)
            tine__sched_end(s, t, t->next, begun, how);
        tine__sched_wait_again(s, t, true);
        tine__sched_overtake(s, true);
    }
}

/* The call that the worker was in the midst of, if it was not being ended: that may have killed
** it. */
static struct task *find_culprit(struct sched *s) {
    for (struct list *n = s->lost.next; n != &s->lost; n = n->next) {
        struct task *t = LIST_ITEM(n, struct task, node);
        if (!t->doom && t->begun > t->next && t->begun <= t->upto)
            return t;
    }
    return NULL;
}

static void crashed(struct sched *s, const struct report *r, struct task *culprit) {
    const struct worker *w = &s->workers[r->worker];
    s->blame = (struct blame){.why = WHY_CRASH,
                              .worker = r->worker,
                              .pid = r->pid,
                              .has_status = true,
                              .status = r->status,
                              .unborn = w->unborn,
                              .everywhere = tine__sched_owes(s, w),
                              .rubbish = w->doom == DOOM_RUBBISH,
                              .spoilt = r->spoilt,
                              .unfit = r->unfit,
                              .error = r->error,
                              .task = culprit,
                              .k = culprit ? culprit->begun - 1 : 0};
    s->failed_starts = !s->blame.task && w->tasks == 0 ? s->failed_starts + 1 : 0;
    s->lost_ones++;
    bool replaced = s->o.replace && s->failed_starts < FAILED_STARTS;
    if (!replaced)
        tine__sched_break_errands(s); /* first: its departure would end an errand as run */
    tine__sched_depart(s, r->worker, PART_CRASH, &r->status);
    if (replaced) {
        s->died = true;
        s->eventful = true;
        settle_lost(s, r->worker, r->pid);
        return;
    }
    if (s->o.replace)
        s->blame.why = WHY_STARTS;
    tine__sched_stop(s, &s->blame, true);
    settle_lost(s, r->worker, r->pid);
}

static void exited(struct sched *s, const struct report *r) {
    const struct worker *w = &s->workers[r->worker];
    struct task *culprit = find_culprit(s);
    bool asked = w->doom != DOOM_RUBBISH && tine__sched_lost_asked(s);
    bool by_force = (asked || w->doom == DOOM_TASK || w->doom == DOOM_SLOW_EXIT) && !culprit;
    bool in_order =
        (s->life == LIFE_DRAINING || w->state == WORKER_LEAVING) && list_empty(&s->lost);
    if (s->life < LIFE_STOPPING && !by_force && !in_order) {
        crashed(s, r, culprit);
        return;
    }
    tine__sched_depart(s, r->worker, tine__sched_parting(s, r->worker), &r->status);
    settle_lost(s, r->worker, r->pid);
}

/* --- the site --- */

static void failed(struct sched *s, const struct report *r) {
    const struct blame b = {.why = r->error ? WHY_NO_SERVER : WHY_PRELOAD,
                            .error = r->error,
                            .pid = r->pid,
                            .has_status = r->status != 0,
                            .status = r->status,
                            .segment = r->bytes,
                            .length = r->length};
    tine__sched_stop(s, &b, true);
}

/* The site has gone, with all workers and calls. */
static void gone(struct sched *s, const struct report *r) {
    bool expected = s->life >= LIFE_ENDING || (s->life == LIFE_DRAINING && s->present == 0);
    if (!expected)
        tine__sched_stop(s,
                         &(struct blame){.why = WHY_GONE,
                                         .pid = r->pid,
                                         .has_status = r->pid != 0,
                                         .status = r->status,
                                         .error = r->error,
                                         .segment = r->bytes,
                                         .length = r->length},
                         true);
    for (unsigned w = 1; w <= s->top; w++)
        if (s->workers[w].state != WORKER_NONE)
            tine__sched_depart(s, w, tine__sched_parting(s, w), NULL);
    for (uint32_t ref = 0; ref < s->nrefs; ref++)
        if (s->sent[ref])
            lose(s, s->sent[ref], 0);
    settle_lost(s, 0, 0);
    tine__timer_clear(&s->timers, &s->retry);
    tine__timer_clear(&s->timers, &s->end);
    s->life = LIFE_ENDED;
}

static void of_worker(struct sched *s, const struct report *r, uint64_t now) {
    if (!sched_is_worker(s, r->worker))
        return;
    switch (r->kind) {
    case REPORT_READY:
        ready(s, r);
        break;
    case REPORT_INITIALIZER:
        initializer_failed(s, r);
        break;
    case REPORT_LEAVING:
        tine__sched_leaving(s, r->worker, r->id, now);
        break;
    case REPORT_RAN:
        if (!tine__sched_ran(s, r->worker, r->id))
            tine__sched_doom(s, r->worker, DOOM_RUBBISH);
        break;
    case REPORT_IDLE:
        tine__sched_idle(s, r->worker);
        break;
    case REPORT_RUBBISH:
        tine__sched_doom(s, r->worker, DOOM_RUBBISH);
        break;
    case REPORT_STARTED:
        s->workers[r->worker].pid = r->pid;
        break;
    case REPORT_NOT_STARTED:
        not_started(s, r, now);
        break;
    default:
        exited(s, r);
    }
}

void tine__sched_report(struct sched *s, const struct report *r, uint64_t now) {
    assert(!report_is_result(r));
    s->policy.now = now;
    s->heard = now;
    switch (r->kind) {
    case REPORT_NONE:
    case REPORT_SUBMIT: /* the pool tells these by tine__sched_submit and the like */
    case REPORT_AWAIT:
    case REPORT_CANCEL:
    case REPORT_EVENT:
    case REPORT_PROGRESS: /* these decide nothing */
    case REPORT_OUTPUT:
    case REPORT_FAULT:
        break;
    case REPORT_STOPPED:
        stopped(s, r);
        break;
    case REPORT_LOST:
        lost(s, r);
        break;
    case REPORT_ROOM:
        s->full = false;
        tine__sched_let_start(s);
        break;
    case REPORT_FAILED:
        failed(s, r);
        break;
    case REPORT_DESERTED:
        tine__sched_desert(s);
        break;
    case REPORT_GONE:
        gone(s, r);
        break;
    default:
        of_worker(s, r, now);
    }
}

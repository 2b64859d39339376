/* Workers that leave while the pool goes on: there are too many, they are too old, or idle. */
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "sched/internal.h"

static bool takes_calls(const struct worker *w) {
    return w->state == WORKER_STARTING || w->state == WORKER_READY;
}

/* Give the order to dismiss the worker. */
static void order_dismissal(struct sched *s, struct worker *w) {
    if (list_empty(&w->node)) /* else it is about to be signalled */
        list_push(&s->dismissals, &w->node);
    s->stirred = true;
}

/* Have the worker leave, if it takes calls. */
static void dismiss(struct sched *s, unsigned worker, enum parting why) {
    struct worker *w = &s->workers[worker];
    if (!takes_calls(w))
        return;
    tine__sched_retire(s, worker, WORKER_LEAVING);
    w->parting = (uint8_t)why;
    order_dismissal(s, w);
}

/* The worker was told to leave. One that had nothing to do then, and still is there when its time
** is over, was stopped (SIGSTOP), and will not leave. (One that is starting, or runs an errand,
** seems to have nothing to do, too.) */
void tine__sched_dismissed(struct sched *s, unsigned worker, const struct answer *a, uint64_t now) {
    struct worker *w = &s->workers[worker];
    bool idle = a->where == AT_NOBODY && !w->unborn && !tine__sched_owes(s, w);
    if (w->state != WORKER_LEAVING || w->left || !s->o.exit_timeout)
        return;
    if (idle && w->still)
        tine__sched_doom(s, worker, DOOM_SLOW_EXIT);
    else
        tine__timer_set(&s->timers, &w->timer, clock_after(now, s->o.exit_timeout));
    w->still = idle;
}

void tine__sched_look_whether_left(struct sched *s, unsigned worker) {
    order_dismissal(s, &s->workers[worker]);
}

/* --- age --- */

/* An age between 0.9 and 1.1 of max_age, different for each worker, so that they do not all leave
** at once. */
static uint64_t spread(uint64_t age, uint64_t number) {
    uint64_t part = (number * 0x9e3779b97f4a7c15ull) >> 54; /* of 1024 */
    return age / 10 * 9 + age / 5 / 1024 * part;
}

void tine__sched_begin_age(struct sched *s, unsigned worker, uint64_t now) {
    struct worker *w = &s->workers[worker];
    w->since = w->changed = now;
    if (s->o.max_age)
        tine__timer_set(&s->timers, &w->age,
                        clock_after(now, spread(s->o.max_age, s->started)) | 1);
}

#define LATER (10 * SCHED_MILLISECOND)

void tine__sched_grew_old(struct sched *s, unsigned worker) {
    struct worker *w = &s->workers[worker];
    /* A worker that has run nothing runs a task first. Else, where a start takes longer than
    ** max_age, no task would ever run. */
    if (w->tasks == 0 && takes_calls(w) && sched_runnable(s) > 0)
        tine__timer_set(&s->timers, &w->age, clock_after(s->policy.now, LATER));
    else
        dismiss(s, worker, PART_AGE);
}

/* --- what they say --- */

void tine__sched_idle(struct sched *s, unsigned worker) {
    if (s->live > s->o.min_workers && sched_runnable(s) < s->live &&
        s->workers[worker].state == WORKER_READY)
        dismiss(s, worker, PART_IDLE);
}

void tine__sched_leaving(struct sched *s, unsigned worker, uint64_t why, uint64_t now) {
    struct worker *w = &s->workers[worker];
    if (takes_calls(w)) {
        tine__sched_retire(s, worker, WORKER_LEAVING);
        w->parting = why == PART_MEMORY ? PART_MEMORY : PART_TASKS;
    }
    if (w->state == WORKER_LEAVING && !w->left && s->o.exit_timeout)
        tine__timer_set(&s->timers, &w->timer, now + s->o.exit_timeout);
    w->left = true;
}

/* Why the worker's task was to be ended. */
static enum parting parting_of_doom(const struct sched *s) {
    for (const struct list *n = s->lost.next; n != &s->lost; n = n->next) {
        uint8_t doom = LIST_ITEM(n, struct task, node)->doom;
        if (doom == ENDING_TIMEOUT || doom == ENDING_CPU)
            return PART_TIMEOUT;
    }
    return PART_CANCELLED;
}

enum parting tine__sched_parting(const struct sched *s, unsigned worker) {
    const struct worker *w = &s->workers[worker];
    if (s->life >= LIFE_STOPPING && s->why != WHY_NONE)
        return (s->why == WHY_INITIALIZER || s->why == WHY_SLOW_START) && s->reason.worker == worker
                   ? PART_INITIALIZER
                   : PART_KILLED;
    if (w->doom == DOOM_TASK || tine__sched_lost_asked(s))
        return parting_of_doom(s);
    return w->parting ? w->parting : PART_SHUTDOWN;
}

/* --- how many --- */

int tine__sched_grow(struct sched *s, uint32_t n) {
    if (n <= s->nrefs)
        return 0;
    struct task **sent = sys.realloc(s->sent, n * sizeof *sent);
    s->sent = sent ? sent : s->sent;
    uint32_t *refs = sys.realloc(s->free_refs, n * sizeof *refs);
    s->free_refs = refs ? refs : s->free_refs;
    if (!sent || !refs)
        return TINE_ENOMEM;
    for (; s->nrefs < n; s->nrefs++) {
        s->sent[s->nrefs] = NULL;
        s->free_refs[s->nfree++] = s->nrefs;
    }
    return 0;
}

void tine__sched_shrink(struct sched *s) {
    for (unsigned w = s->top; w > 0 && s->live > sched_most_workers(s); w--)
        dismiss(s, w, PART_RESIZE);
}

int tine__sched_resize(struct sched *s, unsigned workers) {
    if (s->life != LIFE_OPEN)
        return why_code(s->why);
    int err = tine__sched_grow(s, s->o.slots + workers +
                                      1); /* of calls in the queue, and of those that workers run */
    if (err)
        return err;
    s->o.workers = workers;
    uint64_t least = sched_least_window(s) < s->nrefs ? sched_least_window(s) : s->nrefs;
    if (s->window < least)
        s->window = least;
    if (s->narrow < s->window)
        s->narrow = s->window;
    s->full = false;
    tine__sched_shrink(s);
    return 0;
}

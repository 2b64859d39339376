/* How a running task is ended, by abort or by a limit: it is asked to end, and its worker is killed
** if it has not ended in its grace.
**
** A task is asked once. From then on (`asked`) it ends by `doom`, whatever it does; `doom` stays
** until it has ended. Only a task that ends before it is asked ends as it likes.
*/
#include "base/clock.h"
#include "sched/internal.h"

#define CPU_REST (5 * SCHED_MILLISECOND)   /* between two looks at the processor time of a task */
#define ASK_REST SCHED_MILLISECOND         /* before a task that was about to begin is asked anew */
#define LOOK_REST (10 * SCHED_MILLISECOND) /* between two looks at a task that has not begun */
#define HELD_UP (1000 * SCHED_MILLISECOND) /* from being taken to beginning takes microseconds */

/* --- limits --- */

/* When the processor time of the task may be used up at the earliest: if it uses all processors. */
static uint64_t spent_at(const struct sched *s, const struct task *t, uint64_t spent,
                         uint64_t now) {
    uint64_t left = t->set->cpu > spent ? t->set->cpu - spent : 0;
    left /= s->o.cpus ? s->o.cpus : 1;
    return now + (left > CPU_REST ? left : CPU_REST);
}

/* The time after which the task may have reached a limit at the earliest; TIMER_NEVER: it has none
** that is watched here. */
static uint64_t limit_of(const struct sched *s, const struct task *t) {
    uint64_t time = t->set->timeout, cpu = t->set->cpu;
    if (s->o.far || (!time && !cpu))
        return TIMER_NEVER;
    return !time || (cpu && cpu < time) ? cpu : time;
}

void tine__sched_look_first(struct sched *s, struct task *t, uint64_t now) {
    uint64_t limit = limit_of(s, t);
    if (limit != TIMER_NEVER)
        tine__sched_watch(s, t, clock_after(now, limit));
}

/* When to look at a task again that runs since `since` and has `spent` so much processor time.
** `since` is 0 if it has not begun, or nothing is known of it: then look now and then, rounded up
** so that all such tasks are looked at together. */
static uint64_t look_at(const struct sched *s, const struct task *t, uint64_t since, uint64_t spent,
                        uint64_t now) {
    uint64_t limit = limit_of(s, t);
    uint64_t due = t->set->timeout ? clock_after(since, t->set->timeout) : TIMER_NEVER;
    if (limit == TIMER_NEVER)
        return TIMER_NEVER;
    if (since == 0 || due <= now) {
        due = clock_after(now, limit > LOOK_REST ? limit : LOOK_REST);
        return due == TIMER_NEVER ? due : due + LOOK_REST - due % LOOK_REST;
    }
    uint64_t cpu = t->set->cpu ? spent_at(s, t, spent, now) : TIMER_NEVER;
    return cpu < due ? cpu : due;
}

/* Set the timer of the task for the next look (look_at). */
static void look_again(struct sched *s, struct task *t, uint64_t since, uint64_t spent,
                       uint64_t now) {
    tine__sched_watch(s, t, look_at(s, t, since, spent, now));
}

/* Has a worker had the task for as long as it may run, and much longer than a busy machine lets one
** wait, and not begun it? Then the worker was stopped (SIGSTOP) between the two. */
static bool is_held_up(struct sched *s, const struct task *t, const struct answer *a,
                       uint64_t now) {
    if (a->where != AT_SITE || !a->worker || !t->set->timeout)
        return false;
    struct worker *w = &s->workers[a->worker];
    if (w->held != t->call.id || w->held_attempt != t->attempts) {
        w->held = t->call.id;
        w->held_attempt = t->attempts;
        w->held_since = now;
    }
    uint64_t patience = t->set->timeout > HELD_UP ? t->set->timeout : HELD_UP;
    return now >= clock_after(w->held_since, patience);
}

void tine__sched_looked(struct sched *s, struct task *t, const struct answer *a, uint64_t now) {
    bool known = a->where == AT_WORKER && a->id == t->call.id + t->next && a->since > 0;
    if (is_held_up(s, t, a, now) ||
        (known && t->set->timeout && now >= clock_after(a->since, t->set->timeout)))
        tine__sched_stop_task(s, t, ENDING_TIMEOUT);
    else if (known && t->set->cpu && a->spent >= t->set->cpu)
        tine__sched_stop_task(s, t, ENDING_CPU);
    else
        look_again(s, t, a->where == AT_WORKER ? a->since : 0, a->spent, now);
}

/* --- ending it --- */

void tine__sched_stop_task(struct sched *s, struct task *t, enum ending how) {
    bool ask = t->set->grace || s->o.far || s->o.asks;
    t->doom = (uint8_t)how;
    tine__sched_wish(s, t, ask ? ORDER_ASK : ORDER_STOP);
}

/* The task ended before it could be asked or killed. */
static void too_late(struct sched *s, struct task *t, uint64_t now) {
    t->doom = ENDING_NONE;
    look_again(s, t, 0, 0, now);
}

/* A worker has taken the call, but the task has not begun: it cannot be asked yet. */
static void ask_later(struct sched *s, struct task *t, uint64_t now) {
    t->later = true;
    sched_set_timer(s, t, now + ASK_REST);
}

static void never_runs(struct sched *s, struct task *t) {
    tine__sched_end(s, t, t->next, t->upto, t->doom == ENDING_TIMEOUT ? ENDING_LATE : t->doom);
    sched_lost_age(s);
}

void tine__sched_asked(struct sched *s, struct task *t, const struct answer *a, uint64_t now) {
    switch (a->where) {
    case AT_NOBODY:
        never_runs(s, t);
        break;
    case AT_WORKER:
        t->asked = true;
        if (!s->o.far) /* else its own machine watches the grace */
            sched_set_timer(s, t, clock_after(now, t->set->grace));
        break;
    case AT_SITE:
        ask_later(s, t, now);
        break;
    default:
        too_late(s, t, now);
    }
}

void tine__sched_grace_over(struct sched *s, struct task *t) {
    tine__sched_wish(s, t, ORDER_STOP);
}

void tine__sched_stopped(struct sched *s, struct task *t, const struct answer *a, uint64_t now) {
    switch (a->where) {
    case AT_NOBODY:
        never_runs(s, t);
        break;
    case AT_SITE:
        ask_later(s, t, now);
        break;
    case AT_ITS_END:
        tine__sched_doom(s, a->worker, DOOM_TASK);
        break;
    default:
        if (!t->asked) /* else it has just ended, and a report will tell */
            too_late(s, t, now);
    }
}

enum ending tine__sched_heard(struct sched *s, struct task *t) {
    enum ending how = t->asked || t->doom == ENDING_BROKEN ? (enum ending)t->doom : ENDING_NONE;
    if (!t->asked)
        return how;
    t->asked = false;
    t->doom = s->life >= LIFE_STOPPING ? ENDING_BROKEN : ENDING_NONE;
    tine__sched_watch(s, t, TIMER_NEVER);
    if (t->wish == ORDER_STOP)
        tine__sched_unwish(t);
    return how;
}

bool tine__sched_lost_asked(const struct sched *s) {
    for (const struct list *n = s->lost.next; n != &s->lost; n = n->next)
        if (LIST_ITEM(n, struct task, node)->asked)
            return true;
    return false;
}

/* How a task is ended that runs, by abort or its limit: it is asked to end, and when it has not done so in its grace, its
** worker is killed.
**
** A request is made once, and decides how the task ends, whatever it does then; only one that ends before it is made
** ends as it likes. So from the answer that it was told (`asked`) until it has ended, `doom` stays.
*/
#include "base/clock.h"
#include "sched/internal.h"

#define CPU_REST (5 * SCHED_MILLISECOND)   /* between two looks at what has been spent */
#define ASK_REST SCHED_MILLISECOND         /* until what could not be asked yet is asked again */
#define LOOK_REST (10 * SCHED_MILLISECOND) /* between two looks at what has not begun */

/* --- limits --- */

/* When its processor time may be used up, if it uses all processors that there are. */
static uint64_t spent_at(const struct sched *s, const struct task *t, uint64_t spent,
                         uint64_t now) {
    uint64_t left = t->set->cpu > spent ? t->set->cpu - spent : 0;
    left /= s->o.cpus ? s->o.cpus : 1;
    return now + (left > CPU_REST ? left : CPU_REST);
}

/* How long it may run, at least; TIMER_NEVER: it has no limit that is ours to watch. */
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

/* 0: it has yet to begin, who knows when, or what it has come to is not told yet: look now and then, and at all such
** calls at once. */
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

/* Look again when the task that runs since then, and has spent so much of the processor, may have run too long; 0: it is
** not known. */
static void look_again(struct sched *s, struct task *t, uint64_t since, uint64_t spent,
                       uint64_t now) {
    tine__sched_watch(s, t, look_at(s, t, since, spent, now));
}

void tine__sched_looked(struct sched *s, struct task *t, const struct answer *a, uint64_t now) {
    bool known = a->where == AT_WORKER && a->id == t->call.id + t->next && a->since > 0;
    if (known && t->set->timeout && now >= clock_after(a->since, t->set->timeout))
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

/* It was faster than we. */
static void too_late(struct sched *s, struct task *t, uint64_t now) {
    t->doom = ENDING_NONE;
    look_again(s, t, 0, 0, now);
}

/* It has yet to begin. */
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
        if (!s->o.far) /* else it is killed where it runs */
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
        if (!t->asked) /* else it has ended just now, and a report will tell */
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

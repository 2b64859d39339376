/* Changes of state, each of which keeps all counts and lists true. They decide nothing. */
#include <assert.h>
#include <signal.h>
#include <string.h>
#include "base/hot.h"
#include "sched/internal.h"

static void done(struct sched *s, struct task *t) {
    assert(t->state != TASK_DONE);
    sched_clear_timer(s, t);
    tine__policy_leave(&s->policy, t);
    t->state = TASK_DONE;
    sched_no_longer_awaited(s, t);
    sched_close(s, t);
}

void tine__sched_watch(struct sched *s, struct task *t, uint64_t when) {
    sched_set_timer(s, t, when < t->deadline ? when : t->deadline);
}

void tine__sched_send(struct sched *s, struct task *t) {
    t->call.ref = s->free_refs[--s->nfree];
    s->sent[t->call.ref] = t;
    list_init(&t->sent);
    s->waiting--;
    s->nsent++;
    t->state = TASK_SENT;
}

void tine__sched_unsend(struct sched *s, struct task *t) {
    assert(t->state == TASK_SENT && s->sent[t->call.ref] == t);
    if (t->wish)
        tine__sched_unwish(t);
    tine__policy_dequeue(&s->handed, t);
    tine__policy_unsent(t);
    sched_clear_timer(s, t);
    s->sent[t->call.ref] = NULL;
    s->free_refs[s->nfree++] = t->call.ref;
    s->nsent--;
    s->full = false;
    sched_not_fetched(s, t);
    t->later = false;
    t->state = TASK_NEW;
    sched_no_longer_blocked(s, t);
}

/* --- attempts --- */

void tine__sched_hold(struct sched *s, struct task *t) {
    t->state = TASK_HELD;
    t->wake = 0;
    t->doom = ENDING_NONE;
    t->asked = false;
    list_push(&s->held, &t->node);
    s->nheld++;
    tine__sched_watch(s, t, TIMER_NEVER);
}

static bool retry(struct sched *s, struct task *t, enum retry_kind kind) {
    /* `failed` is not even initialized in a plain task */
    bool may = t->call.count == 1 && !t->set->plain &&
               t->failed[kind] < t->set->retry.budget[kind] && !t->unrun &&
               t->doom != ENDING_CANCELLED && s->life < LIFE_STOPPING;
    if (!may)
        return false;
    t->failed[kind]++;
    t->attempts++;
    if (t->state == TASK_SENT)
        tine__sched_unsend(s, t);
    tine__sched_hold(s, t);
    return true;
}

bool tine__sched_fails(struct sched *s, struct task *t, enum ending how, bool error) {
    switch (how) {
    case ENDING_NONE:
        return error && retry(s, t, RETRY_ERROR);
    case ENDING_TIMEOUT:
    case ENDING_CPU:
        return retry(s, t, RETRY_TIMEOUT);
    case ENDING_CRASHED:
        return retry(s, t, RETRY_CRASHED);
    case ENDING_LOST:
        return retry(s, t, RETRY_LOST);
    default:
        return false;
    }
}

HOT void tine__sched_leave(struct sched *s, struct task *t) {
    if (t->state == TASK_HELD) {
        list_remove(&t->node);
        s->nheld--;
    } else if (t->state == TASK_SENT) {
        tine__sched_unsend(s, t);
    } else if (t->state == TASK_WAITING) {
        tine__policy_remove(&s->policy, t);
        s->waiting--;
        sched_lost_age(s);
    }
}

void tine__sched_done(struct sched *s, struct task *t) {
    tine__sched_leave(s, t);
    done(s, t);
}

void tine__sched_end(struct sched *s, struct task *t, uint32_t from, uint32_t to, enum ending how) {
    assert(from >= t->next && from < to && to <= t->upto && list_empty(&t->ended));
    assert(from == t->next || to == t->upto);
    t->end_from = from;
    t->end_to = to;
    t->how = (uint8_t)how;
    t->again_told = tine__sched_fails(s, t, how, false);
    list_push(&s->ended, &t->ended);
    s->eventful = true;
    if (t->again_told)
        return;
    if (from == t->next)
        t->next = to;
    else
        t->upto = from;
    if (!task_is_open(t))
        tine__sched_done(s, t);
}

void tine__sched_end_rest(struct sched *s, struct task *t) {
    if (list_empty(&t->ended)) /* else tine__sched_event does it, with that event */
        tine__sched_end(s, t, t->next, t->upto, sched_end_unrun(s, t));
}

void tine__sched_wait(struct sched *s, struct task *t, bool unspent) {
    t->state = TASK_WAITING;
    s->waiting++;
    tine__sched_watch(s, t, TIMER_NEVER);
    tine__policy_push_back(&s->policy, t, unspent);
    sched_offer(s, t);
}

void tine__sched_wait_again(struct sched *s, struct task *t, bool unspent) {
    if (t->state == TASK_DONE || t->state == TASK_HELD)
        return;
    t->doom = ENDING_NONE;
    t->asked = false;
    if (t->unrun || s->life >= LIFE_STOPPING) {
        tine__sched_end_rest(s, t);
        return;
    }
    tine__sched_wait(s, t, unspent);
}

void tine__sched_wish(struct sched *s, struct task *t, enum order_kind wish) {
    assert(t->state == TASK_SENT);
    if (!t->wish)
        list_push(&s->wishes, &t->node);
    s->stirred = true;
    t->wish = (uint8_t)wish;
}

void tine__sched_unwish(struct task *t) {
    list_remove(&t->node);
    t->wish = ORDER_NONE;
}

/* --- workers --- */

#define TOGETHER 64u

void tine__sched_know(struct sched *s, unsigned worker) {
    while (s->known <= worker) {
        unsigned left = s->o.most + 1 - s->known, n = left < TOGETHER ? left : TOGETHER;
        memset(&s->workers[s->known], 0, n * sizeof *s->workers);
        s->known += n;
    }
}

void tine__sched_appear(struct sched *s, unsigned worker) {
    tine__sched_know(s, worker);
    struct worker *w = &s->workers[worker];
    assert(w->state == WORKER_NONE);
    s->free_workers[worker / 64] &= ~((uint64_t)1 << worker % 64);
    if (worker > s->top)
        s->top = worker;
    list_init(&w->node);
    w->timer.kind = TIMER_WORKER;
    w->age.kind = TIMER_AGE;
    w->state = WORKER_STARTING;
    w->born = s->nerrands;
    w->unborn = true;
    s->live++;
    s->present++;
    s->started++;
}

void tine__sched_hold_starts(struct sched *s, uint64_t until) {
    s->hold = true;
    tine__timer_set(&s->timers, &s->retry, until);
}

void tine__sched_let_start(struct sched *s) {
    s->hold = false;
    tine__timer_clear(&s->timers, &s->retry);
}

#define LONG_RETRY (100 * SCHED_MILLISECOND) /* it will not be otherwise soon */

void tine__sched_no_process(struct sched *s, int error, uint64_t now) {
    if (s->present > 0)
        tine__sched_hold_starts(s, now + LONG_RETRY);
    else
        tine__sched_stop(s, &(struct blame){.why = WHY_NO_WORKER, .error = error}, true);
}

void tine__sched_retire(struct sched *s, unsigned worker, enum worker_state state) {
    struct worker *w = &s->workers[worker];
    if (w->state == WORKER_STARTING || w->state == WORKER_READY)
        s->live--;
    tine__timer_clear(&s->timers, &w->timer);
    tine__timer_clear(&s->timers, &w->age);
    w->state = (uint8_t)state;
}

void tine__sched_vanish(struct sched *s, unsigned worker) {
    struct worker *w = &s->workers[worker];
    assert(w->state != WORKER_NONE);
    sched_set_waits(s, w, false);
    tine__sched_forget_errands(s, w);
    tine__sched_retire(s, worker, WORKER_NONE);
    list_remove(&w->node);
    *w = (struct worker){.exit = {.worker = worker}};
    list_init(&w->node);
    list_init(&w->gone);
    s->free_workers[worker / 64] |= (uint64_t)1 << worker % 64;
    s->present--;
}

void tine__sched_depart(struct sched *s, unsigned worker, enum parting why, const int *status) {
    struct worker *w = &s->workers[worker];
    const struct worker_exit exit = {.worker = worker,
                                     .pid = w->pid,
                                     .why = why,
                                     .has_status = status != NULL,
                                     .status = status ? *status : 0,
                                     .tasks = w->tasks,
                                     .lasted = s->heard > w->since ? s->heard - w->since : 0};
    s->lived += exit.lasted;
    tine__sched_vanish(s, worker);
    if (!s->o.tell_exits)
        return;
    w->exit = exit;
    list_push(&s->exits, &w->gone);
    s->eventful = true;
}

void tine__sched_signal(struct sched *s, unsigned worker, int signal) {
    struct worker *w = &s->workers[worker];
    list_remove(&w->node);
    list_push(&s->kills, &w->node);
    s->stirred = true;
    w->signal = signal;
}

void tine__sched_doom(struct sched *s, unsigned worker, enum doom why) {
    struct worker *w = &s->workers[worker];
    if (w->state == WORKER_NONE || w->state == WORKER_DOOMED)
        return;
    tine__sched_retire(s, worker, WORKER_DOOMED);
    list_remove(&w->node); /* it may be in sched->dismissals */
    w->doom = (uint8_t)why;
    if (why != DOOM_TASK) /* then the site has killed it already */
        tine__sched_signal(s, worker, SIGKILL);
}

/* --- the end --- */

void tine__sched_stop(struct sched *s, const struct blame *blame, bool hard) {
    if (s->life >= LIFE_STOPPING)
        return;
    s->life = LIFE_STOPPING;
    s->hard = hard;
    s->why = blame->why;
    s->eventful = true;
    s->reason = *blame;
    tine__sched_let_start(s); /* no more workers are started: the timer is not needed */
    tine__sched_break_errands(s);
    struct task *waiting;
    while ((waiting = tine__policy_first(&s->policy)) != NULL)
        tine__sched_end(s, waiting, waiting->next, waiting->upto, ENDING_BROKEN);
    while (!list_empty(&s->held)) {
        waiting = LIST_ITEM(s->held.next, struct task, node);
        tine__sched_end(s, waiting, waiting->next, waiting->upto, ENDING_BROKEN);
    }
    for (uint32_t ref = 0; ref < s->nrefs; ref++) {
        struct task *t = s->sent[ref];
        if (!t)
            continue;
        if (!t->doom)
            t->doom = ENDING_BROKEN;
        tine__sched_wish(s, t, ORDER_RECALL);
    }
}

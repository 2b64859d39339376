/* What the scheduler gives out: orders, and events. */
#include <assert.h>
#include <signal.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/hot.h"
#include "sched/internal.h"

#define RETRY (2 * SCHED_MILLISECOND) /* before the next start, if the site has refused one */

/* --- orders --- */

static bool order_kill(struct sched *s, struct order *o) {
    struct list *node = list_pop(&s->kills);
    if (!node)
        return false;
    struct worker *w = LIST_ITEM(node, struct worker, node);
    *o = (struct order){
        .kind = ORDER_KILL, .worker = (unsigned)(w - s->workers), .signal = w->signal};
    return true;
}

static bool order_dismiss(struct sched *s, struct order *o) {
    struct list *node = list_pop(&s->dismissals);
    if (!node)
        return false;
    struct worker *w = LIST_ITEM(node, struct worker, node);
    *o = (struct order){.kind = ORDER_DISMISS, .worker = (unsigned)(w - s->workers)};
    return true;
}

static bool order_wish(struct sched *s, struct order *o) {
    struct list *node = list_pop(&s->wishes);
    if (!node)
        return false;
    struct task *t = LIST_ITEM(node, struct task, node);
    *o = (struct order){.kind = t->wish,
                        .task = t,
                        .id = t->call.id + t->next,
                        .timed = t->doom == ENDING_TIMEOUT || t->doom == ENDING_CPU};
    t->wish = 0;
    return true;
}

/* `before` and `behind` have become neighbours in the site's queue: note when ageing may make them
** cross. */
static void note_order(struct sched *s, const struct task *before, const struct task *behind) {
    uint64_t until = tine__policy_crossing(&s->policy, before, behind);
    if (until < s->in_order)
        s->in_order = until;
}

/* Withdraw the last task of the site's queue if a waiting task should be before it, or if the queue
** is to be ordered anew. */
COLD static bool order_withdraw(struct sched *s, struct order *o) {
    if (s->overtake && s->in_order <= s->policy.now)
        s->anew |= !tine__policy_is_in_order(&s->policy, &s->handed, &s->in_order);
    while (s->overtake && !list_empty(&s->handed)) {
        struct task *last = LIST_ITEM(s->handed.prev, struct task, sent);
        if (last->doom || last->unrun) {
            list_remove(&last->sent);
            continue;
        }
        enum overtaking by = tine__policy_overtakes(&s->policy, last, s->anew, s->policy.now);
        if (by == BY_NOTHING)
            break;
        s->anew |= by == BY_TURN;
        *o = (struct order){.kind = ORDER_WITHDRAW, .task = last};
        return true;
    }
    s->overtake = s->anew = false;
    return false;
}

/* Is there a task to run? Tasks whose deadline has passed end here if their timer has not been
** looked at yet. */
static bool has_next(struct sched *s) {
    struct task *t = tine__policy_first(&s->policy);
    while (t && t->deadline <= s->policy.now) {
        tine__sched_late(s, t);
        t = tine__policy_first(&s->policy);
    }
    return t != NULL;
}

/* May a task be put before some of the site's queue? Only if the queue is known to be in order. */
static bool may_move(const struct sched *s) {
    return s->o.moves && !s->cramped && s->overtake && !s->anew && !list_empty(&s->handed) &&
           s->in_order > s->policy.now && s->nfree > 0 &&
           s->nsent - s->blocked < sched_window(s) + sched_window(s) / 2;
}

/* Note when task `t`, which was put before `n` others, may cross its neighbours. With groups the
** neighbour behind it may owe its rank to an older task of its priority further behind, so all of
** these are looked at. */
static void note_place(struct sched *s, const struct task *t, unsigned n) {
    const struct task *behind = s->sent[s->behind[n - 1]];
    unsigned least = tine__policy_has_groups(behind) ? 0 : n - 1;
    if (t->sent.prev != &s->handed)
        note_order(s, LIST_ITEM(t->sent.prev, struct task, sent), t);
    for (unsigned i = n; i-- > least;)
        note_order(s, t, s->sent[s->behind[i]]);
}

/* Put the next task before lower ones of the site's queue. This is how nearly all overtaking is
** done: no other task has to be moved by an order of its own. */
static bool order_between(struct sched *s, struct order *o) {
    if (!may_move(s) || !has_next(s))
        return false;
    if (tine__policy_tick(&s->policy, s->policy.now))
        sched_rerank(s);
    if (!may_move(s))
        return false;
    unsigned n = tine__policy_behind(&s->policy, &s->handed, s->behind, SCHED_BEHIND);
    if (n == 0)
        return false;
    struct task *t = tine__policy_pop(&s->policy);
    tine__sched_send(s, t);
    list_push(&s->sent[s->behind[n - 1]]->sent, &t->sent);
    note_place(s, t, n);
    *o = (struct order){.kind = ORDER_RUN, .task = t, .behind = s->behind, .nbehind = n};
    return true;
}

/* If ranks have changed another task may be next, and the order of the site's queue may be
** wrong. */
COLD static bool order_anew(struct sched *s, struct order *o) {
    if (!tine__policy_tick(&s->policy, s->policy.now))
        return false;
    sched_rerank(s);
    return order_withdraw(s, o);
}

static bool order_run(struct sched *s, struct order *o) {
    if (s->full || !has_next(s))
        return false;
    if (policy_is_timed(&s->policy) && order_anew(s, o))
        return true;
    if (s->nsent - s->blocked >= sched_window(s) ||
        (s->nfree == 0 && (s->blocked == 0 || tine__sched_grow(s, s->nrefs + s->nrefs / 2)))) {
        s->full = true;
        return false;
    }
    struct task *t = tine__policy_pop(&s->policy);
    tine__sched_send(s, t);
    if (list_empty(&s->handed))
        s->in_order = TIMER_NEVER;
    else if (s->policy.nlines > 1)
        note_order(s, LIST_ITEM(s->handed.prev, struct task, sent), t);
    list_push(&s->handed, &t->sent);
    *o = (struct order){.kind = ORDER_RUN, .task = t};
    return true;
}

/* The lowest worker id that is free; 0: there are as many workers as there may be. */
static unsigned free_id(const struct sched *s) {
    if (s->present >= sched_most_workers(s))
        return 0;
    unsigned i = 0;
    while (!s->free_workers[i])
        i++;
    return i * 64 + (unsigned)__builtin_ctzll(s->free_workers[i]);
}

static bool order_start(struct sched *s, struct order *o) {
    unsigned id = sched_runnable(s) > s->live && !s->hold ? free_id(s) : 0;
    if (!id)
        return false;
    *o = (struct order){.kind = ORDER_START, .worker = id};
    return true;
}

/* The steps of the end. */
static bool order_end(struct sched *s, struct order *o) {
    if (s->life == LIFE_CLOSING && s->open == 0) {
        s->life = LIFE_DRAINING;
        *o = (struct order){.kind = ORDER_FINISH};
        return true;
    }
    bool over = s->life == LIFE_DRAINING || s->life == LIFE_STOPPING;
    if (!over || (s->present > 0 && !s->hard))
        return false;
    s->life = LIFE_ENDING;
    *o = (struct order){.kind = ORDER_END};
    return true;
}

/* May there be an order other than to run a waiting task? */
static bool is_stirred(const struct sched *s) {
    return s->extra_seen != s->extra || s->overtake || s->anew || !list_empty(&s->new_errands) ||
           !list_empty(&s->wishes) || !list_empty(&s->kills) || !list_empty(&s->dismissals) ||
           !list_empty(&s->on_top);
}

COLD static bool order_stirred(struct sched *s, struct order *o) {
    bool goes_on = s->life <= LIFE_CLOSING;
    if (s->extra_seen != s->extra && goes_on)
        tine__sched_shrink(s);
    s->extra_seen = s->extra;
    bool any = tine__sched_order_errand(s, o) || order_wish(s, o) || order_kill(s, o) ||
               order_dismiss(s, o) ||
               (goes_on &&
                (tine__sched_order_on_top(s, o) || order_between(s, o) || order_withdraw(s, o)));
    s->stirred = any || is_stirred(s);
    return any;
}

/* Is there certainly no order? So it is after nearly every order. */
static inline bool is_at_rest(const struct sched *s) {
    return !s->stirred && (s->waiting == 0 || s->full) && s->present >= sched_most_workers(s) &&
           s->life == LIFE_OPEN;
}

HOT bool tine__sched_order(struct sched *s, struct order *o) {
    assert(s->stirred || !is_stirred(s));
    if (is_at_rest(s) || s->life == LIFE_ENDED)
        return false;
    if (s->stirred && order_stirred(s, o))
        return true;
    if (s->life <= LIFE_CLOSING && (order_run(s, o) || order_start(s, o)))
        return true;
    return s->life > LIFE_OPEN && order_end(s, o);
}

/* --- answers --- */

#define FEW_BACK 512 /* so many calls may always come back */
#define MOVES 8      /* so many calls lifted in the queue cost as much as one withdrawal */

/* A call was overtaken. When more calls come back than are run, the site's queue is to be shorter;
** but if it is too short workers run out of work. */
static void narrow(struct sched *s) {
    uint64_t least = sched_least_window(s), half = sched_window(s) / 2;
    if (++s->came_back <= SCHED_BACK * s->recent + FEW_BACK)
        return;
    s->narrow = half > least ? half : least;
    s->came_back = 0;
    s->narrowed = true;
}

/* The site has put a call before the first a->behind calls of the order. Workers have taken the
** others. */
static void moved(struct sched *s, const struct order *o, const struct answer *a) {
    for (unsigned i = a->behind; i < o->nbehind; i++)
        list_remove(&s->sent[o->behind[i]]->sent);
    s->came_back += a->behind / MOVES;
    narrow(s);
}

static void ran(struct sched *s, const struct order *o, const struct answer *a, uint64_t now) {
    struct task *t = o->task;
    if (a->err == TINE_EAGAIN) {
        tine__sched_unsend(s, t);
        tine__sched_wait_again(s, t, true);
        s->cramped |= o->nbehind > 0;
        s->full = true;
    } else if (a->err) {
        tine__sched_end(s, t, t->next, t->upto, ENDING_NOMEM);
        sched_lost_age(s);
    } else {
        if (o->nbehind > 0)
            moved(s, o, a);
        tine__sched_look_first(s, t, now);
    }
}

/* If a worker has taken this call, the calls before it in the queue have been taken, too: no more
** is withdrawn. */
static void withdrew(struct sched *s, struct task *t, const struct answer *a) {
    bool overtaken = !t->fetching; /* else a worker whose task waits for it is to run it */
    sched_not_fetched(s, t);
    if (a->where != AT_NOBODY) {
        list_remove(&t->sent);
        if (overtaken)
            s->overtake = s->anew = false;
        return;
    }
    if (overtaken)
        narrow(s);
    tine__sched_unsend(s, t);
    tine__sched_wait_again(s, t, true);
}

static void recalled(struct sched *s, struct task *t, const struct answer *a) {
    uint64_t k = a->id - t->call.id;
    uint32_t from = k > t->next ? (uint32_t)k : t->next;
    if (a->where == AT_NOBODY && k <= t->call.count && from < t->upto) {
        tine__sched_end(s, t, from, t->upto, sched_end_unrun(s, t));
        sched_lost_age(s);
    }
    if (t->state != TASK_SENT)
        return;
    if (t->late && !t->doom) /* the deadline holds for tasks that have begun, too */
        tine__sched_stop_task(s, t, ENDING_TIMEOUT);
    else if (t->call.flags & CALL_TIMED && !t->doom)
        tine__sched_wish(s, t, ORDER_LOOK); /* ORDER_RECALL may have replaced such a wish */
}

static void began(struct sched *s, unsigned worker, const struct answer *a, uint64_t now) {
    if (!a->err) {
        tine__sched_appear(s, worker);
        tine__sched_begin_age(s, worker, now);
        if (s->o.start_timeout)
            tine__timer_set(&s->timers, &s->workers[worker].timer, now + s->o.start_timeout);
    } else if (a->err == TINE_EAGAIN) {
        tine__sched_hold_starts(s, now + RETRY);
    } else {
        tine__sched_no_process(s, a->error, now);
    }
}

void tine__sched_answer(struct sched *s, const struct order *o, const struct answer *a,
                        uint64_t now) {
    switch (o->kind) {
    case ORDER_RUN:
        ran(s, o, a, now);
        break;
    case ORDER_WITHDRAW:
        withdrew(s, o->task, a);
        break;
    case ORDER_RECALL:
        recalled(s, o->task, a);
        break;
    case ORDER_ASK:
        tine__sched_asked(s, o->task, a, now);
        break;
    case ORDER_STOP:
        tine__sched_stopped(s, o->task, a, now);
        break;
    case ORDER_LOOK:
        tine__sched_looked(s, o->task, a, now);
        break;
    case ORDER_START:
        began(s, o->worker, a, now);
        break;
    case ORDER_FINISH:
        if (s->o.exit_timeout)
            tine__timer_set(&s->timers, &s->end, now + s->o.exit_timeout);
        break;
    default:
        break;
    }
}

/* --- events --- */

bool tine__sched_event(struct sched *s, struct event *e) {
    if (s->why && !s->told) {
        s->told = true;
        *e = (struct event){.kind = EVENT_STOPPED};
        return true;
    }
    if (s->died) {
        s->died = false;
        *e = (struct event){.kind = EVENT_DIED};
        return true;
    }
    struct list *node = list_pop(&s->exits);
    if (node) {
        *e =
            (struct event){.kind = EVENT_EXIT, .exit = &LIST_ITEM(node, struct worker, gone)->exit};
        return true;
    }
    node = list_pop(&s->done_errands);
    if (node) {
        *e = (struct event){.kind = EVENT_ERRAND, .errand = LIST_ITEM(node, struct errand, node)};
        return true;
    }
    node = list_pop(&s->ended);
    s->eventful = node != NULL;
    if (!node)
        return false;
    struct task *t = LIST_ITEM(node, struct task, ended);
    *e = (struct event){.kind = EVENT_ENDED,
                        .task = t,
                        .from = t->end_from,
                        .to = t->end_to,
                        .how = t->how,
                        .again = t->again_told};
    bool held = !list_empty(&t->node);                    /* until the end of its worker is told */
    if (t->state == TASK_NEW && task_is_open(t) && !held) /* lost, and not to be sent again */
        tine__sched_end_rest(s, t);
    return true;
}

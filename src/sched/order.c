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

static struct task *queued(const struct list *node) {
    return LIST_ITEM(node, struct task, sent);
}

/* `before` and `behind` have become neighbours in the site's queue: note when ageing may make them
** cross. */
static void note_order(struct sched *s, const struct task *before, const struct task *behind) {
    if (tine__policy_are_equal(before, behind))
        return; /* they never cross */
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
        struct task *last = queued(s->handed.prev);
        if (last->doom || last->unrun) {
            tine__policy_dequeue(&s->handed, last);
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

/* --- labels: the order of the site's queue (order.label) --- */

#define FIRST_LABEL (UINT64_C(1) << 63)
#define GAP (UINT64_C(1) << 32) /* between neighbours of which others may come to stand */

/* The label for a call at the end of the queue. False: there is none. */
static bool label_last(struct sched *s) {
    bool mixed = s->policy.nlines > 1;
    if (s->label > UINT64_MAX - GAP && list_empty(&s->handed))
        s->label = FIRST_LABEL;
    if (s->label > UINT64_MAX - GAP)
        return false;
    s->label += mixed ? GAP : 1;
    return true;
}

/* The label for task `t`, to be put before the task at `at`. False: there is none. */
static bool label_before(const struct sched *s, const struct list *at, const struct task *t,
                         uint64_t *label) {
    uint64_t above = queued(at)->label;
    uint64_t below = above > 2 * GAP ? above - 2 * GAP : 0;
    bool like_before = false;
    if (at->prev != &s->handed) {
        below = queued(at->prev)->label;
        like_before = tine__policy_are_equal(queued(at->prev), t);
    }
    /* of many of one priority, each comes behind the one before */
    *label = below + (like_before ? 1 : (above - below) / 2);
    return below < *label && *label < above;
}

/* There are no more labels at the end of the queue: its calls come back, and are given new ones. */
COLD static bool order_labels(struct sched *s, struct order *o) {
    s->overtake = s->anew = s->stirred = true;
    if (order_withdraw(s, o))
        return true;
    label_last(s); /* nothing is in the queue */
    return false;
}

/* --- handing over --- */

/* May a task be put before some of the site's queue? Only if the queue is known to be in order. */
static bool may_move(const struct sched *s) {
    return s->o.labels && !s->cramped && s->overtake && !s->anew && !list_empty(&s->handed) &&
           s->in_order > s->policy.now && s->nfree > 0 &&
           s->nsent - s->blocked < sched_window(s) + sched_window(s) / 2;
}

/* Note when task `t`, which was put before others, may cross its neighbours. With groups the
** neighbour behind it may owe its rank to an older task of its priority further behind, so all of
** these are looked at. */
static void note_place(struct sched *s, const struct task *t) {
    const struct list *behind = t->sent.next;
    if (t->sent.prev != &s->handed)
        note_order(s, queued(t->sent.prev), t);
    note_order(s, t, queued(behind));
    if (tine__policy_has_groups(queued(behind)))
        while ((behind = behind->next) != &s->handed)
            note_order(s, t, queued(behind));
}

static struct task *send_next(struct sched *s, struct list *at, uint64_t label) {
    struct task *t = tine__policy_pop(&s->policy);
    tine__sched_send(s, t);
    t->label = label;
    list_push(at, &t->sent);
    return t;
}

/* Put the next task before lower ones of the site's queue. This is how nearly all overtaking is
** done: no other task has to be moved. */
static bool order_between(struct sched *s, struct order *o) {
    uint64_t label;
    if (!may_move(s) || !has_next(s))
        return false;
    if (tine__policy_tick(&s->policy, s->policy.now))
        sched_rerank(s);
    if (!may_move(s))
        return false;
    struct list *at = tine__policy_place(&s->policy, &s->handed);
    if (!at || at == &s->handed || !label_before(s, at, tine__policy_first(&s->policy), &label))
        return false;
    struct task *t = send_next(s, at, label);
    note_place(s, t);
    *o = (struct order){.kind = ORDER_RUN, .task = t, .overtakes = true, .label = label};
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
    if (!label_last(s) && order_labels(s, o))
        return true;
    struct task *t = send_next(s, &s->handed, s->label);
    if (t->sent.prev == &s->handed)
        s->in_order = TIMER_NEVER;
    else if (s->policy.nlines > 1)
        note_order(s, queued(t->sent.prev), t);
    *o = (struct order){.kind = ORDER_RUN, .task = t, .label = t->label};
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
    if (s->life == LIFE_CLOSING && s->open == 0 && !tine__sched_errands_left(s)) {
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

static void ran(struct sched *s, const struct order *o, const struct answer *a, uint64_t now) {
    struct task *t = o->task;
    if (a->err == TINE_EAGAIN) {
        tine__sched_unsend(s, t);
        tine__sched_wait_again(s, t, true);
        s->cramped |= o->overtakes;
        s->full = true;
    } else if (a->err) {
        tine__sched_end(s, t, t->next, t->upto, ENDING_NOMEM);
        sched_lost_age(s);
    } else {
        tine__sched_look_first(s, t, now);
    }
}

static void withdrew(struct sched *s, struct task *t, const struct answer *a) {
    bool overtaken = !t->fetching; /* else a worker whose task waits for it is to run it */
    sched_not_fetched(s, t);
    if (a->where != AT_NOBODY) {
        tine__policy_dequeue(&s->handed, t);
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
    case ORDER_DISMISS:
        tine__sched_dismissed(s, o->worker, a, now);
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

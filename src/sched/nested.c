/* Tasks that tasks have submitted, and wait for.
**
** A worker whose task waits has nothing else to do. So a task that it waits for, and that is with nobody, is given to it, to
** be run on top (`serving`: one at a time; it says again that it waits when that has ended). One that is with the site,
** and that nobody may have taken up, is taken back for that. So nothing waits for a worker that waits for it.
**
** A task with limits is not run on top of another, whose end by force would be the other's, too: it is before all others, and
** for each such there may be one worker more (`extra`), as long as it is waited for and not known to run; beside those
** that do nothing but wait, so that not all can come to wait for it.
**
** A task that waits takes no room at the site, but a ref: of these there are as many as are needed.
*/
#include "sched/internal.h"

/* --- who waits --- */

void tine__sched_block(struct sched *s, struct task *parent, unsigned worker) {
    s->workers[worker].serving = 0;
    sched_set_waits(s, &s->workers[worker], true);
    sched_no_longer_extra(s, parent); /* it runs */
    s->blocked += !parent->blocked;
    parent->blocked = true;
    s->full = false; /* it takes no room any more */
}

void tine__sched_unblock(struct sched *s, struct task *parent) {
    sched_no_longer_blocked(s, parent);
}

/* --- what they wait for --- */

static bool has_limits(const struct task *t) {
    const struct settings *set = t->set;
    return set->timeout || set->deadline || set->memory || set->cpu;
}

/* A worker is to be free for it, and to take it before all others. */
static void make_room(struct sched *s, struct task *t) {
    if (t->extra || t->blocked)
        return;
    t->extra = true;
    s->extra++;
    s->stirred = true;
    if (t->state != TASK_WAITING)
        return;
    tine__policy_remove(&s->policy, t);
    tine__policy_push_back(&s->policy, t, true);
    tine__sched_overtake(s, true);
}

/* May the worker whose task waits for it be told to run it, now? */
static bool can_serve(const struct sched *s, const struct task *t) {
    const struct worker *w = &s->workers[t->awaiter];
    return t->awaiter && !has_limits(t) && !w->serving && w->state != WORKER_NONE &&
           w->state != WORKER_DOOMED && !t->unrun && !t->doom;
}

void tine__sched_await(struct sched *s, struct task *t, unsigned worker) {
    if (t->state == TASK_DONE)
        return;
    t->awaiter = worker;
    if (has_limits(t)) {
        make_room(s, t);
    } else if (t->state == TASK_WAITING) {
        sched_offer(s, t);
    } else if (can_serve(s, t) && t->state == TASK_SENT && !list_empty(&t->sent) && !t->wish) {
        s->workers[worker].serving = t->call.id; /* if it can be had */
        t->fetching = true;
        tine__sched_wish(s, t, ORDER_WITHDRAW);
    }
}

void tine__sched_unawait(struct sched *s, struct task *t) {
    if (t->fetching && t->wish == ORDER_WITHDRAW)
        tine__sched_unwish(t);
    sched_no_longer_awaited(s, t);
}

/* --- orders --- */

/* The next one that is to be run by a worker whose task waits for it. Who has another one to run says again that it
** waits. */
static struct task *next_on_top(struct sched *s) {
    struct list *node;
    while ((node = list_pop(&s->on_top)) != NULL) {
        struct task *t = LIST_ITEM(node, struct task, on_top);
        if (t->state == TASK_WAITING && can_serve(s, t))
            return t;
    }
    return NULL;
}

bool tine__sched_order_on_top(struct sched *s, struct order *o) {
    if (list_empty(&s->on_top) || (s->nfree == 0 && tine__sched_grow(s, s->nrefs + s->nrefs / 2)))
        return false;
    struct task *t = next_on_top(s);
    if (!t)
        return false;
    tine__policy_take(&s->policy, t);
    sched_lost_age(s);
    tine__sched_send(s, t);
    s->workers[t->awaiter].serving = t->call.id;
    sched_set_waits(s, &s->workers[t->awaiter], false);
    *o = (struct order){.kind = ORDER_RUN, .task = t, .worker = t->awaiter};
    return true;
}

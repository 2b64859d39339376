/* Tasks of tasks: a task (the parent) submits others (its children), and may wait for them.
**
** A worker whose task waits has nothing else to do. So if a child is WAITING, the worker is told to
** run it on top of the parent (`serving`: one child at a time; when it has ended the worker says
** again that it waits). A child that lies in the site's queue is withdrawn for that. So no task
** waits for a worker that waits for that task.
**
** A child with limits is not run on top of its parent, since to end it by force would end the
** parent, too. It goes before all other tasks, and there may be one extra worker for it (`extra`)
** as long as a task waits for it and it is not known to run. Extra workers come on top of those
** whose task waits, or these could be all that there are.
**
** A task that waits takes no room in the site's queue, but it keeps its ref: the table of refs
** grows as needed.
*/
#include "sched/internal.h"

/* --- who waits --- */

void tine__sched_block(struct sched *s, struct task *parent, unsigned worker) {
    s->workers[worker].serving = 0;
    sched_set_waits(s, &s->workers[worker], true);
    sched_no_longer_extra(s, parent); /* `parent` runs */
    s->blocked += !parent->blocked;
    parent->blocked = true;
    s->full = false; /* `parent` takes no room any more */
}

void tine__sched_unblock(struct sched *s, struct task *parent) {
    sched_no_longer_blocked(s, parent);
}

/* --- what they wait for --- */

static bool has_limits(const struct task *t) {
    const struct settings *set = t->set;
    return set->timeout || set->deadline || set->memory || set->cpu;
}

/* Have a worker free for `t`, and let `t` go before all other tasks. */
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

/* May the worker whose task waits for `t` be told now to run it? */
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
        s->workers[worker].serving = t->call.id; /* cleared if it cannot be withdrawn */
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

/* The next task to be run by the worker whose task waits for it. If that worker is busy the task is
** dropped from the list: the worker says again that it waits. */
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

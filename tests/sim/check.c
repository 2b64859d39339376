/* What holds of a scheduler between two transitions. */
#include "sim.h"

static unsigned length(const struct list *l) {
    unsigned n = 0;
    for (const struct list *i = l->next; i != l; i = i->next, n++)
        HOLDS(i->next->prev == i && n < 100, "a list is torn");
    return n;
}

/* --- timers --- */

/* The number of timers in a heap. No child may be due before its parent. */
static unsigned heap_nodes(const struct timer *t) {
    unsigned n = 0;
    const struct pairing_node *back = &t->node;
    for (const struct pairing_node *c = t->node.child; c; back = c, c = c->next) {
        const struct timer *child = LIST_ITEM(c, struct timer, node);
        HOLDS(child->when >= t->when && c->back == back, "a timer is at the wrong place");
        n += heap_nodes(child);
        HOLDS(n < 100, "a circle of timers");
    }
    return n + 1;
}

static void check_task_timer(const struct sim *m, const struct task *t) {
    if (t->timer.when == 0)
        return;
    HOLDS(t->deadline != TIMER_NEVER || (t->state == TASK_HELD && t->wake) ||
              (t->state == TASK_SENT && (t->call.flags & CALL_TIMED || t->asked)),
          "#%d has a timer that it does not need", (int)t->call.id);
    (void)m;
}

static unsigned check_worker_timer(const struct sim *m, const struct worker *w) {
    if (w->timer.when == 0)
        return 0;
    HOLDS(w->state == WORKER_STARTING ? m->o.start_timeout > 0
                                      : w->state == WORKER_LEAVING && m->o.exit_timeout > 0,
          "worker %d has a timer that it does not need", (int)(w - m->s.workers));
    return 1;
}

static unsigned check_age(const struct sim *m, const struct worker *w) {
    if (w->age.when == 0)
        return 0;
    HOLDS(m->o.max_age && (w->state == WORKER_STARTING || w->state == WORKER_READY),
          "worker %d grows old in vain", (int)(w - m->s.workers));
    return 1;
}

static void check_timers(const struct sim *m) {
    const struct sched *s = &m->s;
    unsigned set = (s->retry.when != 0) + (s->end.when != 0);
    for (unsigned i = 0; i < m->njobs; i++)
        if (!m->jobs[i].over) {
            check_task_timer(m, &m->jobs[i].task);
            set += m->jobs[i].task.timer.when != 0;
        }
    for (unsigned w = 1; w <= MAX_WORKERS; w++)
        set += check_worker_timer(m, &s->workers[w]) + check_age(m, &s->workers[w]);
    const struct pairing_node *root = s->timers.heap.root;
    HOLDS(set == (root ? heap_nodes(LIST_ITEM(root, struct timer, node)) : 0),
          "timers are set that are not in the heap");
    HOLDS(!s->retry.when || s->hold, "a timer for starts that nothing holds up");
    HOLDS(!s->end.when || s->life >= LIFE_DRAINING, "a timer for an end that is not near");
}

/* --- tasks --- */

struct counts {
    unsigned held, open, waiting, sent, lost, ended, wishes;
};

static void count_task(const struct sim *m, const struct task *t, struct counts *c) {
    int id = (int)t->call.id;
    c->open += t->state != TASK_DONE;
    c->held += t->state == TASK_HELD;
    c->waiting += t->state == TASK_WAITING;
    c->sent += t->state == TASK_SENT;
    c->lost += t->state == TASK_NEW;
    c->wishes += t->wish != 0;
    HOLDS(t->state == TASK_DONE || task_is_open(t), "#%d has nothing left, and is not DONE", id);
    HOLDS(t->state == TASK_SENT || !t->wish, "#%d is wished something, and not at the site", id);
    if (t->state == TASK_SENT)
        HOLDS(t->call.ref < m->s.nrefs && m->s.sent[t->call.ref] == t, "#%d is at no place", id);
    if (t->state == TASK_WAITING)
        HOLDS(!t->doom && (t->came_back || !list_empty(&t->node)), "#%d waits, and not in the line",
              id);
}

static void check_tasks(const struct sim *m) {
    const struct sched *s = &m->s;
    struct counts c = {0};
    for (unsigned i = 0; i < m->njobs; i++)
        if (!m->jobs[i].over)
            count_task(m, &m->jobs[i].task, &c);
    HOLDS(s->nheld == c.held && length(&s->held) == c.held, "%d are held, of %u", (int)s->nheld,
          c.held);
    HOLDS(s->open == c.open, "open is %d of %u", (int)s->open, c.open);
    HOLDS(s->waiting == c.waiting && m->line_up.nwaiting == c.waiting &&
              policy_empty(&s->policy) == (c.waiting == 0),
          "waiting is %d of %u", (int)s->waiting, c.waiting);
    HOLDS(s->nsent == c.sent, "nsent is %d of %u", (int)s->nsent, c.sent);
    HOLDS(length(&s->lost) == c.lost, "%u are lost, %u known", c.lost, length(&s->lost));
    HOLDS(length(&s->wishes) == c.wishes, "%u are wished something, %u known", c.wishes,
          length(&s->wishes));
    HOLDS(list_empty(&s->ended), "an event was not taken");
    HOLDS(!m->o.max_pending || s->open <= m->o.max_pending, "more are open than may be");
}

static void check_refs(const struct sim *m) {
    const struct sched *s = &m->s;
    uint32_t seen = 0;
    HOLDS(s->nfree + s->nsent == s->nrefs, "%u refs are free, %d used, of %u", s->nfree,
          (int)s->nsent, s->nrefs);
    for (uint32_t i = 0; i < s->nfree; i++) {
        uint32_t ref = s->free_refs[i];
        HOLDS(ref < s->nrefs && !s->sent[ref] && !(seen >> ref & 1), "ref %u is free, or is it",
              ref);
        seen |= 1u << ref;
    }
}

/* --- workers --- */

static void check_workers(const struct sim *m) {
    const struct sched *s = &m->s;
    unsigned live = 0, present = 0, kills = 0;
    for (unsigned w = 1; w <= MAX_WORKERS; w++) {
        const struct worker *k = &s->workers[w];
        live += k->state == WORKER_STARTING || k->state == WORKER_READY;
        present += k->state != WORKER_NONE;
        if (w > s->top) /* nobody has touched it yet */
            continue;
        kills += !list_empty(&k->node);
        HOLDS((s->free_workers[0] >> w & 1) == (k->state == WORKER_NONE),
              "the id %u is free, or is it", w);
        HOLDS((k->state == WORKER_DOOMED) == (k->doom != DOOM_NONE),
              "worker %u is doomed, or is it", w);
        HOLDS(k->state != WORKER_NONE || list_empty(&k->node),
              "worker %u is to be signalled, and not there", w);
        HOLDS(k->state != WORKER_STARTING || k->unborn, "worker %u is STARTING, and was born", w);
    }
    HOLDS(s->live == live, "live is %u of %u", s->live, live);
    HOLDS(s->present == present, "present is %u of %u", s->present, present);
    HOLDS(length(&s->kills) + length(&s->dismissals) == kills,
          "%u are to be signalled, or dismissed, %u known", kills, length(&s->kills));
}

static void check_life(const struct sim *m) {
    const struct sched *s = &m->s;
    HOLDS((s->why != WHY_NONE) == m->told_stopped, "why = %d, and told is %d", s->why,
          m->told_stopped);
    HOLDS(s->life != LIFE_STOPPING || s->why != WHY_NONE, "it stops without a reason");
    HOLDS(s->life < LIFE_STOPPING ? !s->why : true, "a reason, and it does not stop");
    if (s->life >= LIFE_DRAINING)
        HOLDS(s->waiting == 0, "tasks wait in a pool that ends");
    if (s->life == LIFE_ENDED)
        HOLDS(s->open == 0 && s->present == 0 && s->nfree == s->nrefs && !s->timers.heap.root,
              "something is left when it has ended");
}

void sim_check(struct sim *m) {
    order_look(m);
    check_tasks(m);
    check_refs(m);
    check_workers(m);
    check_timers(m);
    check_life(m);
}

/* --- when all orders were taken --- */

/* Of a cancelled job, if its worker could be told, only tasks that have begun are left. */
static void check_cancelled(const struct sim *m, const struct job *j) {
    const struct task *t = &j->task;
    const struct hand *h = &m->site.hands[m->site.handed[t->call.ref].worker];
    /* the worker has left the call, which will be reported */
    bool left = m->site.gone || (h->stage != CLAIMED && h->stage != RUNNING);
    HOLDS(t->state != TASK_WAITING, "#%d was cancelled, and waits", (int)t->call.id);
    if (t->doom || !j->told || left || h->rogue)
        return;
    for (uint32_t k = t->next; k < t->upto; k++)
        HOLDS(j->units[k].begun, "#%d was cancelled, and is to run", (int)(t->call.id + k));
}

/* A task that was asked to end, and has not, is killed some time. */
static void check_asked(const struct sim *m, const struct job *j) {
    const struct task *t = &j->task;
    const struct unit *u = &j->units[t->next];
    const struct hand *h = &m->site.hands[u->asked];
    /* the worker has left the call, which will be reported */
    bool left = (h->stage != CLAIMED && h->stage != RUNNING) || h->dead || m->site.gone;
    HOLDS(t->timer.when || u->answered || u->condemned || left || h->rogue ||
              t->set->grace == UINT64_MAX,
          "#%d was asked to end, and may take for ever", (int)t->call.id);
}

static void check_task_quiet(const struct sim *m, const struct job *j) {
    const struct task *t = &j->task;
    int id = (int)t->call.id;
    HOLDS(!t->wish, "#%d is wished something for ever", id);
    HOLDS(t->state != TASK_NEW, "#%d is nowhere", id);
    if (j->cancelled)
        check_cancelled(m, j);
    if (t->deadline != TIMER_NEVER && !t->doom && m->s.life < LIFE_STOPPING)
        HOLDS(t->timer.when != 0 && t->timer.when <= j->late,
              "nobody looks after the deadline of #%d", id);
    if (t->state != TASK_SENT)
        return;
    if (t->asked && m->s.life < LIFE_STOPPING)
        check_asked(m, j);
    if (t->call.flags & CALL_TIMED && !t->doom && m->s.life < LIFE_STOPPING)
        HOLDS(t->timer.when != 0, "nobody looks after the limit of #%d", id);
    if (m->s.life >= LIFE_STOPPING)
        HOLDS(t->doom && (m->site.handed[t->call.ref].worker || m->s.life > LIFE_STOPPING),
              "#%d is not to end, but its pool is", id);
}

static void check_workers_quiet(const struct sim *m) {
    const struct sched *s = &m->s;
    for (unsigned w = 1; w <= MAX_WORKERS; w++) {
        const struct worker *k = &s->workers[w];
        if (k->state == WORKER_STARTING && m->o.start_timeout && s->life <= LIFE_CLOSING)
            HOLDS(k->timer.when != 0, "worker %u may start for ever", w);
        if (k->state == WORKER_LEAVING && m->o.exit_timeout && !m->site.gone)
            HOLDS(k->timer.when != 0 || s->life >= LIFE_STOPPING, "worker %u may leave for ever",
                  w);
        if (k->state == WORKER_DOOMED && !m->site.gone)
            HOLDS(m->site.hands[w].killed || m->site.hands[w].dead,
                  "worker %u is doomed, and not killed", w);
    }
}

/* The clock is asked for on behalf of the site's queue only where ageing can change its order. */
static void check_order_due(const struct sim *m) {
    bool several = false;
    for (unsigned i = 1; i < m->njobs; i++)
        several |= m->jobs[i].set.priority != m->jobs[0].set.priority;
    HOLDS(sched_order_due(&m->s) == TIMER_NEVER || (several && m->o.ageing > 0),
          "a look at the order of tasks that cannot cross");
}

void sim_check_quiet(struct sim *m) {
    const struct sched *s = &m->s;
    for (unsigned i = 0; i < m->njobs; i++)
        if (!m->jobs[i].over)
            check_task_quiet(m, &m->jobs[i]);
    check_workers_quiet(m);
    check_order_due(m);
    HOLDS(list_empty(&s->kills) && list_empty(&s->dismissals), "a worker was not told");
    if (s->life <= LIFE_CLOSING)
        HOLDS(s->waiting == 0 || (s->full && (s->nsent >= sched_window(s) || s->nfree == 0 ||
                                              s->nsent >= m->room)),
              "tasks wait, and nothing stands in their way");
    if (s->life <= LIFE_CLOSING && s->open - s->nheld > s->live)
        HOLDS(s->hold ? s->retry.when != 0 : s->present >= m->o.workers,
              "workers are wanted, and none is started");
    HOLDS(s->life != LIFE_CLOSING || s->open > 0, "CLOSING, and nothing is open");
    HOLDS(s->life != LIFE_DRAINING || (s->present > 0 && (s->end.when || !m->o.exit_timeout)),
          "DRAINING for ever");
    HOLDS(s->life != LIFE_STOPPING || (!s->hard && s->present > 0 && s->end.when),
          "STOPPING for ever");
}

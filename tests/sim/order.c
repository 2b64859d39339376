/* Which job is next, by the rule (sched/policy.h) and without its structures: ranks are computed
** anew each time, turns are kept in a list. */
#include <string.h>
#include "sim.h"

/* --- which jobs wait --- */

static struct job *job_at(struct sim *m, unsigned i) {
    return &m->jobs[m->line_up.waiting[i]];
}

static char group_of(const struct job *j) {
    if (j->set.group_len == 0)
        return '\0';
    return j->set.group[0];
}

static unsigned turn_of(const struct line_up *l, const struct job *j) {
    unsigned i = 0;
    while (i < l->nturns &&
           (l->turns[i].priority != j->set.priority || l->turns[i].group != group_of(j)))
        i++;
    return i;
}

static void lose_turn(struct line_up *l, const struct job *j) {
    unsigned i = turn_of(l, j);
    if (i < l->nturns)
        memmove(l->turns + i, l->turns + i + 1, (--l->nturns - i) * sizeof *l->turns);
}

static void give_turn(struct line_up *l, const struct job *j, bool first) {
    unsigned at = first ? 0 : l->nturns;
    HOLDS(l->nturns < MAX_TURNS, "more turns than there can be");
    memmove(l->turns + at + 1, l->turns + at, (l->nturns++ - at) * sizeof *l->turns);
    l->turns[at].priority = j->set.priority;
    l->turns[at].group = group_of(j);
}

static bool is_last_of_its(struct sim *m, const struct job *j) {
    for (unsigned i = 0; i < m->line_up.nwaiting; i++) {
        const struct job *o = job_at(m, i);
        if (o != j && o->set.priority == j->set.priority && group_of(o) == group_of(j))
            return false;
    }
    return true;
}

static void leave(struct sim *m, unsigned i) {
    struct line_up *l = &m->line_up;
    const struct job *j = job_at(m, i);
    if (is_last_of_its(m, j))
        lose_turn(l, j);
    memmove(l->waiting + i, l->waiting + i + 1, --l->nwaiting - i);
}

static void come(struct sim *m, struct job *j) {
    struct line_up *l = &m->line_up;
    bool again = j->waited;
    if (again)
        lose_turn(l, j);
    if (turn_of(l, j) == l->nturns)
        give_turn(l, j, again);
    j->waited = true;
    l->waiting[l->nwaiting++] = (uint8_t)(j - m->jobs);
}

static bool is_known(struct sim *m, const struct job *j) {
    for (unsigned i = 0; i < m->line_up.nwaiting; i++)
        if (job_at(m, i) == j)
            return true;
    return false;
}

static bool is_new(struct sim *m, const struct job *j) {
    return !j->over && j->task.state == TASK_WAITING && !is_known(m, j);
}

/* Has another job of the same group come since the last look? Then it is not known whether the
** group lost its turn before that. */
static bool may_keep_turn(struct sim *m, const struct job *j) {
    for (unsigned i = 0; i < m->njobs; i++) {
        const struct job *o = &m->jobs[i];
        if (is_new(m, o) && o->set.priority == j->set.priority && group_of(o) == group_of(j))
            return true;
    }
    return false;
}

/* Jobs that no longer wait leave, but for `taken`. */
static void look_who_left(struct sim *m, const struct job *taken) {
    for (unsigned i = m->line_up.nwaiting; i > 0; i--) {
        struct job *j = job_at(m, i - 1);
        if ((!j->over && j->task.state == TASK_WAITING) || j == taken)
            continue;
        m->line_up.loose |= may_keep_turn(m, j);
        leave(m, i - 1);
    }
}

void order_look(struct sim *m) {
    unsigned came_back = 0;
    look_who_left(m, NULL);
    for (unsigned i = 0; i < m->njobs; i++) {
        struct job *j = &m->jobs[i];
        if (!is_new(m, j))
            continue;
        came_back += j->waited || j->task.attempts > 0;
        come(m, j);
    }
    m->line_up.loose = m->line_up.nwaiting > 0 && (m->line_up.loose || came_back > 1);
}

/* --- which job is next --- */

static int64_t rank(const struct sim *m, const struct job *j) {
    uint64_t waited = m->now - j->task.since;
    double sum = 0;
    if (m->o.ageing > 20) /* steps in a second: several are taken at a time */
        sum = (double)(waited / (50 * MS)) * (m->o.ageing / 20);
    else if (m->o.ageing > 0)
        sum = (double)(waited / (uint64_t)(1e9 / m->o.ageing));
    return sum >= (double)(INT64_MAX - (j->set.priority > 0 ? j->set.priority : 0))
               ? INT64_MAX
               : j->set.priority + (int64_t)sum;
}

/* The oldest waiting job of this priority; with `group`, of that group only. */
static struct job *oldest(struct sim *m, int64_t priority, const char *group) {
    struct job *best = NULL;
    for (unsigned i = 0; i < m->line_up.nwaiting; i++) {
        struct job *j = job_at(m, i);
        if (j->set.priority == priority && (!group || group_of(j) == *group) &&
            (!best || j->task.call.id < best->task.call.id))
            best = j;
    }
    return best;
}

void order_take(struct sim *m, struct job *j) {
    struct line_up *l = &m->line_up;
    const char group = group_of(j);
    look_who_left(m, j); /* jobs that the scheduler found to be late before it came to this one */
    const struct job *mine = oldest(m, j->set.priority, NULL);
    HOLDS(mine, "RUN #%d, which does not wait", (int)j->task.call.id);
    for (unsigned i = 0; i < l->nwaiting; i++) {
        const struct job *other = oldest(m, job_at(m, i)->set.priority, NULL);
        HOLDS(rank(m, other) < rank(m, mine) ||
                  (rank(m, other) == rank(m, mine) && other->task.call.id >= mine->task.call.id),
              "RUN #%d before #%d, whose priority is higher", (int)j->task.call.id,
              (int)other->task.call.id);
    }
    HOLDS(j == oldest(m, j->set.priority, &group), "RUN #%d before an older one",
          (int)j->task.call.id);
    for (unsigned i = 0; i < turn_of(l, j); i++)
        HOLDS(l->loose || l->turns[i].priority != j->set.priority,
              "RUN #%d before another group's turn is over", (int)j->task.call.id);
    lose_turn(l, j);
    if (!is_last_of_its(m, j))
        give_turn(l, j, false);
    for (unsigned i = 0; i < l->nwaiting; i++)
        if (job_at(m, i) == j)
            memmove(l->waiting + i, l->waiting + i + 1, --l->nwaiting - i);
}

static bool is_at_site(const struct sim *m, const struct job *j) {
    const struct task *t = &j->task;
    return !j->over && t->state == TASK_SENT && !t->doom && !t->unrun &&
           !m->site.handed[t->call.ref].worker;
}

static const struct job *job_in_queue(const struct sim *m, unsigned i) {
    return job_of(m->s.sent[m->site.queue[i]]);
}

/* The highest rank among the tasks of this priority that wait, or lie in the queue at place `from`
** or behind it. */
static int64_t urgency(const struct sim *m, int64_t priority, unsigned from) {
    int64_t most = INT64_MIN;
    for (unsigned i = 0; i < m->line_up.nwaiting; i++) {
        const struct job *j = &m->jobs[m->line_up.waiting[i]];
        if (j->set.priority == priority && rank(m, j) > most)
            most = rank(m, j);
    }
    for (unsigned i = from; i < m->site.nqueue; i++) {
        const struct job *j = job_in_queue(m, i);
        if (is_at_site(m, j) && j->set.priority == priority && rank(m, j) > most)
            most = rank(m, j);
    }
    return most;
}

/* Check two jobs by their ranks, or by the order in their line. (Turns are checked by order_take.)
** `first` lies at place `at` of the queue. */
static void hold_pair(struct sim *m, unsigned at, const struct job *first, const struct job *then) {
    bool same = first->set.priority == then->set.priority;
    HOLDS(same || rank(m, then) <= urgency(m, first->set.priority, at),
          "#%d is taken before #%d, whose priority is higher", (int)first->task.call.id,
          (int)then->task.call.id);
    HOLDS(!same || group_of(then) != group_of(first) || then->task.call.id > first->task.call.id,
          "#%d is taken before #%d, which is older", (int)first->task.call.id,
          (int)then->task.call.id);
}

/* The job at this place of the queue must be before all jobs behind it, and before all that
** wait. */
static void hold_place(struct sim *m, unsigned at) {
    const struct job *first = job_in_queue(m, at);
    if (!is_at_site(m, first))
        return;
    for (unsigned i = 0; i < m->line_up.nwaiting; i++)
        hold_pair(m, at, first, job_at(m, i));
    for (unsigned i = at + 1; i < m->site.nqueue; i++)
        if (is_at_site(m, job_in_queue(m, i)))
            hold_pair(m, at, first, job_in_queue(m, i));
}

/* Ranks change with time: the scheduler need not know before it has been told a time that is
** due. */
void order_hold_site(struct sim *m) {
    if (sched_due(&m->s) <= m->now || m->s.life > LIFE_CLOSING)
        return;
    for (unsigned i = 0; i < m->site.nqueue; i++)
        hold_place(m, i);
}

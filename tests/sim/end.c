/* The end of a history: from now on everybody is fair. First workers that hang go on hanging, so
** that only limits can end their tasks. Then no worker hangs, and all tasks end. Then the pool is
** shut down, and ends too. */
#include "sim.h"

#define ROUNDS \
    2000 /* in each every worker does one thing; with a max_age of some ms workers come and go */

/* Let the worker do one thing. False: it has nothing to do. */
static bool move(struct sim *m, unsigned worker, bool hung_too) {
    struct hand *h = &m->site.hands[worker];
    if (h->stage == ABSENT || h->dead || m->site.gone)
        return false;
    if (h->killed || (h->termed && !h->hung)) {
        site_die(m, worker);
        return true;
    }
    return (hung_too || !h->hung) && site_advance(m, worker);
}

static bool move_all(struct sim *m, bool hung_too) {
    bool moved = sim_hear(m, 1000, 0) > 0;
    for (unsigned w = 1; w <= MAX_WORKERS; w++)
        moved |= move(m, w, hung_too);
    return moved;
}

/* Let everybody go on, and the time too, until nothing is left to do or `span` has passed (hung
** workers may be waited for without end). The clock must not ring more often than there is reason
** for. */
static void settle(struct sim *m, bool hung_too, uint64_t span) {
    uint64_t since = m->now;
    unsigned rings = 0;
    for (unsigned round = 0; m->s.life != LIFE_ENDED; round++) {
        HOLDS(round < ROUNDS, "it goes on and on");
        if (move_all(m, hung_too))
            continue;
        uint64_t due = sched_due(&m->s);
        if (due == TIMER_NEVER || m->now > since + span)
            return;
        SAY("  time goes on");
        sim_tick(m, due > m->now ? due : m->now + 1);
        HOLDS(++rings <= 4 * MAX_JOBS + (m->now - since) / (2 * MS), "the clock rings too often");
    }
}

/* No task runs longer than it may, even if its worker hangs. */
static void hold_limits(const struct sim *m) {
    for (unsigned w = 1; w <= MAX_WORKERS && m->s.life < LIFE_STOPPING; w++) {
        const struct hand *h = &m->site.hands[w];
        if (!h->hung || h->dead || h->stage != RUNNING)
            continue;
        const struct job *j = &m->jobs[m->owners[h->id + h->k].job];
        HOLDS((!(j->task.call.flags & CALL_TIMED) && j->late > m->now) ||
                  j->task.set->grace == UINT64_MAX,
              "#%d runs longer than it may", (int)(h->id + h->k));
    }
}

static void hold_all_ended(const struct sim *m) {
    for (unsigned i = 0; i < m->njobs; i++) {
        const struct job *j = &m->jobs[i];
        for (uint32_t k = 0; k < j->task.call.count; k++)
            HOLDS(j->units[k].ended, "#%d has never ended", (int)(j->task.call.id + k));
        HOLDS(j->over, "#%d is never DONE", (int)j->task.call.id);
        HOLDS(j->task.state == j->last.state && j->task.next == j->last.next &&
                  j->task.upto == j->last.upto && j->task.node.next == j->last.node.next &&
                  j->task.node.prev == j->last.node.prev &&
                  j->task.timer.when == j->last.timer.when && j->task.wish == j->last.wish &&
                  j->task.doom == j->last.doom,
              "#%d was touched after all", (int)j->task.call.id);
    }
    HOLDS(m->s.open == 0, "%d tasks are left", (int)m->s.open);
}

void sim_end(struct sim *m) {
    SAY("everybody is fair, but those that hang");
    m->lazy = 0;
    m->site.refusals = m->site.start_refusals = 0;
    sim_follow(m);
    settle(m, false, 200 * MS);
    hold_limits(m);
    SAY("nobody hangs");
    for (unsigned round = 0; round < 4; round++) {
        settle(m, true, 1000 * MS);
        for (unsigned i = 0; i < m->njobs; i++)
            sim_answer(m, i, true);
    }
    settle(m, true, 1000 * MS);
    hold_all_ended(m);
    HOLDS(sched_due(&m->s) == TIMER_NEVER || m->s.life == LIFE_ENDED,
          "nothing is to be done, but something due");
    SAY("shutdown");
    sim_shutdown(m, false);
    settle(m, true, 1000 * MS);
    HOLDS(m->s.life == LIFE_ENDED, "the pool never ends");
    for (unsigned w = 1; w <= MAX_WORKERS; w++)
        HOLDS(!m->lives[w].there, "the end of worker %u was not told", w);
    hold_all_ended(m);
}

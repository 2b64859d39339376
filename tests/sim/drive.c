/* The driver: tells the scheduler what happens, and takes what it gives out, as pool/drive.c does.
** What tasks end with is held against what is true of them. */
#include <signal.h>
#include <string.h>
#include "sim.h"

static const char *const hows[] = {"a result", "CANCELLED", "TIMEOUT", "LATE",
                                   "CRASHED",  "BROKEN",    "NOMEM",   "CPU"};

static bool has_stopped(const struct sim *m) {
    return m->s.why != WHY_NONE;
}

/* --- attempts --- */

static void try_again(struct sim *m, struct job *j) {
    uint64_t attempts = 0, pause;
    for (int kind = 0; kind < RETRY_KINDS; kind++)
        attempts += j->failed[kind];
    pause = j->set.retry.delay << (attempts - 1);
    if (pause > j->set.retry.most)
        pause = j->set.retry.most;
    j->asked = false;
    j->pause_until = m->now + pause / 2;
    tine__sched_again(&m->s, &j->task, m->now);
    HOLDS(j->task.state == TASK_WAITING
              ? pause == 0
              : j->task.wake >= j->pause_until && j->task.wake <= m->now + pause + pause / 2 + 1,
          "#%d is to pause for another time", (int)j->task.call.id);
}

/* --- tasks end --- */

static void hold_cancelled(struct sim *m, const struct job *j, const struct unit *u, int id) {
    HOLDS(j->cancelled || j->aborted || m->shutdown_cancels, "#%d is CANCELLED: nobody wanted it",
          id);
    HOLDS(!u->begun || j->aborted, "#%d is CANCELLED in the midst of it: nobody wanted that", id);
    HOLDS(!u->begun || u->condemned || u->asked || m->site.gone, "#%d is CANCELLED, and runs on",
          id);
}

static void hold_cause(struct sim *m, struct job *j, const struct unit *u, enum ending how,
                       int id) {
    switch (how) {
    case ENDING_CANCELLED:
        hold_cancelled(m, j, u, id);
        break;
    case ENDING_TIMEOUT:
        HOLDS((u->condemned || u->asked) && u->want == ENDING_TIMEOUT,
              "#%d is TIMEOUT: it was not stopped for that", id);
        break;
    case ENDING_CPU:
        HOLDS((u->condemned || u->asked) && u->want == ENDING_CPU && j->set.cpu,
              "#%d is CPU: it was not stopped for that", id);
        break;
    case ENDING_LATE:
        HOLDS(m->now >= j->late, "#%d is LATE before its deadline", id);
        HOLDS(!u->begun || u->orphan, "#%d is LATE in the midst of it", id);
        break;
    case ENDING_CRASHED:
        HOLDS(m->death && u->begun == m->death, "#%d is CRASHED: not with its worker", id);
        HOLDS(m->o.replace && !has_stopped(m), "#%d is CRASHED in a pool that is broken", id);
        HOLDS(m->told_died, "#%d is CRASHED before it was told who died", id);
        break;
    case ENDING_BROKEN:
        HOLDS(m->told_stopped, "#%d is BROKEN before the pool is", id);
        break;
    default:
        HOLDS(how == ENDING_NOMEM && j->no_memory, "#%d ends with how = %d", id, how);
    }
    HOLDS(!(u->condemned || u->asked) || u->want == how, "#%d is %s, but was stopped for %s", id,
          hows[how], hows[u->want]);
    HOLDS(!(u->begun || u->condemned) || u->orphan || (u->asked && u->answered),
          "#%d is %s before the end of its worker was told", id, hows[how]);
}

/* The job has failed for good: has it used up its attempts of this kind, or does nobody want
** another one? */
static void hold_spent(const struct sim *m, const struct job *j, enum retry_kind kind) {
    bool unwanted = j->cancelled || j->aborted || j->task.late || m->shutdown_cancels;
    HOLDS(j->task.call.count > 1 || unwanted || has_stopped(m) ||
              j->failed[kind] >= j->set.retry.budget[kind],
          "#%d has failed, and is not tried again", (int)j->task.call.id);
}

static void unit_ends(struct sim *m, struct job *j, uint32_t k, enum ending how) {
    struct unit *u = &j->units[k];
    int id = (int)(j->task.call.id + k);
    SAY("        #%d: %s", id, hows[how]);
    HOLDS(k < j->task.call.count && !u->ended, "#%d ends twice", id);
    u->ended = true;
    if (how != ENDING_NONE)
        hold_cause(m, j, u, how, id);
    if (how == ENDING_CRASHED)
        hold_spent(m, j, RETRY_CRASHED);
    else if (how == ENDING_TIMEOUT || how == ENDING_CPU)
        hold_spent(m, j, RETRY_TIMEOUT);
}

/* There will be no more events of the job: from now on its memory is its owner's. */
static void job_over(struct job *j) {
    const struct task *t = &j->task;
    for (uint32_t k = 0; k < t->call.count; k++)
        HOLDS(j->units[k].ended, "#%d has not ended, but its call is DONE", (int)(t->call.id + k));
    HOLDS(task_is_idle(t), "#%d is DONE and in a list, or has a timer", (int)t->call.id);
    j->over = true;
    j->last = *t;
}

/* The job has failed, and may be tried again. */
static void unit_fails(struct sim *m, struct job *j, enum retry_kind kind) {
    struct unit *u = &j->units[0];
    int id = (int)j->task.call.id;
    SAY("        #%d: failed, and is tried again", id);
    HOLDS(j->task.call.count == 1 && j->task.state == TASK_HELD && !u->ended,
          "#%d is tried again, and has ended", id);
    HOLDS(++j->failed[kind] <= j->set.retry.budget[kind], "#%d is tried again too often", id);
    HOLDS(!j->cancelled && !j->aborted && !has_stopped(m), "#%d is tried again: nobody wants it",
          id);
    HOLDS(m->now < j->late || !j->task.late, "#%d is tried again, and is late", id);
    memset(u, 0, sizeof *u);
    j->told = j->waited = false;
    j->asked = j->set.retry.asks;
    if (!j->asked)
        try_again(m, j);
}

/* The end of a worker is told once, and with the right reason. */
static void hold_exit(struct sim *m, const struct worker_exit *x) {
    struct past *p = &m->lives[x->worker];
    SAY("        worker %u has ended: why = %d", x->worker, x->why);
    HOLDS(p->there, "worker %u has ended twice", x->worker);
    HOLDS(x->why > PART_NONE && x->why < PART_COUNT, "worker %u has ended for no reason",
          x->worker);
    HOLDS((x->why == PART_CRASH) == (m->death && m->s.blame.why != WHY_NONE),
          "the end of worker %u is told as %d", x->worker, x->why);
    HOLDS(x->why < PART_SHUTDOWN || x->why == PART_TIMEOUT || x->why == PART_CANCELLED ||
              x->why == PART_CRASH || m->s.life >= LIFE_DRAINING,
          "worker %u has ended with its pool, which lives", x->worker);
    p->there = false;
}

static void take_event(struct sim *m, const struct event *e) {
    switch (e->kind) {
    case EVENT_STOPPED:
        SAY("        the pool has stopped: why = %d", m->s.why);
        HOLDS(!m->told_stopped && has_stopped(m), "EVENT_STOPPED twice, or without a reason");
        m->told_stopped = true;
        return;
    case EVENT_DIED:
        SAY("        worker %u has died", m->s.blame.worker);
        HOLDS(m->death == m->s.blame.worker, "EVENT_DIED of worker %u", m->s.blame.worker);
        m->told_died = true;
        return;
    case EVENT_EXIT:
        hold_exit(m, e->exit);
        return;
    default:
        HOLDS(e->kind == EVENT_ENDED && e->from < e->to, "an event of nothing");
    }
    struct job *j = job_of(e->task);
    if (e->again) {
        hold_cause(m, j, &j->units[0], e->how, (int)e->task->call.id);
        unit_fails(m, j, e->how == ENDING_CRASHED ? RETRY_CRASHED : RETRY_TIMEOUT);
        return;
    }
    for (uint32_t k = e->from; k < e->to; k++)
        unit_ends(m, j, k, e->how);
    if (e->task->state == TASK_DONE && list_empty(&e->task->ended))
        job_over(j);
}

static void take_events(struct sim *m) {
    struct event e;
    for (unsigned n = 0; tine__sched_event(&m->s, &e); n++) {
        HOLDS(n < MAX_IDS * 2, "events without end");
        take_event(m, &e);
    }
    sim_check(m);
}

/* --- orders --- */

static void hold_run(struct sim *m, const struct order *o) {
    struct task *t = o->task;
    struct job *j = job_of(t);
    uint64_t window = sched_window(&m->s) * (o->overtakes ? 2 : 1);
    int id = (int)t->call.id;
    HOLDS(!j->over && t->state == TASK_SENT && task_is_open(t), "RUN #%d, which is not to run", id);
    HOLDS(t->call.ref < m->s.nrefs && m->s.sent[t->call.ref] == t, "RUN #%d as %u", id,
          t->call.ref);
    HOLDS(!t->doom, "RUN #%d, which is to end by force", id);
    HOLDS(m->s.nsent <= window, "RUN #%d beyond the window", id);
    HOLDS(!m->site.shut && !m->site.ending, "RUN #%d after FINISH or END", id);
    HOLDS(m->now >= j->pause_until, "RUN #%d before its pause is over", id);
    HOLDS(m->now < j->late || t->deadline != TIMER_NEVER, "RUN #%d, which is late", id);
    HOLDS(t->deadline > sched_now(&m->s), "RUN #%d, whose deadline has passed", id);
    HOLDS(!o->overtakes || m->s.in_order > sched_now(&m->s),
          "RUN #%d before some whose order may have changed", id);
    order_take(m, j);
}

static void hold_start(struct sim *m, unsigned worker) {
    HOLDS(worker >= 1 && worker <= m->o.workers && m->s.workers[worker].state == WORKER_NONE,
          "START %u, which is there", worker);
    HOLDS(m->site.hands[worker].stage == ABSENT || m->site.gone, "START %u, which the site has",
          worker);
    HOLDS(m->s.open - m->s.nheld > m->s.live, "START %u, which nobody needs", worker);
    HOLDS(m->s.present < m->o.workers, "START %u: there would be too many", worker);
    HOLDS(!m->start_waits, "START %u at once after a start was refused", worker);
    HOLDS(!m->site.shut && !m->site.ending, "START %u after FINISH or END", worker);
}

/* Has the task reached its run-time limit, or its deadline? */
static bool time_is_over(const struct sim *m, const struct job *j, const struct unit *u) {
    uint64_t limit = j->set.timeout;
    return m->now >= j->late || (limit && u->begun && !u->answered && m->now >= u->since + limit);
}

static void hold_call(struct sim *m, const struct order *o) {
    const struct task *t = o->task;
    const struct unit *u = sim_unit(m, o->id);
    HOLDS(!job_of(o->task)->over && t->state == TASK_SENT && m->s.sent[t->call.ref] == t &&
              (o->kind == ORDER_WITHDRAW || o->id == t->call.id + t->next),
          "order %d for #%d, which is not there", o->kind, (int)t->call.id);
    HOLDS(o->kind < ORDER_ASK || o->kind > ORDER_STOP || t->doom != ENDING_TIMEOUT || u->asked ||
              time_is_over(m, job_of(o->task), u),
          "ASK or STOP #%d before its time is over", (int)o->id);
    HOLDS(o->kind < ORDER_ASK || o->kind > ORDER_STOP || t->doom != ENDING_CPU || u->asked ||
              (u->begun && !u->answered && m->now >= u->since + 2 * t->set->cpu),
          "ASK or STOP #%d before its processor time is over", (int)o->id);
    if (o->kind == ORDER_ASK)
        HOLDS(!u->asked && t->doom && (t->set->grace > 0 || m->o.asks),
              "ASK #%d twice, or for nothing", (int)o->id);
    if (o->kind == ORDER_STOP)
        HOLDS(u->asked ? m->now >= u->asked_at + t->set->grace : t->set->grace == 0 && !m->o.asks,
              "STOP #%d, which was given more grace", (int)o->id);
}

static void hold_dismiss(struct sim *m, unsigned worker) {
    const struct worker *w = &m->s.workers[worker];
    const struct hand *h = &m->site.hands[worker];
    HOLDS(w->state == WORKER_LEAVING && w->parting, "DISMISS %u, which is not to leave", worker);
    HOLDS(h->stage != ABSENT || m->site.gone, "DISMISS %u, which is not there", worker);
    HOLDS(!h->dismissed || (m->o.exit_timeout && m->now >= h->dismissed_at + m->o.exit_timeout),
          "DISMISS %u too often", worker);
}

static void hold_kill(struct sim *m, const struct order *o) {
    const struct hand *h = &m->site.hands[o->worker];
    HOLDS(o->worker >= 1 && o->worker <= MAX_WORKERS && (m->site.gone || h->stage != ABSENT),
          "KILL %u, which is not there", o->worker);
    HOLDS(o->signal == SIGTERM || o->signal == SIGKILL, "signal %d", o->signal);
    HOLDS(!h->killed || h->condemned, "KILL %u, which was killed", o->worker);
}

static void hold_order(struct sim *m, const struct order *o) {
    switch (o->kind) {
    case ORDER_RUN:
        hold_run(m, o);
        break;
    case ORDER_WITHDRAW:
    case ORDER_RECALL:
    case ORDER_ASK:
    case ORDER_STOP:
    case ORDER_LOOK:
        hold_call(m, o);
        break;
    case ORDER_START:
        hold_start(m, o->worker);
        break;
    case ORDER_DISMISS:
        hold_dismiss(m, o->worker);
        break;
    case ORDER_SPREAD:
        break;
    case ORDER_KILL:
        hold_kill(m, o);
        break;
    default:
        HOLDS(o->kind == ORDER_FINISH || o->kind == ORDER_END, "order %d", o->kind);
        HOLDS(o->kind != ORDER_END || m->s.present == 0 || m->s.hard,
              "END while workers are there");
        HOLDS(o->kind == ORDER_END ? !m->site.ending : !m->site.shut, "FINISH or END twice");
    }
}

static void tell_order(const struct order *o, const struct answer *a) {
    static const char *const names[] = {"-",    "RUN",    "WITHDRAW", "RECALL",  "ASK",
                                        "STOP", "LOOK",   "START",    "DISMISS", "SPREAD",
                                        "KILL", "FINISH", "END"};
    static const char *const places[] = {"at site", "at worker", "at nobody", "at its end", "past"};
    if (o->task)
        sim_say("      %s #%d: %d, %s #%d", names[o->kind], (int)(o->task->call.id + o->task->next),
                a->err, places[a->where], (int)a->id);
    else
        sim_say("      %s %u (%d): %d", names[o->kind], o->worker, o->signal, a->err);
}

/* Note what an answer makes true. */
static void note_answer(struct sim *m, const struct order *o, const struct answer *a,
                        enum ending doom) {
    struct job *j = o->task ? job_of(o->task) : NULL;
    if (o->kind == ORDER_RUN) {
        j->no_memory |= a->err == TINE_ENOMEM;
        j->returned |= a->err != 0;
    } else if (o->kind == ORDER_START && a->err) {
        m->start_waits = true;
    } else if (o->kind == ORDER_START) {
        m->lives[o->worker] = (struct past){.there = true};
    } else if (a->where == AT_NOBODY && o->kind == ORDER_WITHDRAW) {
        j->returned = true;
    } else if (a->where == AT_NOBODY && o->task) {
        for (uint32_t k = (uint32_t)(a->id - j->task.call.id); k < j->task.call.count; k++)
            j->units[k].taken_back = true;
    } else if (o->kind == ORDER_ASK && a->where == AT_WORKER) {
        struct unit *u = sim_unit(m, o->id);
        u->asked = (uint8_t)a->worker;
        u->asked_at = m->now;
        u->want = (uint8_t)doom;
    } else if (a->where == AT_ITS_END) {
        struct unit *u = sim_unit(m, o->id);
        u->condemned = (uint8_t)a->worker;
        u->want = (uint8_t)doom;
        m->lives[a->worker].wanted |= m->s.workers[a->worker].state != WORKER_DOOMED;
        HOLDS(doom != ENDING_TIMEOUT || u->asked || time_is_over(m, j, u),
              "#%d is stopped before its time is over", (int)o->id);
    }
}

/* Tasks that an order has taken back must have ended with it. */
static void hold_taken_back(const struct job *j) {
    for (uint32_t k = 0; k < j->task.call.count; k++)
        HOLDS(!j->units[k].taken_back || j->units[k].ended, "#%d was taken back, and has not ended",
              (int)(j->task.call.id + k));
}

static void carry(struct sim *m, const struct order *o) {
    struct answer a;
    hold_order(m, o);
    enum ending doom = o->task ? o->task->doom : ENDING_NONE;
    site_give(m, o, &a);
    if (sim_verbose)
        tell_order(o, &a);
    note_answer(m, o, &a, doom);
    bool timed = o->kind != ORDER_RUN || o->task->call.flags & CALL_TIMED;
    tine__sched_answer(&m->s, o, &a, timed ? m->now : 0);
    if (o->kind == ORDER_RUN && a.err == TINE_EAGAIN)
        m->room = m->s.nsent;
    take_events(m);
    if (o->task)
        hold_taken_back(job_of(o->task));
}

/* After a report or a tick: orders may be left until more is told. */
static void follow_later(struct sim *m) {
    if (m->lazy > 0) {
        m->lazy--;
        take_events(m);
    } else {
        sim_follow(m);
    }
}

void sim_follow(struct sim *m) {
    struct order o;
    unsigned n = 0;
    if (sched_wants_time(&m->s))
        sched_time(&m->s, m->now);
    do {
        take_events(m);
        for (; tine__sched_order(&m->s, &o); n++) {
            HOLDS(n < 16 * (MAX_JOBS + MAX_WORKERS), "orders without end");
            carry(m, &o);
        }
    } while (sched_has_event(&m->s));
    if (sched_wants_room(&m->s)) {
        m->site.asked_for_room = true;
        m->site.low = sched_low_water(&m->s);
    }
    sim_check_quiet(m);
    order_hold_site(m);
}

/* --- what users do --- */

static bool is_full(const struct sim *m) {
    return m->o.max_pending && m->s.open >= m->o.max_pending;
}

static bool is_too_much(const struct sim *m, uint64_t bytes) {
    bool any = false;
    for (unsigned i = 0; i < m->njobs; i++)
        if (m->jobs[i].task.state != TASK_DONE && !m->jobs[i].over) {
            any = true;
            bytes += m->jobs[i].task.call.length;
        }
    return m->o.max_bytes && any && bytes > m->o.max_bytes;
}

void sim_resize(struct sim *m, unsigned workers) {
    bool open = m->s.life == LIFE_OPEN;
    int err = tine__sched_resize(&m->s, workers);
    HOLDS((err == 0) == open, "a resize gives %d", err);
    if (!err)
        m->o.workers = workers;
    m->start_waits = false;
    sim_follow(m);
    HOLDS(err || m->s.live <= workers, "%u workers are to be, and %u are", workers, m->s.live);
}

void sim_submit(struct sim *m, uint32_t count, const struct settings *set, bool failed) {
    if (m->njobs == MAX_JOBS)
        return;
    struct job *j = &m->jobs[m->njobs];
    uint64_t first = m->s.next_id;
    memset(j, 0, sizeof *j);
    memset(&j->task, 1, sizeof j->task); /* the memory may have been another task's */
    task_make(&j->task);
    j->task.call.count = count;
    memcpy((void *)&j->set, set, sizeof *set);
    settings_look(&j->set);
    j->late = set->deadline ? m->now + set->deadline - 1 : TIMER_NEVER;
    j->task.set = &j->set;
    j->task.call.length = 10 * count;
    bool full = !failed && (is_full(m) || is_too_much(m, j->task.call.length));
    int wanted = m->s.life == LIFE_OPEN    ? full ? TINE_EAGAIN : 0
                 : why_is_broken(m->s.why) ? TINE_EBROKEN
                                           : TINE_ESHUTDOWN;
    int err = failed ? tine__sched_submit_done(&m->s, &j->task)
                     : tine__sched_submit(&m->s, &j->task, m->now);
    HOLDS(err == wanted, "a submit gives %d, not %d", err, wanted);
    if (err)
        return;
    HOLDS(j->task.call.id == first && m->s.next_id == first + count, "ids that are not in a row");
    for (uint32_t k = 0; k < count; k++) {
        m->owners[first + k].job = (uint8_t)m->njobs;
        m->owners[first + k].k = (uint8_t)k;
        j->units[k].ended = failed;
    }
    j->used = true;
    m->njobs++;
    m->start_waits = false; /* a start may be tried again */
    SAY("    #%d .. #%d", (int)first, (int)(first + count - 1));
    if (failed)
        job_over(j);
    sim_follow(m);
}

/* As pool/submit.c does when it cannot keep the bytes. */
void sim_withdraw(struct sim *m, unsigned job) {
    struct job *j = &m->jobs[job];
    if (j->over || j->task.state != TASK_WAITING || j->returned)
        return;
    SAY("    #%d", (int)j->task.call.id);
    tine__sched_withdraw(&m->s, &j->task);
    for (uint32_t k = 0; k < j->task.call.count; k++)
        j->units[k].ended = true;
    job_over(j);
    sim_follow(m);
}

/* A job that was ended must not wait any more, nor lie in the queue where a worker might begin
** it. */
static void hold_ended(const struct sim *m, const struct job *j, const char *what) {
    const struct task *t = &j->task;
    HOLDS(j->over || t->state != TASK_WAITING, "#%d waits after %s", (int)t->call.id, what);
    HOLDS(j->over || t->doom || m->site.handed[t->call.ref].worker, "#%d is in the queue after %s",
          (int)t->call.id, what);
}

void sim_cancel(struct sim *m, unsigned job) {
    struct job *j = &m->jobs[job];
    if (j->task.state == TASK_NEW)
        return; /* withdrawn: it was never submitted */
    SAY("    #%d", (int)j->task.call.id);
    j->cancelled = true;
    tine__sched_cancel(&m->s, &j->task);
    sim_follow(m);
    hold_ended(m, j, "cancel");
}

void sim_abort(struct sim *m, unsigned job) {
    struct job *j = &m->jobs[job];
    if (j->task.state == TASK_NEW || j->task.call.count > 1)
        return;
    SAY("    #%d", (int)j->task.call.id);
    bool open = !j->units[0].ended && !j->task.doom;
    bool wanted = j->aborted;
    j->aborted = true;
    bool taken = tine__sched_abort(&m->s, &j->task);
    HOLDS(taken == open, "abort of #%d says %d", (int)j->task.call.id, taken);
    j->aborted = wanted || taken;
    sim_follow(m);
    if (taken)
        hold_ended(m, j, "abort");
}

void sim_answer(struct sim *m, unsigned job, bool again) {
    struct job *j = &m->jobs[job];
    if (j->over || !j->asked || j->task.state != TASK_HELD)
        return;
    SAY("    #%d: %s", (int)j->task.call.id, again ? "again" : "that is all");
    if (again) {
        try_again(m, j);
    } else {
        tine__sched_give_up(&m->s, &j->task);
        j->units[0].ended = true;
        job_over(j);
    }
    sim_follow(m);
}

void sim_shutdown(struct sim *m, bool cancel) {
    m->shutdown_cancels |= cancel && m->s.life <= LIFE_CLOSING;
    tine__sched_shutdown(&m->s, cancel);
    HOLDS(m->s.life != LIFE_OPEN, "open after shutdown");
    sim_follow(m);
    for (unsigned i = 0; i < m->njobs && cancel; i++)
        hold_ended(m, &m->jobs[i], "shutdown");
}

void sim_kill(struct sim *m, bool hard, uint64_t patience) {
    tine__sched_kill(&m->s, hard ? WHY_KILLED : WHY_TERMINATED, m->now + patience);
    HOLDS(m->s.life >= LIFE_STOPPING, "alive after kill");
    sim_follow(m);
    HOLDS(!hard || m->s.life >= LIFE_ENDING, "kill waits");
}

void sim_tick(struct sim *m, uint64_t now) {
    m->now = now;
    m->start_waits = false;
    tine__sched_tick(&m->s, now);
    HOLDS(sched_due(&m->s) > now, "the next time is past after a tick");
    follow_later(m);
    if (sched_due(&m->s) <=
        now) { /* the answer to an ORDER_LOOK that had been left may set a timer in the past */
        tine__sched_tick(&m->s, now);
        follow_later(m);
    }
    HOLDS(sched_due(&m->s) > now, "the next time is past after the orders of two ticks");
    for (unsigned i = 0; i < m->njobs; i++)
        if (m->jobs[i].late <= now)
            HOLDS(m->jobs[i].over || m->jobs[i].task.state != TASK_WAITING,
                  "#%d waits, and is late", (int)m->jobs[i].task.call.id);
}

/* --- what the site says --- */

static void tell_report(const struct report *r) {
    static const char *const names[] = {
        [REPORT_NONE] = "NONE",
        [REPORT_VALUES] = "VALUES",
        [REPORT_ERROR] = "ERROR",
        [REPORT_REFUSED] = "REFUSED",
        [REPORT_ENDED] = "ENDED",
        [REPORT_READY] = "READY",
        [REPORT_STOPPED] = "STOPPED",
        [REPORT_INITIALIZER] = "INITIALIZER",
        [REPORT_IDLE] = "IDLE",
        [REPORT_LEAVING] = "LEAVING",
        [REPORT_RUBBISH] = "RUBBISH",
        [REPORT_STARTED] = "STARTED",
        [REPORT_NOT_STARTED] = "NOT_STARTED",
        [REPORT_LOST] = "LOST",
        [REPORT_EXITED] = "EXITED",
        [REPORT_ROOM] = "ROOM",
        [REPORT_FAILED] = "FAILED",
        [REPORT_GONE] = "GONE",
    };
    sim_say("      %s of %u (call %u, #%d)", names[r->kind], r->worker, r->ref, (int)r->id);
}

static void hear_result(struct sim *m, const struct letter *l) {
    const struct report *r = &l->report;
    uint32_t k = 0;
    enum ending how = ENDING_NONE;
    bool again = false;
    struct task *t = tine__sched_result(&m->s, r, &k, &how, &again);
    if (!t) {
        HOLDS(!l->honest || m->site.hands[r->worker].rogue,
              "the result of #%d is taken for rubbish", (int)r->id);
        HOLDS(m->s.workers[r->worker].state == WORKER_DOOMED, "worker %u lies and lives",
              r->worker);
        return;
    }
    struct job *j = job_of(t);
    HOLDS(j == &m->jobs[m->owners[r->id].job] && k == m->owners[r->id].k,
          "a result of another task");
    HOLDS(l->honest && j->units[k].answered, "the result of #%d is a lie", (int)r->id);
    HOLDS(!j->units[k].condemned, "#%d ends by a result, but is stopped", (int)r->id);
    enum ending wanted = j->units[k].asked ? (enum ending)j->units[k].want
                         : has_stopped(m)  ? ENDING_BROKEN
                                           : ENDING_NONE;
    HOLDS(how == wanted, "the result of #%d counts, or not", (int)r->id);
    m->lives[r->worker].useful = true;
    m->futile = 0;
    if (again) {
        bool limit = how == ENDING_TIMEOUT || how == ENDING_CPU;
        HOLDS(limit || (how == ENDING_NONE && r->kind == REPORT_ERROR),
              "#%d has not failed, but is tried again", (int)r->id);
        unit_fails(m, j, limit ? RETRY_TIMEOUT : RETRY_ERROR);
        return;
    }
    if (r->kind == REPORT_ERROR && how == ENDING_NONE)
        hold_spent(m, j, RETRY_ERROR);
    j->told = j->cancelled;
    unit_ends(m, j, k, how == ENDING_BROKEN ? ENDING_NONE : how);
    if (t->state == TASK_DONE)
        job_over(j);
}

/* The worker has gone: note it for all tasks that it had begun, or was killed for (0: all
** tasks). */
static void orphan(struct sim *m, unsigned worker) {
    for (unsigned i = 0; i < m->njobs; i++)
        for (uint32_t k = 0; k < m->jobs[i].task.call.count; k++) {
            struct unit *u = &m->jobs[i].units[k];
            u->orphan |= worker == 0 || u->begun == worker || u->condemned == worker;
            m->jobs[i].returned |= u->orphan;
        }
}

static void hold_orphans_ended(struct sim *m) {
    for (unsigned i = 0; i < m->njobs; i++)
        for (uint32_t k = 0; k < m->jobs[i].task.call.count; k++)
            HOLDS(!m->jobs[i].units[k].orphan || m->jobs[i].units[k].ended,
                  "#%d goes on after the end of its worker", (int)(m->jobs[i].task.call.id + k));
}

/* Has the worker begun a task that has not ended? (It may have finished it: its report may be
** lost.) */
static bool owes_an_end(const struct sim *m, unsigned worker) {
    for (unsigned i = 0; i < m->njobs; i++)
        for (uint32_t k = 0; k < m->jobs[i].task.call.count; k++)
            if (m->jobs[i].units[k].begun == worker && !m->jobs[i].units[k].ended &&
                !m->jobs[i].units[k].condemned && !m->jobs[i].units[k].asked)
                return true;
    return false;
}

/* Was the worker asked to end its task? Then its own end counts as no crash. */
static bool is_excused(const struct sim *m, unsigned worker) {
    for (unsigned i = 0; i < m->njobs; i++)
        for (uint32_t k = 0; k < m->jobs[i].task.call.count; k++)
            if (m->jobs[i].units[k].asked == worker && !m->jobs[i].units[k].ended)
                return true;
    return false;
}

/* A death was told as a crash: was it one, and are its consequences right? */
static void hold_crash(struct sim *m, bool owed, bool excused) {
    const struct past *p = &m->lives[m->death];
    m->futile = owed || p->useful ? 0 : m->futile + 1;
    bool futile = m->o.replace && m->futile >= 3;
    HOLDS(owed || !(p->wanted || excused) || m->s.blame.rubbish,
          "worker %u has crashed: it was to end", m->death);
    HOLDS(m->s.blame.why == (futile ? WHY_STARTS : WHY_CRASH), "why = %d", m->s.blame.why);
    HOLDS(has_stopped(m) == (futile || !m->o.replace), "a death breaks the pool, or does not");
}

static void hold_blame(struct sim *m, bool owed, bool excused) {
    const struct blame *b = &m->s.blame;
    if (b->why == WHY_NONE) /* the worker was expected to end */
        return;
    hold_crash(m, owed, excused);
    HOLDS(b->worker == m->death && (b->task != NULL) == owed,
          "a task is blamed for a death, or should be");
    const struct unit *u = b->task ? &LIST_ITEM(b->task, struct job, task)->units[b->k] : NULL;
    HOLDS(!u || (u->begun == m->death && !u->ended), "the wrong task is blamed");
}

/* Note what a report makes true. */
static void note_report(struct sim *m, const struct report *r) {
    if (r->kind == REPORT_EXITED)
        m->death = r->worker;
    if (r->kind == REPORT_EXITED || r->kind == REPORT_GONE)
        orphan(m, r->kind == REPORT_GONE ? 0 : r->worker);
    if (r->kind == REPORT_LOST || r->kind == REPORT_STOPPED)
        for (unsigned i = 0; i < m->njobs; i++)
            m->jobs[i].returned |= m->s.sent[r->ref] == &m->jobs[i].task;
    if (r->kind == REPORT_ROOM || r->kind == REPORT_EXITED)
        m->start_waits = false;
    m->told_died = false;
}

static void hear(struct sim *m, const struct letter *l) {
    const struct report *r = &l->report;
    if (sim_verbose)
        tell_report(r);
    if (report_is_result(r)) {
        hear_result(m, l);
        sim_check(m);
        return;
    }
    note_report(m, r);
    bool well = r->kind == REPORT_GONE && !m->s.why && !r->pid;
    bool owed = m->death && owes_an_end(m, m->death);
    unsigned live = m->s.live;
    bool excused = m->death && is_excused(m, m->death);
    if (m->death)
        m->s.blame = (struct blame){.why = WHY_NONE};
    tine__sched_report(&m->s, r, m->now);
    HOLDS(!well || !m->s.why, "the pool is broken by the end that was wanted of its site");
    if (r->kind == REPORT_IDLE)
        HOLDS(m->s.live >= live || m->s.live >= m->o.min_workers, "worker %u is to stay",
              r->worker);
    if (r->kind == REPORT_LEAVING)
        m->lives[r->worker].wanted |= m->s.workers[r->worker].state == WORKER_LEAVING;
    if (r->kind == REPORT_NOT_STARTED)
        m->lives[r->worker].there = false;
    if (r->kind == REPORT_NOT_STARTED)
        m->start_waits = sched_runnable(&m->s) > m->s.live;
    if (m->death)
        hold_blame(m, owed, excused);
    take_events(m);
    if (r->kind == REPORT_EXITED || r->kind == REPORT_GONE)
        hold_orphans_ended(m);
    m->death = 0;
}

unsigned sim_hear(struct sim *m, unsigned n, unsigned pick) {
    struct letter l;
    unsigned heard = 0;
    while ((heard < n || m->site.dying) && m->s.life != LIFE_ENDED &&
           site_report(m, pick + heard, &l)) {
        hear(m, &l);
        HOLDS(++heard < 1000, "reports without end");
    }
    follow_later(m);
    return heard;
}

/* A result of a running task, from a worker that does not exist. */
static void stray_result(struct sim *m, unsigned number) {
    uint32_t ref = number % m->s.nrefs, k;
    enum ending how;
    bool again;
    const struct task *t = m->s.sent[ref];
    struct report r = {.kind = REPORT_VALUES, .worker = MAX_WORKERS + 1, .ref = ref};
    if (!t)
        return;
    for (unsigned w = MAX_WORKERS; w > 0; w--)
        if (m->s.workers[w].state == WORKER_NONE)
            r.worker = w;
    r.id = t->call.id + t->next;
    HOLDS(!tine__sched_result(&m->s, &r, &k, &how, &again), "a result from nobody is taken");
}

void sim_stray(struct sim *m, unsigned what, unsigned number) {
    static const enum report_kind kinds[] = {
        REPORT_LOST,    REPORT_STOPPED, REPORT_EXITED,      REPORT_READY, REPORT_LEAVING,
        REPORT_RUBBISH, REPORT_STARTED, REPORT_NOT_STARTED, REPORT_NONE,  REPORT_VALUES};
    struct report r = {.kind = kinds[what % 10],
                       .worker = MAX_WORKERS + 1 + number,
                       .ref = m->s.nrefs + number,
                       .id = 1000 + number};
    if (m->s.life == LIFE_ENDED)
        return;
    if (sim_verbose)
        tell_report(&r);
    if (r.kind == REPORT_VALUES)
        stray_result(m, number);
    else
        tine__sched_report(&m->s, &r, m->now);
    sim_follow(m);
}

/* The site: it carries out its orders, and its workers do what they like. */
#include <signal.h>
#include <string.h>
#include "sim.h"

/* --- saying --- */

static void push(struct letter *letters, unsigned *n, struct report r, bool honest) {
    if (*n < RING)
        letters[(*n)++] = (struct letter){r, honest};
}

static struct letter pop(struct letter *letters, unsigned *n) {
    struct letter l = letters[0];
    memmove(letters, letters + 1, --*n * sizeof *letters);
    return l;
}

static void say(struct hand *h, struct report r, bool honest) {
    push(h->ring, &h->nring, r, honest);
}

static void post(struct sim *m, struct report r) {
    push(m->site.control, &m->site.ncontrol, r, true);
}

/* --- workers --- */

static bool is_alive(const struct hand *h) {
    return h->stage != ABSENT && !h->dead;
}

void site_die(struct sim *m, unsigned worker) {
    struct hand *h = &m->site.hands[worker];
    if (!is_alive(h))
        return;
    SAY("    worker %u dies", worker);
    if (h->stage == ASKED)
        post(m,
             (struct report){.kind = REPORT_STARTED, .worker = worker, .pid = 100 + (int)worker});
    h->dead = true;
    post(m, (struct report){
                .kind = REPORT_EXITED, .worker = worker, .pid = 100 + (int)worker, .status = 9});
}

void site_no_start(struct sim *m, unsigned worker) {
    struct hand *h = &m->site.hands[worker];
    if (h->dead || h->stage != ASKED)
        return;
    SAY("    worker %u cannot be started", worker);
    h->dead = true;
    post(m, (struct report){.kind = REPORT_NOT_STARTED, .worker = worker, .error = 11});
}

void site_bad_start(struct sim *m, unsigned worker) {
    struct hand *h = &m->site.hands[worker];
    if (h->dead || h->stage != BORN)
        return;
    SAY("    the initializer of worker %u fails", worker);
    say(h, (struct report){.kind = REPORT_INITIALIZER, .worker = worker, .bytes = "i", .length = 1},
        true);
    h->stage = PARTING;
}

/* The worker leaves the rest of its call. */
static void lay_down(struct hand *h, unsigned worker) {
    say(h,
        (struct report){
            .kind = REPORT_STOPPED, .worker = worker, .ref = h->ref, .id = h->id + h->k},
        true);
    h->stage = IDLE;
}

/* The worker says that it leaves: as one that has run its number of tasks, or was dismissed. */
void site_leave(struct sim *m, unsigned worker) {
    struct hand *h = &m->site.hands[worker];
    if (h->dead || h->condemned || (h->stage != IDLE && h->stage != CLAIMED))
        return;
    if (h->stage == CLAIMED)
        lay_down(h, worker);
    SAY("    worker %u leaves", worker);
    say(h, (struct report){.kind = REPORT_LEAVING, .worker = worker}, true);
    h->stage = PARTING;
}

void site_idle(struct sim *m, unsigned worker) {
    struct hand *h = &m->site.hands[worker];
    if (h->dead || h->condemned || h->stage != IDLE || h->nring + 2 > RING)
        return;
    SAY("    worker %u is idle", worker);
    say(h, (struct report){.kind = REPORT_IDLE, .worker = worker}, true);
}

static bool claim(struct sim *m, unsigned worker) {
    struct site *site = &m->site;
    struct hand *h = &site->hands[worker];
    if (site->nqueue == 0)
        return false;
    h->ref = site->queue[0];
    memmove(site->queue, site->queue + 1, --site->nqueue * sizeof *site->queue);
    struct handed *c = &site->handed[h->ref];
    c->worker = worker;
    h->id = c->id;
    h->count = h->stop = c->count;
    h->k = 0;
    h->stage = CLAIMED;
    SAY("    worker %u takes #%d", worker, (int)h->id);
    return true;
}

static void begin(struct sim *m, unsigned worker) {
    struct hand *h = &m->site.hands[worker];
    struct unit *u = sim_unit(m, h->id + h->k);
    SAY("    worker %u begins #%d", worker, (int)(h->id + h->k));
    HOLDS(u && !u->ended, "worker %u begins #%d, which has ended", worker, (int)(h->id + h->k));
    HOLDS(!u->begun, "worker %u begins #%d, which worker %u has begun", worker, (int)(h->id + h->k),
          u->begun);
    HOLDS(!u->taken_back, "worker %u begins #%d, which was taken back", worker,
          (int)(h->id + h->k));
    HOLDS(!u->asked, "worker %u begins #%d, which was asked to end", worker, (int)(h->id + h->k));
    u->begun = (uint8_t)worker;
    u->since = m->now;
    h->stage = RUNNING;
}

static void finish(struct sim *m, unsigned worker) {
    struct hand *h = &m->site.hands[worker];
    static const enum report_kind kinds[] = {REPORT_VALUES, REPORT_ERROR, REPORT_REFUSED};
    uint64_t id = h->id + h->k;
    struct unit *u = sim_unit(m, id);
    enum report_kind kind = u->asked ? REPORT_ENDED : kinds[id % 3];
    SAY("    worker %u finishes #%d", worker, (int)id);
    u->answered = true;
    say(h, (struct report){.kind = kind, .worker = worker, .ref = h->ref, .id = id}, true);
    h->stage = CLAIMED;
    if (++h->k == h->count)
        h->stage = IDLE;
    else if (h->k == h->stop)
        lay_down(h, worker);
}

/* An idle worker takes the next call, or ends if there will be none. */
static bool look_for_work(struct sim *m, unsigned worker) {
    if (claim(m, worker))
        return true;
    if (!m->site.shut)
        return false;
    site_die(m, worker);
    return true;
}

bool site_advance(struct sim *m, unsigned worker) {
    struct hand *h = &m->site.hands[worker];
    if (!is_alive(h) || h->nring + 2 > RING)
        return false;
    if (h->dismissed && !h->condemned && (h->stage == IDLE || h->stage == CLAIMED)) {
        site_leave(m, worker);
        return true;
    }
    switch (h->stage) {
    case ASKED:
        post(m,
             (struct report){.kind = REPORT_STARTED, .worker = worker, .pid = 100 + (int)worker});
        h->stage = BORN;
        break;
    case BORN:
        say(h, (struct report){.kind = REPORT_READY, .worker = worker}, true);
        h->stage = IDLE;
        break;
    case IDLE:
        return look_for_work(m, worker);
    case CLAIMED:
        if (h->condemned)
            return false;
        if (h->k >= h->stop)
            lay_down(h, worker);
        else if (sim_unit(m, h->id + h->k)->asked)
            finish(m, worker); /* it does not even begin */
        else
            begin(m, worker);
        break;
    case RUNNING:
        if (h->condemned)
            return false;
        finish(m, worker);
        break;
    default: /* PARTING */
        site_die(m, worker);
    }
    return true;
}

/* --- lies --- */

void site_forge(struct sim *m, unsigned worker, unsigned what) {
    struct hand *h = &m->site.hands[worker];
    if (h->dead || h->stage < IDLE || h->condemned || h->nring + 2 > RING)
        return;
    struct report r = {.worker = worker, .ref = h->ref, .id = 1000 + what};
    switch (what % 4) {
    case 0: /* what the site itself takes for rubbish */
        r.kind = REPORT_RUBBISH;
        break;
    case 1: /* a result of a task that is not its own, or that it has not come to */
        r.kind = REPORT_VALUES;
        if ((h->stage == CLAIMED || h->stage == RUNNING) && h->k + 1 < h->count)
            r.id = h->id + h->k + 1;
        break;
    case 2: /* a result for the second time */
        r.kind = REPORT_ERROR;
        if (h->stage != CLAIMED || h->k == 0)
            return;
        r.id = h->id + h->k - 1;
        break;
    default: /* it says that it has left its call behind the task that it is running */
        r.kind = REPORT_STOPPED;
        if (h->stage != RUNNING || h->k + 1 >= h->count)
            return;
        r.id = h->id + h->k + 1;
        h->stage = IDLE;
    }
    SAY("    worker %u lies", worker);
    h->rogue = true;
    say(h, r, false);
}

void site_fail(struct sim *m, bool gone) {
    SAY("    the site %s", gone ? "has gone" : "fails");
    if (gone)
        m->site.gone = true;
    post(m, (struct report){.kind = gone ? REPORT_GONE : REPORT_FAILED, .error = 12});
    if (!gone)
        return;
    m->site.ncontrol = 1;
    m->site.control[0] = (struct letter){{.kind = REPORT_GONE, .pid = 99, .status = 9}, true};
    for (unsigned w = 1; w <= MAX_WORKERS; w++)
        m->site.hands[w] = (struct hand){.stage = m->site.hands[w].stage, .dead = true};
}

/* --- orders --- */

static uint64_t label_at(const struct site *site, unsigned i) {
    return site->handed[site->queue[i]].label;
}

/* Put the call before those of greater labels. */
static void enqueue(struct sim *m, const struct order *o) {
    struct site *site = &m->site;
    unsigned i = site->nqueue++;
    for (; i > 0 && label_at(site, i - 1) > o->label; i--)
        site->queue[i] = site->queue[i - 1];
    HOLDS(i == 0 || label_at(site, i - 1) < o->label, "RUN #%d with the label of another one",
          (int)o->task->call.id);
    HOLDS(o->overtakes || i == site->nqueue - 1, "RUN #%d before others, though it is not to",
          (int)o->task->call.id);
    HOLDS(m->s.o.labels || !o->overtakes, "RUN #%d before others, which is too much for this site",
          (int)o->task->call.id);
    site->queue[i] = o->task->call.ref;
}

static void run(struct sim *m, const struct order *o, struct answer *a) {
    struct site *site = &m->site;
    const struct task *t = o->task;
    if (site->refusals > 0) {
        site->refusals--;
        a->err = site->refusal;
        return;
    }
    if (site->nqueue >= m->o.slots) {
        a->err = TINE_EAGAIN;
        return;
    }
    site->handed[t->call.ref] =
        (struct handed){true, t->call.id + t->next, t->upto - t->next, 0, o->label};
    enqueue(m, o);
}

/* Take the call out of the queue, if no worker has it. */
static bool withdraw(struct sim *m, uint32_t ref, struct answer *a) {
    struct site *site = &m->site;
    for (unsigned i = 0; i < site->nqueue; i++)
        if (site->queue[i] == ref) {
            memmove(site->queue + i, site->queue + i + 1,
                    (--site->nqueue - i) * sizeof *site->queue);
            site->handed[ref].here = false;
            *a = (struct answer){.where = AT_NOBODY, .id = site->handed[ref].id};
            return true;
        }
    return false;
}

/* The worker that has the call, if it is not done with it. */
static struct hand *hand_at(struct sim *m, uint32_t ref) {
    struct handed *c = &m->site.handed[ref];
    struct hand *h = &m->site.hands[c->worker];
    bool at_it = h->stage == CLAIMED || h->stage == RUNNING;
    return c->worker && at_it && h->ref == ref && h->id == c->id ? h : NULL;
}

/* The worker leaves a chunk after the task that runs. A chunk that was taken and has not begun
** cannot be recalled. */
static void recall(struct sim *m, uint32_t ref, struct answer *a) {
    if (withdraw(m, ref, a))
        return;
    struct hand *h = hand_at(m, ref);
    a->where = AT_PAST;
    if (!h || h->count == 1 || (h->stage == CLAIMED && h->k == 0))
        return;
    uint32_t next = h->stage == RUNNING ? h->k + 1 : h->k;
    a->where = AT_NOBODY;
    a->id = h->id + next;
    h->stop = next;
}

/* The worker that runs this task, or is about to begin it if it is the first of its call. */
static struct hand *hand_at_task(struct sim *m, const struct order *o, uint32_t ref) {
    struct hand *h = hand_at(m, ref);
    return h && h->id + h->k == o->id && (h->stage == RUNNING || h->k == 0) ? h : NULL;
}

static void ask(struct sim *m, const struct order *o, uint32_t ref, struct answer *a) {
    if (withdraw(m, ref, a))
        return;
    a->where = AT_PAST;
    if (!hand_at_task(m, o, ref))
        return;
    a->where = AT_WORKER;
    a->worker = m->site.handed[ref].worker;
}

static void stop(struct sim *m, const struct order *o, uint32_t ref, struct answer *a) {
    if (withdraw(m, ref, a))
        return;
    struct hand *h = hand_at_task(m, o, ref);
    a->where = AT_PAST;
    if (!h)
        return;
    a->where = AT_ITS_END;
    a->worker = m->site.handed[ref].worker;
    h->condemned = h->killed = true;
}

static void look(struct sim *m, uint32_t ref, struct answer *a) {
    struct handed *c = &m->site.handed[ref];
    struct hand *h = hand_at(m, ref);
    a->where = c->worker ? AT_PAST : AT_SITE;
    if (h && h->stage == RUNNING) {
        a->where = AT_WORKER;
        a->id = h->id + h->k;
        a->since = sim_unit(m, a->id)->since;
        a->spent = (m->now - a->since) / 2; /* it uses half of a processor */
    }
}

static void dismiss(struct sim *m, unsigned worker, struct answer *a) {
    struct hand *h = &m->site.hands[worker];
    h->dismissed = true;
    h->dismissed_at = m->now;
    if (h->stage <= IDLE)
        a->where = AT_NOBODY;
}

static void start(struct sim *m, unsigned worker, struct answer *a) {
    struct site *site = &m->site;
    if (site->gone) { /* that will be reported */
        a->err = TINE_EAGAIN;
        return;
    }
    if (site->start_refusals > 0) {
        site->start_refusals--;
        a->err = site->start_refusal;
        a->error = 11;
        return;
    }
    site->hands[worker] = (struct hand){.stage = ASKED};
}

static void kill_hand(struct sim *m, const struct order *o) {
    struct hand *h = &m->site.hands[o->worker];
    if (o->signal == SIGKILL)
        h->killed = true;
    else
        h->termed = true;
}

static void end(struct sim *m) {
    m->site.ending = true;
    for (unsigned w = 1; w <= MAX_WORKERS; w++)
        if (m->site.hands[w].stage == ASKED)
            m->site.hands[w].dead = true; /* it is not reported */
        else
            site_die(m, w);
    post(m, (struct report){.kind = REPORT_GONE});
}

void site_give(struct sim *m, const struct order *o, struct answer *a) {
    *a = (struct answer){.where = AT_SITE};
    switch (o->kind) {
    case ORDER_RUN:
        run(m, o, a);
        break;
    case ORDER_WITHDRAW:
        if (!withdraw(m, o->task->call.ref, a))
            a->where = AT_PAST;
        break;
    case ORDER_RECALL:
        recall(m, o->task->call.ref, a);
        break;
    case ORDER_ASK:
        ask(m, o, o->task->call.ref, a);
        break;
    case ORDER_STOP:
        stop(m, o, o->task->call.ref, a);
        break;
    case ORDER_LOOK:
        look(m, o->task->call.ref, a);
        break;
    case ORDER_START:
        start(m, o->worker, a);
        break;
    case ORDER_DISMISS:
        dismiss(m, o->worker, a);
        break;
    case ORDER_SPREAD:
        m->site.errands++;
        break;
    case ORDER_KILL:
        kill_hand(m, o);
        break;
    case ORDER_FINISH:
        m->site.shut = true;
        break;
    case ORDER_END:
        end(m);
        break;
    case ORDER_NONE:
        break;
    }
}

/* --- reports --- */

/* What the site reads in a worker's ring. */
static bool read_ring(struct sim *m, unsigned worker, struct letter *l) {
    struct hand *h = &m->site.hands[worker];
    if (h->broken || h->nring == 0)
        return false;
    *l = pop(h->ring, &h->nring);
    const struct report *r = &l->report;
    struct handed *c = &m->site.handed[r->ref];
    if (report_is_result(r) && !(c->here && c->worker == worker))
        l->report = (struct report){.kind = REPORT_RUBBISH, .worker = worker};
    if (l->report.kind == REPORT_RUBBISH)
        h->broken = true;
    return true;
}

/* The next call that the dead worker had taken. */
static bool next_loss(struct sim *m, struct letter *l) {
    struct site *site = &m->site;
    for (; site->death_ref < m->s.nrefs; site->death_ref++) {
        uint32_t ref = site->death_ref;
        struct handed *c = &site->handed[ref];
        if (!c->here || c->worker != site->dying)
            continue;
        uint64_t id = c->id;
        while (id < c->id + c->count &&
               (sim_unit(m, id)->begun == site->dying || sim_unit(m, id)->answered))
            id++; /* a task that was asked before it began has answered without having begun */
        c->here = false;
        *l = (struct letter){{.kind = REPORT_LOST, .worker = site->dying, .ref = ref, .id = id},
                             true};
        return true;
    }
    return false;
}

/* The end of a worker: first its results, then its calls as lost, then REPORT_EXITED. */
static bool tell_death(struct sim *m, struct letter *l) {
    struct site *site = &m->site;
    if (!site->dying)
        return false;
    if (read_ring(m, site->dying, l) || next_loss(m, l))
        return true;
    *l = (struct letter){site->death, true};
    site->hands[site->dying] = (struct hand){.stage = ABSENT};
    for (uint32_t ref = 0; ref < m->s.nrefs; ref++)
        if (site->handed[ref].worker == site->dying)
            site->handed[ref].here = false;
    site->dying = 0;
    return true;
}

/* The site ends by itself when no more calls come and its last worker has gone. */
static bool is_through(const struct sim *m) {
    for (unsigned w = 1; w <= MAX_WORKERS; w++)
        if (m->site.hands[w].stage != ABSENT)
            return false;
    return m->site.shut && !m->site.ending && !m->site.gone && m->site.ncontrol == 0;
}

static bool read_control(struct sim *m, struct letter *l) {
    struct site *site = &m->site;
    if (is_through(m))
        post(m, (struct report){.kind = REPORT_GONE});
    if (site->ncontrol == 0)
        return false;
    *l = pop(site->control, &site->ncontrol);
    switch (l->report.kind) {
    case REPORT_EXITED:
        site->dying = l->report.worker;
        site->death = l->report;
        site->death_ref = 0;
        return tell_death(m, l);
    case REPORT_NOT_STARTED:
        site->hands[l->report.worker] = (struct hand){.stage = ABSENT};
        break;
    case REPORT_GONE:
        site->gone = true;
        break;
    default:
        break;
    }
    return true;
}

bool site_report(struct sim *m, unsigned pick, struct letter *l) {
    struct site *site = &m->site;
    if (tell_death(m, l))
        return true;
    if (site->asked_for_room && site->nqueue <= site->low && site->refusals == 0)
        site->room = true;
    if (site->room && !site->gone) {
        site->room = site->asked_for_room = false;
        *l = (struct letter){{.kind = REPORT_ROOM}, true};
        return true;
    }
    for (unsigned i = 0; i <= MAX_WORKERS; i++) {
        unsigned source = (pick + i) % (MAX_WORKERS + 1);
        if (source == 0 ? read_control(m, l) : read_ring(m, source, l))
            return true;
    }
    return false;
}

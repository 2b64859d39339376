/* Histories: which steps there are, how a seed chooses them, and how they are run. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "check.h"
#include "sim.h"

/* --- steps: two numbers, `a` and `b`, say all that each does --- */

enum op {
    OP_SUBMIT,
    OP_SUBMIT_DONE,
    OP_WITHDRAW,
    OP_CANCEL,
    OP_ABORT,
    OP_ANSWER,
    OP_SHUTDOWN,
    OP_TERMINATE,
    OP_KILL,
    OP_RESIZE,
    OP_TIME,
    OP_DUE,
    OP_PACE,
    OP_LAZY,
    OP_HEAR,
    OP_WORK,
    OP_HANG,
    OP_LEAVE,
    OP_IDLE,
    OP_DIE,
    OP_NO_START,
    OP_BAD_START,
    OP_LIE,
    OP_REFUSE_RUN,
    OP_REFUSE_START,
    OP_STRAY,
    OP_FAIL,
    OP_GONE,
    OP_COUNT
};

static void set_retry(struct retry *r, unsigned kind) {
    static const uint32_t budgets[][RETRY_KINDS] = {{0}, {1, 1, 1, 1}, {2, 0, 1, 0}, {1, 2, 1, 1}};
    memcpy(r->budget, budgets[kind], sizeof r->budget);
    r->delay = kind == 2 ? 0 : 4 * MS;
    r->most = 6 * MS;
    r->factor = 2;
    r->jitter = 0.5;
    r->asks = kind == 3;
}

static void do_submit(struct sim *m, unsigned a, unsigned b) {
    static const uint64_t limits[] = {0, 1 * MS, 5 * MS, 20 * MS};
    static const uint64_t deadlines[] = {0, 0, 3 * MS, 25 * MS, 0, 1, 3 * MS, 25 * MS};
    static const int64_t priorities[] = {0, 0, 1, -1, INT64_MAX};
    static const uint64_t graces[] = {5 * MS, 0, 50 * MS, UINT64_MAX};
    static const uint64_t cpus[] = {0, 0, 2 * MS, 10 * MS};
    struct settings set = {.timeout = limits[b % 4],
                           .priority = priorities[b / 4 % 5],
                           .deadline = deadlines[b / 60 % 8],
                           .grace = graces[a / MAX_COUNT % 4],
                           .cpu = cpus[a / 16 % 4]};
    char *group = (char *)&set + offsetof(struct settings, group);
    set.group_len = b / 20 % 3 > 0;
    set.group_hash = set.group_len;
    set_retry(&set.retry, a / 4 % 4);
    *group = (char)('a' + b / 20 % 3);
    sim_submit(m, 1 + a % MAX_COUNT, &set, false);
}

static void do_submit_done(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    const struct settings set = {.timeout = 0};
    sim_submit(m, 1 + a % MAX_COUNT, &set, true);
}

static void do_withdraw(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    if (m->njobs > 0)
        sim_withdraw(m, m->njobs - 1 - a % m->njobs);
}

static void do_cancel(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    if (m->njobs > 0)
        sim_cancel(m, m->njobs - 1 - a % m->njobs);
}

static void do_abort(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    if (m->njobs > 0)
        sim_abort(m, m->njobs - 1 - a % m->njobs);
}

static void do_answer(struct sim *m, unsigned a, unsigned b) {
    if (m->njobs > 0)
        sim_answer(m, m->njobs - 1 - a % m->njobs, b % 4 > 0);
}

static void do_shutdown(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    sim_shutdown(m, a % 2);
}

static void do_terminate(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    sim_kill(m, false, (a % 8) * 10 * MS + 1);
}

static void do_kill(struct sim *m, unsigned a, unsigned b) {
    (void)a, (void)b;
    sim_kill(m, true, 0);
}

static void do_resize(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    sim_resize(m, 1 + a % MAX_WORKERS);
}

static void do_time(struct sim *m, unsigned a, unsigned b) {
    static const uint64_t times[] = {1,       MS / 10, MS,       2 * MS,    6 * MS,
                                     20 * MS, 50 * MS, 200 * MS, 1000 * MS, 3000 * MS};
    sim_tick(m, m->now + times[a % 10] + b);
}

static void do_due(struct sim *m, unsigned a, unsigned b) {
    (void)a, (void)b;
    uint64_t due = sched_due(&m->s);
    if (due != TIMER_NEVER)
        sim_tick(m, due > m->now ? due : m->now);
}

static void do_pace(struct sim *m, unsigned a, unsigned b) {
    m->now += a * MS / 16 + b;
    tine__sched_pace(&m->s, m->now);
    HOLDS(m->s.window > 0 && m->s.window <= m->s.nrefs, "a window of %d", (int)m->s.window);
    sim_follow(m);
}

static void do_lazy(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    m->lazy = 1 + a % 3;
}

static void do_hear(struct sim *m, unsigned a, unsigned b) {
    sim_hear(m, 1 + a, b);
}

static unsigned which(unsigned a) {
    return 1 + a % MAX_WORKERS;
}

static void do_work(struct sim *m, unsigned a, unsigned b) {
    for (unsigned i = 0; i <= b; i++)
        if (!m->site.hands[which(a)].hung)
            site_advance(m, which(a));
}

static void do_hang(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    m->site.hands[which(a)].hung = m->site.hands[which(a)].stage != ABSENT;
}

static void do_leave(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    site_leave(m, which(a));
}

static void do_idle(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    site_idle(m, which(a));
}

static void do_die(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    site_die(m, which(a));
}

static void do_no_start(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    site_no_start(m, which(a));
}

static void do_bad_start(struct sim *m, unsigned a, unsigned b) {
    (void)b;
    site_bad_start(m, which(a));
}

static void do_lie(struct sim *m, unsigned a, unsigned b) {
    site_forge(m, which(a), b);
}

static void do_refuse_run(struct sim *m, unsigned a, unsigned b) {
    m->site.refusals = 1 + a % 3;
    m->site.refusal = b % 4 ? TINE_EAGAIN : TINE_ENOMEM;
}

static void do_refuse_start(struct sim *m, unsigned a, unsigned b) {
    static const int codes[] = {TINE_EAGAIN, TINE_ESYSTEM, TINE_ENOMEM};
    m->site.start_refusals = 1 + a % 4;
    m->site.start_refusal = codes[b % 3];
}

static void do_fail(struct sim *m, unsigned a, unsigned b) {
    (void)a, (void)b;
    site_fail(m, false);
}

static void do_gone(struct sim *m, unsigned a, unsigned b) {
    (void)a, (void)b;
    site_fail(m, true);
}

/* How often each step comes, and in which kind of history: one that has all of its flavours. */
enum flavour { PLAIN, USERS = 1, DEATHS = 2, LIES = 4, REFUSALS = 8, ENDS = 16, LAZINESS = 32 };

static const struct {
    const char *name;
    void (*run)(struct sim *m, unsigned a, unsigned b);
    uint8_t often, flavour;
    uint8_t a, b; /* both numbers of the step are below these */
} ops[OP_COUNT] = {[OP_SUBMIT] = {"submit", do_submit, 16, PLAIN, 64, 240},
                   [OP_SUBMIT_DONE] = {"submit_done", do_submit_done, 1, USERS, 4, 1},
                   [OP_WITHDRAW] = {"withdraw", do_withdraw, 1, USERS, 2, 1},
                   [OP_CANCEL] = {"cancel", do_cancel, 5, USERS, 6, 1},
                   [OP_ABORT] = {"abort", do_abort, 5, USERS, 6, 1},
                   [OP_ANSWER] = {"answer", do_answer, 4, USERS, 6, 4},
                   [OP_SHUTDOWN] = {"shutdown", do_shutdown, 2, ENDS, 2, 1},
                   [OP_TERMINATE] = {"terminate", do_terminate, 1, ENDS, 8, 1},
                   [OP_KILL] = {"kill", do_kill, 1, ENDS, 1, 1},
                   [OP_RESIZE] = {"resize", do_resize, 2, USERS, 4, 1},
                   [OP_TIME] = {"time", do_time, 6, PLAIN, 10, 4},
                   [OP_DUE] = {"due", do_due, 6, PLAIN, 1, 1},
                   [OP_PACE] = {"pace", do_pace, 2, PLAIN, 64, 4},
                   [OP_LAZY] = {"lazy", do_lazy, 4, LAZINESS, 3, 1},
                   [OP_HEAR] = {"hear", do_hear, 20, PLAIN, 6, 5},
                   [OP_WORK] = {"work", do_work, 30, PLAIN, 4, 5},
                   [OP_HANG] = {"hang", do_hang, 2, PLAIN, 4, 1},
                   [OP_LEAVE] = {"leave", do_leave, 3, DEATHS, 4, 1},
                   [OP_IDLE] = {"idle", do_idle, 3, PLAIN, 4, 1},
                   [OP_DIE] = {"die", do_die, 5, DEATHS, 4, 1},
                   [OP_NO_START] = {"no_start", do_no_start, 2, REFUSALS, 4, 1},
                   [OP_BAD_START] = {"bad_start", do_bad_start, 1, ENDS, 4, 1},
                   [OP_LIE] = {"lie", do_lie, 4, LIES, 4, 4},
                   [OP_REFUSE_RUN] = {"refuse_run", do_refuse_run, 4, REFUSALS, 3, 4},
                   [OP_REFUSE_START] = {"refuse_start", do_refuse_start, 4, REFUSALS, 4, 3},
                   [OP_STRAY] = {"stray", sim_stray, 2, LIES, 10, 4},
                   [OP_FAIL] = {"fail", do_fail, 1, ENDS, 1, 1},
                   [OP_GONE] = {"gone", do_gone, 1, ENDS, 1, 1}};

/* --- making a history --- */

static unsigned below(unsigned long long *seed, unsigned n) {
    return (unsigned)(check_random(seed) >> 33) % n;
}

static uint8_t choose(unsigned long long *seed, unsigned flavours) {
    unsigned sum = 0;
    for (unsigned i = 0; i < OP_COUNT; i++)
        sum += ops[i].flavour & ~flavours ? 0 : ops[i].often;
    unsigned at = below(seed, sum);
    for (unsigned i = 0;; i++) {
        unsigned often = ops[i].flavour & ~flavours ? 0 : ops[i].often;
        if (at < often)
            return (uint8_t)i;
        at -= often;
    }
}

/* Seconds pass while tasks wait or lie in the queue, and little else happens: ranks cross by
** ageing. */
static void slow_down(struct history *h) {
    h->config.start_timeout = h->config.max_age = 0;
    for (unsigned i = 0; i < h->n; i++) {
        struct step *s = &h->steps[i];
        if (s->op == OP_SUBMIT)
            s->b %= 60; /* no deadline */
        else if (s->op == OP_TIME)
            s->a = 7 + s->a % 3;
        else if (s->op == OP_WORK && s->a % 2)
            *s = (struct step){OP_TIME, 7 + s->b % 3, s->a};
    }
}

void history_make(struct history *h, uint64_t number) {
    unsigned long long seed = number * 0x2545f4914f6cdd1dull + 1;
    unsigned flavours = below(&seed, 64);
    h->seed = number;
    h->config = (struct config){.workers = (uint8_t)(1 + below(&seed, MAX_WORKERS)),
                                .slots = (uint8_t)(1 + below(&seed, MAX_SLOTS)),
                                .replace = below(&seed, 4) > 0,
                                .max_pending = (uint8_t)(below(&seed, 4) ? 0 : 1 + below(&seed, 6)),
                                .start_timeout = (uint8_t)below(&seed, 2),
                                .exit_timeout = (uint8_t)below(&seed, 2),
                                .window = (uint8_t)(below(&seed, 3) ? 0 : 1 + below(&seed, 6)),
                                .ageing = (uint8_t)below(&seed, 4),
                                .min_workers = (uint8_t)below(&seed, 3),
                                .max_age = (uint8_t)(below(&seed, 3) ? 0 : 1 + below(&seed, 8)),
                                .max_bytes = (uint8_t)(below(&seed, 4) ? 0 : below(&seed, 100))};
    h->n = 5 + below(&seed, MAX_STEPS - 4);
    for (unsigned i = 0; i < h->n; i++) {
        uint8_t op = choose(&seed, flavours);
        h->steps[i] =
            (struct step){op, (uint8_t)below(&seed, ops[op].a), (uint8_t)below(&seed, ops[op].b)};
        if (op == OP_SUBMIT && below(&seed, 2))
            h->steps[i].a &= 12; /* half of them are single tasks */
        if (op == OP_SUBMIT && below(&seed, 2))
            h->steps[i].b %= 4; /* and of one priority */
    }
    if (below(&seed, 4) == 0)
        slow_down(h);
}

/* --- running a history --- */

static void open_pool(struct sim *m, const struct config *c) {
    static const double ageing[] = {0, 0.75, 2.25, 250};
    memset(m, 0, sizeof *m);
    m->now = 1000 * MS;
    m->room = UINT64_MAX;
    m->o = (struct sched_options){.workers = c->workers,
                                  .most = MAX_WORKERS,
                                  .min_workers = c->min_workers,
                                  .max_age = c->max_age * 7 * MS,
                                  .max_bytes = c->max_bytes,
                                  .tell_exits = true,
                                  .slots = c->slots,
                                  .labels = c->slots % 2 == 0,
                                  .asks = c->slots % 4 == 1,
                                  .replace = c->replace,
                                  .max_pending = c->max_pending,
                                  .start_timeout = c->start_timeout * 30 * MS,
                                  .exit_timeout = c->exit_timeout * 40 * MS,
                                  .seed = 7,
                                  .ageing = ageing[c->ageing]};
    HOLDS(tine__sched_init(&m->s, &m->o) == 0, "no memory");
    if (c->window) /* but not less than tine__sched_pace would set */
        m->s.window = 2 * c->workers + 1 + c->window;
}

static void say_config(const struct config *c) {
    SAY("workers %u, slots %u, %s, max_pending %u, start_timeout %u, exit_timeout %u, window %u, ageing %u",
        c->workers, c->slots, c->replace ? "a death ends its task only" : "a death breaks the pool",
        c->max_pending, c->start_timeout, c->exit_timeout, c->window, c->ageing);
}

static void take_step(struct sim *m, const struct step *s) {
    bool users = s->op < OP_TIME;
    if (m->site.gone && !users && s->op != OP_HEAR)
        return;
    SAY("%s %u %u", ops[s->op].name, s->a, s->b);
    if (users) { /* what users do is told only when no order is left */
        m->lazy = 0;
        sim_follow(m);
    }
    ops[s->op].run(m, s->a, s->b);
}

static void play(struct sim *m, const struct history *h) {
    say_config(&h->config);
    open_pool(m, &h->config);
    for (unsigned i = 0; i < h->n && m->s.life != LIFE_ENDED; i++)
        take_step(m, &h->steps[i]);
    sim_end(m);
}

const char *history_run(const struct history *h) {
    static struct sim m;
    sim_played++;
    if (sigsetjmp(sim_failed, 0) == 0) {
        play(&m, h);
        tine__sched_free(&m.s);
        return NULL;
    }
    tine__sched_free(&m.s);
    return sim_failure;
}

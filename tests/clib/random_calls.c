/* Calls of the whole C interface at random, from four threads, on pools and futures that all of them share, with arguments
** that are right, nearly right or nonsense. What each task gives is known, so whatever its future says at any time is
** judged; each callback is called once; each pool ends when it is told to, and its figures add up.
**
** The order in which threads run is theirs: the same seed makes the same calls, and not always the same history. The guard
** sees to what hangs, or is left over. -n ROUNDS (20), -s SEED (1), -v. */
#include <getopt.h>
#include <math.h>
#include "clib/clib.h"

#define THREADS 4
#define CALLS 60 /* of a thread, in a round */
#define PLACES 3
#define ROOM (THREADS * CALLS * 3)
#define SIZE_MEMORY 300000u /* bytes that a task which has a limit may add */

/* --- what there is --- */

struct place {
    tine_pool *pool;
    bool in_process;
    int on_crash;
    atomic_bool killed, cut; /* its tasks may end as broken; as cancelled */
    atomic_uint accepted;    /* submits */
};

enum kind {
    SUM,
    ECHO,
    RAISE,
    ENDLESS, /* its time-out ends it */
    SLOW,
    DIE,
    EMIT,
    GREEDY, /* its memory limit ends it */
    PRINT,
    NAMED,
    NOWHERE, /* a name that is none */
    LARGE,
    UNSENDABLE,
    GARBLED, /* no Lua */
    KINDS
};

static const char *const sources[KINDS] = {
    [SUM] = "local a, b = ... return a + b",
    [ECHO] = "return ...",
    [RAISE] = "error('no ' .. ..., 0)",
    [ENDLESS] = "while true do end",
    [SLOW] =
        "local a, b = ... local t = os.clock() + 0.003 repeat until os.clock() > t return a + b",
    [DIE] = "os.exit(3)",
    [EMIT] = "local emit = require('tine').worker.emit for i = 1, 9 do emit(i) end return 9",
    [GREEDY] = "local t = {} for i = 1, 1e7 do t[i] = { i } end",
    [PRINT] = "local a, b = ... io.write(('x'):rep(b)) return a + b",
    [NAMED] = "math.max",
    [NOWHERE] = "no.such.function",
    [LARGE] = "local a, b = ... return ('y'):rep(100000 + b), a + b",
    [UNSENDABLE] = "return coroutine.create(print)",
    [GARBLED] = "return +",
};
#define EVENTS 9
#define LONGEST 60 /* s that a pool may take to end */

struct work {
    tine_future *future; /* NULL: nobody has asked for it */
    struct place *place;
    enum kind kind;
    long long a, b;
    bool captured, may_be_late;
    bool has_done;
    atomic_uint called;
    atomic_bool ended; /* somebody has cancelled or aborted it */
    atomic_flag read;  /* held by who reads its events */
    long long event;   /* the last one */
};

static struct place places[PLACES];
static unsigned nplaces;
static struct work works[ROOM];
static atomic_uint nworks, published[ROOM];
static unsigned long long seed;
static unsigned round_number;
static bool verbose;

static _Noreturn void wrong(const struct work *w, const char *what, long long got) {
    fprintf(stderr, "seed %llu, round %u: %s: %lld, of kind %d (%lld, %lld) in pool %d: %s\n", seed,
            round_number, what, got, w->kind, w->a, w->b, (int)(w->place - places),
            w->future ? tine_future_message(w->future) : "");
    _exit(1);
}

/* --- judging --- */

static long long next_integer(const struct work *w, tine_unpack *u) {
    tine_value v;
    if (tine_unpack_next(u, &v) != 1 || v.type != TINE_INTEGER)
        wrong(w, "no integer", v.type);
    return v.integer;
}

static void judge_text(const struct work *w, tine_unpack *u, char c, size_t length) {
    tine_value v;
    if (tine_unpack_next(u, &v) != 1 || v.type != TINE_STRING || v.length != length)
        wrong(w, "another text", (long long)v.length);
    for (size_t i = 0; i < length; i += 97)
        if (v.bytes[i] != c)
            wrong(w, "another byte", (long long)i);
}

static void judge_values(const struct work *w, tine_future *f) {
    tine_unpack u;
    tine_value head;
    u.at = tine_future_values(f, &u.left);
    if (!u.at || tine_unpack_next(&u, &head) != 1 || head.type != TINE_ARRAY)
        wrong(w, "no values", (long long)u.left);
    size_t wanted = w->kind == ECHO || w->kind == LARGE ? 2 : 1;
    if (head.length != wanted)
        wrong(w, "so many values", (long long)head.length);
    if (w->kind == LARGE)
        judge_text(w, &u, 'y', 100000 + (size_t)w->b);
    long long first = next_integer(w, &u);
    long long sum = w->kind == EMIT    ? EVENTS
                    : w->kind == ECHO  ? w->a
                    : w->kind == NAMED ? (w->a > w->b ? w->a : w->b)
                                       : w->a + w->b;
    if (first != sum || (w->kind == ECHO && next_integer(w, &u) != w->b))
        wrong(w, "another value", first);
    if (tine_unpack_next(&u, &head) != 0)
        wrong(w, "more values", head.type);
}

static void judge_output(const struct work *w, tine_future *f) {
    size_t length;
    const void *output = tine_future_output(f, &length);
    bool captures = w->captured && !w->place->in_process;
    if (!captures != !output)
        wrong(w, "output", output != NULL);
    if (output && w->kind == PRINT && length != (size_t)w->b)
        wrong(w, "so much output", (long long)length);
}

static int code_of(const struct work *w) {
    static const int codes[KINDS] = {
        [RAISE] = TINE_ETASK,       [ENDLESS] = TINE_ETIMEOUT,   [DIE] = TINE_ECRASHED,
        [GREEDY] = TINE_EMEMORY,    [NOWHERE] = TINE_ESERIALIZE, [UNSENDABLE] = TINE_ESERIALIZE,
        [GARBLED] = TINE_ESERIALIZE};
    return w->kind == DIE && w->place->in_process ? TINE_ETASK : codes[w->kind];
}

/* Does it say what it may? True: it is done. */
static bool judge(const struct work *w, tine_future *f) {
    const struct place *p = w->place;
    int state = tine_future_state(f), code = tine_future_code(f);
    if (code == TINE_EAGAIN)
        return false;
    if (state != TINE_FINISHED && state != TINE_CANCELLED && state != TINE_RUNNING &&
        state != TINE_PENDING)
        wrong(w, "state", state);
    bool its_own = code == code_of(w);
    bool cancelled = code == TINE_ECANCELLED && (w->ended || p->cut);
    bool broken = code == TINE_EBROKEN && p->killed;
    bool late = code == TINE_ETIMEOUT && w->may_be_late;
    if (!its_own && !cancelled && !broken && !late)
        wrong(w, "code", code);
    if (code == 0)
        judge_values(w, f);
    else if (!*tine_future_message(f))
        wrong(w, "an error without words", code);
    if (code == 0)
        judge_output(w, f);
    return true;
}

static void done(tine_future *f, void *arg);

/* --- submitting --- */

static double fraction(unsigned long long *s) {
    return (double)(check_random(s) % 1000) / 1000;
}

static unsigned pick(unsigned long long *s, unsigned n) {
    return (unsigned)(check_random(s) % n);
}

static void set_task(struct work *w, tine_task *t, unsigned long long *s) {
    t->function = sources[w->kind];
    t->kind = w->kind == NAMED || w->kind == NOWHERE ? TINE_NAME : TINE_SOURCE;
    if (w->kind == ENDLESS)
        t->timeout = 0.005 + 0.01 * fraction(s);
    if (w->kind == GREEDY)
        t->memory = SIZE_MEMORY;
    w->captured = w->kind == PRINT || pick(s, 4) == 0;
    if (w->captured)
        t->output = TINE_OUTPUT_CAPTURE;
    if (pick(s, 8) == 0)
        t->priority = (int)pick(s, 5) - 2;
    if (pick(s, 8) == 0)
        t->group = pick(s, 2) ? "a" : "b";
    if (pick(s, 8) == 0) {
        t->retry.error = t->retry.timeout = pick(s, 2);
        t->retry.delay = 0.001;
    }
    if (pick(s, 10) == 0) {
        t->deadline = 0.02 * fraction(s);
        w->may_be_late = t->deadline > 0;
    }
    if (pick(s, 8) == 0)
        t->label = "label";
    t->seeded = pick(s, 8) == 0;
    t->grace = pick(s, 8) == 0 ? 0.05 * fraction(s) : -1;
    w->has_done = pick(s, 2) == 0;
    if (w->has_done) {
        t->done = done;
        t->done_arg = w;
    }
}

static void submit_at_random(struct place *p, unsigned long long *s, enum kind kind) {
    unsigned at = atomic_fetch_add(&nworks, 1);
    if (at >= ROOM)
        return;
    struct work *w = &works[at];
    tine_task task = TINE_TASK_INIT;
    tine_pack args = TINE_PACK_INIT;
    w->place = p;
    w->kind = kind == PRINT && p->in_process ? SUM : kind; /* it would print for us */
    w->a = (long long)(check_random(s) % 2000001) - 1000000;
    w->b = (long long)(check_random(s) % 5000);
    atomic_flag_clear(&w->read);
    set_task(w, &task, s);
    tine_pack_array(&args, 2);
    tine_pack_integer(&args, w->a);
    tine_pack_integer(&args, w->b);
    task.args = args.bytes;
    task.args_length = args.length;
    if (w->kind == DIE && !p->in_process && p->on_crash == TINE_BREAK)
        atomic_store(&p->killed, true);
    bool keep = pick(s, 8) > 0;
    int err = tine_submit(p->pool, &task, keep ? &w->future : NULL);
    tine_pack_free(&args);
    if (err) {
        bool full = err == TINE_EAGAIN, shut = err == TINE_ESHUTDOWN && p->cut,
             broken = (err == TINE_EBROKEN || err == TINE_ESHUTDOWN) && p->killed;
        if (!full && !shut && !broken)
            wrong(w, "a submit", err);
        w->has_done = false;
        return;
    }
    atomic_fetch_add(&p->accepted, 1);
    if (keep)
        atomic_store(&published[at], 1);
}

static enum kind any_kind(unsigned long long *s) {
    return pick(s, 2) ? SUM : (enum kind)pick(s, KINDS);
}

/* A future that is good until the round ends; NULL: the pick was none. */
static struct work *any_work(unsigned long long *s) {
    unsigned n = atomic_load(&nworks);
    if (n == 0)
        return NULL;
    unsigned at = pick(s, n < ROOM ? n : ROOM);
    return atomic_load(&published[at]) ? &works[at] : NULL;
}

/* --- callbacks --- */

static void done(tine_future *f, void *arg) {
    struct work *w = arg;
    unsigned long long s = seed ^ (unsigned long long)(w - works);
    if (atomic_fetch_add(&w->called, 1) != 0)
        wrong(w, "a second callback", 2);
    if (!judge(w, f))
        wrong(w, "a callback before its end", tine_future_state(f));
    if (pick(&s, 4) == 0)
        submit_at_random(w->place, &s, SUM);
    struct work *other = any_work(&s);
    if (other && pick(&s, 4) == 0) {
        int err = tine_future_wait(other->future, 0.001);
        CHECK(err == 0 || err == TINE_ETIMEOUT || err == TINE_EINVALID || err == TINE_EAGAIN);
    }
}

/* --- calls on futures --- */

static double any_time(unsigned long long *s) {
    static const double times[] = {0, 0.001, 0.01, 0.03};
    return times[pick(s, 4)];
}

static void check_wait(int err) {
    CHECK(err >= 0 || err == TINE_ETIMEOUT || err == TINE_EAGAIN);
}

static void wait_for_any(unsigned long long *s) {
    tine_future *list[40];
    size_t n = 0;
    for (unsigned i = 0; i < 40; i++) {
        struct work *w = any_work(s);
        if (w)
            list[n++] = w->future;
    }
    int err = tine_wait_any(list, n, any_time(s));
    if (n == 0)
        CHECK_EQ(err, TINE_EARG);
    else
        check_wait(err);
    CHECK(err < (int)n);
    if (n > 0 && err >= 0)
        CHECK(tine_future_code(list[err]) != TINE_EAGAIN);
    CHECK_EQ(tine_wait_any(list, n, NAN), TINE_EARG);
}

static void read_events(struct work *w, unsigned long long *s) {
    const void *bytes;
    size_t length;
    int err = 1;
    if (atomic_flag_test_and_set(&w->read))
        return;
    for (int i = 0; i < 5 && err == 1; i++) {
        err = tine_future_next_event(w->future, any_time(s), &bytes, &length);
        CHECK(err == 0 || err == 1 || err == TINE_ETIMEOUT || err == TINE_EAGAIN);
        if (err != 1)
            break;
        tine_unpack u = {bytes, length};
        tine_value head;
        CHECK(tine_unpack_next(&u, &head) == 1 && head.type == TINE_ARRAY && head.length == 1);
        long long event = next_integer(w, &u);
        if (event <= w->event || event > EVENTS || w->kind != EMIT)
            wrong(w, "an event", event);
        w->event = event;
    }
    if (err == 0 && !judge(w, w->future))
        wrong(w, "the end of its events before its own", err);
    atomic_flag_clear(&w->read);
}

static void look_at(struct work *w) {
    char label[64];
    size_t length;
    tine_blame blame = {.size = sizeof blame};
    judge(w, w->future);
    CHECK(tine_future_label(w->future, label, sizeof label) > 0 && label[0]);
    CHECK(tine_future_label(w->future, NULL, 9) > 0);
    tine_future_traceback(w->future);
    tine_future_values(w->future, &length);
    int err = tine_future_blame(w->future, &blame);
    CHECK(err == 0 || err == TINE_EINVALID);
    if (err == 0 && w->kind == DIE && tine_future_code(w->future) == TINE_ECRASHED)
        CHECK(blame.exit_code == 3 && blame.pid > 0 && blame.label);
}

static void end_at_random(struct work *w, unsigned long long *s) {
    atomic_store(&w->ended, true);
    bool ended = pick(s, 2) ? tine_future_cancel(w->future) : tine_future_abort(w->future);
    if (ended && tine_future_code(w->future) == 0)
        wrong(w, "it was ended, and has values", 0);
}

static void use_future(unsigned long long *s) {
    struct work *w = any_work(s);
    unsigned which = pick(s, 20);
    if (!w)
        return;
    if (which < 6) {
        check_wait(tine_future_wait(w->future, any_time(s)));
        CHECK_EQ(tine_future_wait(w->future, NAN), TINE_EARG);
    } else if (which < 9) {
        wait_for_any(s);
    } else if (which < 12) {
        read_events(w, s);
    } else if (which < 14) {
        end_at_random(w, s);
    } else if (which < 16) {
        tine_future *mine = tine_future_ref(w->future);
        CHECK(mine == w->future);
        judge(w, mine);
        tine_future_free(mine);
    } else {
        look_at(w);
    }
}

/* --- calls on pools --- */

static void check_stats(tine_pool *pool) {
    tine_stats st = {.size = sizeof st};
    OK(tine_pool_stats(pool, &st));
    CHECK_EQ(st.submitted, st.pending + st.running + st.finished + st.failed + st.cancelled);
    CHECK(st.busy >= 0 && st.busy <= 1.01 && st.cpu >= 0);
}

static void check_workers(tine_pool *pool) {
    tine_worker list[2];
    int n = tine_pool_workers(pool, list, 2, sizeof *list);
    CHECK(n >= 0);
    for (int i = 0; i < n && i < 2; i++)
        CHECK(list[i].id >= 1 && strlen(list[i].label) < sizeof list[i].label && *list[i].state);
    CHECK_EQ(tine_pool_workers(pool, NULL, 1, sizeof *list), TINE_EARG);
}

static void run_everywhere(struct place *p, unsigned long long *s) {
    tine_task task = TINE_TASK_INIT;
    tine_future *f;
    task.function = "everywhere = (everywhere or 0) + 1";
    int err = tine_pool_everywhere(p->pool, &task, &f);
    CHECK(err == 0 || (p->cut && err == TINE_ESHUTDOWN) ||
          (p->killed && (err == TINE_EBROKEN || err == TINE_ESHUTDOWN)));
    if (err)
        CHECK(!f);
    else
        check_wait(tine_future_wait(f, any_time(s)));
    tine_future_free(f);
}

/* Rarely: what comes after is no more than refusals. */
static void end_pool(struct place *p, unsigned long long *s) {
    bool cut = pick(s, 3) > 0;
    atomic_store(cut ? &p->cut : &p->killed, true);
    if (cut)
        OK(tine_pool_shutdown(p->pool, pick(s, 2)));
    else
        OK(tine_pool_kill(p->pool, pick(s, 2)));
}

static void resize(struct place *p, unsigned long long *s) {
    int err = tine_pool_resize(p->pool, 1 + pick(s, 3));
    CHECK(err == 0 || (err == TINE_EINVALID && p->in_process) ||
          (err == TINE_ESHUTDOWN && (p->cut || p->killed)) || (err == TINE_EBROKEN && p->killed));
    CHECK_EQ(tine_pool_resize(p->pool, 5000), TINE_EARG);
}

static void use_pool(unsigned long long *s) {
    struct place *p = &places[pick(s, nplaces)];
    int err;
    switch (pick(s, 12)) {
    case 0:
        tine_pool_dispatch(p->pool);
        break;
    case 1:
        CHECK(strlen(tine_pool_message(p->pool)) < 10000);
        break;
    case 2:
        check_workers(p->pool);
        break;
    case 3:
        run_everywhere(p, s);
        break;
    case 4:
        resize(p, s);
        break;
    case 5:
        err = tine_pool_wait(p->pool, any_time(s));
        CHECK(err == 0 || err == TINE_ETIMEOUT || err == TINE_EAGAIN || err == TINE_EINVALID);
        CHECK(err == TINE_EINVALID || p->cut || p->killed);
        break;
    case 6:
        if (pick(s, 4) == 0)
            CHECK(tine_pool_fileno(p->pool) >= 0);
        break;
    case 7:
        if (pick(s, 8) == 0)
            end_pool(p, s);
        break;
    default:
        check_stats(p->pool);
    }
}

static void talk_nonsense(struct place *p) {
    tine_task task = TINE_TASK_INIT;
    tine_future *f = (tine_future *)&task;
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool = p->pool;
    CHECK(tine_submit(p->pool, NULL, &f) == TINE_EARG && !f);
    task.args = "\xc1";
    task.args_length = 1;
    task.function = "return 1";
    CHECK(tine_submit(p->pool, &task, &f) == TINE_EARG && !f);
    CHECK_EQ(tine_future_wait(NULL, 0), TINE_EARG);
    CHECK(!tine_future_cancel(NULL) && !tine_future_ref(NULL));
    tine_future_free(NULL);
    options.ageing = NAN;
    CHECK(tine_pool_open(&pool, &options) == TINE_EARG && !pool);
    tine_pool_close(NULL);
}

/* --- a round --- */

static void *talk(void *arg) {
    unsigned long long *s = arg;
    for (int i = 0; i < CALLS; i++) {
        unsigned which = pick(s, 100);
        if (which < 50)
            submit_at_random(&places[pick(s, nplaces)], s, any_kind(s));
        else if (which < 80)
            use_future(s);
        else if (which < 98)
            use_pool(s);
        else
            talk_nonsense(&places[pick(s, nplaces)]);
    }
    return NULL;
}

static void open_place(struct place *p, unsigned long long *s) {
    tine_options o = TINE_OPTIONS_INIT;
    memset(p, 0, sizeof *p);
    o.workers = 1 + pick(s, 3);
    p->on_crash = o.on_crash = pick(s, 4) ? TINE_REPLACE : TINE_BREAK;
    p->in_process = o.in_process = pick(s, 5) == 0;
    o.max_pending = pick(s, 4) ? 0 : 1 + pick(s, 20);
    o.max_pending_bytes = pick(s, 6) ? 0 : 100 + pick(s, 5000);
    o.max_tasks_per_worker = pick(s, 5) ? 0 : 1 + pick(s, 5);
    o.idle_timeout = pick(s, 4) ? 0 : 0.002;
    o.max_worker_age = pick(s, 6) ? 0 : 0.05;
    o.event_buffer = pick(s, 2) ? 0 : 1 + pick(s, 4);
    o.ageing = pick(s, 3) ? -1 : 100 * fraction(s);
    o.spin = pick(s, 2) ? -1 : 0;
    o.start_method = pick(s, 12) ? TINE_FORK : TINE_SPAWN;
    o.initializer = pick(s, 4) ? NULL : "begun = 1";
    o.finalizer = pick(s, 4) ? NULL : "assert(not ended) ended = 1";
    o.preload = pick(s, 8) ? NULL : "loaded = 1";
    OK(tine_pool_open(&p->pool, &o));
}

/* Of a pool that does not end: what is not done. */
static void tell_open(const struct place *p) {
    tine_worker list[4];
    int n = tine_pool_workers(p->pool, list, 4, sizeof *list);
    fprintf(stderr, "seed %llu, round %u: pool %d (in_process %d, killed %d) does not end: %s\n",
            seed, round_number, (int)(p - places), p->in_process, p->killed,
            tine_pool_message(p->pool));
    for (int i = 0; i < n && i < 4; i++)
        fprintf(stderr, "  worker %u, pid %d, %s: %s\n", list[i].id, list[i].pid, list[i].state,
                list[i].label);
    for (unsigned i = 0; i < ROOM && i < nworks; i++)
        if (works[i].place == p && published[i] && tine_future_code(works[i].future) == TINE_EAGAIN)
            fprintf(stderr, "  %u: kind %d, state %d, ended %d, callbacks %u of %d\n", i,
                    works[i].kind, tine_future_state(works[i].future), works[i].ended,
                    works[i].called, works[i].has_done);
}

static void check_end(struct place *p) {
    tine_stats st = {.size = sizeof st};
    int err;
    while ((err = tine_pool_wait(p->pool, LONGEST)) == TINE_EAGAIN)
        ;
    if (err)
        tell_open(p);
    OK(err);
    OK(tine_pool_stats(p->pool, &st));
    CHECK_EQ(st.submitted, atomic_load(&p->accepted));
    CHECK_EQ(st.pending + st.running, 0);
    CHECK_EQ(st.finished + st.failed + st.cancelled, st.submitted);
}

static void drop(unsigned of, unsigned share) {
    for (unsigned i = 0; i < ROOM; i++)
        if (published[i] && i % of < share) {
            published[i] = 0;
            tine_future_free(works[i].future);
        }
}

static void check_works(void) {
    for (unsigned i = 0; i < ROOM && i < nworks; i++) {
        const struct work *w = &works[i];
        if (published[i] && !judge(w, w->future))
            wrong(w, "it never ends", tine_future_state(w->future));
        if (w->called != w->has_done)
            wrong(w, "callbacks", w->called);
    }
}

static void run_round(unsigned long long *s) {
    pthread_t threads[THREADS];
    unsigned long long seeds[THREADS];
    nplaces = 1 + pick(s, PLACES);
    for (unsigned i = 0; i < nplaces; i++)
        open_place(&places[i], s);
    memset(works, 0, sizeof works);
    atomic_store(&nworks, 0);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = check_random(s);
        OK(pthread_create(&threads[i], NULL, talk, &seeds[i]));
    }
    join_all(threads, THREADS);
    for (unsigned i = 0; i < nplaces; i++) {
        atomic_store(&places[i].cut, true);
        OK(tine_pool_shutdown(places[i].pool, pick(s, 2)));
    }
    for (unsigned i = 0; i < nplaces; i++)
        check_end(&places[i]);
    check_works();
    drop(2, 1);
    for (unsigned i = 0; i < nplaces; i++)
        tine_pool_close(places[i].pool);
    check_works(); /* of those that are left */
    drop(1, 1);
}

int main(int argc, char **argv) {
    unsigned rounds = 5;
    seed = 1;
    for (int c; (c = getopt(argc, argv, "n:s:v")) != -1;)
        if (c == 'n')
            rounds = (unsigned)atoi(optarg);
        else if (c == 's')
            seed = strtoull(optarg, NULL, 10);
        else
            verbose = true;
    OK(tine_prepare());
    unsigned long long s = seed;
    for (round_number = 1; round_number <= rounds; round_number++) {
        if (verbose)
            fprintf(stderr, "round %u\n", round_number);
        run_round(&s);
    }
    printf("%u rounds from seed %llu: every future ended as it may\n", rounds, seed);
    return 0;
}

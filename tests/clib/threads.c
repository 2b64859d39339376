/* Several threads on the same pool: submitting, waiting, callbacks, ending tasks by force, closing with
** work under way, many pools, signals, forks. Run with the sanitizers as well. */
#include <sys/syscall.h>
#include "clib/clib.h"

#define THREADS 4

/* How many of n rounds: under a sanitizer, which finds in few what it finds in many and takes ten times as long for each,
** a quarter; all of them in the soak (-a). */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
static int part = 4;
#else
static int part = 1;
#endif

static int rounds(int n) {
    return n / part;
}

/* --- four threads submit and wait on one pool --- */

struct job {
    tine_pool *pool;
    int number;
    unsigned long long seed;
};

static void run_threads(tine_pool *pool, int n, void *(*run)(void *)) {
    pthread_t threads[16];
    struct job jobs[16];
    for (int i = 0; i < n; i++) {
        jobs[i] = (struct job){pool, i, (unsigned)i * 77u + 5u};
        OK(pthread_create(&threads[i], NULL, run, &jobs[i]));
    }
    join_all(threads, n);
}

static void *submit_and_wait(void *arg) {
    struct job *job = arg;
    tine_future *window[16] = {0};
    for (int i = 0; i < rounds(500); i++) {
        int at = i % 16;
        if (window[at])
            CHECK_EQ(await_integer(window[at]), (i - 16) * 2 + job->number);
        const long long n[2] = {i, job->number};
        window[at] = submit_with(job->pool, "local i, k = ... return 2 * i + k", NULL, NULL, 2, n);
    }
    for (int i = 0; i < 16; i++)
        await_integer(window[i]);
    return NULL;
}

static void test_submitters(void) {
    tine_pool *pool = open_pool(2, TINE_BREAK);
    run_threads(pool, THREADS, submit_and_wait);
    tine_stats s = {.size = sizeof s};
    OK(tine_pool_stats(pool, &s));
    CHECK_EQ(s.submitted, THREADS * rounds(500));
    CHECK_EQ(s.finished, THREADS * rounds(500));
    tine_pool_close(pool);
}

/* --- several threads wait for one future --- */

static tine_future *shared;

static void *wait_for_shared(void *arg) {
    (void)arg;
    OK(tine_future_wait(shared, -1));
    CHECK_EQ(integer_of(shared), 3);
    CHECK(*tine_future_message(shared) == '\0');
    tine_future_free(tine_future_ref(shared));
    return NULL;
}

static void test_many_waiters(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    for (int i = 0; i < rounds(30); i++) {
        shared =
            submit(pool, "local t = os.clock() + 0.001 while os.clock() < t do end return 3", 0);
        run_threads(pool, 6, wait_for_shared);
        tine_future_free(shared);
    }
    tine_pool_close(pool);
}

/* --- callbacks --- */

static atomic_int called;

static void count_call(tine_future *f, void *arg) {
    CHECK(tine_future_code(f) != TINE_EAGAIN);
    CHECK(tine_future_state(f) == TINE_FINISHED || tine_future_state(f) == TINE_CANCELLED);
    tine_future_message(f);
    if (arg)
        atomic_fetch_add((atomic_int *)arg, 1);
    atomic_fetch_add(&called, 1);
}

static void *submit_with_callbacks(void *arg) {
    struct job *job = arg;
    for (int i = 0; i < rounds(300); i++) {
        const long long n = i;
        tine_future *f =
            submit_with(job->pool, i % 50 ? "return ..." : "error 'x'", count_call, NULL, 1, &n);
        if (i % 7 == job->number)
            OK(tine_future_wait(f, -1));
        if (i % 11 == job->number)
            tine_future_cancel(f);
        tine_future_free(f);
    }
    return NULL;
}

static void test_callbacks(bool descriptor) {
    tine_pool *pool = open_pool(2, TINE_BREAK);
    atomic_store(&called, 0);
    if (descriptor)
        CHECK(tine_pool_fileno(pool) >= 0);
    run_threads(pool, THREADS, submit_with_callbacks);
    tine_pool_close(pool);
    CHECK_EQ(atomic_load(&called), THREADS * rounds(300));
}

/* Nobody waits and nobody dispatches: the pool's own thread calls. Also when it was another thread that
** took in the result, by looking at something. */
static void test_unattended_callbacks(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    tine_stats s = {.size = sizeof s};
    for (unsigned i = 1; i <= (unsigned)rounds(200); i++) {
        atomic_store(&called, 0);
        tine_future *f = submit_with(pool, "", count_call, NULL, 0, NULL);
        if (i % 4 == 0)
            EVENTUALLY(tine_future_state(f) == TINE_FINISHED);
        if (i % 4 == 1)
            EVENTUALLY(tine_pool_stats(pool, &s) == 0 && s.finished + s.cancelled == i);
        if (i % 4 == 2)
            tine_future_cancel(f);
        tine_future_free(f);
        EVENTUALLY(atomic_load(&called) == 1);
    }
    tine_pool_close(pool);
}

/* A callback that submits, to the end of a chain; and what it may not do. */
struct chain {
    tine_pool *pool;
    atomic_int left;
};

static void next_link(tine_future *f, void *arg) {
    struct chain *chain = arg;
    const long long n = integer_of(f) + 1;
    CHECK_EQ(tine_pool_wait(chain->pool, -1), TINE_EINVALID);
    OK(tine_future_wait(f, -1));
    if (atomic_fetch_sub(&chain->left, 1) > 1)
        tine_future_free(submit_with(chain->pool, "return ...", next_link, chain, 1, &n));
}

static void test_chain(void) {
    struct chain chain = {open_pool(1, TINE_BREAK), rounds(300)};
    const long long n = 0;
    tine_future_free(submit_with(chain.pool, "return ...", next_link, &chain, 1, &n));
    EVENTUALLY(atomic_load(&chain.left) == 0);
    tine_pool_close(chain.pool);
}

static void wait_in_callback(tine_future *f, void *arg) {
    (void)f;
    int err = tine_future_wait(arg, 60);
    CHECK(err == 0 || err == TINE_EINVALID);
    atomic_fetch_add(&called, 1);
}

static void test_wait_in_callback(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    tine_future *second, *first;
    atomic_store(&called, 0);
    first = submit_with(pool, "", NULL, NULL, 0, NULL);
    second = submit_with(pool, "local t = os.clock() + 0.02 while os.clock() < t do end", NULL,
                         NULL, 0, NULL);
    tine_future_free(submit_with(pool, "", wait_in_callback, second, 0, NULL));
    tine_future_free(submit_with(pool, "", wait_in_callback, first, 0, NULL));
    OK(tine_future_wait(second, -1));
    EVENTUALLY(atomic_load(&called) == 2);
    tine_future_free(first);
    tine_future_free(second);
    tine_pool_close(pool);
}

/* The end of the pool waits for a callback that runs in another thread. */
static atomic_bool inside, go_on;

static void slow_callback(tine_future *f, void *arg) {
    (void)f, (void)arg;
    atomic_store(&inside, true);
    EVENTUALLY(atomic_load(&go_on));
    usleep(20000);
    atomic_store(&inside, false);
}

static void *wait_for_it(void *arg) {
    tine_future_wait(arg, -1);
    return NULL;
}

static void test_close_waits(void) {
    tine_pool *pool = open_pool(2, TINE_REPLACE);
    pthread_t waiter;
    atomic_store(&go_on, false);
    CHECK(tine_pool_fileno(pool) >= 0); /* so that the callback is the waiter's to call */
    tine_future *endless = submit(pool, "while true do end", 0);
    OK(pthread_create(&waiter, NULL, wait_for_it, endless));
    tine_future_free(submit_with(pool, "", slow_callback, NULL, 0, NULL));
    EVENTUALLY(atomic_load(&inside));
    OK(tine_pool_shutdown(pool, false));
    CHECK(tine_future_abort(endless));
    CHECK_EQ(tine_pool_wait(pool, 0.05), TINE_ETIMEOUT);
    atomic_store(&go_on, true);
    tine_pool_close(pool);
    CHECK(!atomic_load(&inside));
    OK(pthread_join(waiter, NULL));
    tine_future_free(endless);
}

/* --- ending by force, at random moments --- */

static void *force(void *arg) {
    struct job *job = arg;
    for (int i = 0; i < rounds(60); i++) {
        const long long n = i;
        tine_future *f = submit_with(job->pool, i % 3 ? "return ..." : "while true do end",
                                     count_call, NULL, 1, &n);
        if (check_random(&job->seed) % 2)
            usleep((useconds_t)(check_random(&job->seed) % 2000));
        if (i % 3 == 0) {
            if (!tine_future_cancel(f))
                CHECK(tine_future_abort(f));
            OK(tine_future_wait(f, -1));
            CHECK_EQ(tine_future_code(f), TINE_ECANCELLED);
        } else if (!tine_future_cancel(f) && !tine_future_abort(f)) {
            OK(tine_future_wait(f, -1)); /* its result may be just on its way */
            CHECK_EQ(integer_of(f), i);
        }
        OK(tine_future_wait(f, -1));
        tine_future_free(f);
    }
    return NULL;
}

static void test_force(void) {
    tine_pool *pool = open_pool(2, TINE_REPLACE);
    atomic_store(&called, 0);
    run_threads(pool, THREADS, force);
    tine_pool_close(pool);
    CHECK_EQ(atomic_load(&called), THREADS * rounds(60));
}

/* --- closing with work under way --- */

static void test_close_with_work(int how) {
    tine_pool *pool = open_pool(2, TINE_REPLACE);
    tine_future *futures[100];
    atomic_store(&called, 0);
    for (int i = 0; i < 100; i++) {
        const long long n = i;
        futures[i] = submit_with(
            pool, "local t = os.clock() + 0.0005 while os.clock() < t do end return ...",
            count_call, NULL, 1, &n);
    }
    if (how == 1)
        OK(tine_pool_shutdown(pool, true));
    if (how == 2)
        OK(tine_pool_kill(pool, true));
    tine_pool_close(pool);
    CHECK_EQ(atomic_load(&called), 100);
    int good = 0;
    for (int i = 0; i < 100; i++) {
        OK(tine_future_wait(futures[i], 0));
        good += tine_future_code(futures[i]) == 0;
        if (how == 0)
            CHECK_EQ(integer_of(futures[i]), i);
        tine_future_free(futures[i]);
    }
    CHECK(how == 0 ? good == 100 : good < 100);
}

/* One thread waits for a future when another closes the pool. */
static void test_close_under_waiters(void) {
    for (int i = 0; i < rounds(20); i++) {
        tine_pool *pool = open_pool(1, TINE_BREAK);
        pthread_t waiters[3];
        tine_future *f =
            submit(pool, "local t = os.clock() + 0.003 while os.clock() < t do end", 0);
        for (int k = 0; k < 3; k++)
            OK(pthread_create(&waiters[k], NULL, wait_for_it, f));
        tine_pool_close(pool);
        join_all(waiters, 3);
        tine_future_free(f);
    }
}

/* --- many pools --- */

static void *own_pools(void *arg) {
    struct job *job = arg;
    for (int i = 0; i < 5; i++) {
        tine_pool *a = open_pool(1, TINE_BREAK), *b = open_pool(2, TINE_REPLACE);
        tine_future *fa = submit(a, "return ... + 1", i),
                    *fb = submit(b, "return ... + 2", job->number);
        CHECK_EQ(await_integer(fb), job->number + 2);
        tine_pool_close(b);
        CHECK_EQ(await_integer(fa), i + 1);
        tine_pool_close(a);
    }
    return NULL;
}

/* --- nobody collects --- */

static void test_forgotten_results(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    tine_task task = TINE_TASK_INIT;
    tine_stats s = {.size = sizeof s};
    task.function = "return ('x'):rep(20000)";
    for (int i = 0; i < rounds(5000); i++)
        OK(tine_submit(pool, &task, NULL));
    EVENTUALLY(tine_pool_stats(pool, &s) == 0 && s.finished == (unsigned)rounds(5000));
    tine_pool_close(pool);
}

/* --- signals --- */

static void on_signal(int number) {
    (void)number;
}

static void test_signal(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    tine_future *f = submit(pool, "while true do end", 0);
    struct sigaction action = {.sa_handler = on_signal};
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    const struct itimerspec again = {{0, 20000000}, {0, 20000000}};
    sigaction(SIGUSR1, &action, NULL);
    OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
    OK(timer_settime(timer, 0, &again, NULL));
    CHECK_EQ(tine_future_wait(f, -1), TINE_EAGAIN);
    timer_delete(timer);
    signal(SIGUSR1, SIG_IGN);
    CHECK(tine_future_abort(f));
    tine_future_free(f);
    tine_pool_close(pool);
}

/* --- a forked child of the program --- */

static void in_child(tine_pool *pool, tine_future *done, tine_future *open) {
    tine_stats s = {.size = sizeof s};
    tine_blame blame = {.size = sizeof blame};
    tine_task task = TINE_TASK_INIT;
    size_t length;
    task.function = "";
    CHECK_EQ(tine_submit(pool, &task, NULL), TINE_EFORKED);
    CHECK_EQ(tine_pool_shutdown(pool, true), TINE_EFORKED);
    CHECK_EQ(tine_pool_wait(pool, -1), TINE_EFORKED);
    CHECK_EQ(tine_pool_kill(pool, true), TINE_EFORKED);
    CHECK_EQ(tine_pool_fileno(pool), TINE_EFORKED);
    CHECK_EQ(tine_pool_stats(pool, &s), TINE_EFORKED);
    CHECK_EQ(tine_pool_dispatch(pool), 0);
    CHECK(*tine_pool_message(pool) == '\0');
    CHECK_EQ(tine_future_wait(open, -1), TINE_EFORKED);
    CHECK_EQ(tine_future_state(open), TINE_EFORKED);
    CHECK_EQ(tine_future_code(done), TINE_EFORKED);
    CHECK_EQ(tine_future_blame(open, &blame), TINE_EFORKED);
    CHECK(!tine_future_values(done, &length));
    CHECK(*tine_future_message(done) == '\0');
    CHECK(!tine_future_cancel(open) && !tine_future_abort(open));
    tine_future_free(done);
    tine_future_free(open);
    tine_pool_close(pool);
#ifndef __SANITIZE_THREAD__ /* which allows no new threads here */
    pool = open_pool(2, TINE_BREAK);
    CHECK_EQ(await_integer(submit(pool, "return ... * 2", 21)), 42);
    tine_pool_close(pool);
#endif
}

static void test_fork(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    tine_future *done = submit(pool, "return ('x'):rep(100000)", 0),
                *open = submit(pool, "while true do end", 0);
    OK(tine_future_wait(done, -1));
    pid_t pid = fork();
    if (pid == 0) {
        in_child(pool, done, open);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK(tine_future_abort(open));
    CHECK_EQ(await_integer(submit(pool, "return ...", 4)), 4);
    tine_future_free(done);
    tine_future_free(open);
    tine_pool_close(pool);
}

/* --- a pool breaks while everybody uses it --- */

static void *use_until_broken(void *arg) {
    struct job *job = arg;
    tine_task task = TINE_TASK_INIT;
    tine_future *f;
    int err;
    task.function = "if math.random(200) == 1 then os.exit(9) end";
    task.done = count_call;
    while ((err = tine_submit(job->pool, &task, &f)) == 0) {
        OK(tine_future_wait(f, -1));
        CHECK(tine_future_code(f) == 0 || tine_future_code(f) == TINE_EBROKEN);
        if (tine_future_code(f))
            CONTAINS(tine_future_message(f), "exit code 9");
        tine_future_free(f);
    }
    CHECK_EQ(err, TINE_EBROKEN);
    CONTAINS(tine_pool_message(job->pool), "exit code 9");
    return NULL;
}

static void test_break(void) {
    for (int i = 0; i < 5; i++) {
        tine_pool *pool = open_pool(2, TINE_BREAK);
        run_threads(pool, THREADS, use_until_broken);
        tine_pool_close(pool);
    }
}

/* Without processes: what another thread runs is asked to end, and until it has the pool is not over: it was at once, its
** thread ran on in memory that had been given back, and the task for ever. */
static void *submit_endless(void *arg) {
    tine_future *f = submit(arg, "while true do end", 0);
    CHECK_EQ(tine_future_code(f), TINE_EBROKEN);
    tine_future_free(f);
    return NULL;
}

static void test_kill_in_process(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_stats s = {.size = sizeof s};
    tine_pool *pool;
    pthread_t thread;
    options.in_process = true;
    for (int hard = 0; hard < 2; hard++) {
        OK(tine_pool_open(&pool, &options));
        OK(pthread_create(&thread, NULL, submit_endless, pool));
        EVENTUALLY(tine_pool_stats(pool, &s) == 0 && s.running == 1);
        OK(tine_pool_kill(pool, hard));
        OK(tine_pool_wait(pool, -1));
        OK(tine_pool_stats(pool, &s));
        CHECK_EQ(s.running, 0);
        OK(pthread_join(thread, NULL));
        tine_pool_close(pool);
    }
}

/* The same at any moment, as that between the look whether a task may still begin and the word that it runs: who was not
** asked then ran for ever. In the submitting thread the clock is slow, which is looked at just there. */
static _Thread_local bool slowly;

int clock_gettime(clockid_t clock, struct timespec *now) {
    const struct timespec nap = {0, 300000};
    if (slowly)
        (void)syscall(SYS_nanosleep, &nap, NULL);
    return (int)syscall(SYS_clock_gettime, clock, now);
}

static void *submit_endless_slowly(void *arg) {
    tine_task task = TINE_TASK_INIT;
    tine_future *f = NULL;
    task.function = "while true do end";
    slowly = true;
    if (tine_submit(arg, &task, &f) == 0)
        CHECK_EQ(tine_future_wait(f, -1), 0);
    tine_future_free(f);
    return NULL;
}

static void test_kill_at_any_moment(void) {
    tine_options options = TINE_OPTIONS_INIT;
    options.in_process = true;
    for (long i = 0; i < 100; i += part) {
        const struct timespec until = {0, i % 50 * 100000};
        tine_pool *pool;
        pthread_t thread;
        OK(tine_pool_open(&pool, &options));
        OK(pthread_create(&thread, NULL, submit_endless_slowly, pool));
        (void)nanosleep(&until, NULL);
        OK(tine_pool_kill(pool, i / part % 2));
        OK(tine_pool_wait(pool, 60));
        OK(pthread_join(thread, NULL));
        tine_pool_close(pool);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"submitters", test_submitters},
    {"many waiters", test_many_waiters},
    {"unattended callbacks", test_unattended_callbacks},
    {"chain", test_chain},
    {"wait in callback", test_wait_in_callback},
    {"close waits", test_close_waits},
    {"force", test_force},
    {"close under waiters", test_close_under_waiters},
    {"forgotten results", test_forgotten_results},
    {"signal", test_signal},
    {"fork", test_fork},
    {"break", test_break},
    {"kill in process", test_kill_in_process},
    {"kill at any moment", test_kill_at_any_moment},
};

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "-a")) {
        part = 1;
        argc = 1;
    }
    OK(tine_prepare());
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (argc < 2 || strstr(tests[i].name, argv[1])) {
            fprintf(stderr, "%s\n", tests[i].name);
            tests[i].run();
        }
    fprintf(stderr, "the rest\n");
    test_callbacks(false);
    test_callbacks(true);
    for (int how = 0; how < 3; how++)
        test_close_with_work(how);
    run_threads(NULL, THREADS, own_pools);
    return 0;
}

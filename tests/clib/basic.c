/* The C library, one function after the other: what each gives in good and in bad hands. */
#include <math.h>
#include <limits.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include "api/api.h"
#include "clib/clib.h"

static void test_codes(void) {
    CHECK(strcmp(tine_version(), TINE_VERSION) == 0);
    CHECK(strcmp(tine_error_kind(TINE_ECRASHED), "crashed") == 0);
    CHECK(strcmp(tine_error_text(TINE_EFORKED), "used in a forked child of its owner") == 0);
    CHECK(strcmp(tine_error_kind(-999), "unknown") == 0);
    CHECK(strcmp(tine_error_kind(0), "ok") == 0);
    CHECK(tine_cpu_count() >= 1);
    OK(tine_prepare());
    OK(tine_prepare());
}

static void test_null(void) {
    tine_stats stats = {.size = sizeof stats};
    tine_blame blame = {.size = sizeof blame};
    char label[8] = "x";
    size_t length = 7;
    CHECK_EQ(tine_pool_open(NULL, NULL), TINE_EARG);
    CHECK_EQ(tine_pool_shutdown(NULL, true), TINE_EARG);
    CHECK_EQ(tine_pool_wait(NULL, 0), TINE_EARG);
    CHECK_EQ(tine_pool_kill(NULL, true), TINE_EARG);
    CHECK_EQ(tine_pool_resize(NULL, 1), TINE_EARG);
    CHECK_EQ(tine_pool_dispatch(NULL), 0);
    CHECK_EQ(tine_pool_fileno(NULL), TINE_EARG);
    CHECK_EQ(tine_pool_stats(NULL, &stats), TINE_EARG);
    CHECK_EQ(tine_pool_workers(NULL, NULL, 0, sizeof(tine_worker)), TINE_EARG);
    CHECK(*tine_pool_message(NULL) == '\0');
    tine_pool_close(NULL);
    CHECK_EQ(tine_submit(NULL, NULL, NULL), TINE_EARG);
    CHECK_EQ(tine_future_state(NULL), TINE_EARG);
    CHECK_EQ(tine_future_wait(NULL, 0), TINE_EARG);
    CHECK_EQ(tine_future_code(NULL), TINE_EARG);
    CHECK(!tine_future_values(NULL, &length) && length == 0);
    CHECK(*tine_future_message(NULL) == '\0' && *tine_future_traceback(NULL) == '\0');
    CHECK_EQ(tine_future_blame(NULL, &blame), TINE_EARG);
    CHECK(!tine_future_cancel(NULL) && !tine_future_abort(NULL));
    CHECK_EQ(tine_future_label(NULL, label, sizeof label), 0);
    CHECK_EQ(tine_future_label(NULL, NULL, sizeof label), 0);
    CHECK(*label == '\0');
    CHECK(!tine_future_ref(NULL));
    tine_future_free(NULL);
}

static int open_with(const tine_options *options) {
    tine_pool *pool = (tine_pool *)options;
    int err = tine_pool_open(&pool, options);
    CHECK((err == 0) == (pool != NULL));
    tine_pool_close(pool);
    return err;
}

static void test_options(void) {
    tine_options o = TINE_OPTIONS_INIT;
    OK(open_with(NULL));
    OK(open_with(&o));
#define WRONG(field, value) \
    do { \
        tine_options wrong = o; \
        wrong.field = value; \
        CHECK_EQ(open_with(&wrong), TINE_EARG); \
        CONTAINS(tine_error_detail(), #field); \
    } while (0)
#define WRONG_ADDRESS(address, why) \
    do { \
        tine_options wrong = o; \
        wrong.backend = address; \
        CHECK_EQ(open_with(&wrong), TINE_EARG); \
        CONTAINS(tine_error_detail(), why); \
    } while (0)
    WRONG(size, 8);
    WRONG(size, 100000);
    WRONG(workers, 100000);
    WRONG(start_method, 2);
    WRONG(on_crash, -1);
    WRONG(task_timeout, -1);
    WRONG(task_timeout, NAN);
    WRONG(spin, NAN);
    WRONG(start_timeout, -1);
    WRONG(start_timeout, NAN);
    WRONG(exit_timeout, NAN);
    WRONG(idle_timeout, -1);
    o.workers = 1;
    o.min_workers = 2;
    CHECK_EQ(open_with(&o), TINE_EARG);
    o.in_process = true;
    OK(open_with(&o));
    o = (tine_options)TINE_OPTIONS_INIT;
    WRONG(max_worker_age, NAN);
    WRONG(grace, NAN);
    WRONG(cpu, -1);
    WRONG(cpu, NAN);
    WRONG(output, -1);
    WRONG(output, 4);
    /* of other machines, which there are not */
    WRONG(key, "/dev/null");
    WRONG(window, 4);
    WRONG(connect_timeout, 3);
    WRONG(lost_after, 3);
    WRONG(lost_after, NAN);
    WRONG(unconfirmed, true);
    WRONG_ADDRESS("gearman://127.0.0.1:0/set", "port");
    WRONG_ADDRESS("gearman://127.0.0.1:65536/set", "port");
    o.backend = "gearman://127.0.0.1/set"; /* with which workers of this machine are not there */
    WRONG(workers, 1);
    CONTAINS(tine_error_detail(), "workers is for workers of this machine");
    WRONG(in_process, true); /* the field was not named */
    WRONG(preload, "");
    WRONG(exit_timeout, 1);
    WRONG(max_worker_memory, 1 << 30);
    WRONG(start_method, TINE_SPAWN);
    WRONG_ADDRESS("gearman://192.0.2.1/set", "a key is needed");
    WRONG(key, "/nowhere/key");
    CONTAINS(tine_error_detail(), "/nowhere/key: No such file");
#undef WRONG
#undef WRONG_ADDRESS
    o.backend = NULL;
    o.trace = "/nowhere/trace";
    CHECK_EQ(open_with(&o), TINE_ESYSTEM);
    CONTAINS(tine_error_detail(), "/nowhere/trace': No such file");
    OK(tine_prepare());
    CHECK(*tine_error_detail() == '\0'); /* it was about another one */
    CHECK_EQ(open_with(&o), TINE_ESYSTEM);
    o.trace = NULL;
    OK(open_with(&o));
    CHECK(*tine_error_detail() == '\0');
    /* the struct of a later version: fine as long as what we do not know is not set */
    struct {
        tine_options known;
        void *unknown;
    } later = {TINE_OPTIONS_INIT, NULL};
    later.known.size = sizeof later;
    OK(open_with(&later.known));
    later.unknown = &later;
    CHECK_EQ(open_with(&later.known), TINE_EARG);
    /* that of an earlier one: what it has not is as if it had not been set */
    o.size = offsetof(tine_options, start_timeout);
    o.start_timeout = NAN;
    OK(open_with(&o));
}

static void test_wrong_tasks(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    static const struct {
        int kind;
        const char *function;
        const char *args;
        size_t length;
        const char *detail;
    } wrong[] = {
        {TINE_SOURCE, NULL, NULL, 0, "function is NULL"},
        {TINE_NAME, "", NULL, 0, "empty name"},
        {7, "return 1", NULL, 0, "enum tine_function"},
        {TINE_ENCODED, "rubbish", NULL, 0, "tine.encode"},
        {TINE_SOURCE, "return 1", "", 0, "msgpack array"},
        {TINE_SOURCE, "return 1", "\x01", 1, "msgpack array"},         /* no array */
        {TINE_SOURCE, "return 1", "\x92\x01", 2, "msgpack array"},     /* ends too early */
        {TINE_SOURCE, "return 1", "\x91\x01\x01", 3, "msgpack array"}, /* something follows */
        {TINE_SOURCE, "return 1", "\xdd\xff\xff\xff\xff\x01", 6, "msgpack array"},
        {TINE_SOURCE, "return 1", "\x91\xd4\x05\x02", 4, "msgpack array"}, /* a function */
        {TINE_SOURCE, "return 1", "\x91\xc1", 2, "msgpack array"},
        {TINE_SOURCE, "return 1", "\x91\xcf\x80\0\0\0\0\0\0\0", 10,
         "msgpack array"},                                  /* no integer of Lua's */
        {TINE_SOURCE, "return 1", NULL, 2, "args is NULL"}, /* who made them had no memory */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tine_task task = TINE_TASK_INIT;
        tine_future *future = (tine_future *)pool;
        task.kind = wrong[i].kind;
        task.function = wrong[i].function;
        task.args = wrong[i].args;
        task.args_length = wrong[i].length;
        CHECK_EQ(tine_submit(pool, &task, &future), TINE_EARG);
        CHECK(!future);
        CONTAINS(tine_error_detail(), wrong[i].detail);
    }
    tine_task task = TINE_TASK_INIT;
    task.function = "return 1";
    task.timeout = -1;
    CHECK_EQ(tine_submit(pool, &task, NULL), TINE_EARG);
    CONTAINS(tine_error_detail(), "timeout is -1");
    task.timeout = 0;
    task.size = 16;
    CHECK_EQ(tine_submit(pool, &task, NULL), TINE_EARG);
    CONTAINS(tine_error_detail(), "TINE_TASK_INIT");
    CHECK_EQ(tine_submit(NULL, &task, NULL), TINE_EARG);
    CHECK(*tine_error_detail() == '\0'); /* that was about another one */
    CHECK_EQ(tine_submit(pool, NULL, NULL), TINE_EARG);
    CONTAINS(tine_error_detail(), "NULL");
    tine_stats stats = {.size = sizeof stats};
    OK(tine_pool_stats(pool, &stats));
    CHECK_EQ(stats.submitted, 0);
    stats.size = 16;
    CHECK_EQ(tine_pool_stats(pool, &stats), TINE_EARG);
    CHECK_EQ(tine_pool_stats(pool, NULL), TINE_EARG);
    tine_pool_close(pool);
}

static tine_future *submit_task(tine_pool *pool, int kind, const char *function, const char *label,
                                double timeout) {
    tine_task task = TINE_TASK_INIT;
    tine_future *future;
    task.kind = kind;
    task.function = function;
    task.label = label;
    task.timeout = timeout;
    OK(tine_submit(pool, &task, &future));
    return future;
}

static void test_results(void) {
    tine_pool *pool = open_pool(2, TINE_BREAK);
    size_t length;
    CHECK_EQ(await_integer(submit(pool, "local n = ... return n * n", 7)), 49);
    /* several values, none, and one so long that it needs memory of its own */
    tine_future *f = submit(pool, "return ..., 'two', nil", 1);
    OK(tine_future_wait(f, -1));
    const char *bytes = tine_future_values(f, &length);
    CHECK_EQ(length, 7);
    CHECK(memcmp(bytes, "\x93\x01\xa3two\xc0", 7) == 0);
    CHECK(*tine_future_message(f) == '\0' && *tine_future_traceback(f) == '\0');
    tine_future_free(f);
    f = submit(pool, "", 1);
    OK(tine_future_wait(f, -1));
    CHECK(*(const char *)tine_future_values(f, &length) == '\x90' && length == 1);
    tine_future_free(f);
    f = submit(pool, "return ('x'):rep(3000000)", 1);
    OK(tine_future_wait(f, -1));
    bytes = tine_future_values(f, &length);
    CHECK_EQ(length, 1 + 5 + 3000000);
    CHECK(bytes[6] == 'x' && bytes[length - 1] == 'x');
    tine_pool_close(pool); /* futures outlive their pool */
    CHECK(tine_future_values(f, &length) == bytes && bytes[length - 1] == 'x');
    CHECK_EQ(tine_future_state(f), TINE_FINISHED);
    OK(tine_future_wait(f, 0));
    CHECK(!tine_future_cancel(f) && !tine_future_abort(f));
    tine_future_free(f);
}

static void test_arguments(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    char *big = malloc(2000000 + 6);
    memcpy(big, "\x91\xc6\x00\x1e\x84\x80", 6);
    memset(big + 6, 'y', 2000000);
    tine_task task = TINE_TASK_INIT;
    tine_future *f;
    task.function = "return #...";
    task.args = big;
    task.args_length = 2000006;
    OK(tine_submit(pool, &task, &f));
    memset(big, 0, 2000006); /* it was copied */
    free(big);
    CHECK_EQ(await_integer(f), 2000000);
    task.args = "\x93\x01\xc0\x81\xa1k\xcb\x40\x04\x00\x00\x00\x00\x00\x00"; /* 1, nil, {k = 2.5} */
    task.args_length = 15;
    task.function =
        "local a, b, c = ... return a == 1 and b == nil and c.k == 2.5 and select('#', ...)";
    OK(tine_submit(pool, &task, &f));
    CHECK_EQ(await_integer(f), 3);
    task.function = "return 11 -- and more text";
    task.function_length = 9;
    OK(tine_submit(pool, &task, &f));
    CHECK_EQ(await_integer(f), 11 / 10 * 11);
    tine_pool_close(pool);
}

static void test_functions(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    size_t length;
    tine_future *f = submit_task(pool, TINE_NAME, "math.type", NULL, 0);
    OK(tine_future_wait(f, -1));
    CHECK_EQ(tine_future_code(f), TINE_ETASK);
    CONTAINS(tine_future_message(f), "bad argument #1");
    CONTAINS(tine_future_traceback(f), "stack traceback");
    char label[64], tiny[5];
    CHECK_EQ(tine_future_label(f, NULL, sizeof label), strlen("math.type #1"));
    CHECK_EQ(tine_future_label(f, label, sizeof label), strlen("math.type #1"));
    CHECK(strcmp(label, "math.type #1") == 0);
    CHECK_EQ(tine_future_label(f, tiny, sizeof tiny), strlen("math.type #1"));
    CHECK(strcmp(tiny, "math") == 0);
    tine_future_free(f);
    tine_task task = TINE_TASK_INIT; /* a name that does not end with a NUL */
    task.kind = TINE_NAME;
    task.function = "string.lenXYZ";
    task.function_length = 10;
    task.args = "\x91\xa3"
                "abc";
    task.args_length = 5;
    OK(tine_submit(pool, &task, &f));
    tine_future_label(f, label, sizeof label);
    CHECK(strcmp(label, "string.len #2") == 0);
    CHECK_EQ(await_integer(f), 3);
    f = submit_task(pool, TINE_NAME, "no.such", NULL, 0);
    OK(tine_future_wait(f, -1));
    CHECK_EQ(tine_future_code(f), TINE_ESERIALIZE);
    CONTAINS(tine_future_message(f), "no.such");
    CHECK(!tine_future_values(f, &length));
    tine_future_free(f);
    f = submit_task(pool, TINE_SOURCE, "return +", "mine", 0);
    OK(tine_future_wait(f, -1));
    CONTAINS(tine_future_message(f), "[string \"return +\"]:1:");
    tine_future_label(f, label, sizeof label);
    CHECK(strcmp(label, "mine") == 0);
    tine_future_free(f);
    /* a chunk is compiled once, and yet each call is its own */
    static const char counter[] =
        "local n = 0 n = n + 1 count = (count or 0) + 1 return n * 100 + count";
    for (int i = 1; i <= 3; i++)
        CHECK_EQ(await_integer(submit(pool, counter, 0)), 100 + i);
    static const char address[] =
        "return tonumber(string.format('%p', debug.getinfo(1, 'f').func):sub(3), 16)";
    CHECK_EQ(await_integer(submit(pool, address, 0)), await_integer(submit(pool, address, 0)));
    CHECK_EQ(await_integer(submit(pool, "_ENV = {x = 5} return x", 0)), 5);
    CHECK_EQ(await_integer(submit(pool, "_ENV = {x = 5} return x", 0)), 5);
    CHECK_EQ(await_integer(submit(
                 pool, "if not count then return 0 end local c = count _ENV = {} return c", 0)),
             3);
    CHECK_EQ(await_integer(submit(
                 pool, "if not count then return 0 end local c = count _ENV = {} return c", 0)),
             3);
    f = submit(pool, "\x1bLua", 0); /* never bytecode */
    OK(tine_future_wait(f, -1));
    CHECK(tine_future_code(f) != 0);
    CONTAINS(tine_future_message(f), "binary chunk");
    tine_future_free(f);
    tine_pool_close(pool);
}

static void check_error(tine_pool *pool, const char *source, const char *message) {
    tine_future *f = submit(pool, source, 0);
    size_t length;
    OK(tine_future_wait(f, -1));
    CHECK_EQ(tine_future_code(f), TINE_ETASK);
    CHECK_EQ(tine_future_state(f), TINE_FINISHED);
    CHECK(strcmp(tine_future_message(f), message) == 0);
    CHECK(tine_future_message(f) == tine_future_message(f));
    const char *bytes = tine_future_values(f, &length);
    CHECK(bytes && length > 1 && (*bytes == '\x92' || *bytes == '\x93')); /* with its text */
    tine_future_free(f);
}

static void test_errors(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    check_error(pool, "error('oh no', 0)", "oh no");
    check_error(pool, "error('here')", "[string \"error('here')\"]:1: here");
    check_error(pool, "error(42)", "42");
    check_error(pool, "error()", "nil");
    check_error(pool, "error({code = 1})", "(error object that is no text)");
    /* a float is written as Lua writes it, not as 1.500000 */
    check_error(pool, "error(1.5)", "1.5");
    check_error(pool, "error(2^53)", "9.007199254741e+15");
    check_error(pool, "error(-3.0)", "-3.0");
    /* an object that has a text is told by it, as in Lua */
    check_error(pool, "error(setmetatable({}, {__tostring = function() return 'no seat' end}))",
                "no seat");
    tine_future *f = submit(pool, "return print, coroutine.create(print)", 0);
    OK(tine_future_wait(f, -1));
    CHECK_EQ(tine_future_code(f), TINE_ESERIALIZE);
    CONTAINS(tine_future_message(f), "coroutine");
    tine_future_free(f);
    tine_pool_close(pool);
}

static void test_limits(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    options.workers = 1;
    options.max_pending = 2;
    options.task_timeout = 0.05;
    OK(tine_pool_open(&pool, &options));
    tine_task task = TINE_TASK_INIT;
    tine_future *a, *b, *none;
    task.function = "while true do end";
    OK(tine_submit(pool, &task, &a));
    task.function = "return 1";
    task.timeout = 1000;
    OK(tine_submit(pool, &task, &b));
    CHECK_EQ(tine_submit(pool, &task, &none), TINE_EAGAIN);
    CHECK_EQ(tine_future_code(a), TINE_EAGAIN);
    CHECK_EQ(tine_future_wait(b, 0), TINE_ETIMEOUT);
    CHECK_EQ(tine_future_wait(b, 0.001), TINE_ETIMEOUT);
    CHECK_EQ(tine_future_wait(b, NAN), TINE_EARG);
    OK(tine_future_wait(a, -1));
    CHECK_EQ(tine_future_code(a), TINE_ETIMEOUT);
    CHECK_EQ(await_integer(b), 1);
    tine_future_free(a);
    OK(tine_submit(pool, &task, NULL)); /* nobody wants its result */
    tine_pool_close(pool);
}

static void test_cancel(void) {
    tine_pool *pool = open_pool(1, TINE_BREAK);
    tine_future *busy = submit(pool, "while true do end", 0), *waiting = submit(pool, "", 0);
    EVENTUALLY(tine_future_state(busy) == TINE_RUNNING);
    CHECK_EQ(tine_future_state(waiting), TINE_PENDING);
    CHECK(!tine_future_cancel(busy));
    CHECK(tine_future_cancel(waiting) && tine_future_cancel(waiting));
    CHECK_EQ(tine_future_state(waiting), TINE_CANCELLED);
    CHECK_EQ(tine_future_code(waiting), TINE_ECANCELLED);
    CHECK(strcmp(tine_future_message(waiting), tine_error_text(TINE_ECANCELLED)) == 0);
    CHECK(!tine_future_abort(waiting));
    CHECK(tine_future_abort(busy) && !tine_future_abort(busy));
    OK(tine_future_wait(busy, -1));
    CHECK_EQ(tine_future_state(busy), TINE_CANCELLED);
    CHECK(!tine_future_abort(busy));
    tine_future_free(busy);
    tine_future_free(waiting);
    CHECK_EQ(await_integer(submit(pool, "return 5", 0)), 5); /* by the worker's replacement */
    busy = submit(pool, "while true do end", 0);
    waiting = submit(pool, "", 0);
    EVENTUALLY(tine_future_state(busy) == TINE_RUNNING);
    OK(tine_pool_shutdown(pool, true));
    OK(tine_pool_shutdown(pool, true));
    CHECK_EQ(tine_future_state(waiting), TINE_CANCELLED);
    CHECK_EQ(tine_pool_wait(pool, 0.001), TINE_ETIMEOUT);
    tine_task task = TINE_TASK_INIT;
    task.function = "";
    CHECK_EQ(tine_submit(pool, &task, NULL), TINE_ESHUTDOWN);
    CHECK(tine_future_abort(busy));
    OK(tine_pool_wait(pool, -1));
    OK(tine_pool_wait(pool, 0));
    tine_stats stats = {.size = sizeof stats};
    OK(tine_pool_stats(pool, &stats));
    CHECK_EQ(stats.submitted, 5);
    CHECK_EQ(stats.cancelled, 4);
    CHECK_EQ(stats.finished, 1);
    CHECK_EQ(stats.by_code[-TINE_ETASK], 0);
    CHECK(stats.run.count >= 1 && stats.wait.count == stats.run.count);
    CHECK(stats.run.p50 <= stats.run.max && stats.bytes_in > 0 && stats.busy > 0);
    tine_stats old = {.size = offsetof(tine_stats, wait)};
    OK(tine_pool_stats(pool, &old));
    CHECK(old.submitted == 5 && old.run.count == 0 && old.busy == 0);
    tine_future_free(busy);
    tine_future_free(waiting);
    tine_pool_close(pool);
}

static void test_what_workers_do(void) {
    tine_pool *pool = open_pool(2, TINE_BREAK);
    tine_worker worker[3] = {{0}};
    CHECK_EQ(tine_pool_workers(pool, NULL, 0, sizeof *worker), 0);
    CHECK_EQ(tine_pool_workers(pool, NULL, 1, sizeof *worker), TINE_EARG);
    CHECK_EQ(tine_pool_workers(pool, worker, 1, sizeof *worker - 200), TINE_EARG);
    tine_task task = TINE_TASK_INIT;
    task.function = "while true do end";
    task.label = "an endless one";
    tine_future *busy;
    OK(tine_submit(pool, &task, &busy));
    EVENTUALLY(tine_pool_workers(pool, worker, 3, sizeof *worker) == 1 && worker[0].task != 0);
    CHECK(strcmp(worker[0].label, "an endless one") == 0);
    CHECK(strcmp(worker[0].state, "running") == 0);
    CHECK(worker[0].id == 1 && worker[0].pid > 0 && worker[0].memory > 0);
    CHECK(worker[0].seconds >= 0 && worker[0].busy >= 0 && worker[0].busy <= 1);
    CHECK(tine_future_abort(busy));
    OK(tine_future_wait(busy, -1));
    tine_future_free(busy);
    tine_pool_close(pool);
}

static tine_future *ended_as(tine_pool *pool, tine_task task, const char *source) {
    tine_future *f;
    task.function = source;
    OK(tine_submit(pool, &task, &f));
    OK(tine_future_wait(f, -1));
    return f;
}

static void test_more_limits(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_task task = TINE_TASK_INIT;
    tine_pool *pool;
    tine_blame blame = {.size = sizeof blame};
    static const char greedy[] = "local t = {} for i = 1, 1e6 do t[i] = {} end return 1";
    options.workers = 1;
    options.grace = 600;
    options.memory = 1 << 20;
    OK(tine_pool_open(&pool, &options));
    tine_future *f = ended_as(pool, task, greedy);
    CHECK_EQ(tine_future_code(f), TINE_EMEMORY);
    CHECK_EQ(tine_future_blame(f, &blame), TINE_EINVALID);
    CONTAINS(tine_future_message(f), "memory");
    tine_future_free(f);
    task.memory = UINT64_MAX;
    CHECK_EQ(await_integer(ended_as(pool, task, greedy)), 1);
#ifndef __SANITIZE_THREAD__ /* it puts off signals until the next system call, and a loop makes none */
    task.cpu = 0.02;
    f = ended_as(pool, task, "while true do end");
    CHECK_EQ(tine_future_code(f), TINE_ETIMEOUT);
    CONTAINS(tine_future_message(f), "processor time");
    CONTAINS(tine_future_traceback(f), "stack traceback");
    tine_future_free(f);
#endif
    task.cpu = NAN;
    CHECK_EQ(tine_submit(pool, &task, &f), TINE_EARG);
    tine_stats stats = {.size = sizeof stats};
    OK(tine_pool_stats(pool, &stats));
    CHECK_EQ(stats.workers_started, 1); /* it was asked, and has listened */
    tine_pool_close(pool);
}

static int64_t draw(int64_t seed, const char *text) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_task task = TINE_TASK_INIT;
    tine_pool *pool;
    options.workers = 2;
    options.seeded = true;
    options.seed = seed;
    task.seed_text = text;
    OK(tine_pool_open(&pool, &options));
    int64_t drawn = await_integer(ended_as(pool, task, "return math.random(1 << 40)"));
    tine_pool_close(pool);
    return drawn;
}

static void test_seeds(void) {
    CHECK_EQ(draw(1, NULL), draw(1, NULL));
    CHECK(draw(1, NULL) != draw(2, NULL));
    CHECK_EQ(draw(1, "text"), draw(2, "text"));
    CHECK(draw(1, "1") != draw(1, NULL));
}

static void check_output(tine_future *f, int code, const char *text) {
    size_t length = 99;
    CHECK_EQ(tine_future_code(f), code);
    const char *bytes = tine_future_output(f, &length);
    CHECK_EQ(length, text ? strlen(text) : 0);
    CHECK(text ? memcmp(bytes, text, length) == 0 : !bytes);
    tine_future_free(f);
}

static void test_output(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_task task = TINE_TASK_INIT;
    tine_pool *pool;
    size_t length = 7;
    static const char dies[] = "io.write 'last words' os.execute 'kill -9 $PPID'";
    options.workers = 1;
    options.on_crash = TINE_REPLACE;
    options.output = TINE_OUTPUT_CAPTURE;
    options.output_limit = 10;
    OK(tine_pool_open(&pool, &options));
    check_output(ended_as(pool, task, "print 'x' os.execute 'echo y'"), 0, "x\ny\n");
    check_output(ended_as(pool, task, "print(('x'):rep(10))"), 0, "xxxxxxxxx\n");
    check_output(ended_as(pool, task, ""), 0, "");
    check_output(ended_as(pool, task, "print 'x' error 'y'"), TINE_ETASK, "x\n");
    check_output(ended_as(pool, task, dies), TINE_ECRASHED, "last words");
    task.output_limit = UINT64_MAX;
    check_output(ended_as(pool, task, "print(('x'):rep(12))"), 0, "xxxxxxxxxxxx\n");
    task.output = TINE_OUTPUT_INHERIT;
    check_output(ended_as(pool, task, "return 1"), 0, NULL);
    task.output = TINE_OUTPUT_PREFIX + 1;
    task.function = "";
    CHECK_EQ(tine_submit(pool, &task, NULL), TINE_EARG);
    CHECK(!tine_future_output(NULL, &length) && length == 0);
    tine_future *f = submit(pool, "while true do end", 0);
    length = 7;
    CHECK(!tine_future_output(f, &length) && length == 0);
    tine_future_free(f);
    OK(tine_pool_kill(pool, true));
    tine_pool_close(pool);
}

static void test_crash(int on_crash, int code) {
    tine_pool *pool = open_pool(1, on_crash);
    char gate[] = "/tmp/tine-test-XXXXXX", opened[64], crash_source[256];
    CHECK(close(mkstemp(gate)) == 0);
    snprintf(opened, sizeof opened, "%s.open", gate);
    snprintf(crash_source, sizeof crash_source, "repeat local f = io.open('%s') until f os.exit(3)",
             opened);
    tine_future *f = submit_task(pool, TINE_SOURCE, crash_source, "suicide", 0);
    tine_future *g = submit(pool, "return 1", 0);
    OK(rename(gate, opened)); /* let it crash: both are submitted */
    tine_blame blame = {.size = sizeof blame}, small = {.size = 4};
    CHECK(tine_future_blame(f, &blame) == TINE_EINVALID || tine_future_code(f) != TINE_EAGAIN);
    CHECK_EQ(tine_future_blame(f, &small),
             TINE_EARG); /* whether or not there is somebody to blame */
    OK(tine_future_wait(f, -1));
    CHECK_EQ(tine_future_code(f), code);
    OK(tine_future_blame(f, &blame));
    CHECK(blame.pid > 0);
    CHECK_EQ(blame.exit_code, 3);
    CHECK_EQ(blame.signal, 0);
    CHECK_EQ(blame.task, 1);
    CHECK(strcmp(blame.label, "suicide") == 0);
    CONTAINS(tine_future_message(f), "exit code 3");
    blame.size = 4;
    CHECK_EQ(tine_future_blame(f, &blame), TINE_EARG);
    tine_task task = TINE_TASK_INIT;
    task.function = "";
    OK(tine_future_wait(g, -1));
    if (on_crash == TINE_BREAK) {
        CHECK_EQ(tine_future_code(g), TINE_EBROKEN);
        CHECK_EQ(tine_submit(pool, &task, NULL), TINE_EBROKEN);
        CONTAINS(tine_pool_message(pool), "exit code 3");
        OK(tine_pool_wait(pool, -1));
    } else {
        CHECK_EQ(integer_of(g), 1);
        CHECK(*tine_pool_message(pool) == '\0');
        CHECK_EQ(tine_pool_wait(pool, -1), TINE_EINVALID); /* it is open */
    }
    unlink(opened);
    tine_future_free(f);
    tine_future_free(g);
    tine_pool_close(pool);
}

static void test_kill(bool hard) {
    tine_pool *pool = open_pool(2, TINE_REPLACE);
    tine_future *f = submit(pool, "while true do end", 0);
    EVENTUALLY(tine_future_state(f) == TINE_RUNNING);
    OK(tine_pool_kill(pool, hard));
    OK(tine_future_wait(f, -1));
    CHECK_EQ(tine_future_code(f), TINE_EBROKEN);
    CONTAINS(tine_pool_message(pool), hard ? "kill" : "terminate");
    tine_task task = TINE_TASK_INIT;
    task.function = "";
    CHECK_EQ(tine_submit(pool, &task, NULL), TINE_ESHUTDOWN);
    OK(tine_pool_wait(pool, -1));
    tine_future_free(f);
    tine_pool_close(pool);
}

static void test_start(void) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    options.workers = 1;
    options.preload = "PRE = 40";
    options.initializer = "INIT = PRE + 1";
    options.package_path = "/nowhere/?.lua";
    options.name = "starter";
    OK(tine_pool_open(&pool, &options));
    CHECK_EQ(
        await_integer(submit(pool, "assert(package.path == '/nowhere/?.lua') return INIT + 1", 0)),
        42);
    CHECK_EQ(await_integer(submit(pool, "return require('tine').worker.id", 0)), 1);
    tine_pool_close(pool);
    options.initializer = "error 'bad start'";
    OK(tine_pool_open(&pool, &options));
    tine_future *f = submit(pool, "", 0);
    OK(tine_future_wait(f, -1));
    CHECK_EQ(tine_future_code(f), TINE_EBROKEN);
    CONTAINS(tine_future_message(f),
             "initializer failed: [string \"error 'bad start'\"]:1: bad start");
    CONTAINS(tine_future_traceback(f), "stack traceback");
    CHECK(strcmp(tine_future_message(f), tine_pool_message(pool)) == 0); /* it did not say why */
    tine_future_free(f);
    tine_pool_close(pool);
}

/* Without a process; and with another number of them. */
static void test_workers(void) {
    tine_pool *pool;
    tine_options options = TINE_OPTIONS_INIT;
    options.in_process = true;
    OK(tine_pool_open(&pool, &options));
    tine_future *f = submit(pool, "return 1", 0);
    CHECK_EQ(tine_future_state(f), TINE_FINISHED);
    CHECK_EQ(tine_future_code(f), 0);
    tine_future_free(f);
    CHECK_EQ(tine_pool_resize(pool, 2), TINE_EINVALID);
    tine_pool_close(pool);
    options.in_process = false;
    options.max_worker_age = options.idle_timeout = 100;
    OK(tine_pool_open(&pool, &options));
    CHECK_EQ(tine_pool_resize(pool, 0), TINE_EARG);
    CHECK_EQ(tine_pool_resize(pool, 5000), TINE_EARG);
    OK(tine_pool_resize(pool, 1));
    f = submit(pool, "return 1", 0);
    OK(tine_future_wait(f, -1));
    tine_future_free(f);
    OK(tine_pool_shutdown(pool, false));
    CHECK_EQ(tine_pool_resize(pool, 2), TINE_ESHUTDOWN);
    tine_pool_close(pool);
}

/* The callbacks of a pool without processes are called by the pool's own thread here, which so runs what they submit. It
** is the thread that sees to limits, too: one that runs a task without an end waited for itself once. */
struct relay {
    tine_pool *pool;
    pthread_t program;
    sem_t over;
    int code; /* of the task without an end */
};

static void note_end(tine_future *f, void *arg) {
    struct relay *relay = arg;
    relay->code = tine_future_code(f);
    sem_post(&relay->over);
}

static void submit_endless(tine_future *f, void *arg) {
    struct relay *relay = arg;
    tine_task task = TINE_TASK_INIT;
    (void)f;
    CHECK(!pthread_equal(pthread_self(), relay->program));
    task.function = "while true do end";
    task.timeout = 0.02;
    task.done = note_end;
    task.done_arg = relay;
    OK(tine_submit(relay->pool, &task, NULL));
}

static void test_limit_in_callback(void) {
    struct relay relay = {.program = pthread_self()};
    tine_options options = TINE_OPTIONS_INIT;
    tine_task task = TINE_TASK_INIT;
    sem_init(&relay.over, 0, 0);
    options.in_process = true;
    OK(tine_pool_open(&relay.pool, &options));
    task.function = "return 1";
    task.done = submit_endless;
    task.done_arg = &relay;
    OK(tine_submit(relay.pool, &task, NULL));
    OK(sem_wait(&relay.over));
    CHECK_EQ(relay.code, TINE_ETIMEOUT);
    tine_pool_close(relay.pool);
    sem_destroy(&relay.over);
}

static tine_future *submit_like(tine_pool *pool, const char *source, const tine_task *with) {
    tine_task task = *with;
    tine_future *future;
    task.function = source;
    OK(tine_submit(pool, &task, &future));
    return future;
}

static void test_settings(void) {
    static const char again[] = "local n = require('tine').worker.task.attempt\n"
                                "if n < 3 then error 'again' end return n";
    tine_options options = TINE_OPTIONS_INIT;
    tine_task task = TINE_TASK_INIT;
    tine_pool *pool;
    options.workers = 1;
    options.retry.error = 1;
    options.retry.delay = 0;
    OK(tine_pool_open(&pool, &options));
    tine_future *few = submit_like(pool, again, &task);
    OK(tine_future_wait(few, -1));
    CHECK_EQ(tine_future_code(few), TINE_ETASK);
    task.retry.error = 2;
    task.retry.delay = 0;
    CHECK_EQ(await_integer(submit_like(pool, again, &task)), 3);
    tine_future *late[2];
    task.deadline = 0.2;
    late[0] = submit_like(pool, "while true do end", &task);
    task.deadline = 0.05; /* while that one runs */
    late[1] = submit_like(pool, "return 1", &task);
    for (int i = 0; i < 2; i++) {
        OK(tine_future_wait(late[i], -1));
        CHECK_EQ(tine_future_code(late[i]), TINE_ETIMEOUT);
        tine_future_free(late[i]);
    }
    CONTAINS(tine_future_message(few), "again");
    tine_future_free(few);
    task.size = offsetof(tine_task, deadline); /* as of an older program */
    CHECK_EQ(await_integer(submit_like(pool, "return 5", &task)), 5);
    tine_pool_close(pool);
}

/* What is submitted while a worker is held is taken by priority, and by turns of the groups. */
static void test_order(void) {
    static const struct {
        int64_t priority;
        const char *group, *name;
    } tasks[] = {{0, "a", "1"}, {0, "a", "2"}, {0, "b", "3"}, {7, NULL, "4"}, {-7, NULL, "5"}};
    char name[] = "/tmp/tine-order-XXXXXX", source[256], got[8] = "";
    tine_options options = TINE_OPTIONS_INIT;
    tine_task task = TINE_TASK_INIT;
    tine_pool *pool;
    options.workers = 1;
    int gate = mkstemp(name);
    OK(tine_pool_open(&pool, &options));
    snprintf(source, sizeof source,
             "repeat local f = io.open('%s') if f then f:close() end until not f", name);
    tine_future *held = submit_like(pool, source, &task), *futures[5];
    while (tine_future_state(held) != TINE_RUNNING)
        ;
    for (int i = 0; i < 5; i++) {
        task.priority = tasks[i].priority;
        task.group = tasks[i].group;
        snprintf(source, sizeof source, "ORDER = (ORDER or '') .. '%s'", tasks[i].name);
        futures[i] = submit_like(pool, source, &task);
    }
    unlink(name);
    close(gate);
    for (int i = 0; i < 5; i++) {
        OK(tine_future_wait(futures[i], -1));
        tine_future_free(futures[i]);
    }
    tine_future *order = submit_like(pool, "return ORDER", &task);
    OK(tine_future_wait(order, -1));
    size_t length;
    const char *values = tine_future_values(order, &length);
    CHECK(length == 7);
    memcpy(got, values + 2, 5);
    CHECK(strcmp(got, "41325") == 0);
    tine_future_free(order);
    tine_future_free(held);
    tine_pool_close(pool);
}

static void test_wait_any(void) {
    tine_pool *one, *two;
    OK(tine_pool_open(&one, NULL));
    OK(tine_pool_open(&two, NULL));
    tine_task task = TINE_TASK_INIT;
    tine_future *futures[3] = {submit_like(one, "while true do end", &task),
                               submit_like(two, "while true do end", &task),
                               submit_like(two, "return 1", &task)};
    CHECK_EQ(tine_wait_any(futures, 2, 0.01), TINE_ETIMEOUT);
    CHECK_EQ(tine_wait_any(futures, 3, -1), 2);
    CHECK_EQ(tine_wait_any(futures, 3, 0), 2);
    CHECK_EQ(tine_wait_any(futures, 0, 0), TINE_EARG);
    CHECK_EQ(tine_wait_any(NULL, 1, 0), TINE_EARG);
    CHECK_EQ(tine_wait_any(futures, 3, NAN), TINE_EARG);
    CHECK(tine_future_abort(futures[1]));
    CHECK_EQ(tine_wait_any(futures, 2, -1), 1);
    OK(tine_pool_kill(one, true));
    CHECK_EQ(tine_wait_any(futures, 1, -1), 0);
    for (int i = 0; i < 3; i++)
        tine_future_free(futures[i]);
    tine_pool_close(one);
    tine_pool_close(two);
}

/* The text of a file. */
static void read_file(const char *name, char *out, size_t size) {
    FILE *f = fopen(name, "r");
    CHECK(f);
    out[fread(out, 1, size - 1, f)] = '\0';
    fclose(f);
}

static void test_trace(void) {
    static char name[] = "/tmp/tine-trace-XXXXXX", text[8192];
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    options.workers = 1;
    options.trace = "/nowhere/to/be/found.json";
    CHECK_EQ(tine_pool_open(&pool, &options), TINE_ESYSTEM);
    CHECK_EQ(errno, ENOENT);
    close(mkstemp(name));
    options.trace = name;
    CHECK_EQ(tine_pool_open(&pool, &options), 0);
    CHECK_EQ(await_integer(submit(pool, "return ... + 1", 6)), 7);
    tine_pool_close(pool);
    read_file(name, text, sizeof text);
    CHECK(text[0] == '[' && strcmp(text + strlen(text) - 3, "\n]\n") == 0);
    check_contains(text, "\"how\":\"finished\"", __FILE__, __LINE__);
    unlink(name);
}

/* Everything there is to a task and back, one value at a time. */
static void write_each(tine_pack *args) {
    static const int64_t integers[] = {0,    127,   128,    -32,       -33,       -128,
                                       -129, 32767, -32769, INT32_MIN, INT64_MAX, INT64_MIN};
    static const size_t lengths[] = {0, 31, 32, 255, 256, 65535, 65536};
    static const char text[65536] = {'x', 0, 'y'};
    tine_pack_array(args, 24);
    tine_pack_nil(args);
    tine_pack_boolean(args, true);
    tine_pack_boolean(args, false);
    tine_pack_number(args, 0.5);
    for (size_t i = 0; i < 12; i++)
        tine_pack_integer(args, integers[i]);
    for (size_t i = 0; i < 7; i++)
        tine_pack_string(args, text, lengths[i]);
    tine_pack_map(args, 1);
    tine_pack_string(args, "list", 4);
    tine_pack_array(args, 2);
    tine_pack_nil(args);
    tine_pack_integer(args, 1);
}

static uint64_t bits_of(double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static bool is_same_value(const tine_value *a, const tine_value *b) {
    return a->type == b->type && a->boolean == b->boolean && a->integer == b->integer &&
           bits_of(a->number) == bits_of(b->number) && a->length == b->length &&
           (!a->bytes || memcmp(a->bytes, b->bytes, a->length) == 0);
}

static void test_msgpack(void) {
    tine_pack args = TINE_PACK_INIT;
    tine_pool *pool;
    tine_future *future;
    tine_task task = TINE_TASK_INIT;
    tine_value there, back;
    size_t length;
    OK(tine_pool_open(&pool, NULL));
    write_each(&args);
    OK(args.error);
    task.function = "return ...";
    task.args = args.bytes;
    task.args_length = args.length;
    OK(tine_submit(pool, &task, &future));
    OK(tine_future_wait(future, -1));
    const void *bytes = tine_future_values(future, &length);
    tine_unpack sent = {args.bytes, args.length}, got = {bytes, length};
    unsigned n = 0;
    while (tine_unpack_next(&sent, &there) == 1 && n++ < 100) {
        CHECK_EQ(tine_unpack_next(&got, &back), 1);
        CHECK(is_same_value(&there, &back));
    }
    CHECK_EQ(n, 1 + 24 + 4);
    CHECK_EQ(tine_unpack_next(&got, &back), 0);
    got = (tine_unpack){bytes, length};
    CHECK_EQ(tine_unpack_skip(&got), 1);
    CHECK_EQ(got.left, 0);
    CHECK_EQ(tine_unpack_skip(&got), 0);
    for (size_t cut = 1; cut < 1000;
         cut++) { /* never beyond what is there, which the sanitizer sees */
        char *some = malloc(cut);
        memcpy(some, args.bytes, cut);
        got = (tine_unpack){some, cut};
        CHECK_EQ(tine_unpack_skip(&got), TINE_EINVALID);
        CHECK_EQ(got.left, cut);
        free(some);
    }
    tine_future_free(future);
    tine_pack_free(&args);
    tine_pool_close(pool);
}

static void test_msgpack_in_bad_hands(void) {
    static const char *const wrong[] = {
        "\xc1",     "\xdf\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xd8\x01",
        "\xcb\x00", "\xdd\x00\x00\x00"};
    static const size_t sizes[] = {1, 5, 5, 2, 2, 4};
    tine_pack args = TINE_PACK_INIT;
    tine_value v;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tine_unpack u = {wrong[i], sizes[i]};
        CHECK_EQ(tine_unpack_next(&u, &v), TINE_EINVALID);
        CHECK_EQ(tine_unpack_skip(&u), TINE_EINVALID);
    }
    tine_unpack none = {NULL, 1}, extension = {"\xd4\x04\x00", 3};
    CHECK_EQ(tine_unpack_next(&none, &v), TINE_EARG);
    CHECK_EQ(tine_unpack_next(NULL, &v), TINE_EARG);
    CHECK_EQ(tine_unpack_skip(NULL), TINE_EARG);
    CHECK_EQ(tine_unpack_next(&extension, &v), 1);
    CHECK(v.type == TINE_EXTENSION && v.integer == 4 && v.length == 1 && v.bytes[0] == 0);
    tine_pack_nil(NULL);
    tine_pack_string(&args, NULL, 1);
    tine_pack_integer(&args, 1); /* is not written any more */
    CHECK(args.error == TINE_EARG && args.length == 0);
    tine_pack_free(&args);
    tine_pack_array(&args, (size_t)UINT32_MAX + 1);
    CHECK_EQ(args.error, TINE_EARG);
    tine_pack_free(&args);
    tine_pack_free(NULL);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they keep what was freed */
/* In MiB. */
static unsigned long resident(void) {
    unsigned long whole, pages;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%lu %lu", &whole, &pages) == 2);
    fclose(file);
    return pages * (unsigned long)getpagesize() >> 20;
}

/* Errors of what runs everywhere, in later workers: nobody is told of them, and the pool kept them all. */
static void test_errors_everywhere(void) {
    enum { WORKERS = 60 };
    tine_options options = TINE_OPTIONS_INIT;
    tine_task task = TINE_TASK_INIT;
    tine_pool *pool;
    options.workers = 1;
    options.max_tasks_per_worker = 1;
    OK(tine_pool_open(&pool, &options));
    task.function = "error(('x'):rep(1 << 20))";
    OK(tine_pool_everywhere(pool, &task, NULL)); /* there is no worker yet */
    OK((int)await_integer(submit(pool, "return 0", 0)));
    unsigned long before = resident();
    for (int i = 0; i < WORKERS; i++)
        OK((int)await_integer(submit(pool, "return 0", 0)));
    CHECK(resident() < before + WORKERS / 2);
    tine_pool_close(pool);
}
#endif

/* How an option was read, since it takes ten seconds to see that it is not for ever. */
static void test_far_limits(void) {
    tine_options o = TINE_OPTIONS_INIT;
    struct far_options far;
    o.backend = "gearman://127.0.0.1/set";
    OK(tine__api_far(&o, &far));
    CHECK_EQ(far.connect_timeout, FAR_CONNECT_TIMEOUT);
    CHECK_EQ(far.lost_after, FAR_LOST_AFTER);
    o.connect_timeout = o.lost_after = INFINITY;
    OK(tine__api_far(&o, &far));
    CHECK(far.connect_timeout == UINT64_MAX && far.lost_after == UINT64_MAX);
}

int main(void) {
    test_codes();
    test_null();
    test_options();
    test_far_limits();
    test_workers();
    test_limit_in_callback();
    test_wrong_tasks();
    test_results();
    test_arguments();
    test_functions();
    test_errors();
    test_limits();
    test_cancel();
    test_what_workers_do();
    test_more_limits();
    test_seeds();
    test_output();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    test_errors_everywhere();
#endif
    test_crash(TINE_BREAK, TINE_EBROKEN);
    test_crash(TINE_REPLACE, TINE_ECRASHED);
    test_kill(false);
    test_kill(true);
    test_start();
    test_settings();
    test_order();
    test_wait_any();
    test_trace();
    test_msgpack();
    test_msgpack_in_bad_hands();
    return 0;
}

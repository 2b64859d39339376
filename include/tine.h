/* Tine: a process pool for Lua tasks, for programs in C.
**
** Tasks are Lua: source text, the name of a function in a module, or a function that was encoded in
** Lua. Arguments and results are msgpack. Tasks run in worker processes, so a crash takes one
** worker and never this program.
**
**     tine_pool *pool;
**     tine_options options = TINE_OPTIONS_INIT;
**     if (tine_pool_open(&pool, &options) != 0) ...
**
**     tine_task task = TINE_TASK_INIT;
**     task.function = "local a, b = ... return a + b";
**     task.args = "\x92\x01\x02";                                       msgpack: [1, 2]
**     task.args_length = 3;
**     tine_future *future;
**     if (tine_submit(pool, &task, &future) == 0 && tine_future_wait(future, -1) == 0) {
**         size_t length;
**         const void *bytes = tine_future_values(future, &length);      msgpack: [3]
**     }
**     tine_future_free(future);
**     tine_pool_close(pool);
**
** The rules for all functions, where they do not say otherwise:
**
** THREADS. Any thread may call any function, on any handle, several at a time. No function holds a
** lock while a callback runs.
** HANDLES. tine_pool_close and tine_future_free end a handle: who calls them must be the last to
** use it. Futures stay good when their pool is closed. NULL as a handle is an error (TINE_EARG; 0,
** false, NULL or "" from functions that give no code) and may be freed.
** FORKING. In a forked child of the program, handles of the parent may only be freed; other
** functions answer TINE_EFORKED (0, false, NULL or "" where they give no code). The child has none of
** the library's descriptors: that of tine_pool_fileno is closed there. It may make pools of its own.
** ERRORS. Functions return 0 or a negative code of TINE_ERRORS; with TINE_ESYSTEM errno tells more.
** The library never prints, exits or aborts, and leaves the program's signal handlers and children
** alone.
** TIMES are seconds; as a time-out a negative one means none, 0 means do not wait; as a limit of
** something else 0 or INFINITY means none, and a negative one is TINE_EARG, unless it is said
** otherwise. NaN is TINE_EARG.
** STRINGS and bytes that are given are copied, or no longer needed when the function returns.
** STRUCTS with a `size` may grow: a program compiled with an older header works with a newer
** library, and the other way round unless it sets a field that the library does not know
** (TINE_EARG).
** SINCE 0.1.0, unless a declaration says otherwise.
**
** docs/embedding.md has complete programs.
*/
#ifndef TINE_H
#define TINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINE_VERSION "0.2.0"

#if defined(__GNUC__)
#define TINE_API __attribute__((visibility("default")))
#else
#define TINE_API
#endif

/* Error codes: functions return 0 or one of these. name, value, kind in Lua, what it means */
#define TINE_ERRORS(X) \
    X(TINE_ETIMEOUT, -1, "timeout", "the time allowed has passed") \
    X(TINE_ECANCELLED, -2, "cancelled", "the task was cancelled") \
    X(TINE_ESHUTDOWN, -3, "shutdown", "the pool has been shut down") \
    X(TINE_EBROKEN, -4, "broken", "the pool is broken") \
    X(TINE_ECRASHED, -5, "crashed", "the worker that ran the task died") \
    X(TINE_ESERIALIZE, -6, "serialization", "a value cannot be sent") \
    X(TINE_EINVALID, -7, "invalid_state", "not possible in this state") \
    X(TINE_ESYSTEM, -8, "system", "the system refused, see errno") \
    X(TINE_EFORKED, -9, "forked", "used in a forked child of its owner") \
    X(TINE_ENOMEM, -10, "system", "out of memory") \
    X(TINE_ETASK, -11, "task", "the task raised an error of its own") \
    X(TINE_EARG, -12, "argument", "a wrong argument") \
    X(TINE_EAGAIN, -13, "again", "not now: the call would have to wait") \
    X(TINE_EMEMORY, -14, "memory", "the task has used more memory than it may") \
    X(TINE_ELOST, -15, "lost", "the host that ran the task was lost")

enum tine_code {
#define TINE_ERROR_MEMBER(name, value, kind, text) name = value,
    TINE_ERRORS(TINE_ERROR_MEMBER)
#undef TINE_ERROR_MEMBER
        TINE_OK = 0
};

/* Version of the library that is running: "0.2.0". TINE_VERSION is that of this header. Static. */
TINE_API const char *tine_version(void);

/* The kind ("timeout", "crashed" ...) and the meaning of a code (0: "ok"); else "unknown".
** Static strings. Never block. */
TINE_API const char *tine_error_kind(int code);
TINE_API const char *tine_error_text(int code);

/* SINCE 0.2.0. What was refused when tine_prepare, tine_pool_open, tine_submit or tine_pool_everywhere has just failed in this
** thread, for a human: the field of the struct and what would be right in it, the system call and the limit that it met, the
** key file that others may read ...; "" when there is no more to say than the code does. Good until this thread calls the
** library again. Never blocks. */
TINE_API const char *tine_error_detail(void);

/* --- pools --- */

typedef struct tine_pool tine_pool;
typedef struct tine_future tine_future;
struct lua_State;

enum tine_start { TINE_FORK, TINE_SPAWN };
enum tine_crash { TINE_BREAK, TINE_REPLACE };

/* Where what a task, and the programs that it starts, write to stdout and stderr goes: to those of this program; to its
** future (tine_future_output); or, each line as a whole behind "[label] ", to those of this program. SINCE 0.2.0 */
enum tine_output {
    TINE_OUTPUT_DEFAULT,
    TINE_OUTPUT_INHERIT,
    TINE_OUTPUT_CAPTURE,
    TINE_OUTPUT_PREFIX
};

/* How often a task is tried again that has failed by an error of its own, with its worker, by its limit, or with its
** host: so many attempts beyond the first. Before attempt k+1 it waits delay * factor^(k-1) seconds, at most
** max_delay, spread by that share of it. Begin with TINE_RETRY_INIT. SINCE 0.2.0 */
typedef struct tine_retry {
    uint32_t error, crashed, timeout, lost;
    double delay, factor, max_delay, jitter; /* < 0: 0.1, 2, 60, 0.1 */
} tine_retry;

#define TINE_RETRY_INIT \
    { 0, 0, 0, 0, -1, -1, -1, -1 }

/* Options of a pool. Begin with TINE_OPTIONS_INIT. Fields that later versions add come last, and 0
** or NULL is their default. */
typedef struct tine_options {
    size_t size;                   /* sizeof(tine_options) */
    const char *name;              /* in process titles and messages; NULL: "tine" */
    unsigned workers;              /* at most so many; 0: tine_cpu_count() */
    int start_method;              /* enum tine_start */
    int on_crash;                  /* enum tine_crash */
    double task_timeout;           /* run-time limit of each task; 0: none */
    double spin;                   /* how long a waiting side yields before it sleeps; < 0: 50e-6 */
    uint64_t max_tasks_per_worker; /* 0: no limit */
    uint64_t max_pending; /* tine_submit gives TINE_EAGAIN at so many unfinished ones; 0: none */
    const char *package_path; /* of the workers; NULL: Lua's own (LUA_PATH counts) */
    const char *package_cpath;
    /* Prepares each worker's state, before the initializer: register your own C functions here.
    ** Returns 0, or anything else with an error message pushed (the pool is then broken, with that
    ** cause). With TINE_FORK a function of this program, which must be in memory when tine_prepare
    ** (or the first pool) is called; it runs in the worker, with a copy of the program's memory of
    ** that moment. */
    int (*prepare)(struct lua_State *L, void *arg);
    void *prepare_arg;
    /* The same for TINE_SPAWN (also good with TINE_FORK): "path/to/lib.so:symbol", called with
    ** `arg` NULL. */
    const char *prepare_symbol;
    /* Lua source, run once in each worker before its first task. If it raises, the pool is broken,
    ** with that cause. NULL: none. */
    const char *initializer;
    /* Lua source, run once, before workers are forked, which then start with it done. A failure is
    ** that of an initializer. NULL: none. */
    const char *preload;
    /* SINCE 0.2.0 */
    /* A worker that is not ready so long after its start counts as one whose initializer has
    ** failed. 0: no limit. */
    double start_timeout;
    /* A worker that leaves (finalizers may run) and is not gone so long after is killed. < 0: 5;
    ** 0: killed at once; INFINITY: never. */
    double exit_timeout;
    /* No process is made: each task runs in the thread that submits it, before tine_submit returns, in a
    ** Lua state inside this program. What needs a process (crash isolation, kills, `workers`,
    ** start_method, on_crash, limits of workers) is not there. */
    bool in_process;
    /* A worker that has had nothing to do for so long ends, unless there are no more than
    ** `min_workers` (which is at most `workers`, where that is said). 0: never. */
    double idle_timeout;
    unsigned min_workers;
    /* A worker that is older than about so many seconds, or whose resident memory is more than so
    ** many bytes, ends between two tasks and is replaced. 0: no limit. */
    double max_worker_age;
    uint64_t max_worker_memory;
    /* tine_submit gives TINE_EAGAIN while the encoded calls of unfinished tasks, this one included,
    ** would be more bytes, unless no other is unfinished. 0: no limit. */
    uint64_t max_pending_bytes;
    /* Lua source, run in each worker that ends in good order. NULL: none. */
    const char *finalizer;
    /* What a pending task gains in priority for each second that it has waited. < 0: 1; 0: nothing. */
    double ageing;
    /* Of tasks that say nothing else (see tine_task): */
    double deadline; /* 0: none */
    int64_t priority;
    const char *group; /* NULL: none */
    tine_retry retry;
    /* Of each task, unless tine_task says otherwise; the same fields are explained there. */
    double grace; /* < 0: 0.1 */
    double cpu;
    uint64_t memory;
    bool seeded;
    int64_t seed;
    const char *seed_text;
    int output; /* enum tine_output */
    uint64_t output_limit;
    /* The file that what the pool does is traced to, in the Trace Event format; in its name %p is the
    ** number of this process and %n that of the pool. NULL: what TINE_TRACE in the environment says;
    ** "": nothing. A file that cannot be opened is TINE_ESYSTEM. */
    const char *trace;
    /* Workers on other machines, behind job servers: "gearman://HOST[:PORT][,HOST...]/SET" (docs/machines.md),
    ** and the key file by which all that is sent is sealed; NULL: without, which only addresses of this
    ** machine allow. What belongs to workers of this machine (workers, prepare, preload, limits of workers
    ** ...) is then TINE_EARG; on_crash is TINE_REPLACE, whatever is said. Without `backend` the others are
    ** TINE_EARG. SINCE 0.2.0 */
    const char *backend, *key;
    unsigned window; /* tasks under way at most; 0: twice the workers of all hosts */
    double connect_timeout, lost_after; /* 0: 10 and 15 */
    bool unconfirmed;                   /* hosts begin without asking */
    /* Events of a task that are kept unread (tine_future_next_event); 0: 1000. */
    uint64_t event_buffer;
} tine_options;

#define TINE_OPTIONS_INIT \
    { \
        sizeof(tine_options), NULL, 0, TINE_FORK, TINE_BREAK, 0, -1, 0, 0, NULL, NULL, NULL, NULL, \
            NULL, NULL, NULL, 0, -1, false, 0, 0, 0, 0, 0, NULL, -1, 0, 0, NULL, TINE_RETRY_INIT, \
            -1, 0, 0, false, 0, NULL, TINE_OUTPUT_DEFAULT, 0, NULL, NULL, NULL, 0, 0, 0, false, 0 \
    }

/* Take the root process, from which all workers descend, now. Call it early, while the program is
** small and has one thread; in a program with threads the first pool executes a helper program
** instead (tine-helper, installed beside the library). Called again it does nothing. 0,
** TINE_ESYSTEM. */
TINE_API int tine_prepare(void);

/* Processors that this process may use: affinity mask and cgroup quota count. At least 1. */
TINE_API unsigned tine_cpu_count(void);

/* Open a pool; `options` NULL: the defaults. On success *out is to be given to tine_pool_close; on
** failure it is NULL. Workers start on demand, so what goes wrong in them is told by futures. Does
** not wait for a worker. 0; TINE_EARG (an option is wrong); TINE_ESYSTEM (ENOENT: tine-helper is
** not there); TINE_ENOMEM. */
TINE_API int tine_pool_open(tine_pool **out, const tine_options *options);

/* SINCE 0.2.0. Another number of workers, from 1 to 4,095: more start on demand, those too many end
** when their task is done. 0; TINE_EARG; TINE_EINVALID (in_process); TINE_ESHUTDOWN, TINE_EBROKEN,
** TINE_EFORKED, TINE_ENOMEM. */
TINE_API int tine_pool_resize(tine_pool *pool, unsigned workers);

/* No more tasks; with `cancel` those that have not started are cancelled. Does not wait. 0, also
** when called again; TINE_EARG, TINE_EFORKED. */
TINE_API int tine_pool_shutdown(tine_pool *pool, bool cancel);

/* Wait until a pool that was shut down (or is broken, or killed) has ended: all futures done, all
** callbacks have returned, no process is left. Calls callbacks. 0; TINE_ETIMEOUT; TINE_EINVALID: it
** is open, or this is a callback of its own; TINE_EARG, TINE_EFORKED. */
TINE_API int tine_pool_wait(tine_pool *pool, double timeout);

/* Shut down, wait without limit, and free the pool. Not from a callback of its own, which it would
** wait for. In a forked child, and with NULL, it does not wait. */
TINE_API void tine_pool_close(tine_pool *pool);

/* End the workers now with SIGTERM, or SIGKILL (`hard`; also five seconds after a SIGTERM that did
** not help). Unfinished futures fail with TINE_EBROKEN, tine_submit gives TINE_ESHUTDOWN. Does not
** wait. 0, TINE_EARG, TINE_EFORKED. */
TINE_API int tine_pool_kill(tine_pool *pool, bool hard);

/* Why it is broken, or was killed, for a human; "" while it is neither. Valid until the pool is
** closed. */
TINE_API const char *tine_pool_message(tine_pool *pool);

/* Call the callbacks that are due, in this thread. Never waits. The number called. */
TINE_API size_t tine_pool_dispatch(tine_pool *pool);

/* A descriptor that is readable when there is something to dispatch, and for good when the pool has
** ended, so that tine_pool_wait(pool, 0) has something to say: for the program's own event loop. The
** pool keeps it, tine_pool_close closes it; only tine_pool_dispatch and threads that wait empty it.
** Negative: TINE_EARG, TINE_EFORKED, TINE_ESYSTEM, TINE_ENOMEM. From the first call on callbacks are
** called by tine_pool_dispatch and by threads that wait, and no longer by the pool's own thread. */
TINE_API int tine_pool_fileno(tine_pool *pool);

/* How long something has taken, in seconds; percentiles within 3 %, the rest exact. SINCE 0.2.0 */
typedef struct tine_times {
    uint64_t count;
    double mean, max, p50, p90, p99, p999;
} tine_times;

typedef struct tine_stats {
    size_t size; /* sizeof(tine_stats), set by the caller */
    /* submitted = pending + running + finished + failed + cancelled */
    uint64_t submitted, pending, running, finished, failed, cancelled;
    uint64_t workers_started, workers_lost;
    /* SINCE 0.2.0 */
    tine_times wait, run; /* of each attempt: until a worker took it up, and from then on */
    /* Of each task that ran: from tine_submit until its end was known here. */
    tine_times round_trip;
    uint64_t bytes_in, bytes_out; /* into and out of workers */
    uint64_t by_code[16]; /* tasks that failed, by the negative of their code: [-TINE_ETASK] ... */
    /* Processor seconds of all workers, ended ones too, without programs that tasks start. */
    double cpu;
    double busy; /* the share of the workers' time that tasks ran, since the start */
} tine_stats;

/* Takes in results, never waits. 0; TINE_EARG (`size` too small, too); TINE_EFORKED. */
TINE_API int tine_pool_stats(tine_pool *pool, tine_stats *out);

/* A worker, and what it does. SINCE 0.2.0 */
typedef struct tine_worker {
    unsigned id;
    int pid;           /* 0: not known yet */
    const char *state; /* "starting", "idle", "running", "ending"; static */
    uint64_t tasks;    /* that it has run */
    double busy;       /* the share of its time that tasks ran */
    uint64_t memory;   /* resident, in bytes; 0: not known */
    uint64_t task;     /* id of the one that it runs; 0: none */
    double seconds;    /* for so long it has done what it does: of `task`, of its idleness ... */
    char label[160];   /* of `task` */
    char host[128];    /* the machine that it is on; "": this one */
} tine_worker;

/* Fill in at most `n` of them, each of `size` bytes: sizeof(tine_worker). `out` may be NULL when `n` is 0. Takes in
** results, and waits only a moment for the pids of workers that are just being started. How many workers there are;
** TINE_EARG (`size` too small, too), TINE_EFORKED, TINE_ENOMEM. SINCE 0.2.0 */
TINE_API int tine_pool_workers(tine_pool *pool, tine_worker *out, size_t n, size_t size);

/* --- tasks --- */

enum tine_function {
    /* Lua source of a chunk (no bytecode); its `...` are the arguments, what it returns the
    ** results. Each worker compiles a text once. */
    TINE_SOURCE,
    /* "a.b.c": the longest prefix that the worker can require, then fields; without a dot a module
    ** that is a function, else a global. */
    TINE_NAME,
    /* Bytes from tine.encode(fn) in Lua, or tine_encode_function (tine_lua.h). They hold bytecode:
    ** take them only from where you would take a program. */
    TINE_ENCODED
};

typedef struct tine_task {
    size_t size;            /* sizeof(tine_task) */
    int kind;               /* enum tine_function */
    const char *function;   /* source, name, or bytes */
    size_t function_length; /* 0: up to the NUL */
    /* One msgpack array; NULL and 0: no arguments. No extension types but those of plain tables in
    ** results of tasks, so it may come from anywhere. */
    const void *args;
    size_t args_length;
    const char *label; /* shown in errors; NULL: made from the function */
    double timeout;    /* run-time limit; 0: the pool's, INFINITY: none */
    /* Called once when the task is done, perhaps before tine_submit has returned: by a thread that
    ** waits for a future or the end of this pool, or dispatches, or else by the pool's own thread;
    ** callbacks of several futures may run at once. The future stays good during the call even if
    ** it was freed. The stack is that of the thread; the pool's own has the size that threads of
    ** the program have by default, and all signals blocked. It may call anything but tine_pool_wait
    ** and tine_pool_close of its pool; if it waits for unfinished futures of its pool, that may fail
    ** with TINE_EINVALID. It must return (no longjmp, no exception). NULL: none. */
    void (*done)(tine_future *future, void *arg);
    void *done_arg;
    /* SINCE 0.2.0 */
    /* Limit from tine_submit on, waiting and all attempts included; a task that is pending then never runs. 0: the
    ** pool's, INFINITY: none. */
    double deadline;
    int64_t priority;  /* pending tasks with a higher one are taken first; 0: the pool's */
    const char *group; /* among tasks of one priority the groups take turns; NULL: the pool's */
    tine_retry retry;  /* no attempts: the pool's */
    /* A running task that is ended, by a limit or tine_future_abort, is asked first: an error is
    ** raised in it. So long after it is killed with its worker. < 0: the pool's; 0: killed at once;
    ** INFINITY: never. */
    double grace;
    double cpu;      /* limit of processor time; 0: the pool's, INFINITY: none. TINE_ETIMEOUT */
    uint64_t memory; /* bytes that it may add to its Lua state; 0: the pool's, UINT64_MAX: none.
                     ** TINE_EMEMORY */
    /* Random numbers that are the same in each run: from the text, or if it is NULL and `seeded` is
    ** true from the integer; else the pool's. They depend on the number of the call of tine_submit, too. */
    bool seeded;
    int64_t seed;
    const char *seed_text;
    int output;            /* enum tine_output */
    uint64_t output_limit; /* of captured output only the last so many bytes are kept; 0: the pool's
                           ** (1 MiB if that says nothing), UINT64_MAX: all are */
} tine_task;

#define TINE_TASK_INIT \
    { \
        sizeof(tine_task), TINE_SOURCE, NULL, 0, NULL, 0, NULL, 0, NULL, NULL, 0, 0, NULL, \
            TINE_RETRY_INIT, -1, 0, 0, false, 0, NULL, TINE_OUTPUT_DEFAULT, 0 \
    }

/* Submit a task. On success *out (when `out` is not NULL) is a future, to be freed with
** tine_future_free; on failure NULL. Never waits (with in_process it runs the task). 0; TINE_EARG: not a
** task (arguments that are not one msgpack array included); TINE_ESHUTDOWN; TINE_EBROKEN; TINE_EAGAIN:
** max_pending tasks are unfinished; TINE_ENOMEM; TINE_EFORKED. */
TINE_API int tine_submit(tine_pool *pool, const tine_task *task, tine_future **out);

/* SINCE 0.2.0. Have each worker run this once: those that are there before their next task, later ones after their
** initializer. The future, whose values are an empty array, is done when those of now have; an error fails it and does no
** more (one in a later worker is told nobody). It counts neither in tine_stats nor for max_pending, and is kept as long as
** the pool. Of the task `kind`, `function`, `args`, `label` and `done` count. Never waits. As tine_submit; never
** TINE_EAGAIN. */
TINE_API int tine_pool_everywhere(tine_pool *pool, const tine_task *task, tine_future **out);

/* --- futures --- */

enum tine_state { TINE_PENDING, TINE_RUNNING, TINE_CANCELLED, TINE_FINISHED };

/* enum tine_state; takes in results, never waits. TINE_EARG, TINE_EFORKED. */
TINE_API int tine_future_state(tine_future *future);

/* Wait until it is done (finished or cancelled); callbacks of its pool are called meanwhile. 0;
** TINE_ETIMEOUT; TINE_EAGAIN: a signal handler ran; TINE_EINVALID: not in a callback that the
** pool's own thread calls; TINE_EARG, TINE_EFORKED. */
TINE_API int tine_future_wait(tine_future *future, double timeout);

/* Wait until one of `n` futures, of any pools, is done; callbacks of their pools are called meanwhile. The lowest
** index of one that is; or a code, as tine_future_wait; TINE_EARG (n is 0, too). SINCE 0.2.0 */
TINE_API int tine_wait_any(tine_future *const *futures, size_t n, double timeout);

/* SINCE 0.2.0. What the task emits while it runs (tine.worker.emit in Lua), one after the other, each once: waits for the
** next. 1: there is one, in *bytes and *length, a msgpack array that is good until the next call for this future, or until it
** is freed; 0: the task has ended, and all were given; TINE_ETIMEOUT: none has come; TINE_EAGAIN: a signal handler ran;
** TINE_EINVALID, TINE_EARG, TINE_EFORKED as tine_future_wait; TINE_ENOMEM. One thread at a time for each future. With
** `timeout` 0 it does not wait: then tine_pool_fileno tells of events, too.
**
** Of a task at most `event_buffer` events (tine_options) are kept that nobody has read, then it waits for a reader; not
** while a thread waits for its end, nor when its future was freed: then its events are dropped. */
TINE_API int tine_future_next_event(tine_future *future, double timeout, const void **bytes,
                                    size_t *length);

/* How it ended. 0: it has values; TINE_ETASK: the task raised an error; another code:
** TINE_ECANCELLED, TINE_ETIMEOUT (it ran too long), TINE_ECRASHED, TINE_EBROKEN, TINE_ESERIALIZE
** ...; TINE_EAGAIN: it is not done. Never waits. */
TINE_API int tine_future_code(tine_future *future);

/* The values as a msgpack array; for TINE_ETASK, and TINE_EBROKEN when an initializer or the like
** has failed, [error value, traceback], of an error with a metatable [error value, traceback, its text].
** Valid until the future is freed; NULL when there are none. `length` may not be NULL. What Lua has beyond
** msgpack is in extension types (docs/embedding.md). Never waits. */
TINE_API const void *tine_future_values(tine_future *future, size_t *length);

/* What happened, for a human: the text of the error; "" for a success, and while it is not done.
** Valid until the future is freed. Never waits. */
TINE_API const char *tine_future_message(tine_future *future);

/* The worker's traceback for what tine_future_values gives as an error, else "". As above. */
TINE_API const char *tine_future_traceback(tine_future *future);

/* What the task, in its last attempt, and the programs that it started have written to stdout and
** stderr, if it was submitted with TINE_OUTPUT_CAPTURE and is done; not terminated. NULL: it was not,
** or is not. Valid until the future is freed; `length` may not be NULL. Never waits. SINCE 0.2.0 */
TINE_API const void *tine_future_output(tine_future *future, size_t *length);

/* Who is to blame: the worker and its task for TINE_ECRASHED and TINE_EBROKEN, the host for TINE_ELOST. */
typedef struct tine_blame {
    size_t size;                /* sizeof(tine_blame), set by the caller */
    int pid;                    /* of the worker; 0: none */
    int exit_code;              /* -1: it has none */
    int signal;                 /* that killed it; 0: none */
    int error;                  /* errno; 0: none */
    uint64_t task;              /* 0: it ran none */
    const char *label, *source; /* or NULL; valid until the future is freed */
    int line;
    /* SINCE 0.2.0: of a pool with a backend; or NULL; as label */
    const char *host, *server;
} tine_blame;

/* 0; TINE_EINVALID: nobody is to blame; TINE_EARG (`size` too small, too); TINE_EFORKED. */
TINE_API int tine_future_blame(tine_future *future, tine_blame *out);

/* Cancel it if no worker has taken it up: true, and it never runs (also when called again). Never
** waits. */
TINE_API bool tine_future_cancel(tine_future *future);

/* End it: a running one is asked to end, and when its grace is over its worker is killed and replaced; a
** pending one is cancelled. Never waits: one that runs is TINE_RUNNING until its worker, and the programs that the task has started,
** have ended; then its code is TINE_ECANCELLED. False: it is done (its result may
** be just on its way), or being ended already. */
TINE_API bool tine_future_abort(tine_future *future);

/* Its label. Writes at most `size` bytes with the NUL (`out` NULL: none); the length it has. */
TINE_API size_t tine_future_label(tine_future *future, char *out, size_t size);

/* Another reference, to be freed like the first one. Gives its argument. */
TINE_API tine_future *tine_future_ref(tine_future *future);

/* Drop a reference. The task goes on, and its callback is called. */
TINE_API void tine_future_free(tine_future *future);

/* --- arguments and results without a msgpack library, SINCE 0.2.0 --------------------------------- */

/* Arguments being written. One thread at a time. TINE_PACK_INIT is an empty one:
**
**     tine_pack args = TINE_PACK_INIT;
**     tine_pack_array(&args, 2);                           two arguments follow
**     tine_pack_integer(&args, 40);
**     tine_pack_string(&args, "text", 4);
**     task.args = args.bytes; task.args_length = args.length;
**     int err = args.error ? args.error : tine_submit(pool, &task, &future);
**     tine_pack_free(&args);
**
** `error` is 0, TINE_ENOMEM, or TINE_EARG (a NULL or a length of 2^32 or more); when it is set nothing more is
** written, so looking once, at the end, is enough. */
typedef struct tine_pack {
    char *bytes;
    size_t length;
    size_t room; /* of `bytes`; the library's */
    int error;
} tine_pack;

#define TINE_PACK_INIT \
    { NULL, 0, 0, 0 }

/* Write one value. */
TINE_API void tine_pack_nil(tine_pack *pack);
TINE_API void tine_pack_boolean(tine_pack *pack, bool value);
TINE_API void tine_pack_integer(tine_pack *pack, int64_t value);
TINE_API void tine_pack_number(tine_pack *pack, double value); /* a float, in Lua, too */
TINE_API void tine_pack_string(tine_pack *pack, const void *bytes, size_t length);
/* The `n` values that are written next are its items. */
TINE_API void tine_pack_array(tine_pack *pack, size_t n);
/* The `n` pairs that are written next, key and value, are its own. */
TINE_API void tine_pack_map(tine_pack *pack, size_t n);
/* Give back the memory: it is an empty one again. */
TINE_API void tine_pack_free(tine_pack *pack);

enum tine_type {
    TINE_NIL,
    TINE_BOOLEAN,
    TINE_INTEGER,
    TINE_NUMBER,
    TINE_STRING,
    TINE_ARRAY,
    TINE_MAP,
    TINE_EXTENSION /* docs/embedding.md, "Tasks" */
};

typedef struct tine_value {
    int type;          /* enum tine_type */
    bool boolean;      /* TINE_BOOLEAN */
    int64_t integer;   /* TINE_INTEGER; TINE_EXTENSION: its type */
    double number;     /* TINE_NUMBER; TINE_INTEGER, rounded */
    const char *bytes; /* TINE_STRING, TINE_EXTENSION: in what is being read, not terminated */
    size_t length;     /* of those; TINE_ARRAY: items, TINE_MAP: pairs, which are the next values */
} tine_value;

/* Where one reads: `at` the values of a future, or an event's, and how many bytes are `left`. */
typedef struct tine_unpack {
    const void *at;
    size_t left;
} tine_unpack;

/* Read the next value; of an array or a map its head. 1: it is in *value; 0: there is none any more;
** TINE_EINVALID: what lies there is no msgpack, or cut off, and nothing was read; TINE_EARG. The bytes may come from
** anywhere: nothing outside of them is read, and a length is never more than what is left. */
TINE_API int tine_unpack_next(tine_unpack *unpack, tine_value *value);

/* Pass over the next value, with all that is in it. As above. */
TINE_API int tine_unpack_skip(tine_unpack *unpack);

#ifdef __cplusplus
}
#endif

#endif

/* Tine: a process pool for Lua tasks, for programs in C.
**
** A task is Lua: source text, the name of a function in a module, or a function that was encoded in
** Lua. Arguments and results are msgpack. Tasks run in worker processes, so a crash in a task ends
** one worker and never this program.
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
** These rules hold for all functions, unless a declaration says otherwise:
**
** THREADS. Any thread may call any function, on any handle, at the same time as other threads. The
** library holds no lock while a callback runs.
** HANDLES. tine_pool_close and tine_future_free end a handle: no other thread may be using it, and
** nobody may use it afterwards. Futures stay valid after their pool was closed. A NULL handle is an
** error (TINE_EARG; 0, false, NULL or "" from functions that return no code), but may be closed and
** freed.
** FORKING. In a forked child of the program, handles of the parent may only be freed; all other
** functions return TINE_EFORKED (0, false, NULL or "" if they return no code). The library's
** descriptors, that of tine_pool_fileno included, are closed in the child. The child may open pools
** of its own.
** ERRORS. Functions return 0 or a negative code of TINE_ERRORS; with TINE_ESYSTEM, errno tells
** more. The library never prints, exits or aborts, and leaves the program's signal handlers and
** children alone.
** TIMES are in seconds. As a timeout, a negative value means no limit and 0 means do not wait. As
** any other limit, 0 or INFINITY means no limit and a negative value is TINE_EARG. NaN is
** TINE_EARG.
** STRINGS and bytes passed in are copied, or no longer needed when the function returns.
** STRUCTS with a `size` may grow in later versions. A program compiled with an older header works
** with a newer library; with an older library it works unless it sets a field that the library does
** not know (TINE_EARG).
** SINCE 0.1.0.
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

/* Error codes, which functions return instead of 0: name, value, kind in Lua, meaning. */
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

/* The version of the library that is running, "0.2.0"; TINE_VERSION is the version of this header.
** A static string. */
TINE_API const char *tine_version(void);

/* The kind ("timeout", "crashed" ...) and the meaning of an error code; "ok" for 0, "unknown" for a
** number that is no code. Static strings. Never block. */
TINE_API const char *tine_error_kind(int code);
TINE_API const char *tine_error_text(int code);

/* Why tine_prepare, tine_pool_open, tine_submit or tine_pool_everywhere has just failed in this thread,
** for people to read: the field of the struct that is wrong and what would be right, the system call
** and the limit that it met, the key file that others may read ...; "" when there is no more to say
** than the error code does. Valid until this thread calls the library again. Never blocks.
** SINCE 0.2.0 */
TINE_API const char *tine_error_detail(void);

/* --- pools --- */

typedef struct tine_pool tine_pool;
typedef struct tine_future tine_future;
struct lua_State;

enum tine_start { TINE_FORK, TINE_SPAWN };
enum tine_crash { TINE_BREAK, TINE_REPLACE };

/* Where the stdout and stderr of a task, and of the programs that it starts, go: to those of this
** program (INHERIT); to the task's future (CAPTURE, see tine_future_output); or line by line, each
** behind "[label] ", to those of this program (PREFIX). DEFAULT: as the pool says. SINCE 0.2.0 */
enum tine_output {
    TINE_OUTPUT_DEFAULT,
    TINE_OUTPUT_INHERIT,
    TINE_OUTPUT_CAPTURE,
    TINE_OUTPUT_PREFIX
};

/* How many more times a task is run after it failed: by an error of its own, because its worker
** died, by its time limit, or because its host was lost; each has a budget of its own. The pool
** waits delay * factor^(k-1) seconds, at most max_delay, before attempt k + 1; this is spread by
** plus or minus the fraction `jitter`. Begin with TINE_RETRY_INIT. SINCE 0.2.0 */
typedef struct tine_retry {
    uint32_t error, crashed, timeout, lost;
    double delay, factor, max_delay, jitter; /* negative: 0.1, 2, 60, 0.1 */
} tine_retry;

#define TINE_RETRY_INIT \
    { 0, 0, 0, 0, -1, -1, -1, -1 }

/* Options of a pool. Begin with TINE_OPTIONS_INIT. Fields that later versions add come last, and 0
** or NULL is their default. */
typedef struct tine_options {
    size_t size;         /* sizeof(tine_options) */
    const char *name;    /* in process titles and messages; NULL: "tine" */
    unsigned workers;    /* maximum number; 0: tine_cpu_count() */
    int start_method;    /* enum tine_start */
    int on_crash;        /* enum tine_crash */
    double task_timeout; /* run-time limit of a task; 0: none */
    /* How long a waiting thread or worker polls before it sleeps; negative: 50e-6. */
    double spin;
    uint64_t max_tasks_per_worker; /* 0: no limit */
    /* While so many tasks are unfinished, tine_submit returns TINE_EAGAIN. 0: no limit. */
    uint64_t max_pending;
    const char *package_path; /* of the workers; NULL: Lua's default (LUA_PATH is read) */
    const char *package_cpath;
    /* Called for each worker's Lua state, before the initializer: for example to register C
    ** functions. Returns 0, or another value with an error message pushed; the pool is then broken,
    ** with that message as the cause. With TINE_FORK a function of this program, which must be
    ** loaded before tine_prepare (or the first tine_pool_open) is called: it runs in the worker,
    ** with a copy of the program's memory of that moment. */
    int (*prepare)(struct lua_State *L, void *arg);
    void *prepare_arg;
    /* The same for TINE_SPAWN, and for TINE_FORK, too: "path/to/lib.so:symbol". Called with `arg`
    ** NULL. */
    const char *prepare_symbol;
    /* Lua source that each worker runs once, before its first task. If it raises an error, the pool
    ** is broken, with that error as the cause. NULL: none. */
    const char *initializer;
    /* Lua source that is run once, before any worker is forked; all workers start with what it has
    ** loaded. An error breaks the pool as one of `initializer` does. NULL: none. */
    const char *preload;
    /* SINCE 0.2.0 */
    /* A worker that is not ready this long after its start breaks the pool, like one whose
    ** initializer failed. 0: no limit. */
    double start_timeout;
    /* A worker that was told to leave, and may run its finalizers, is killed when it has not ended
    ** after this time. Negative: 5; 0: at once; INFINITY: never. */
    double exit_timeout;
    /* No processes: each task runs in the thread that submits it, before tine_submit returns, in a
    ** Lua state inside this program. What needs a process (crash isolation, kills, `workers`,
    ** start_method, on_crash, limits of workers) has no effect. */
    bool in_process;
    /* A worker that was idle for this long ends, unless no more than `min_workers` are left (at
    ** most `workers`, if that is set). 0: never. */
    double idle_timeout;
    unsigned min_workers;
    /* A worker older than about this many seconds, or with more resident memory than this many
    ** bytes, ends between two tasks and is replaced. 0: no limit. */
    double max_worker_age;
    uint64_t max_worker_memory;
    /* tine_submit returns TINE_EAGAIN while the encoded calls of all unfinished tasks, with the new
    ** one, would be longer than this many bytes; a single task is always accepted. 0: no limit. */
    uint64_t max_pending_bytes;
    /* Lua source that each worker runs when it ends in good order. NULL: none. */
    const char *finalizer;
    /* A pending task gains 1 in priority so many times in each second that it waits; of more than
    ** 20, several at a time. Negative: 1; 0: none. */
    double ageing;
    /* Defaults for tasks that set nothing else; tine_task explains them. */
    double deadline; /* 0: none */
    int64_t priority;
    const char *group; /* NULL: none */
    tine_retry retry;
    /* More such defaults. */
    double grace; /* negative: 0.1 */
    double cpu;
    uint64_t memory;
    bool seeded;
    int64_t seed;
    const char *seed_text;
    int output; /* enum tine_output */
    uint64_t output_limit;
    /* The file to write a trace of the pool to, in the Trace Event format. In its name %p stands
    ** for the process id and %n for the number of the pool. NULL: the file that the environment
    ** variable TINE_TRACE names; "": no trace. If the file cannot be opened, tine_pool_open returns
    ** TINE_ESYSTEM. */
    const char *trace;
    /* Workers on other machines, behind job servers (docs/machines.md). backend:
    ** "gearman://HOST[:PORT][,HOST...]/SET". key: the file with the key that seals all messages;
    ** NULL only if all addresses are of this machine. Options for workers of this machine
    ** (workers, prepare, preload, limits of workers ...) are TINE_EARG with a backend, and
    ** on_crash is always TINE_REPLACE. Without a backend, `key` and the three fields below are
    ** TINE_EARG. SINCE 0.2.0 */
    const char *backend, *key;
    unsigned window; /* most tasks sent at a time; 0: twice the workers of all hosts */
    double connect_timeout, lost_after; /* 0: 10, 15; INFINITY: no limit */
    bool unconfirmed;                   /* hosts start a task without asking this program first */
    /* How many unread events of a task are kept (tine_future_next_event); 0: 1000. */
    uint64_t event_buffer;
} tine_options;

#define TINE_OPTIONS_INIT \
    { \
        sizeof(tine_options), NULL, 0, TINE_FORK, TINE_BREAK, 0, -1, 0, 0, NULL, NULL, NULL, NULL, \
            NULL, NULL, NULL, 0, -1, false, 0, 0, 0, 0, 0, NULL, -1, 0, 0, NULL, TINE_RETRY_INIT, \
            -1, 0, 0, false, 0, NULL, TINE_OUTPUT_DEFAULT, 0, NULL, NULL, NULL, 0, 0, 0, false, 0 \
    }

/* Start the root process now, from which all workers descend. Optional: the first tine_pool_open
** does it otherwise. Call it early, while the program is small and has only one thread; in a
** program with threads the library executes a helper program instead of forking (tine-helper,
** installed beside the library). Later calls do nothing. 0; TINE_ESYSTEM. */
TINE_API int tine_prepare(void);

/* The number of processors that this process may use, by its affinity mask and cgroup quota; at
** least 1. */
TINE_API unsigned tine_cpu_count(void);

/* Open a pool with these options; NULL: the defaults. On success the caller owns *out and must end
** it with tine_pool_close; on failure *out is NULL. Does not wait for workers: they start on
** demand, and futures tell what goes wrong in them. 0; TINE_EARG: a wrong option; TINE_ESYSTEM
** (ENOENT: tine-helper is missing); TINE_ENOMEM. tine_error_detail tells more. */
TINE_API int tine_pool_open(tine_pool **out, const tine_options *options);

/* Change the number of workers, to 1 .. 4,095. More workers start on demand; surplus ones end after
** the task that they run. Does not wait. 0; TINE_EARG; TINE_EINVALID: the pool is in_process, or
** has a backend; TINE_ESHUTDOWN, TINE_EBROKEN, TINE_EFORKED, TINE_ENOMEM. SINCE 0.2.0 */
TINE_API int tine_pool_resize(tine_pool *pool, unsigned workers);

/* Accept no more tasks; with `cancel`, also cancel all tasks that have not started. Does not wait,
** and may be called again. 0; TINE_EARG, TINE_EFORKED. */
TINE_API int tine_pool_shutdown(tine_pool *pool, bool cancel);

/* Wait until a pool that was shut down, broken or killed has ended: all futures are done, all
** callbacks have returned, and no process is left. Calls callbacks. 0; TINE_ETIMEOUT;
** TINE_EINVALID: the pool is open, or the caller is one of its callbacks; TINE_EARG,
** TINE_EFORKED. */
TINE_API int tine_pool_wait(tine_pool *pool, double timeout);

/* Shut the pool down, wait for its end without limit, and free it. Must not be called from a
** callback of this pool: it would wait for itself. Does not wait in a forked child. */
TINE_API void tine_pool_close(tine_pool *pool);

/* End all workers now: with SIGTERM, followed by SIGKILL for those that are still there five
** seconds later, or (`hard`) with SIGKILL at once. Unfinished futures fail with TINE_EBROKEN, and
** tine_submit returns TINE_ESHUTDOWN from then on. Does not wait. 0; TINE_EARG, TINE_EFORKED. */
TINE_API int tine_pool_kill(tine_pool *pool, bool hard);

/* Why the pool is broken or was killed, for people to read; "" if it is neither. Valid until the
** pool is closed. Never blocks. */
TINE_API const char *tine_pool_message(tine_pool *pool);

/* Call, in this thread, all callbacks that are due. Never waits. Returns how many it called. */
TINE_API size_t tine_pool_dispatch(tine_pool *pool);

/* A descriptor for the program's own event loop: readable while there is something for
** tine_pool_dispatch to do, and permanently once the pool has ended and tine_pool_wait(pool, 0)
** would succeed. Only tine_pool_dispatch and waiting threads make it unreadable again, and it stays
** readable for the events of a future, and for its end, that tine_future_next_event has yet to give
** to a program which has called it for that future before (until tine_pool_dispatch was called
** twice since). The pool owns the descriptor; tine_pool_close closes it. After the first call,
** callbacks are called only by tine_pool_dispatch and by waiting threads, no longer by the pool's
** own thread. Negative: TINE_EARG, TINE_EFORKED, TINE_ESYSTEM, TINE_ENOMEM. */
TINE_API int tine_pool_fileno(tine_pool *pool);

/* A distribution of durations, in seconds. Percentiles are within 3 %, the rest is exact.
** SINCE 0.2.0 */
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
    /* Of each attempt: from when it could run until a worker began it, and how long it ran. */
    tine_times wait, run;
    /* Of each task that ran: from tine_submit until this program knew that it had ended. */
    tine_times round_trip;
    uint64_t bytes_in, bytes_out; /* sent to and received from workers */
    /* Failed tasks, by the negative of their code: [-TINE_ETASK] ... */
    uint64_t by_code[16];
    /* Processor seconds of all workers, ended ones included, without the programs that tasks
    ** start. */
    double cpu;
    double busy; /* the fraction of the workers' lifetime in which they ran tasks */
} tine_stats;

/* Fill in *out, after taking in results. Never waits. 0; TINE_EARG (also if out->size is too
** small); TINE_EFORKED. */
TINE_API int tine_pool_stats(tine_pool *pool, tine_stats *out);

/* A worker, and what it is doing. SINCE 0.2.0 */
typedef struct tine_worker {
    unsigned id;
    int pid;           /* 0: not known yet */
    const char *state; /* "starting", "idle", "running", "ending"; static */
    uint64_t tasks;    /* that it has run so far */
    double busy;       /* the fraction of its lifetime in which it ran tasks */
    uint64_t memory;   /* resident bytes; 0: not known */
    uint64_t task;     /* the id of the task that it runs; 0: none */
    double seconds;    /* how long it has been in this state, or has been running `task` */
    char label[160];   /* of `task` */
    char host[128];    /* the machine that it runs on; "": this one */
} tine_worker;

/* Describe at most `n` workers in the array `out`, whose elements have `size` bytes:
** sizeof(tine_worker). `out` may be NULL if `n` is 0. Takes in results, and waits at most a moment
** for the process ids of workers that have just been started. Returns the number of workers, which
** may be more than `n`; TINE_EARG (also if `size` is too small), TINE_EFORKED, TINE_ENOMEM.
** SINCE 0.2.0 */
TINE_API int tine_pool_workers(tine_pool *pool, tine_worker *out, size_t n, size_t size);

/* --- tasks --- */

enum tine_function {
    /* Source text of a Lua chunk (no bytecode): `...` are the arguments, and what it returns are
    ** the results. Each worker compiles the same text only once. */
    TINE_SOURCE,
    /* "a.b.c": the longest prefix that the worker can `require` as a module, then fields of it.
    ** Without a dot: a module that is a function, or else a global. */
    TINE_NAME,
    /* Bytes from tine.encode(fn) in Lua, or from tine_encode_function (tine_lua.h). They contain
    ** bytecode, so accept them only from where you would accept a program. */
    TINE_ENCODED
};

typedef struct tine_task {
    size_t size;            /* sizeof(tine_task) */
    int kind;               /* enum tine_function */
    const char *function;   /* source, name, or bytes */
    size_t function_length; /* 0: up to the NUL */
    /* One msgpack array; NULL and 0: no arguments. The library checks it, so it may come from
    ** untrusted clients. Of extension types only those of plain tables in results are accepted. */
    const void *args;
    size_t args_length;
    const char *label; /* shown in messages; NULL: made from the function */
    double timeout;    /* run-time limit; 0: the pool's, INFINITY: none */
    /* Called exactly once when the task is done, possibly before tine_submit has returned. A thread
    ** that waits for a future or for the end of this pool calls it, or one that dispatches, or else
    ** the pool's own thread, whose stack has the default size and which has all signals blocked.
    ** Callbacks of different futures may run at the same time. The future is valid during the call
    ** even if it was freed. The callback may call everything but tine_pool_wait and tine_pool_close
    ** of its pool; in the pool's own thread, waiting for unfinished futures of the pool fails with
    ** TINE_EINVALID. It must return: no longjmp, no exception. NULL: none. */
    void (*done)(tine_future *future, void *arg);
    void *done_arg;
    /* SINCE 0.2.0 */
    /* Limit counted from tine_submit, waiting and all attempts included. A task that is still
    ** pending then never runs. 0: the pool's, INFINITY: none. */
    double deadline;
    int64_t priority;  /* higher ones are run first; 0: the pool's */
    const char *group; /* groups of equal priority take turns; NULL: the pool's */
    tine_retry retry;  /* without any attempts: the pool's */
    /* How long a running task that is to be ended (by a limit or tine_future_abort) has to end by
    ** itself: an error is raised in it, and after this time its worker is killed. Negative: the
    ** pool's; 0: killed at once; INFINITY: never killed. */
    double grace;
    double cpu; /* limit of processor time (TINE_ETIMEOUT); 0: the pool's, INFINITY: none */
    /* How many bytes the task may add to its Lua state (TINE_EMEMORY). 0: the pool's, UINT64_MAX:
    ** no limit. */
    uint64_t memory;
    /* Seed for random numbers that are the same in each run: the text, or else, if `seeded`, the
    ** integer; or else the pool's. The numbers also depend on which call of tine_submit on the pool
    ** this one is. */
    bool seeded;
    int64_t seed;
    const char *seed_text;
    int output; /* enum tine_output */
    /* How many bytes of captured output are kept, the last ones. 0: the pool's limit (1 MiB if it
    ** sets none), UINT64_MAX: all. */
    uint64_t output_limit;
} tine_task;

#define TINE_TASK_INIT \
    { \
        sizeof(tine_task), TINE_SOURCE, NULL, 0, NULL, 0, NULL, 0, NULL, NULL, 0, 0, NULL, \
            TINE_RETRY_INIT, -1, 0, 0, false, 0, NULL, TINE_OUTPUT_DEFAULT, 0 \
    }

/* Submit a task. On success *out is a future, which the caller must free with tine_future_free;
** `out` may be NULL if the future is of no interest. On failure *out is NULL. Never waits, except
** that an in_process pool runs the task. 0; TINE_EARG: a wrong field, or arguments that are not one
** msgpack array; TINE_ESHUTDOWN; TINE_EBROKEN; TINE_EAGAIN: max_pending or max_pending_bytes is
** reached; TINE_ENOMEM; TINE_EFORKED. */
TINE_API int tine_submit(tine_pool *pool, const tine_task *task, tine_future **out);

/* Have every worker run this once: the present workers before their next task, later ones after
** their initializer. Of `task`, the fields kind, function, args, label and done are used. The
** future is done when all present workers have run it; its values are then an empty array. An error
** fails the future but has no other effect, and an error in a later worker is not reported. The
** call is not counted in tine_stats nor for max_pending, and is kept as long as the pool. Never
** waits. Codes as of tine_submit, but never TINE_EAGAIN. SINCE 0.2.0 */
TINE_API int tine_pool_everywhere(tine_pool *pool, const tine_task *task, tine_future **out);

/* --- futures --- */

enum tine_state { TINE_PENDING, TINE_RUNNING, TINE_CANCELLED, TINE_FINISHED };

/* The state of the future's task, an enum tine_state, after taking in results. Never waits.
** TINE_EARG, TINE_EFORKED. */
TINE_API int tine_future_state(tine_future *future);

/* Wait until the future is done, that is finished or cancelled. Calls callbacks of its pool
** meanwhile. 0; TINE_ETIMEOUT; TINE_EAGAIN: a signal handler ran, call again; TINE_EINVALID: called
** in a callback that the pool's own thread is running; TINE_EARG, TINE_EFORKED. */
TINE_API int tine_future_wait(tine_future *future, double timeout);

/* Wait until one of `n` futures, of any pools, is done. Calls callbacks of their pools meanwhile.
** Returns the lowest index of a future that is done, or a code of tine_future_wait; TINE_EARG also
** if `n` is 0. SINCE 0.2.0 */
TINE_API int tine_wait_any(tine_future *const *futures, size_t n, double timeout);

/* Wait for the next event that the task emits while it runs (tine.worker.emit in Lua); each event
** is given once, in order. Only one thread at a time may call this for a future.
** Returns 1: there is one, a msgpack array in *bytes and *length, valid until the next call for
** this future or until it is freed; 0: the task has ended and all events were given; TINE_ETIMEOUT:
** none has come; TINE_EAGAIN: a signal handler ran, call again; TINE_EINVALID, TINE_EARG,
** TINE_EFORKED as of tine_future_wait; TINE_ENOMEM. With `timeout` 0 it never waits; the descriptor
** of tine_pool_fileno is readable for new events, too.
** At most `event_buffer` (tine_options) unread events of a task are kept; then the task waits until
** one is read. It does not wait while a thread waits for its end, nor once its future was freed:
** its further events are then dropped. SINCE 0.2.0 */
TINE_API int tine_future_next_event(tine_future *future, double timeout, const void **bytes,
                                    size_t *length);

/* How the task ended. 0: it has values; TINE_ETASK: it raised an error; TINE_ECANCELLED,
** TINE_ETIMEOUT (it exceeded a limit of time), TINE_ECRASHED, TINE_EBROKEN, TINE_ESERIALIZE ...;
** TINE_EAGAIN: it is not done. Never waits. */
TINE_API int tine_future_code(tine_future *future);

/* The values as a msgpack array. For TINE_ETASK, and for TINE_EBROKEN when an initializer or the
** like failed: [error value, traceback], or [error value, traceback, text] if the error value has a
** metatable. NULL if there are none. Valid until the future is freed. `length` must not be NULL.
** Lua values that msgpack lacks are extension types (docs/embedding.md). Never waits. */
TINE_API const void *tine_future_values(tine_future *future, size_t *length);

/* What happened, for people to read: the text of the error; "" for a success, and while the task is
** not done. Valid until the future is freed. Never waits. */
TINE_API const char *tine_future_message(tine_future *future);

/* The worker's traceback of the error; "" if there is none. Valid until the future is freed. Never
** waits. */
TINE_API const char *tine_future_traceback(tine_future *future);

/* What the last attempt of the task, and the programs that it started, have written to stdout and
** stderr; not NUL-terminated. NULL unless the task was submitted with TINE_OUTPUT_CAPTURE and is
** done. Valid until the future is freed. `length` must not be NULL. Never waits. SINCE 0.2.0 */
TINE_API const void *tine_future_output(tine_future *future, size_t *length);

/* What a task failed by: for TINE_ECRASHED and TINE_EBROKEN the worker and the task that it was
** running, for TINE_ELOST the host. */
typedef struct tine_blame {
    size_t size;                /* sizeof(tine_blame), set by the caller */
    int pid;                    /* of the worker; 0: none */
    int exit_code;              /* -1: it did not exit */
    int signal;                 /* the one that killed it; 0: none */
    int error;                  /* errno; 0: none */
    uint64_t task;              /* that the worker was running; 0: none */
    const char *label, *source; /* of that task, or NULL; valid until the future is freed */
    int line;
    /* SINCE 0.2.0: where it was, for a pool with a backend, or NULL; valid until the future is
    ** freed */
    const char *host, *server;
} tine_blame;

/* Fill in *out. Never waits. 0; TINE_EINVALID: the task is not done, or has not failed by a worker
** or host; TINE_EARG (also if out->size is too small); TINE_EFORKED. */
TINE_API int tine_future_blame(tine_future *future, tine_blame *out);

/* Cancel the task if no worker has begun it. True: it never runs; also when called again, and when
** tine_future_abort has ended it while it ran. Does not wait, except that a pool with a backend
** waits at most a second for the answer of the task's host. */
TINE_API bool tine_future_cancel(tine_future *future);

/* End the task. A pending one is cancelled; a running one is asked to end, and when its `grace` is
** over its worker is killed and replaced. It stays TINE_RUNNING until it, or its worker, and the
** programs that it started have ended; its code is then TINE_ECANCELLED. False: it is done (though
** its result may not have arrived yet), or is being ended already. Does not wait for the end; with
** a backend see tine_future_cancel. */
TINE_API bool tine_future_abort(tine_future *future);

/* The task's label. Writes at most `size` bytes, the NUL included, to `out` (NULL: nothing).
** Returns the full length without the NUL. */
TINE_API size_t tine_future_label(tine_future *future, char *out, size_t size);

/* Take another reference, to be freed like the first one. Returns its argument. */
TINE_API tine_future *tine_future_ref(tine_future *future);

/* Give up a reference. The task goes on without it, and its callback is still called. */
TINE_API void tine_future_free(tine_future *future);

/* --- arguments and results without a msgpack library, SINCE 0.2.0 --- */

/* Arguments being written, as msgpack. One thread at a time. TINE_PACK_INIT is an empty one:
**
**     tine_pack args = TINE_PACK_INIT;
**     tine_pack_array(&args, 2);                           two arguments follow
**     tine_pack_integer(&args, 40);
**     tine_pack_string(&args, "text", 4);
**     task.args = args.bytes; task.args_length = args.length;
**     int err = args.error ? args.error : tine_submit(pool, &task, &future);
**     tine_pack_free(&args);
**
** `error` is 0, TINE_ENOMEM, or TINE_EARG (a NULL, or a length of 2^32 or more). Once it is set,
** nothing more is written, so it is enough to check it once at the end. */
typedef struct tine_pack {
    char *bytes;
    size_t length;
    size_t room; /* allocated bytes; for the library only */
    int error;
} tine_pack;

#define TINE_PACK_INIT \
    { NULL, 0, 0, 0 }

/* Write one value. */
TINE_API void tine_pack_nil(tine_pack *pack);
TINE_API void tine_pack_boolean(tine_pack *pack, bool value);
TINE_API void tine_pack_integer(tine_pack *pack, int64_t value);
TINE_API void tine_pack_number(tine_pack *pack, double value); /* a float in Lua, too */
TINE_API void tine_pack_string(tine_pack *pack, const void *bytes, size_t length);
/* Begin an array: the next `n` values are its items. */
TINE_API void tine_pack_array(tine_pack *pack, size_t n);
/* Begin a map: the next `n` pairs of a key and a value are its content. */
TINE_API void tine_pack_map(tine_pack *pack, size_t n);
/* Free the memory; afterwards the pack is empty and may be used again. */
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
    bool boolean;      /* of TINE_BOOLEAN */
    int64_t integer;   /* of TINE_INTEGER; of TINE_EXTENSION its type */
    double number;     /* of TINE_NUMBER; of TINE_INTEGER the value, rounded */
    const char *bytes; /* TINE_STRING, TINE_EXTENSION: inside the input; no NUL at the end */
    size_t length;     /* of `bytes`; TINE_ARRAY, TINE_MAP: number of items or pairs that follow */
} tine_value;

/* A position in msgpack bytes, such as the values of a future or an event: where to read next, and
** how many bytes are left. */
typedef struct tine_unpack {
    const void *at;
    size_t left;
} tine_unpack;

/* Read the next value; of an array or a map only its head. 1: it is in *value; 0: no bytes are
** left; TINE_EINVALID: the bytes are no msgpack or are cut off, and nothing was read; TINE_EARG: a
** NULL. The bytes may come from untrusted sources: nothing outside of them is read, and a length is
** never more than what is left. */
TINE_API int tine_unpack_next(tine_unpack *unpack, tine_value *value);

/* Skip the next value with everything in it. Codes as of tine_unpack_next. */
TINE_API int tine_unpack_skip(tine_unpack *unpack);

#ifdef __cplusplus
}
#endif

#endif

/* Tine: a process pool for Lua tasks, for programs in C.
**
** Tasks are Lua: source text, the name of a function in a module, or a function that was encoded in
** Lua. Arguments and results are msgpack. Tasks run in worker processes, so a crash takes one worker and
** never this program.
**
**     tine_pool *pool;
**     tine_options options = TINE_OPTIONS_INIT;
**     if (tine_pool_open(&pool, &options) != 0) ...
**
**     tine_task task = TINE_TASK_INIT;
**     task.function = "local a, b = ... return a + b";
**     task.args = "\x92\x01\x02";  // msgpack: [1, 2]
**     task.args_length = 3;
**     tine_future *future;
**     if (tine_submit(pool, &task, &future) == 0 && tine_future_wait(future, -1) == 0) {
**         size_t length;
**         const void *bytes = tine_future_values(future, &length);  // msgpack: [3]
**     }
**     tine_future_free(future);
**     tine_pool_close(pool);
**
** THREADS. Any thread may call any function, on any handle, unless it says otherwise. Who frees a handle
** must be the last to use it. No function holds a lock while a callback runs.
** FORKING. In a forked child of the program, handles of the parent answer TINE_EFORKED and may only be freed.
** ERRORS. Functions return 0 or a negative code of TINE_ERRORS; with TINE_ESYSTEM errno tells more.
** The library never prints, exits or aborts, and leaves the program's signal handlers and children alone.
** TIMES are seconds; as a time-out a negative one means none, 0 means do not wait.
** NULL as a handle is an error (TINE_EARG, or 0/false/NULL from functions that give no code), and fine to free.
*/
#ifndef TINE_H
#define TINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINE_VERSION "0.1.0"

#if defined(__GNUC__)
#define TINE_API __attribute__((visibility("default")))
#else
#define TINE_API
#endif

/* Error codes: functions return 0 or one of these. name, value, kind in Lua, what it means */
#define TINE_ERRORS(X)                                                                             \
    X(TINE_ETIMEOUT, -1, "timeout", "the time allowed has passed")                                 \
    X(TINE_ECANCELLED, -2, "cancelled", "the task was cancelled")                                  \
    X(TINE_ESHUTDOWN, -3, "shutdown", "the pool has been shut down")                               \
    X(TINE_EBROKEN, -4, "broken", "the pool is broken")                                            \
    X(TINE_ECRASHED, -5, "crashed", "the worker that ran the task died")                           \
    X(TINE_ESERIALIZE, -6, "serialization", "a value cannot be sent")                              \
    X(TINE_EINVALID, -7, "invalid_state", "not possible in this state")                            \
    X(TINE_ESYSTEM, -8, "system", "the system refused, see errno")                                 \
    X(TINE_EFORKED, -9, "forked", "used in a forked child of its owner")                           \
    X(TINE_ENOMEM, -10, "system", "out of memory")                                                 \
    X(TINE_ETASK, -11, "task", "the task raised an error of its own")                              \
    X(TINE_EARG, -12, "argument", "a wrong argument")                                              \
    X(TINE_EAGAIN, -13, "again", "not now: the call would have to wait")

enum tine_code {
    TINE_OK = 0,
#define TINE_ERROR_MEMBER(name, value, kind, text) name = value,
    TINE_ERRORS(TINE_ERROR_MEMBER)
#undef TINE_ERROR_MEMBER
};

/* The kind ("timeout", "crashed" ...) and the meaning of a code; for any other number "unknown".
** Static strings. Any thread, never blocks. */
TINE_API const char *tine_error_kind(int code);
TINE_API const char *tine_error_text(int code);

/* --- pools --- */

typedef struct tine_pool tine_pool;
typedef struct tine_future tine_future;
struct lua_State;

enum tine_start { TINE_FORK, TINE_SPAWN };
enum tine_crash { TINE_BREAK, TINE_REPLACE };

/* Options of a pool; all strings are copied. Begin with TINE_OPTIONS_INIT: fields that later versions
** add stay at their defaults in programs compiled before. */
typedef struct tine_options {
    size_t size;                   /* sizeof(tine_options) */
    const char *name;              /* in process titles and messages; NULL: "tine" */
    unsigned workers;              /* at most so many; 0: tine_cpu_count() */
    int start_method;              /* enum tine_start */
    int on_crash;                  /* enum tine_crash */
    double task_timeout;           /* run-time limit of each task; 0: none */
    double spin;                   /* how long a waiting side yields before it sleeps; < 0: 50e-6 */
    uint64_t max_tasks_per_worker; /* 0: no limit */
    uint64_t max_pending;          /* tine_submit gives TINE_EAGAIN at so many unfinished ones; 0: none */
    const char *package_path;      /* of the workers; NULL: Lua's own (LUA_PATH counts) */
    const char *package_cpath;
    /* Prepares each worker's state, before the initializer: register your own C functions here. Returns 0,
    ** or anything else with an error message pushed (the pool is then broken, with that cause). With
    ** TINE_FORK a function of this program, which must be in memory when tine_prepare (or the first
    ** pool) is called; it runs in the worker, with a copy of the program's memory of that moment. */
    int (*prepare)(struct lua_State *L, void *arg);
    void *prepare_arg;
    /* The same for TINE_SPAWN: "path/to/lib.so:symbol". */
    const char *prepare_symbol;
    const char *initializer; /* Lua source, run once in each worker; NULL: none */
} tine_options;

#define TINE_OPTIONS_INIT                                                                          \
    { sizeof(tine_options), NULL, 0, TINE_FORK, TINE_BREAK, 0, -1, 0, 0, NULL, NULL, NULL, NULL,   \
      NULL, NULL }

/* Take the root process, from which all workers descend, now. Call it early, while the program is
** small and has one thread; in a program with threads the first pool executes a helper program instead
** (tine-helper, installed beside the library). Called again it does nothing. 0, TINE_ESYSTEM. */
TINE_API int tine_prepare(void);

/* Processors that this process may use: affinity mask and cgroup quota count. At least 1. */
TINE_API unsigned tine_cpu_count(void);

/* Open a pool. On success *out is to be given to tine_pool_close; on failure it is NULL. Workers start on
** demand. Does not wait for a process. 0, TINE_EARG (an option is wrong), TINE_ESYSTEM, TINE_ENOMEM. */
TINE_API int tine_pool_open(tine_pool **out, const tine_options *options);

/* No more tasks; with `cancel` those that have not started are cancelled. Does not wait. 0 also when
** called again; TINE_EARG, TINE_EFORKED. */
TINE_API int tine_pool_shutdown(tine_pool *pool, bool cancel);

/* Wait until a pool that was shut down (or is broken, or killed) has ended: all futures done, all
** callbacks called, no process left. 0; TINE_ETIMEOUT; TINE_EINVALID: it is open. */
TINE_API int tine_pool_wait(tine_pool *pool, double timeout);

/* Shut down, wait without limit, and free the pool. Futures stay good until they are freed. Not from a
** callback of this pool. */
TINE_API void tine_pool_close(tine_pool *pool);

/* End the workers now with SIGTERM, or SIGKILL (`hard`; also five seconds after a SIGTERM that did not
** help). Unfinished futures fail with TINE_EBROKEN. Does not wait. 0, TINE_EARG, TINE_EFORKED. */
TINE_API int tine_pool_kill(tine_pool *pool, bool hard);

/* Call the callbacks that are due, in this thread. Never waits. The number called. */
TINE_API size_t tine_pool_dispatch(tine_pool *pool);

/* A descriptor that is readable when there is something to dispatch: for the program's own event loop. The
** pool keeps and closes it. Negative: TINE_EARG, TINE_EFORKED, TINE_ESYSTEM. From the first call on
** callbacks are called by tine_pool_dispatch and by waiting threads only, no longer by the manager's
** thread. */
TINE_API int tine_pool_fileno(tine_pool *pool);

typedef struct tine_stats {
    size_t size; /* sizeof(tine_stats), set by the caller */
    /* submitted = pending + running + finished + failed + cancelled */
    uint64_t submitted, pending, running, finished, failed, cancelled;
    uint64_t workers_started, workers_lost;
} tine_stats;

/* 0, TINE_EARG, TINE_EFORKED. */
TINE_API int tine_pool_stats(tine_pool *pool, tine_stats *out);

/* --- tasks --- */

enum tine_function {
    TINE_SOURCE, /* Lua source of a chunk; its `...` are the arguments, what it returns the results */
    TINE_NAME,   /* "a.b.c": the longest prefix that can be required, then fields; "f": a module or global */
    TINE_ENCODED /* bytes from tine.encode(fn) in Lua, or tine_encode_function (tine_lua.h) */
};

typedef struct tine_task {
    size_t size;            /* sizeof(tine_task) */
    int kind;               /* enum tine_function */
    const char *function;   /* source, name, or bytes */
    size_t function_length; /* 0: up to the NUL */
    const void *args;       /* one msgpack array; NULL: no arguments */
    size_t args_length;
    const char *label; /* shown in errors; NULL: made from the function */
    double timeout;    /* run-time limit; 0: the pool's */
    /* Called once when the task is done, by a thread that waits or dispatches, or else the pool's manager
    ** thread. The future stays good during the call even if it was freed. May call anything but
    ** tine_pool_close. NULL: none. */
    void (*done)(tine_future *future, void *arg);
    void *done_arg;
} tine_task;

#define TINE_TASK_INIT                                                                             \
    { sizeof(tine_task), TINE_SOURCE, NULL, 0, NULL, 0, NULL, 0, NULL, NULL }

/* Submit a task; everything is copied. On success *out (when not NULL) is a future to be freed with
** tine_future_free; on failure NULL. Never waits. 0; TINE_EARG: not a task (arguments that are no msgpack array
** included); TINE_ESHUTDOWN; TINE_EBROKEN; TINE_EAGAIN: max_pending tasks are unfinished; TINE_ENOMEM;
** TINE_EFORKED. */
TINE_API int tine_submit(tine_pool *pool, const tine_task *task, tine_future **out);

enum tine_state { TINE_PENDING, TINE_RUNNING, TINE_CANCELLED, TINE_FINISHED };

/* enum tine_state; takes in results, never waits. TINE_EARG. */
TINE_API int tine_future_state(tine_future *future);

/* Wait until it is done (finished or cancelled); callbacks of its pool are called meanwhile. 0, TINE_ETIMEOUT,
** TINE_EFORKED, TINE_ESYSTEM, TINE_EAGAIN: a signal handler ran. */
TINE_API int tine_future_wait(tine_future *future, double timeout);

/* How it ended. 0: it has values; TINE_ETASK: the task raised an error; another code: TINE_ECANCELLED,
** TINE_ETIMEOUT (it ran too long), TINE_ECRASHED, TINE_EBROKEN, TINE_ESERIALIZE ...; TINE_EAGAIN: it is not done. Never waits. */
TINE_API int tine_future_code(tine_future *future);

/* The values as a msgpack array (for TINE_ETASK: [error value, traceback]), valid until the future is freed; NULL
** when there are none. What Lua has beyond msgpack is in extension types, see the docs. */
TINE_API const void *tine_future_values(tine_future *future, size_t *length);

/* What happened, for a human: one line; "" for a success. Valid until the future is freed. */
TINE_API const char *tine_future_message(tine_future *future);

/* Which worker and task are to blame for TINE_ECRASHED and TINE_EBROKEN. */
typedef struct tine_blame {
    size_t size; /* sizeof(tine_blame), set by the caller */
    int pid;       /* of the worker; 0: none */
    int exit_code; /* -1: it has none */
    int signal;    /* that killed it; 0: none */
    int error;     /* errno; 0: none */
    uint64_t task; /* 0: it ran none */
    const char *label, *source; /* or NULL; valid until the future is freed */
    int line;
} tine_blame;

/* 0; TINE_EINVALID: nobody is to blame; TINE_EARG. */
TINE_API int tine_future_blame(tine_future *future, tine_blame *out);

/* Cancel it if no worker has taken it up: true, and it never runs (also when called again). */
TINE_API bool tine_future_cancel(tine_future *future);

/* End it by force: a running one's worker is killed and replaced, a pending one is cancelled. False: it was done. */
TINE_API bool tine_future_abort(tine_future *future);

/* Its label. Writes at most `size` bytes with the NUL; the length it has. */
TINE_API size_t tine_future_label(tine_future *future, char *out, size_t size);

/* Another reference; each is freed once. */
TINE_API tine_future *tine_future_ref(tine_future *future);

/* Drop a reference. The task goes on; NULL is fine. */
TINE_API void tine_future_free(tine_future *future);

#ifdef __cplusplus
}
#endif

#endif

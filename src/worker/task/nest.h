/* Nest: tasks that a running task submits (tine.worker.pool), on the worker's side. The worker
** sends them to the pool, which schedules them like any other task and posts their results back
** (msg/nested.h).
**
** A task that waits for tasks that it has submitted tells the pool so. If no worker has taken such
** a task, the pool posts it back, and the worker runs it on top of the task that waits: in a Lua
** thread of its own, so that Lua's limit of nested C calls counts anew, and with the same codec.
** While it runs, the loop is in the same state as for any other task; afterwards the state of
** before is restored.
**
** All functions are called in the worker's thread.
*/
#ifndef TINE_WORKER_TASK_NEST_H
#define TINE_WORKER_TASK_NEST_H

#include "worker/task/loop.h"

/* Register the loop in a worker's state. Raises memory errors. */
void tine__nest_open(lua_State *L, struct loop *l);
/* The loop of a worker's state, if it is running a task now; else NULL. */
struct loop *tine__nest_loop(lua_State *L);

/* Submit a task. `b`, the channel's reply buffer, begins with a struct nested_call; its number and
** count are filled in here. Returns the number. */
uint64_t tine__nest_submit(struct loop *l, struct buf *b);

/* Take in what the pool has posted, without waiting: results are kept, tasks to be run are given
** back. */
void tine__nest_poll(struct loop *l);
/* Take the oldest result, which the caller frees; NULL: there is none. */
struct posted *tine__nest_next(struct loop *l);
/* Put it back: it is the oldest one again. */
void tine__nest_again(struct loop *l, struct posted *p);
void tine__posted_free(struct posted *p);

/* A wait for tasks. Between its begin and its end no other function of the nest is called, and
** nothing raises. */
struct waiting {
    struct loop *loop;
    lua_State *thread; /* for tasks that are run on top of the waiting one */
    struct codec_aside aside;
    int top;   /* the stack's top before the wait */
    bool said; /* the pool knows that the task waits, and for which tasks */
    bool open; /* the pool was told of the wait, and not yet of its end */
};
/* Begin a wait. 0; TINE_EINVALID: the C stack is used up. Raises memory errors, before anything was
** done. */
int tine__nest_begin(lua_State *L, struct loop *l, struct waiting *w);
/* Wait until there is a result. Meanwhile the pool may post back the tasks in `numbers`, which are
** run here. 0; TINE_ETIMEOUT; TINE_ECANCELLED: the waiting task was asked to end; TINE_ENOMEM:
** something was posted for which there was no memory. */
int tine__nest_wait(struct waiting *w, const uint64_t *numbers, uint32_t n, uint64_t deadline);
/* End the wait. `settled`: all tasks that the last tine__nest_wait named have ended. */
void tine__nest_end(lua_State *L, struct waiting *w, bool settled);
/* Cancel a task if it has not begun. If that has succeeded, its result has been taken in when this
** returns. */
void tine__nest_cancel(struct loop *l, uint64_t number);

/* In a pool without processes: run a task at once, on top of the one that submits it. `call`
** describes the task; its bytes must remain until this returns. The task's time ends at `until` (0:
** never). Returns the kind of the task's answer, with the answer's bytes in `out` and the regions
** that they name in `names`; RECORD_SKIP: the task was not run for want of C stack or memory.
** Raises memory errors, before anything was done. */
enum record_kind tine__nest_run(lua_State *L, struct loop *l, const struct call_head *call,
                                const char *bytes, const struct codec_origin *origin,
                                uint64_t until, struct buf *out, struct carried *names);

/* The task has ended; the pool ends the tasks that it has submitted. */
void tine__nest_over(struct loop *l);
/* A hook that a higher layer sets when a state begins to submit: forget whoever waits for results
** of tasks that were submitted on this level. Never raises. */
extern void (*_Atomic tine__nest_forget)(lua_State *L, unsigned level);

#endif

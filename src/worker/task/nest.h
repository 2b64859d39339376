/* Nest: tasks that a task submits (tine.worker.pool), on their worker's side. The worker sends them
** to the pool, which schedules them like any other and posts their results back (msg/nested.h).
**
** A task that waits for some of them says so. A task that no worker has taken is then posted back,
** and runs here, on top of the task that waits: in a Lua thread of its own, so that Lua's limit of
** C calls counts anew, and with the same codec. While it runs the loop is as for any other task;
** afterwards everything is restored.
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

/* Submit a task: `b`, the channel's reply buffer, begins with struct nested_call, whose number and
** count are filled in here. Returns the number. */
uint64_t tine__nest_submit(struct loop *l, struct buf *b);

/* Take in what was posted, without waiting. */
void tine__nest_poll(struct loop *l);
/* The next result, which the caller frees; NULL: none has come. */
struct posted *tine__nest_next(struct loop *l);
void tine__posted_free(struct posted *p);

/* A wait for some of them. Between begin and end no other function of the nest is called, and
** nothing raises. */
struct waiting {
    struct loop *loop;
    lua_State *thread; /* for tasks that are run on top */
    struct codec_aside aside;
    int top;   /* of the stack; what is above is the nest's */
    bool said; /* the pool knows that the task waits, and for what */
    bool open; /* the pool was told of the wait, and not yet of its end */
};
/* 0; TINE_EINVALID: the C stack is used up. Raises memory errors, before anything was done. */
int tine__nest_begin(lua_State *L, struct loop *l, struct waiting *w);
/* Wait until a result is there, while the tasks in `numbers` are wanted; run those of them that the
** pool posts back. 0; TINE_ETIMEOUT; TINE_ECANCELLED: the waiting task was asked to end;
** TINE_ENOMEM: something was posted for which there was no memory. */
int tine__nest_wait(struct waiting *w, const uint64_t *numbers, uint32_t n, uint64_t deadline);
/* End the wait. `settled`: everything named in the last wait has ended. */
void tine__nest_end(lua_State *L, struct waiting *w, bool settled);
/* Cancel a task if it has not begun; its result has then come when this returns. */
void tine__nest_cancel(struct loop *l, uint64_t number);

/* In a pool without processes: run a task at once, on top of the one that submits it. `call`
** describes it; its bytes must stay while it runs; its time is over at `until` (0: never). Returns
** the kind of its answer, with its bytes in `out` and the regions they name in `names`;
** RECORD_SKIP: it could not be run for want of C stack or memory. Raises memory errors, before
** anything was done. */
enum record_kind tine__nest_run(lua_State *L, struct loop *l, const struct call_head *call,
                                const char *bytes, const struct codec_origin *origin,
                                uint64_t until, struct buf *out, struct carried *names);

/* The task has ended; the pool ends the tasks that it submitted. */
void tine__nest_over(struct loop *l);
/* Forget what waits for results of tasks submitted on this level. Set by a higher floor, in each
** state that submits. Never raises. */
extern void (*_Atomic tine__nest_forget)(lua_State *L, unsigned level);

#endif

/* Nest: tasks that a task submits (tine.worker.pool), as its worker sees them: said to the pool, which runs them like any other
** and posts their results (msg/nested.h).
**
** A task that waits for some of them says so. What is with nobody the pool posts back, and it is run here, on top of the
** task that waits: in a Lua thread of its own, so that Lua's limit of C calls counts anew, with the same codec. While it
** runs the loop is as for any other task; afterwards all is as it was.
*/
#ifndef TINE_WORKER_TASK_NEST_H
#define TINE_WORKER_TASK_NEST_H

#include "worker/task/loop.h"

/* In a worker's state. Raises memory errors. */
void tine__nest_open(lua_State *L, struct loop *l);
/* The loop of a worker's state, if it runs a task just now; else NULL. */
struct loop *tine__nest_loop(lua_State *L);

/* Say that the task submits one: what is in `b`, the channel's reply buffer, begins with struct nested_call, whose number and
** count are filled in here. The number. */
uint64_t tine__nest_submit(struct loop *l, struct buf *b);

/* Take in what was posted, without waiting. */
void tine__nest_poll(struct loop *l);
/* The next result, to be freed; NULL: none has come. */
struct posted *tine__nest_next(struct loop *l);
void tine__posted_free(struct posted *p);

/* A wait, for some of them. Between begin and end nothing else is asked of the nest, and nothing raises. */
struct waiting {
    struct loop *loop;
    lua_State *thread; /* for what is run on top */
    struct codec_aside aside;
    int top;   /* of the stack: what is above is ours */
    bool said; /* the pool knows that the task waits, and for what */
    bool open; /* it has been told so, and not that it does so no more */
};
/* 0, or TINE_EINVALID: the C stack is used up. Raises memory errors, before anything was done. */
int tine__nest_begin(lua_State *L, struct loop *l, struct waiting *w);
/* Until a result is there, while those of `numbers` are wanted; run these, if nobody else does. 0; TINE_ETIMEOUT;
** TINE_ECANCELLED: the task was asked to end; TINE_ENOMEM: something was posted, and there was no memory for it. */
int tine__nest_wait(struct waiting *w, const uint64_t *numbers, uint32_t n, uint64_t deadline);
/* `settled`: all that was named in the last wait has ended. */
void tine__nest_end(lua_State *L, struct waiting *w, bool settled);
/* Have one of them cancelled if it has not begun: then its result has come when this returns. */
void tine__nest_cancel(struct loop *l, uint64_t number);

/* In a pool without processes: run it at once, on top of the one that submits it. `call` says what it is, and its bytes are
** there as long as it runs; its time is over then (0: never). What it was answered with, and what the bytes name;
** RECORD_SKIP: it could not be run, for want of C stack or memory. Raises memory errors, before anything was done. */
enum record_kind tine__nest_run(lua_State *L, struct loop *l, const struct call_head *call,
                                const char *bytes, const struct codec_origin *origin,
                                uint64_t until, struct buf *out, struct carried *names);

/* The task has ended: what it has submitted is ended by the pool. */
void tine__nest_over(struct loop *l);
/* What its results were for is to be forgotten: set by the floor above, by each state that submits. Never raises. */
extern void (*_Atomic tine__nest_forget)(lua_State *L, unsigned level);

#endif

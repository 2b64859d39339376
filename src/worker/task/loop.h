/* Loop: a worker's life between its start and its end: take a call, run its tasks, answer.
**
** This folder is that life: what runs before the first task (prelude.h), one call in a Lua state (run.h), and what a task
** can do and is told meanwhile (ask.h, nest.h, emit.h, divert.h). It knows a channel and a state, and nothing of how its
** process came to be, or whether it has one: worker processes (fork/) and the worker in the program (inner/) both run it.
** The floors above call what a task calls: ask.h, nest.h, task_error.h.
**
** What a task sees of its worker is in the registry field TINE_WORKER_FIELD: a table with `id`, `pid`, `state`,
** and, made when it is asked for, `task`.
*/
#ifndef TINE_WORKER_TASK_LOOP_H
#define TINE_WORKER_TASK_LOOP_H

#include "msg/parting.h"
#include "worker/channel/channel.h"
#include "worker/task/run.h"

struct loop {
    struct run run;
    struct channel *channel;
    uint64_t max_tasks;   /* 0: no limit */
    uint64_t max_memory;  /* resident bytes, 0: no limit */
    uint64_t idle;        /* ns without a call after which we say so, 0: never */
    enum parting parting; /* why we leave; PART_NONE: we do not, or there are no calls any more */
    uint64_t tasks;       /* run so far */
    int clean;            /* KiB that the state took when it was collected last */
    struct slab *slab;    /* of the state; NULL: it has none */
    const struct call *call; /* NULL between calls */
    uint32_t k;              /* which of its tasks */
    struct progress said;    /* by it; id 0: nothing */
    /* tasks that tasks submit (nest.h) */
    unsigned level;                  /* of the one that runs: so many others are below it */
    uint64_t numbers;                /* given to those that were submitted */
    uint64_t submitted;              /* by the one that runs */
    uint64_t waits;                  /* for such, ever */
    const struct settings *defaults; /* of the pool, where such tasks run at once */
    struct posted *letters;          /* results that were not taken */
    const char *bottom;              /* of the C stack */
    bool emitting;                   /* it is just encoding an event */
    struct crews *crews; /* pools elsewhere whose errands it has run (crew.h), or NULL */
};

/* Put the field "tine.worker" into the state; `loop` must live as long. Raises memory errors. */
void tine__loop_table(lua_State *L, struct loop *loop, lua_Integer id);

/* Run the call, which was taken off the queue or posted: all of its tasks. */
void tine__loop_call(struct loop *l, const struct call *call);

/* Run calls until there are none any more, or max_tasks are through. */
void tine__loop_run(struct loop *loop);

#endif

/* Loop: a worker's life between its start and its end: take a call, run its tasks, answer.
**
** This folder is that life: what runs before the first task (prelude.h), one call in a Lua state (run.h), and what a task
** sees, can do and is told meanwhile (worker_table.h, nest.h, emit.h, ask.h), where its output goes (divert.h). It knows a
** channel and a state, and nothing of how its process came to be, or whether it has one: worker processes (fork/) and the
** worker in the program (inner/) both run it. The floors above call what a task calls: ask.h, nest.h, task_error.h.
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

/* What the random numbers of the task that runs are seeded with. False: with nothing. */
static inline bool loop_seed(const struct loop *l, uint64_t seed[2]) {
    const struct call *c = l->call;
    if (!c->extra || !c->extra->seeded)
        return false;
    tine__extra_seed(c->extra, c->index ? c->index + l->k : 0, seed);
    return true;
}

/* Run the call, which was taken off the queue or posted: all of its tasks. */
void tine__loop_call(struct loop *l, const struct call *call);

/* Run calls until there are none any more, or max_tasks are through. */
void tine__loop_run(struct loop *loop);

#endif

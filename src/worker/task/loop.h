/* Loop: a worker's life from start to end: take a call, run its tasks, answer.
**
** This folder is that life: what runs before the first task (prelude.h), one call in a Lua state
** (run.h), what a task sees, can do and is told meanwhile (worker_table.h, nest.h, emit.h, ask.h),
** and where its output goes (divert.h). It knows a channel and a state, and nothing of how its
** process came to be, or whether it has one: worker processes (fork/) and the worker inside the
** program (inner/) both run it. Higher floors call what a task calls: ask.h, nest.h, task_error.h.
**
** A loop runs in one thread and takes no lock.
*/
#ifndef TINE_WORKER_TASK_LOOP_H
#define TINE_WORKER_TASK_LOOP_H

#include "msg/parting.h"
#include "worker/channel/channel.h"
#include "worker/process/process.h"
#include "worker/task/run.h"

struct loop {
    struct run run;
    struct channel *channel;
    uint64_t max_tasks;  /* 0: no limit */
    uint64_t max_memory; /* resident bytes, 0: no limit */
    uint64_t idle;       /* ns without a call after which RECORD_IDLE is sent; 0: never */
    /* why the worker leaves; PART_NONE: it does not, or there are no more calls */
    enum parting parting;
    uint64_t tasks;          /* tasks run so far */
    int clean;               /* KiB of the state after the last collection */
    struct slab *slab;       /* allocator of the state; NULL: not a slab */
    const struct call *call; /* the current call; NULL between calls */
    uint32_t k;              /* index of the current task in it */
    struct progress said;    /* the task's last progress; id 0: none */
    /* tasks that tasks submit (nest.h) */
    unsigned level;                  /* how many tasks are below the current one */
    uint64_t numbers;                /* numbers given to submitted tasks */
    uint64_t submitted;              /* tasks that the current task has submitted */
    uint64_t waits;                  /* how often a task has waited for others */
    const struct settings *defaults; /* the pool's settings, where submitted tasks run at once */
    struct posted *letters;          /* results that were not taken yet */
    const char *bottom;              /* start of the C stack */
    unsigned forks;                  /* tine__process_forks at its start */
    bool emitting;                   /* the task is just encoding an event */
    struct crews *crews; /* remote pools whose errands the worker has run (crew.h), or NULL */
};

/* Has a task forked, and is this the child? It must neither answer nor go on. */
static inline bool loop_is_forked(const struct loop *l) {
    return l->forks != tine__process_forks();
}

/* The seed of the current task's random numbers. False: it has none. */
static inline bool loop_seed(const struct loop *l, uint64_t seed[2]) {
    const struct call *c = l->call;
    if (!c->extra || !c->extra->seeded)
        return false;
    tine__extra_seed(c->extra, c->index ? c->index + l->k : 0, seed);
    return true;
}

/* Run all tasks of a call that was taken or posted. */
void tine__loop_call(struct loop *l, const struct call *call);

/* Run calls until there are no more, or the worker has reason to leave. */
void tine__loop_run(struct loop *loop);

#endif

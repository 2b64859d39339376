/* Task: the unit of scheduling, as the scheduler sees it. Its call is a single task, or a chunk of
** tasks of one map.
**
**     NEW -> WAITING (here, in order) -> SENT (with the site, or a worker) -> DONE
**      \      ^    ^------------------------/ |  withdrawn, or its worker has gone before all ran
**       \     |                               |
**        --> HELD <---------------------------/  it has failed, and is to be tried again
**
** HELD: the task waits for its arguments, for a word of its user (tine__sched_again), or for the
** time of its next attempt. Only single tasks are tried again.
**
** The tasks of a call are numbered k = 0 .. count-1 (ids id .. id+count-1). They end in this order,
** but for those that are cancelled from the end. The tasks in [next, upto) are open.
**
** The owner keeps the memory in its place until the task is DONE and its last event was taken. The
** lock of the scheduler guards all fields; they are the scheduler's unless they are said to be the
** owner's.
*/
#ifndef TINE_SCHED_TASK_H
#define TINE_SCHED_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"
#include "msg/call.h"
#include "msg/settings.h"
#include "sched/pairing.h"
#include "sched/timer.h"

enum timer_kind { TIMER_TASK, TIMER_WORKER, TIMER_AGE, TIMER_RETRY, TIMER_END }; /* timer.kind */

enum task_state { TASK_NEW, TASK_HELD, TASK_WAITING, TASK_SENT, TASK_DONE };

/* How a task ends other than by its result. */
enum ending {
    ENDING_NONE,
    ENDING_CANCELLED, /* cancelled before it began, or aborted */
    ENDING_TIMEOUT,   /* by its run-time limit, or while it ran by its deadline */
    ENDING_LATE,      /* by its deadline, before it began */
    ENDING_CRASHED,   /* with its worker: sched->blame */
    ENDING_BROKEN,    /* with its pool: sched->reason */
    ENDING_NOMEM,     /* no memory to hand it over */
    ENDING_CPU,       /* by its limit of processor time */
    ENDING_MEMORY,    /* by its memory limit: a report says so */
    ENDING_LOST       /* with its host, or no host is there to run it: a report says so */
};

/* The fields are laid out by cache lines. A task that ends touches the first line, a task that is
** handed over the first three. What lies behind `ready` a plain task never touches. */
struct task {
    uint16_t depth;  /* the owner's: nesting depth, that of the submitting task and one more; */
    bool nested : 1; /* a task has submitted it; */
    /* it comes from another machine (CALL_FAR): its bytes say all that the worker must know; */
    bool far : 1;
    bool mute : 1; /* the events of its tasks (tine.worker.emit) are not wanted */
    /* tine__sched_submit clears the fields from here to `upto`. */
    uint8_t how;  /* enum ending, of the event */
    uint8_t doom; /* enum ending: how a SENT task is to be ended by force */
    uint8_t wish; /* enum order_kind: the order that is wanted for it, 0: none */
    /* Enum ending: tasks that have not begun shall never run, and end so; NONE: they may run. */
    uint8_t unrun;
    bool asked;          /* SENT: task `next` was asked to end by `doom` */
    bool blocked;        /* SENT: it waits for tasks that it has submitted */
    bool timed;          /* its timer may be set */
    bool came_back : 1;  /* WAITING: it stands in line->again, not in line->tasks */
    bool again_told : 1; /* of the event: it is HELD, and has not ended */
    bool late : 1;       /* its deadline has passed */
    bool later : 1;      /* SENT: it is to be ended by `doom` as soon as it has begun */
    bool extra : 1;      /* an extra worker is wanted for it (nested.c) */
    bool fetching : 1;   /* SENT: to be withdrawn, for the worker whose task waits for it */
    uint8_t state;       /* enum task_state */
    uint16_t place;      /* the owner's: the machine that it was on last; 0: none */
    unsigned worker;     /* of the last attempt; 0: it has not run */
    int pid;             /* of that worker */
    uint32_t attempts;   /* that have ended */
    unsigned awaiter;    /* the worker whose task waits for this one, or 0 */
    const char *host;    /* of the last attempt, valid for good; NULL: here, or not known */
    uint32_t next;
    uint32_t upto;
    struct line *line; /* of its priority and group (policy.h), until it is DONE */
    uint64_t since;    /* when it was submitted */

    /* The scheduler sets `id`, and `ref` while the task is SENT. Count, origin and the place of the
    ** bytes are the owner's. */
    struct call_head call;

    struct list node; /* in its line, or in sched->held, wishes or lost */
    union {
        struct pairing_node again; /* WAITING and came_back: in line->again */
        struct {
            struct list sent; /* SENT: in sched->handed, as long as it may be in the site's queue */
            uint64_t label;   /* its place in the order of that queue */
        };
        uint64_t wake; /* HELD: when it is let go; 0: when its user says so */
    };
    const struct settings *set; /* the owner's: how each of its tasks is to be run */
    uint64_t bytes;             /* size of the call as it was submitted */
    uint64_t deadline;          /* TIMER_NEVER: none, or it has passed */

    uint64_t ready;            /* since when it could run if a worker were free */
    struct list ended;         /* in sched->ended: an event is to be taken */
    uint32_t end_from, end_to; /* of the event: these tasks have ended by `how` */
    struct list on_top;        /* in sched->on_top: the worker `awaiter` is to run it */
    /* Its deadline, or when to look whether it runs too long; `asked`: when its grace is over. */
    struct timer timer;
    uint32_t failed[RETRY_KINDS]; /* failed attempts, by kind */
    uint32_t begun;               /* in sched->lost: tasks before this k had begun */
};
_Static_assert(sizeof(void *) != 8 ||
                   (offsetof(struct task, call) == 64 && offsetof(struct task, ready) == 192),
               "three lines of the cache");

/* The owner calls this once for a piece of memory, which it may use for one task after another: a
** task that is DONE, and whose last event was taken, is again in no list and has no timer. */
static inline void task_make(struct task *t) {
    list_init(&t->node);
    list_init(&t->ended);
    list_init(&t->on_top);
    t->timer = (struct timer){.kind = TIMER_TASK};
    t->nested = t->far = t->mute = false;
    t->depth = 0;
}

static inline bool task_is_idle(const struct task *t) {
    return list_empty(&t->node) && list_empty(&t->ended) && list_empty(&t->on_top) &&
           t->timer.when == 0;
}

static inline bool task_is_open(const struct task *t) {
    return t->next < t->upto;
}

#endif

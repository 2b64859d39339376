/* Task: what is scheduled as one: a task, or a chunk of tasks of one map, as the scheduler sees it.
**
**     NEW -> WAITING (here, in order) -> SENT (with the site, or a worker) -> DONE
**      \      ^    ^------------------------/ |  its worker has gone, and some of it never ran
**       \     |                               |
**        --> HELD <---------------------------/  it has failed, and is to be tried again
**
** HELD: it waits for what it is to be given, for a word of its user (tine__sched_again), or for the time of its
** next attempt. Only single tasks are tried again.
**
** Its tasks are numbered k = 0 .. count-1 (ids id .. id+count-1), and end in this order, but for those
** that are cancelled from behind: those in [next, upto) are open.
**
** The memory is the owner's, and stays where it is until it is DONE and its last event was taken.
** Everything in here is the scheduler's, guarded by the lock that guards it, but for what is said to
** be the owner's.
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

/* How tasks end other than by a report. */
enum ending {
    ENDING_NONE,
    ENDING_CANCELLED, /* before it began, or by abort */
    ENDING_TIMEOUT,   /* its run-time limit, or in the midst of it its deadline */
    ENDING_LATE,      /* its deadline, before it began */
    ENDING_CRASHED,   /* with its worker: sched->blame */
    ENDING_BROKEN,    /* with its pool: sched->reason */
    ENDING_NOMEM,     /* it could not be handed over for want of memory */
    ENDING_CPU,       /* its limit of processor time */
    ENDING_MEMORY,    /* its memory limit: a report says so */
    ENDING_LOST       /* with its host, or nobody is there to run it: a report says so */
};

/* By lines of the cache, as they are wanted one after the other: of a task that ends, the first; of one that is handed over,
** three; behind `ready` lies what a plain one never touches. */
struct task {
    uint16_t depth;  /* the owner's: so deep is who has submitted it, and one more; */
    bool nested : 1; /* a task has submitted it; */
    /* it is from another machine (CALL_FAR): all that a worker is to know stands in its bytes; */
    bool far : 1;
    bool mute : 1; /* nobody wants events of its tasks */
    /* None of what comes from here to `upto` has a new one. */
    uint8_t how;  /* enum ending, of the event */
    uint8_t doom; /* enum ending: what it, while SENT, is to end with by force */
    uint8_t wish; /* enum order_kind that is wanted of it, 0 none */
    /* Enum ending: what of it has not begun shall never run, and ends so; NONE: it may. */
    uint8_t unrun;
    bool asked;   /* SENT: task `next` was asked to end by `doom` */
    bool blocked; /* SENT: it waits for what it has submitted */
    bool timed;   /* its timer may be set */
    bool came_back : 1;
    bool again_told : 1; /* of the event: it is HELD, and has not ended */
    bool late : 1;       /* its deadline has passed */
    bool later : 1;      /* SENT: it is to be asked, or stopped, by `doom`, but had not begun yet */
    bool extra : 1;      /* a worker more is wanted for it (nested.c) */
    bool fetching : 1;   /* SENT: it is to be taken back for who waits for it */
    uint8_t state;       /* enum task_state */
    uint16_t place;      /* the owner's: on which other machine it was last, 0: on none */
    unsigned worker;     /* of the last attempt; 0: it has not run */
    int pid;
    uint32_t attempts; /* that have ended */
    unsigned awaiter;  /* the worker whose task waits for it, or 0 */
    const char *host;  /* where the last one was: kept for good; NULL: here, or not known */
    uint32_t next;
    uint32_t upto;
    struct line *line; /* where it waits (policy.h), until it is DONE */
    uint64_t since;    /* its submit */

    /* `id` is given by the scheduler; count, origin and what says where the bytes are are the owner's; `ref` while it is
    ** SENT */
    struct call_head call;

    struct list node; /* where it waits, or which order is wanted of it */
    union {
        struct pairing_node again; /* WAITING, having come back: where, in its line */
        struct list sent; /* SENT: while nobody is known to have taken it up, in sched->handed */
        uint64_t wake;    /* HELD: when it is let go; 0: it waits for a word */
    };
    const struct settings *set; /* the owner's: how each of its tasks is to be run */
    uint64_t bytes;             /* of the call as it was submitted */
    uint64_t deadline;          /* TIMER_NEVER: none, or it has passed */

    uint64_t ready;            /* since when it could run, if there had been a worker */
    struct list ended;         /* in sched->ended: an event is to be taken */
    uint32_t end_from, end_to; /* of the event: these have ended by `how` */
    struct list on_top;        /* in sched->on_top: it is to be run there */
    /* When to look whether it runs too long, or its deadline; asked: when it is killed. */
    struct timer timer;
    uint32_t failed[RETRY_KINDS]; /* attempts, by how */
    uint32_t begun;               /* of one that is lost: those before it had begun */
};
_Static_assert(sizeof(void *) != 8 ||
                   (offsetof(struct task, call) == 64 && offsetof(struct task, ready) == 192),
               "three lines of the cache");

/* In no list, and with no timer: as it is again when it is DONE, and its last event was taken. Its owner does it once, with
** the memory, which may be used for one task after the other then. */
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

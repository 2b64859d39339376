/* Scheduler: makes all decisions of a pool and carries out none of them.
**
** PURE: no lock, no thread, no clock, no system call, no Lua. It allocates its tables, and a little
** memory for each priority and group (policy.h). The caller tells the scheduler what happens: a
** submit, a report of the site, a wish of the user, the time. Each is one transition. When the
** transition is over the caller takes what follows from it, piece by piece:
**
**     told:   submit cancel abort shutdown kill   result report   answer   tick
**     gives:  orders for the site (msg/order.h), to be answered at once; events: tasks have ended
**
** The scheduler calls nobody back, so no consequence runs inside of its cause. The caller loops
** (pool/drive.c; the simulator in tests/sim does the same against a site that answers at random):
**
**     while there is an event: deliver it
**     while there is an order: carry it to the site, tell the answer, deliver the events
**
** The caller may tell several reports, and the time, in a row before it takes orders, but it takes
** all events after each. It tells a wish of the user only when no order is left, and takes what
** follows at once. The caller's lock, here the pool's, guards the scheduler.
**
** A POOL'S LIFE is one state; why a pool stops (enum why) is kept beside it:
**
**     OPEN -> CLOSING (no more submits; what is there runs) -> DRAINING (nothing is left to run; workers
**       \        \                                               were told to leave) -> ENDING -> ENDED
**        \--------\--> STOPPING (broken or killed: workers end now) ----------------------^
**
** A WORKER'S LIFE: NONE -> STARTING -> READY -> LEAVING -> NONE. From any state a worker may become
** DOOMED: it is being killed. A TASK'S LIFE: see task.h.
**
** TASKS OF TASKS (nested.c) wait and run like others. They are accepted as long as the pool is not
** broken. When the task of a worker waits for a task that no worker has, that worker is given it,
** so waiting never needs another worker.
**
** THE SITE'S QUEUE. Workers take calls from the site's queue by themselves. The queue is kept so
** short that workers can empty it in the time of a few wake-ups (`window`, from the rate of
** results). All other tasks wait here, where they can be overtaken and cancelled cheaply. A call in
** the queue that no worker has taken can be overtaken, too: the site puts another call before it
** (order.label), or calls are withdrawn one by one from the end of the queue. While many calls are
** withdrawn so, the queue is kept shorter still (`narrow`).
**
** After: CPython's process.py (the names), Dask's scheduler (transitions that return what they
** cause).
*/
#ifndef TINE_SCHED_SCHED_H
#define TINE_SCHED_SCHED_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/list.h"
#include "msg/order.h"
#include "msg/parting.h"
#include "msg/report.h"
#include "sched/errand.h"
#include "sched/policy.h"
#include "sched/task.h"
#include "sched/timer.h"

#define SCHED_PACE 64 /* results between two calls of tine__sched_pace while no task waits */

enum life { LIFE_OPEN, LIFE_CLOSING, LIFE_DRAINING, LIFE_STOPPING, LIFE_ENDING, LIFE_ENDED };

/* Why a pool is STOPPING, or has ended that way. */
enum why {
    WHY_NONE,
    WHY_CRASH,       /* a worker died (on_crash = "break") */
    WHY_STARTS,      /* several workers in a row died before they took up a task */
    WHY_INITIALIZER, /* the initializer failed */
    WHY_SLOW_START,  /* a worker was not ready in start_timeout */
    WHY_PRELOAD,     /* the preload failed */
    WHY_NO_SERVER,   /* the site cannot start: `error` */
    WHY_NO_WORKER,   /* no process can be created: `error` */
    WHY_GONE,        /* the site has ended unasked */
    WHY_TERMINATED,  /* the user wanted it: workers get SIGTERM */
    WHY_KILLED,      /* the user wanted it: workers get SIGKILL */
    WHY_OVERDUE,     /* SIGKILL: the shutdown took longer than the user allows */
    WHY_INTERRUPTED, /* SIGKILL: Ctrl-C */
    WHY_COUNT
};

/* The next submit says that a broken pool is broken, and that a killed pool is shut down. */
static inline bool why_is_broken(enum why why) {
    return why != WHY_NONE && why < WHY_TERMINATED;
}

/* The error code of a submit that comes after the end. */
static inline int why_code(enum why why) {
    return why_is_broken(why) ? TINE_EBROKEN : TINE_ESHUTDOWN;
}

/* Which worker died, and what it was doing; or what else has broken the pool. */
struct blame {
    enum why why; /* WHY_CRASH also for a death that does not break the pool */
    unsigned worker;
    int pid;
    bool has_status;
    int status;        /* as waitpid gives it */
    bool unborn;       /* the worker was still starting */
    bool everywhere;   /* the worker had yet to run an errand (pool:everywhere) */
    bool rubbish;      /* the worker was killed because it sent an invalid report */
    bool spoilt;       /* the worker ended itself: a task had taken its descriptors away */
    int unfit;         /* errno: why the process could not be a worker; or 0 */
    int error;         /* errno, or 0 */
    const char *host;  /* where the worker was; NULL: here; valid for this transition only */
    struct task *task; /* the call that the worker was running, or NULL, */
    uint32_t k;        /* and which of its tasks */
    /* Bytes of the report that is being told, or NULL: an error segment; text for WHY_NO_SERVER and
    ** WHY_GONE. */
    const char *segment;
    size_t length;
};

enum worker_state {
    WORKER_NONE,
    WORKER_STARTING,
    WORKER_READY,
    WORKER_LEAVING, /* takes no more calls */
    WORKER_DOOMED   /* is being killed */
};

enum doom { DOOM_NONE, DOOM_TASK, DOOM_RUBBISH, DOOM_SLOW_EXIT };

struct worker {
    struct list node; /* in sched->kills or sched->dismissals */
    /* STARTING, LEAVING: until when this may last; LEAVING and not `left`: when to look again */
    struct timer timer;
    struct timer age; /* when the worker is too old (max_age) */
    uint8_t parting;  /* enum parting: why the worker is LEAVING */
    bool left;        /* LEAVING: it says so itself */
    bool still;       /* LEAVING: at the last look it had no call, and was still there */
    uint64_t since;   /* ns of the clock: when the worker was started */
    /* The task that it had taken and not begun at the last look, which attempt of it, and when that
    ** was seen first. */
    uint64_t held, held_since;
    uint32_t held_attempt;
    struct list gone; /* in sched->exits */
    struct worker_exit exit;
    uint8_t state;    /* enum worker_state */
    uint8_t doom;     /* enum doom: why the worker is DOOMED */
    bool unborn;      /* the worker has not reached its task loop */
    int signal;       /* the signal that the worker is to get, or 0 */
    int pid;          /* 0: not known yet */
    uint64_t tasks;   /* tasks that it has answered */
    uint64_t born;    /* number of the last errand that was given out before its start */
    uint64_t errands; /* number of the last errand that it has run */
    uint64_t ran;     /* ns that its tasks have taken, as it reports */
    uint64_t changed; /* ns of the clock: when it was started, became ready, or ended a task */
    bool waits;       /* its task waits, and no task is known to run on top of that one */
    /* Id of the task that it was told to run on top since it last said that it waits; 0: none. */
    uint64_t serving;
};

struct sched_options {
    unsigned workers;       /* the number of workers at most, 1 or more */
    unsigned most;          /* the same after any resize: the highest worker id */
    unsigned min_workers;   /* so many workers stay even if they are idle */
    uint64_t max_age;       /* ns after which a worker is replaced, about; 0: never */
    bool tell_exits;        /* EVENT_EXIT is wanted */
    uint64_t max_bytes;     /* limit of all unfinished calls, but for a single one; 0: none */
    unsigned slots;         /* calls that the site has room for, beyond those that workers run */
    bool replace;           /* the death of a worker ends only the task that it ran */
    uint64_t max_pending;   /* limit of unfinished tasks; 0: none */
    uint64_t start_timeout; /* ns, 0: none */
    uint64_t exit_timeout;  /* ns, 0: none */
    unsigned cpus;          /* processors that a task may use at once; 0: one */
    uint64_t seed;          /* of the jitter */
    bool at_once;           /* no pauses between attempts */
    bool asks;     /* running tasks cannot be killed: all are asked, with or without grace */
    bool labels;   /* the site can put a call before others in its queue (order.label) */
    bool far;      /* the site is other machines: they watch limits, and the window is fixed */
    double ageing; /* steps of 1 that a waiting task gains in a second; 0: none */
};

struct sched {
    struct sched_options o;
    enum life life;
    enum why why;        /* of STOPPING and what follows */
    struct blame reason; /* the cause of `why`; its task and segment: for that transition only */
    struct blame blame;  /* of the death that was told last */
    bool hard;           /* STOPPING: do not wait for workers */

    struct policy policy; /* WAITING tasks */
    struct list handed;   /* SENT tasks that may still be in the site's queue, in its order */
    bool overtake;        /* a waiting task may have to be put before some of `handed` */
    bool anew;            /* ... and these are to be ordered anew: all are withdrawn */
    /* The number of tasks that were withdrawn for that since the window was last set, or
    ** narrowed. */
    uint64_t came_back;
    bool cramped;      /* since then the site had no room to put a call before others */
    uint64_t label;    /* the greatest of `handed`, or a greater one */
    bool narrowed;     /* `narrow` was made smaller since tine__sched_pace */
    uint64_t in_order; /* before this time ageing does not change the order of `handed` */
    uint64_t narrow;   /* limit of calls at the site while many come back */
    bool stirred;  /* there may be an order other than to run a waiting task: see order_stirred */
    bool eventful; /* there may be an event */
    struct list wishes; /* SENT tasks for which an order is wanted (task->wish) */
    struct list held;   /* HELD tasks */
    uint64_t nheld;
    uint64_t random;     /* state of the jitter */
    struct list on_top;  /* by `on_top`: tasks to be run on top of the task that waits for them */
    uint64_t nested;     /* open tasks that were submitted by tasks */
    uint64_t blocked;    /* SENT tasks that wait for such tasks */
    unsigned stuck;      /* workers whose task waits (worker.waits) */
    unsigned extra;      /* workers that are wanted beyond o.workers (nested.c), */
    unsigned extra_seen; /* ... when orders were last taken */
    struct list lost;    /* tasks of a worker whose end is about to be told */
    struct list kills;   /* workers to be signalled */
    struct list dismissals; /* workers to be told to leave */
    struct list exits;      /* by `gone`: ended workers whose EVENT_EXIT has not been taken */
    struct list errands;    /* errands that are not done */
    /* Errands that have not been ordered, by `order`; errands whose event has not been taken. */
    struct list new_errands, done_errands;
    uint64_t nerrands;
    struct list ended;   /* tasks whose EVENT_ENDED has not been taken */
    bool told;           /* EVENT_STOPPED was taken */
    bool died;           /* EVENT_DIED has not been taken */
    struct task **sent;  /* SENT tasks by ref */
    uint32_t *free_refs; /* a stack */
    uint32_t nfree, nrefs;

    uint64_t open;    /* tasks that are not DONE */
    uint64_t bytes;   /* of the calls of open tasks, as they were submitted */
    uint64_t waiting; /* WAITING tasks */
    uint64_t nsent;   /* SENT tasks */
    uint64_t next_id;
    uint64_t window; /* limit of calls at the site */
    bool full;       /* the site has refused a call, or the window is used up */

    uint64_t heard; /* the time of the last report */

    struct worker *workers; /* [1 .. o.most] */
    unsigned known; /* entries below this one are initialized; nothing has touched the others */
    unsigned top;   /* the highest id that was ever used */
    uint64_t *free_workers;      /* a bit for each id that no worker has */
    unsigned live;               /* workers STARTING or READY */
    unsigned present;            /* workers not NONE */
    unsigned failed_starts;      /* workers in a row that died before they took up a task */
    bool hold;                   /* a start was refused: no other before `retry` is due */
    uint64_t started, lost_ones; /* workers that were started, and that crashed, ever */
    uint64_t lived, starting; /* ns: sums over ended workers; over workers until they were ready */

    struct timers timers;
    /* When workers may be started again; STOPPING, DRAINING: when the pool ends whatever is
    ** left. */
    struct timer retry, end;

    uint64_t paced;  /* when tine__sched_pace last set the window */
    uint64_t recent; /* results since then */
    bool was_busy;   /* tasks were waiting then */
};

/* Allocate the tables. 0 or TINE_ENOMEM. */
int tine__sched_init(struct sched *s, const struct sched_options *o);
void tine__sched_free(struct sched *s);

/* --- what it is told (sched.c) --- */

/* Submit a task. The caller has set its `count`, `set` and the description of its bytes; the rest
** is filled in here. 0; TINE_ESHUTDOWN, TINE_EBROKEN; TINE_EAGAIN: max_pending or max_bytes;
** TINE_ENOMEM. */
int tine__sched_submit(struct sched *s, struct task *t, uint64_t now);
/* The same, but the task is HELD until tine__sched_again lets it go: when it has what it needs. */
int tine__sched_submit_held(struct sched *s, struct task *t, uint64_t now);
/* Let a HELD task go on: at once, or after the pause before its next attempt. */
void tine__sched_again(struct sched *s, struct task *t, uint64_t now);
/* A HELD task is DONE. There is no event: the caller knows how it ended. */
void tine__sched_give_up(struct sched *s, struct task *t);
/* Undo a submit, when the owner cannot keep the task. It must be WAITING or HELD. */
void tine__sched_withdraw(struct sched *s, struct task *t);
/* A task that has failed before it was submitted: it gets an id, and is DONE. Results as of
** submit. */
int tine__sched_submit_done(struct sched *s, struct task *t);
/* Cancel the tasks of the call that have not begun: they never run. */
void tine__sched_cancel(struct sched *s, struct task *t);
/* The deadline of `t` has passed: those of its tasks that have not begun never run, the one that
** runs is ended. */
COLD void tine__sched_late(struct sched *s, struct task *t);
/* End a single task: cancel it if it has not begun, else ask it to end, and end it by force when
** its grace is over (stop.c). False: it has ended, or is being ended. */
bool tine__sched_abort(struct sched *s, struct task *t);
/* End all of the call without grace (the caller has taken that out of its settings): tasks that
** have not begun never run, the one that runs is ended by force. */
void tine__sched_end_now(struct sched *s, struct task *t);
/* Accept no more submits; with `cancel`, cancel all tasks that have not begun, except nested
** ones. */
void tine__sched_shutdown(struct sched *s, bool cancel);
/* End the workers now. WHY_TERMINATED: by SIGTERM, and by SIGKILL those that are there at
** `patience` (ns of the clock). Else by SIGKILL at once. */
void tine__sched_kill(struct sched *s, enum why why, uint64_t patience);
/* Change the number of workers, 1 .. o.most. Surplus workers end when their task is done. The site
** must have room for so many. 0; TINE_ESHUTDOWN, TINE_EBROKEN; TINE_ENOMEM. (workers.c) */
int tine__sched_resize(struct sched *s, unsigned workers);
/* Have each worker run this errand once. 0; TINE_ESHUTDOWN, TINE_EBROKEN. (errands.c) */
int tine__sched_everywhere(struct sched *s, struct errand *e);
/* Does errand `number` wait for this worker? Not if the worker was started after it. */
bool tine__sched_is_awaited(const struct sched *s, unsigned worker, uint64_t number);
/* Tell the time, and do what is due. */
void tine__sched_tick(struct sched *s, uint64_t now);
/* Does the next order depend on the time? Then call sched_time before orders are taken. */
static inline bool sched_wants_time(const struct sched *s) {
    return s->overtake || (policy_is_timed(&s->policy) && !s->full);
}
static inline void sched_time(struct sched *s, uint64_t now) {
    s->policy.now = now;
}
/* The time that was told last. */
static inline uint64_t sched_now(const struct sched *s) {
    return s->policy.now;
}
/* Set the window by the rate of results (when sched_wants_pace). */
void tine__sched_pace(struct sched *s, uint64_t now);

/* --- tasks of tasks (nested.c) --- */

/* `parent`, which is SENT and runs on `worker`, waits for the tasks that are told by
** tine__sched_await, until it ends or tine__sched_unblock. */
void tine__sched_block(struct sched *s, struct task *parent, unsigned worker);
void tine__sched_unblock(struct sched *s, struct task *parent);
/* The task of `worker` waits for `t`, or no longer does. If no worker has taken `t`, that worker is
** to run it on top. If `t` has limits a free worker runs it instead; one beyond o.workers is
** started if need be. */
void tine__sched_await(struct sched *s, struct task *t, unsigned worker);
void tine__sched_unawait(struct sched *s, struct task *t);

/* --- what the site reports (report.c) --- */

/* Tell a result (report_is_result). Returns the call it belongs to, and which of its tasks (*k).
** *how: ENDING_NONE, or how the task ends in spite of its result. *again: it has not ended, but is
** HELD, as in struct event. The caller delivers the result; there is no event of it. NULL: the
** report is invalid; its worker is being killed. */
struct task *tine__sched_result(struct sched *s, const struct report *r, uint32_t *k,
                                enum ending *how, bool *again);
/* Tell any other report. */
void tine__sched_report(struct sched *s, const struct report *r, uint64_t now);

/* --- what it gives out (order.c) --- */

/* The next order; false: there is none. Answer it before anything else is told. */
bool tine__sched_order(struct sched *s, struct order *o);
COLD void tine__sched_answer(struct sched *s, const struct order *o, const struct answer *a,
                             uint64_t now);

/* The same for ORDER_RUN. That a plain call was handed over, as most are, need not be told. */
static inline void sched_answer_run(struct sched *s, const struct order *o, const struct answer *a,
                                    uint64_t now) {
    if (a->err || !o->task->set->plain)
        tine__sched_answer(s, o, a, now);
}

enum event_kind {
    EVENT_NONE,
    EVENT_STOPPED, /* the pool is broken, or was killed: s->reason; comes before its tasks' ends */
    EVENT_DIED,    /* a worker died, the pool goes on: s->blame; comes before its tasks' ends */
    EVENT_EXIT,    /* a worker has ended: *exit, valid until something is told */
    EVENT_ERRAND,  /* `errand` is done */
    EVENT_ENDED    /* tasks [from, to) of `task` have ended: `how`; the last one if it is DONE */
};

struct event {
    enum event_kind kind;
    struct task *task;
    uint32_t from, to;
    enum ending how;
    bool again; /* it failed by `how` and is HELD: tine__sched_again, or tine__sched_give_up */
    const struct worker_exit *exit;
    struct errand *errand;
};

/* The SENT task with this ref, or NULL. */
static inline struct task *sched_sent(const struct sched *s, uint32_t ref) {
    return ref < s->nrefs ? s->sent[ref] : NULL;
}

/* Is there a worker of this number? */
static inline bool sched_is_worker(const struct sched *s, unsigned worker) {
    return worker >= 1 && worker <= s->top && s->workers[worker].state != WORKER_NONE;
}

/* May there be an event? */
static inline bool sched_has_event(const struct sched *s) {
    return s->eventful;
}
/* The next event; false: there is none. */
COLD bool tine__sched_event(struct sched *s, struct event *e);

/* When tasks in the site's queue may cross by ageing. TIMER_NEVER while the next order looks at the
** queue anyway. */
static inline uint64_t sched_order_due(const struct sched *s) {
    bool matters = s->life <= LIFE_CLOSING && !list_empty(&s->handed) && !s->overtake;
    return matters ? s->in_order : TIMER_NEVER;
}

/* When tine__sched_tick is due next. TIMER_NEVER: not at all, as after ORDER_END. */
static inline uint64_t sched_due(const struct sched *s) {
    uint64_t due = timers_next(&s->timers), step = policy_due(&s->policy);
    uint64_t order = sched_order_due(s);
    due = step < due ? step : due;
    due = order < due ? order : due;
    return s->life >= LIFE_ENDING ? TIMER_NEVER : due;
}

/* Do tasks wait for room at the site? Then the site is to report when there is room. */
static inline bool sched_wants_room(const struct sched *s) {
    return s->full && s->waiting > 0 && s->life <= LIFE_CLOSING;
}

/* Is it time for tine__sched_pace? */
static inline bool sched_wants_pace(const struct sched *s) {
    return s->waiting > 0 || s->recent >= SCHED_PACE;
}

/* The smallest window: two calls for each worker, and two more. */
static inline uint64_t sched_least_window(const struct sched *s) {
    return 2ull * s->o.workers + 2;
}

#define SCHED_MIXED 512 /* the window where priorities differ, at most */

/* The number of calls that may be at the site. Where calls overtake others workers look through the
** queue for each, and there must be room for more. */
static inline uint64_t sched_window(const struct sched *s) {
    uint64_t window = s->narrow < s->window ? s->narrow : s->window;
    if (s->policy.nlines == 1 || !s->o.labels || window <= SCHED_MIXED)
        return window;
    uint64_t least = sched_least_window(s);
    return least > SCHED_MIXED ? least : SCHED_MIXED;
}

/* The number of workers that there may be: o.workers, and one more for each task with limits that a
** task waits for and that may not be running yet. These come on top of the workers whose task
** waits, if that is more. */
static inline unsigned sched_most_workers(const struct sched *s) {
    unsigned base = s->extra > 0 && s->stuck > s->o.workers ? s->stuck : s->o.workers;
    unsigned most = base + s->extra;
    return most < s->o.most ? most : s->o.most;
}

/* Open tasks that run, or could run if there were workers. */
static inline uint64_t sched_runnable(const struct sched *s) {
    return s->open - s->nheld;
}

/* The site reports room when no more calls than this are left in its queue. */
static inline unsigned sched_low_water(const struct sched *s) {
    unsigned most = s->o.slots / 4;
    return s->o.workers < most ? s->o.workers : most;
}

#endif

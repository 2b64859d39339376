/* Scheduler: everything that is decided in a pool, and nothing that is done.
**
** PURE: no lock, no thread, no clock, no system call, no Lua, no memory but what tine__sched_init takes and a little
** for each priority and group (policy.h). It is told what happens (a submit, a report of the site, a wish of the user,
** the time), each of which is one transition; what follows is taken from it one by one when the transition is over:
**
**     told:   submit cancel abort shutdown kill   result report   answer   tick
**     gives:  orders for the site (msg/order.h), to be answered at once; events: tasks that have ended
**
** Nothing is called back, so no consequence runs inside of its cause: who drives it loops
**
**     while an event is there: deliver it
**     while an order is there: carry it to the site, tell the answer, deliver the events
**
** Several reports, or the time and reports, may be told in a row before orders are taken, but not before
** events are; a wish of the user's is told when none is left, and followed at once.
**
** (pool/drive.c; the simulator in tests/sim does the same against a site that answers at random). A
** scheduler is guarded by its user's lock, here the pool's.
**
** A POOL'S LIFE is one word, and apart from it stands one reason:
**
**     OPEN -> CLOSING (no more submits; what is there runs) -> DRAINING (nothing is left to run; workers
**       \        \                                               were told to leave) -> ENDING -> ENDED
**        \--------\--> STOPPING (broken or killed: workers end now) ----------------------^
**
** A WORKER'S: NONE -> STARTING -> READY -> LEAVING -> NONE, and from anywhere DOOMED: it is being killed.
** A TASK'S: see task.h.
**
** TASKS OF TASKS (nested.c) wait and run like others, and are taken as long as the pool is not broken. A worker whose task
** waits for one that is with nobody is given it, so waiting needs no other worker.
**
** HOW MUCH IS HANDED OVER. Workers take calls from the site's queue by themselves. It is kept as short
** as they can empty in the time of some wake-ups (`window`, from how fast results come), so that the rest,
** which waits here, can still be overtaken and cancelled. What nobody has taken up of it can be, too: the
** site puts others before it (order.behind), or it is withdrawn, one by one from the last; and while much is moved so, or more
** come back than are run, it is kept shorter still (`narrow`).
**
** After: CPython's process.py (the names), Dask's scheduler (transitions that return what they cause).
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

#define SCHED_PACE 64 /* results that may be told before it looks, when nothing waits for room */

enum life { LIFE_OPEN, LIFE_CLOSING, LIFE_DRAINING, LIFE_STOPPING, LIFE_ENDING, LIFE_ENDED };

/* Why a pool is STOPPING or has ended so. */
enum why {
    WHY_NONE,
    WHY_CRASH,       /* a worker died (on_crash = "break") */
    WHY_STARTS,      /* several in a row died before they took up a task */
    WHY_INITIALIZER, /* it failed */
    WHY_SLOW_START,  /* a worker was not ready in start_timeout */
    WHY_PRELOAD,     /* it failed */
    WHY_NO_SERVER,   /* the site cannot start: `error` */
    WHY_NO_WORKER,   /* no process to be had: `error` */
    WHY_GONE,        /* the site has ended unasked */
    WHY_TERMINATED,  /* the user wanted it, with SIGTERM */
    WHY_KILLED,      /* with SIGKILL */
    WHY_OVERDUE,     /* so, for it was not shut down in the time that the user gave */
    WHY_INTERRUPTED, /* so, by Ctrl-C */
    WHY_COUNT
};

/* Broken: the next submit says so; killed pools say that they are shut down. */
static inline bool why_is_broken(enum why why) {
    return why != WHY_NONE && why < WHY_TERMINATED;
}

/* What is said to who comes after the end. */
static inline int why_code(enum why why) {
    return why_is_broken(why) ? TINE_EBROKEN : TINE_ESHUTDOWN;
}

/* Who died, doing what. */
struct blame {
    enum why why; /* WHY_CRASH also where it breaks nothing */
    unsigned worker;
    int pid;
    bool has_status;
    int status;        /* as waitpid gives it */
    bool unborn;       /* it was still starting */
    bool everywhere;   /* it was to run what every worker runs once */
    bool rubbish;      /* it was killed for what it said */
    bool spoilt;       /* it ended itself: a task had taken its descriptors away */
    int unfit;         /* an errno, why it could not be a worker; or 0 */
    int error;         /* errno, or 0 */
    const char *host;  /* where it was; NULL: here; good for that transition only */
    struct task *task; /* that it was running, or NULL */
    uint32_t k;
    /* Bytes of the report that is just being told, or NULL: an error segment, or of WHY_NO_SERVER and
    ** WHY_GONE text. */
    const char *segment;
    size_t length;
};

enum worker_state {
    WORKER_NONE,
    WORKER_STARTING,
    WORKER_READY,
    WORKER_LEAVING, /* it takes nothing more */
    WORKER_DOOMED   /* it is being killed */
};

enum doom { DOOM_NONE, DOOM_TASK, DOOM_RUBBISH, DOOM_SLOW_EXIT };

struct worker {
    struct list node;   /* in sched->kills, or dismissals */
    struct timer timer; /* STARTING, LEAVING: for how long */
    struct timer age;   /* when it is too old */
    uint8_t parting;    /* enum parting: why it is LEAVING */
    uint64_t since;     /* ns of the clock: when it was started */
    struct list gone;   /* in sched->exits */
    struct worker_exit exit;
    uint8_t state;    /* enum worker_state */
    uint8_t doom;     /* why it is DOOMED: enum doom */
    bool unborn;      /* it has not reached its task loop */
    int signal;       /* wanted of it, or 0 */
    int pid;          /* 0: not known yet */
    uint64_t tasks;   /* answered */
    uint64_t born;    /* errands that were given out before it was started */
    uint64_t errands; /* that it has run: so many, from the first on */
    uint64_t ran;     /* ns that these have taken, as it says */
    uint64_t changed; /* ns of the clock: when it was started, became ready, or ended a task */
    bool waits;       /* its task waits, and none is known to run on top of it */
    /* A task (id) that it is to run on top, or was since it said last that it waits. */
    uint64_t serving;
};

struct sched_options {
    unsigned workers;       /* at most so many, 1 or more */
    unsigned most;          /* ... after any resize: the highest id */
    unsigned min_workers;   /* that stay though they are idle */
    uint64_t max_age;       /* ns, about which a worker is replaced; 0: never */
    bool tell_exits;        /* events of workers that have ended are wanted */
    uint64_t max_bytes;     /* of the calls of unfinished tasks, unless it is one; 0: none */
    unsigned slots;         /* calls that the site has room for, beyond those that workers run */
    bool replace;           /* a death ends its task only */
    uint64_t max_pending;   /* 0: none */
    uint64_t start_timeout; /* ns, 0: none */
    uint64_t exit_timeout;  /* ns, 0: none */
    unsigned cpus;          /* that a task may use at once; 0: one */
    uint64_t seed;          /* of what is random */
    bool at_once;           /* no pauses between attempts */
    bool asks;              /* nothing that runs can be killed: it is asked, whatever its grace */
    bool moves;             /* the site can put a call before others that it has (order.behind) */
    bool far;      /* the site has many machines: it keeps limits and its window by itself */
    double ageing; /* what a second of waiting adds to a priority, 0: nothing */
};

#define SCHED_BEHIND 64 /* calls before which another one is put at once */

struct sched {
    struct sched_options o;
    enum life life;
    enum why why; /* of STOPPING and what follows */
    /* What made it so; its task and segment are good for that transition only. */
    struct blame reason;
    struct blame blame; /* of the death that was told last */
    bool hard;          /* STOPPING: do not wait for workers */

    struct policy policy; /* WAITING tasks */
    struct list handed;   /* SENT tasks that may not have been taken up, the last one last */
    bool overtake;        /* one that waits may have to be before some of them */
    bool anew;            /* ... all those of its priority */
    /* So many did for it, since the window was last looked at, or made narrower. */
    uint64_t came_back;
    /* The site had no room to put one before others, since the window was last looked at. */
    bool cramped;
    uint32_t behind[SCHED_BEHIND]; /* of the order that was given last */
    bool narrowed;                 /* it was, since it was last looked at */
    uint64_t in_order; /* before this time ageing does not change the order of `handed` */
    uint64_t narrow;   /* at most so many are handed over while many come back */
    bool stirred; /* something is wanted but that what waits is run: order_stirred is to be asked */
    bool eventful;      /* an event may be there */
    struct list wishes; /* SENT tasks of which something is wanted (task->wish) */
    struct list held;   /* HELD tasks */
    uint64_t nheld;
    uint64_t random;        /* for jitter */
    struct list on_top;     /* tasks by `on_top` that are to be run on top of one that waits */
    uint64_t nested;        /* open ones that tasks have submitted */
    uint64_t blocked;       /* SENT ones that wait for such */
    unsigned stuck;         /* workers that wait (worker.waits) */
    unsigned extra;         /* workers beyond o.workers that these need, */
    unsigned extra_seen;    /* ... when it was last looked at */
    struct list lost;       /* tasks whose worker's end is about to be told */
    struct list kills;      /* workers to be signalled */
    struct list dismissals; /* workers to be told that they are to leave */
    struct list exits;      /* workers that have ended, by `gone`: EVENT_EXIT is to be taken */
    struct list errands;    /* that are not done */
    /* Errands, by `order`: not ordered yet; done, and an event of them is to be taken. */
    struct list new_errands, done_errands;
    uint64_t nerrands;
    struct list ended;   /* tasks of which an event is to be taken */
    bool told;           /* EVENT_STOPPED was taken */
    bool died;           /* EVENT_DIED is to be taken */
    struct task **sent;  /* by ref */
    uint32_t *free_refs; /* a stack */
    uint32_t nfree, nrefs;

    uint64_t open;    /* tasks that are not DONE */
    uint64_t bytes;   /* of their calls, as they were submitted */
    uint64_t waiting; /* of them with us */
    uint64_t nsent;
    uint64_t next_id;
    uint64_t window;
    bool full; /* the site has refused a call, or the window is used up */

    uint64_t now;   /* as it was told last */
    uint64_t heard; /* ... with a report */

    struct worker *workers; /* [1 .. o.most] */
    unsigned known; /* entries below this one are in use, or zero; the rest nobody has touched */
    unsigned top;   /* no id above this one was ever used */
    uint64_t *free_workers;      /* a bit for each id that no worker has */
    unsigned live;               /* STARTING or READY */
    unsigned present;            /* not NONE */
    unsigned failed_starts;      /* in a row */
    bool hold;                   /* a start was refused: not before `retry` */
    uint64_t started, lost_ones; /* workers, ever */
    uint64_t lived, starting; /* ns, of workers: of those that have ended; before they were ready */

    struct timers timers;
    struct timer retry, end; /* start again; STOPPING, DRAINING: no more patience */

    uint64_t paced;  /* when the window was last looked at */
    uint64_t recent; /* results since */
    bool was_busy;   /* tasks were waiting then */
};

/* Take the memory it needs. 0 or TINE_ENOMEM. */
int tine__sched_init(struct sched *s, const struct sched_options *o);
void tine__sched_free(struct sched *s);

/* --- what it is told (sched.c) --- */

/* A task; `count`, `set` and the description of its bytes are set, the rest is filled in. 0; TINE_ESHUTDOWN,
** TINE_EBROKEN; TINE_EAGAIN: max_pending; TINE_ENOMEM. */
int tine__sched_submit(struct sched *s, struct task *t, uint64_t now);
/* The same, HELD: it is let go by tine__sched_again, when it has what it needs. */
int tine__sched_submit_held(struct sched *s, struct task *t, uint64_t now);
/* A HELD task goes on: at once, or after the pause before its next attempt. */
void tine__sched_again(struct sched *s, struct task *t, uint64_t now);
/* A HELD task is DONE: its caller says how. */
void tine__sched_give_up(struct sched *s, struct task *t);
/* It could not be kept: as if it had never been submitted. It must be WAITING. */
void tine__sched_withdraw(struct sched *s, struct task *t);
/* A task that has failed before it was submitted: counted, and DONE. As submit. */
int tine__sched_submit_done(struct sched *s, struct task *t);
/* What of it has not begun shall never run. */
void tine__sched_cancel(struct sched *s, struct task *t);
/* Its deadline has passed, or as if it had: what has not begun never runs, what has is ended. */
COLD void tine__sched_late(struct sched *s, struct task *t);
/* End it, which is a single one: ask it, and by force when its grace is over (stop.c); cancel it if it has not begun.
** False: it has ended, or is being ended. */
bool tine__sched_abort(struct sched *s, struct task *t);
/* What of it has not begun never runs, and what has is ended by force: its settings have no grace any more. */
void tine__sched_end_now(struct sched *s, struct task *t);
/* No more submits; with `cancel` all that has not begun is cancelled. */
void tine__sched_shutdown(struct sched *s, bool cancel);
/* Workers end now, by SIGTERM and with patience until `patience` (ns of the clock) if that is WHY_TERMINATED, else by
** SIGKILL. */
void tine__sched_kill(struct sched *s, enum why why, uint64_t patience);
/* There are to be so many workers, 1 .. o.most: those too many end when their task is done. The site has room for them.
** 0; TINE_ESHUTDOWN, TINE_EBROKEN; TINE_ENOMEM. (workers.c) */
int tine__sched_resize(struct sched *s, unsigned workers);
/* Each worker is to run this once. 0; TINE_ESHUTDOWN, TINE_EBROKEN. (errands.c) */
int tine__sched_everywhere(struct sched *s, struct errand *e);
/* Is that worker's run of the errand one that it waits for? */
bool tine__sched_is_awaited(const struct sched *s, unsigned worker, uint64_t number);
/* The time. */
void tine__sched_tick(struct sched *s, uint64_t now);
/* Which task is next depends on the time: tell it before orders are taken. */
static inline bool sched_wants_time(const struct sched *s) {
    return s->overtake || (policy_is_timed(&s->policy) && !s->full);
}
static inline void sched_time(struct sched *s, uint64_t now) {
    s->policy.now = now;
}
/* When it was told something last. */
static inline uint64_t sched_now(const struct sched *s) {
    return s->policy.now;
}
/* Some results have been told: see how much may be handed over (sched_wants_pace). */
void tine__sched_pace(struct sched *s, uint64_t now);

/* --- tasks of tasks (nested.c) --- */

/* `parent`, which is SENT and runs there, waits: for those of which the next function is told, until it ends or it is told
** that it does so no more. */
void tine__sched_block(struct sched *s, struct task *parent, unsigned worker);
void tine__sched_unblock(struct sched *s, struct task *parent);
/* A task of `worker` waits for it, or does so no more: if it is with nobody that worker runs it. If it has limits of its
** own a worker that is free does, if need be one more than there are to be. */
void tine__sched_await(struct sched *s, struct task *t, unsigned worker);
void tine__sched_unawait(struct sched *s, struct task *t);

/* --- what the site reports (report.c) --- */

/* A result (report_is_result): the task it is of, and *k; *how is ENDING_NONE, or what it ends with all the same;
** *again: it is HELD, as with the event. NULL: it makes no sense; the worker is being killed. The caller delivers it;
** when the task is DONE nothing more comes of it. */
struct task *tine__sched_result(struct sched *s, const struct report *r, uint32_t *k,
                                enum ending *how, bool *again);
/* Anything else. */
void tine__sched_report(struct sched *s, const struct report *r, uint64_t now);

/* --- what it gives out (order.c) --- */

/* The next order; false: there is none. It must be answered before anything else is told. */
bool tine__sched_order(struct sched *s, struct order *o);
COLD void tine__sched_answer(struct sched *s, const struct order *o, const struct answer *a,
                             uint64_t now);

/* The same, to ORDER_RUN: when it was handed over and nothing is to be watched there is nothing to be told. */
static inline void sched_answer_run(struct sched *s, const struct order *o, const struct answer *a,
                                    uint64_t now) {
    if (a->err || o->nbehind > 0 || !o->task->set->plain)
        tine__sched_answer(s, o, a, now);
}

enum event_kind {
    EVENT_NONE,
    EVENT_STOPPED, /* the pool is broken, or was killed: s->reason; before the tasks it takes along */
    EVENT_DIED,    /* a worker has died unasked, which breaks nothing: s->blame; before its tasks */
    EVENT_EXIT,    /* a worker has ended: *exit, good until something is told */
    EVENT_ERRAND, /* `errand` is done */
    EVENT_ENDED   /* tasks [from, to) of `task` have ended: `how`; DONE: for good */
};

struct event {
    enum event_kind kind;
    struct task *task;
    uint32_t from, to;
    enum ending how;
    bool again; /* it has not ended, but failed so, and is HELD: tine__sched_again, or _give_up */
    const struct worker_exit *exit;
    struct errand *errand;
};

/* The task that is SENT under this ref; NULL: none. */
static inline struct task *sched_sent(const struct sched *s, uint32_t ref) {
    return ref < s->nrefs ? s->sent[ref] : NULL;
}

/* Is there a worker of this number? */
static inline bool sched_is_worker(const struct sched *s, unsigned worker) {
    return worker >= 1 && worker <= s->top && s->workers[worker].state != WORKER_NONE;
}

/* Is there one, perhaps? */
static inline bool sched_has_event(const struct sched *s) {
    return s->eventful;
}
/* The next event; false: there is none. */
COLD bool tine__sched_event(struct sched *s, struct event *e);

/* When tasks in the site's queue may cross by ageing. TIMER_NEVER while the next order looks at the queue anyway. */
static inline uint64_t sched_order_due(const struct sched *s) {
    bool matters = s->life <= LIFE_CLOSING && !list_empty(&s->handed) && !s->overtake;
    return matters ? s->in_order : TIMER_NEVER;
}

/* When the clock is to be told next; TIMER_NEVER (as from the order to end on: all is over soon). */
static inline uint64_t sched_due(const struct sched *s) {
    uint64_t due = timers_next(&s->timers), step = policy_due(&s->policy);
    uint64_t order = sched_order_due(s);
    due = step < due ? step : due;
    due = order < due ? order : due;
    return s->life >= LIFE_ENDING ? TIMER_NEVER : due;
}

/* Tasks wait for room at the site: it is to be asked to say when there is (pool/pool.c). */
static inline bool sched_wants_room(const struct sched *s) {
    return s->full && s->waiting > 0 && s->life <= LIFE_CLOSING;
}

/* Is it time to look at the clock for how fast results come? */
static inline bool sched_wants_pace(const struct sched *s) {
    return s->waiting > 0 || s->recent >= SCHED_PACE;
}

/* Two for each worker, and two. */
static inline uint64_t sched_least_window(const struct sched *s) {
    return 2ull * s->o.workers + 2;
}

/* So many calls may be at the site. */
static inline uint64_t sched_window(const struct sched *s) {
    return s->narrow < s->window ? s->narrow : s->window;
}

/* There may be so many workers: one more for each task with limits that is waited for, and that nobody may be running, and
** beside those that do nothing but wait. */
static inline unsigned sched_most_workers(const struct sched *s) {
    unsigned base = s->extra > 0 && s->stuck > s->o.workers ? s->stuck : s->o.workers;
    unsigned most = base + s->extra;
    return most < s->o.most ? most : s->o.most;
}

/* Tasks that could run if there were workers. */
static inline uint64_t sched_runnable(const struct sched *s) {
    return s->open - s->nheld;
}

/* Calls that may be left at the site before it says so. */
static inline unsigned sched_low_water(const struct sched *s) {
    unsigned most = s->o.slots / 4;
    return s->o.workers < most ? s->o.workers : most;
}

#endif

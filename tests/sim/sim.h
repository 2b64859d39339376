/* Simulator of the scheduler: runs src/sched against a site that answers at random, late, twice,
** never, or with rubbish, and whose workers die at any point.
**
** A HISTORY is a configuration and a list of steps, both made from one seed. Two numbers say all
** that a step does, and nothing else in a history is random. So a history can be run again,
** shortened step by step (shrink.c), and printed line by line.
**
**     history.c  what steps there are, and how they are chosen
**     drive.c    drives the scheduler as pool/drive.c does; checks how tasks end against what has
**                happened to them
**     order.c    which task is next, by the rule
**     site.c     the site: its queue, its workers, their rings, orders and reports (as site/local)
**     check.c    what holds of a scheduler between any two transitions
**     end.c      how a history ends: everybody is fair, all tasks end, then the pool
**
** All state is in one struct without pointers to memory of its own, so a failed check can leave by
** a jump.
*/
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "sched/sched.h"

#define MAX_WORKERS 4
#define MAX_SLOTS 12
#define MAX_REFS (MAX_SLOTS + MAX_WORKERS + 1)
#define MAX_JOBS 14
#define MAX_COUNT 4
#define MAX_IDS (MAX_JOBS * MAX_COUNT + 1)
#define MAX_STEPS 60
#define RING 24

#define MS 1000000ull

/* --- what is true of tasks --- */

/* A single task of a job. */
struct unit {
    uint8_t begun;     /* the worker that began the task, 0: none */
    uint8_t asked;     /* the worker that was asked to end the task */
    uint8_t condemned; /* the worker that is being killed to end the task */
    uint8_t want;      /* enum ending: why the worker was asked, or is being killed */
    bool answered;     /* the worker has sent a result */
    bool orphan;       /* the end of the worker was told */
    bool ended;        /* the scheduler has said that the task has ended */
    bool taken_back;   /* the site has said that the task never runs */
    uint64_t since;    /* when the task began */
    uint64_t asked_at;
};

/* What was submitted as one: a call of up to MAX_COUNT tasks. */
struct job {
    struct task task;
    struct settings set;          /* with room behind it for a group's name of one letter */
    uint32_t failed[RETRY_KINDS]; /* failed attempts, by kind */
    uint64_t pause_until;         /* the next attempt must not be earlier */
    bool asked;                   /* its owner is to say whether there is another attempt */
    uint64_t late;                /* its deadline, or TIMER_NEVER */
    struct task last; /* a copy of `task` when the job was over: nobody may touch that then */
    struct unit units[MAX_COUNT];
    bool used, over;         /* over: withdrawn, or DONE and all events taken */
    bool cancelled, aborted; /* by the user */
    bool no_memory;          /* the site refused the call with TINE_ENOMEM */
    bool returned;           /* the call came back from the site */
    bool waited;             /* the call has waited before */
    bool told;               /* a result was told after the job was cancelled */
};

/* --- the site --- */

enum stage {
    ABSENT,
    ASKED, /* the scheduler has ordered its start */
    BORN,  /* a process, not yet ready */
    IDLE,
    CLAIMED, /* has a call; its next task has not begun */
    RUNNING, /* in the midst of task k */
    PARTING  /* has said that it leaves */
};

/* A report on its way; `honest`: it is true. */
struct letter {
    struct report report;
    bool honest;
};

/* A worker, as the site has it. */
struct hand {
    uint8_t stage;
    bool dead;               /* its end is not told yet; the rest is as it was */
    bool hung;               /* goes on only when all other workers have nothing left to do */
    bool killed;             /* SIGKILL is on its way */
    bool termed;             /* SIGTERM is on its way */
    bool condemned;          /* never says anything again */
    bool broken;             /* has sent rubbish: the site reads nothing from it any more */
    bool rogue;              /* has lied */
    bool dismissed;          /* was told to leave, */
    uint64_t dismissed_at;   /* the last time then */
    uint32_t ref;            /* its call: */
    uint64_t id;             /* id of the first task of the call */
    uint32_t k, count, stop; /* is at task k of count; leaves the call before task `stop` */
    struct letter ring[RING];
    unsigned nring;
};

/* A call that is with the site, by ref. */
struct handed {
    bool here;
    uint64_t id;
    uint32_t count;
    unsigned worker; /* that has taken the call, 0: none */
    uint64_t label;
};

struct site {
    struct hand hands[MAX_WORKERS + 1];
    struct handed handed[MAX_REFS];
    uint32_t queue[MAX_REFS];
    unsigned nqueue;
    struct letter control[RING];
    unsigned ncontrol;
    unsigned dying; /* the worker whose end is being told, 0: none */
    struct report death;
    uint32_t death_ref;
    bool asked_for_room, room;
    unsigned low;
    uint64_t errands;                  /* that were spread */
    bool shut, ending, gone;           /* FINISH was ordered; END was; the site has ended */
    unsigned refusals, start_refusals; /* so many of the next RUN and START orders are refused, */
    int refusal, start_refusal;        /* with this code */
};

/* What the scheduler should know of a worker. */
struct past {
    bool wanted; /* it is meant to end: it was killed to end a task, or has said that it leaves */
    bool useful; /* it has answered */
    bool there;  /* it was started, and its end was not told */
};

/* Which task is next, by the rule and without clever structures (order.c). */
#define MAX_TURNS 16
struct line_up {
    uint8_t waiting[MAX_JOBS]; /* jobs */
    unsigned nwaiting;
    struct {
        int64_t priority;
        char group;
    } turns[MAX_TURNS]; /* of all priorities */
    unsigned nturns;
    bool loose; /* several tasks came or went at once: the order of turns is not checked then */
};

/* --- a history --- */

struct config {
    uint8_t workers, slots, replace, max_pending, start_timeout, exit_timeout, window, ageing,
        min_workers, max_age, max_bytes;
};

struct step {
    uint8_t op, a, b;
};

struct history {
    uint64_t seed;
    struct config config;
    unsigned n;
    struct step steps[MAX_STEPS];
};

struct sim {
    struct sched s;
    struct sched_options o;
    struct site site;
    struct job jobs[MAX_JOBS];
    unsigned njobs;
    struct line_up line_up;
    struct {
        uint8_t job, k;
    } owners[MAX_IDS]; /* by task id */
    struct past lives[MAX_WORKERS + 1];
    unsigned futile; /* workers in a row that died and had taken up nothing */
    uint64_t now;
    unsigned lazy; /* after so many of the next transitions no orders are taken */
    bool shutdown_cancels;
    bool told_stopped; /* EVENT_STOPPED was taken */
    unsigned death;    /* the worker whose end is being told */
    bool told_died;    /* EVENT_DIED was taken for that */
    bool start_waits;  /* no worker may be started before time passes or there is room */
    uint64_t room;     /* the number of calls at the site when it last refused one */
};

/* --- failing, telling (main.c) --- */

extern bool sim_verbose;
extern sigjmp_buf sim_failed;             /* where a failed check goes, */
extern char sim_failure[256];             /* and what it has to say */
extern volatile unsigned long sim_played; /* histories begun */

_Noreturn void sim_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define HOLDS(condition, ...) \
    do { \
        if (!(condition)) \
            sim_fail(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)
#define SAY(...) \
    do { \
        if (sim_verbose) \
            sim_say(__VA_ARGS__); \
    } while (0)

/* --- site.c --- */

/* Carry out an order, and answer it. */
void site_give(struct sim *m, const struct order *o, struct answer *a);
/* The next report of the site; `pick` chooses among its sources. False: there is none. */
bool site_report(struct sim *m, unsigned pick, struct letter *l);
/* Let the worker do its next thing. False: it has nothing to do. */
bool site_advance(struct sim *m, unsigned worker);
void site_die(struct sim *m, unsigned worker);
void site_no_start(struct sim *m, unsigned worker);
void site_bad_start(struct sim *m, unsigned worker);
void site_leave(struct sim *m, unsigned worker);
/* The worker says that it is idle. */
void site_idle(struct sim *m, unsigned worker);
/* The worker lies. */
void site_forge(struct sim *m, unsigned worker, unsigned what);
void site_fail(struct sim *m, bool gone);

static inline struct job *job_of(struct task *t) {
    return LIST_ITEM(t, struct job, task);
}

static inline struct unit *sim_unit(struct sim *m, uint64_t id) {
    return id > 0 && id < MAX_IDS && m->jobs[m->owners[id].job].used
               ? &m->jobs[m->owners[id].job].units[m->owners[id].k]
               : NULL;
}

/* --- drive.c --- */

/* Take all events and orders. */
void sim_follow(struct sim *m);
void sim_submit(struct sim *m, uint32_t count, const struct settings *set, bool failed);
void sim_withdraw(struct sim *m, unsigned job);
void sim_cancel(struct sim *m, unsigned job);
void sim_abort(struct sim *m, unsigned job);
/* The owner of a failed task says whether it is tried again. */
void sim_answer(struct sim *m, unsigned job, bool again);
void sim_shutdown(struct sim *m, bool cancel);
void sim_kill(struct sim *m, bool hard, uint64_t patience);
void sim_resize(struct sim *m, unsigned workers);
void sim_tick(struct sim *m, uint64_t now);
/* Tell at most `n` reports of the site. Returns how many there were. */
unsigned sim_hear(struct sim *m, unsigned n, unsigned pick);
/* Tell a report that no site would give. */
void sim_stray(struct sim *m, unsigned what, unsigned number);

/* --- order.c --- */

/* After each transition: note which jobs wait now. */
void order_look(struct sim *m);
/* The scheduler hands over a job: check that it is the next one. */
void order_take(struct sim *m, struct job *j);
/* Check the order of the site's queue, and that no waiting job should be before any in it. */
void order_hold_site(struct sim *m);

/* --- check.c --- */

/* What holds after each transition; */
void sim_check(struct sim *m);
/* what holds when no order is left. */
void sim_check_quiet(struct sim *m);

/* --- end.c --- */

void sim_end(struct sim *m);

/* --- history.c --- */

void history_make(struct history *h, uint64_t seed);
/* NULL: all is well; else what has failed. */
const char *history_run(const struct history *h);

/* --- shrink.c --- */

void history_shrink(struct history *h);

#endif

/* Simulator of the scheduler: src/sched against a site that answers at random, late, twice, never, with
** rubbish, and whose workers die at any point.
**
** A HISTORY is a configuration and a list of steps, both made from one seed. A step says all that it does by
** two numbers: nothing else in a history is random, so that it can be run again, shortened step by step
** (shrink.c), and told line by line.
**
**     history.c  what steps there are, and how they are chosen
**     drive.c    does with the scheduler what pool/drive.c does; what tasks end with is held against what
**                has happened to them
**     order.c    which task is next, by the rule
**     site.c     the site: its queue, its workers, their rings, its orders and reports (as site/local)
**     check.c    what holds of a scheduler between any two things that it is told
**     end.c      how a history ends: everybody is fair, all tasks end, then the pool
**
** Everything is in one struct without pointers to memory of its own; a failed check leaves by a jump.
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

/* One task; a job has as many as its call counts. */
struct unit {
    uint8_t begun;     /* the worker that began it, 0: none */
    uint8_t asked;     /* the worker that was asked to end it */
    uint8_t condemned; /* the worker that is being killed for it */
    uint8_t want;      /* enum ending: what for */
    bool answered;     /* its worker has sent a result */
    bool orphan;       /* the end of its worker was told */
    bool ended;        /* the scheduler has said so */
    bool taken_back;   /* the site has said that it never runs */
    uint64_t since;    /* when it began */
    uint64_t asked_at;
};

/* What was submitted as one. */
struct job {
    struct task task;
    struct settings set;          /* a group's name is one letter: there is room for it */
    uint32_t failed[RETRY_KINDS]; /* attempts, by how */
    uint64_t pause_until;         /* the next one is not before that */
    bool asked;                   /* its owner is to say whether there is a next one */
    uint64_t late;                /* when its deadline is, or TIMER_NEVER */
    struct task last; /* as it was when it was DONE and all was taken: nobody touches it then */
    struct unit units[MAX_COUNT];
    bool used, over;         /* over: withdrawn, or DONE and all events taken */
    bool cancelled, aborted; /* the user wanted it */
    bool no_memory;          /* the site had none for it */
    bool returned;           /* it came back from the site */
    bool waited;             /* it has waited before */
    bool told;               /* a result was told after it was cancelled */
};

/* --- the site --- */

enum stage {
    ABSENT,
    ASKED, /* to be started */
    BORN,  /* a process, not yet ready */
    IDLE,
    CLAIMED, /* it has a call; its next task has not begun */
    RUNNING, /* in the midst of task k */
    PARTING  /* it has said that it leaves */
};

/* A report on its way, and whether it is what an honest worker says. */
struct letter {
    struct report report;
    bool honest;
};

struct hand {
    uint8_t stage;
    bool dead;               /* its end is not told yet; the rest is as it was */
    bool hung;               /* goes on only when all others are through */
    bool killed;             /* SIGKILL is on its way */
    bool termed;             /* SIGTERM */
    bool condemned;          /* never says anything again */
    bool broken;             /* it has sent rubbish: nothing is read from it any more */
    bool rogue;              /* it has lied */
    bool dismissed;          /* it is to leave */
    uint32_t ref;            /* its call: */
    uint64_t id;             /* of the first task */
    uint32_t k, count, stop; /* at task k of count; leaves it before task `stop` */
    struct letter ring[RING];
    unsigned nring;
};

/* A call that is with the site, by ref. */
struct handed {
    bool here;
    uint64_t id;
    uint32_t count;
    unsigned worker; /* that has taken it, 0: none */
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
    bool shut, ending, gone;           /* FINISH, END was ordered; it has ended */
    unsigned refusals, start_refusals; /* so many orders to come are refused */
    int refusal, start_refusal;        /* by this code */
};

/* What the scheduler knows of a worker, or should. */
struct past {
    bool wanted; /* that it ends: it was stopped for a task, or has said that it leaves */
    bool useful; /* it has answered */
    bool there;  /* it was started, and its end was not told */
};

/* Which task is next: the rule itself, without a structure (order.c). */
#define MAX_TURNS 16
struct line_up {
    uint8_t waiting[MAX_JOBS]; /* jobs */
    unsigned nwaiting;
    struct {
        int64_t priority;
        char group;
    } turns[MAX_TURNS]; /* of all priorities */
    unsigned nturns;
    bool loose; /* several came or went at once: whose turn it is then is not looked at */
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
    } owners[MAX_IDS]; /* of ids */
    struct past lives[MAX_WORKERS + 1];
    unsigned futile; /* deaths in a row of workers that had taken up nothing */
    uint64_t now;
    unsigned lazy; /* orders are not taken after so many transitions to come */
    bool shutdown_cancels;
    bool told_stopped; /* EVENT_STOPPED was taken */
    unsigned death;    /* the worker whose end is just being told */
    bool told_died;    /* ... and EVENT_DIED was taken */
    bool start_waits;  /* no start before time passes or there is room */
    uint64_t room;     /* the site has refused a call when it had so many */
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

/* Carry out an order. */
void site_give(struct sim *m, const struct order *o, struct answer *a);
/* What it says next; `pick` chooses among the sources. False: nothing. */
bool site_report(struct sim *m, unsigned pick, struct letter *l);
/* The worker does the next thing that it has to do. False: there is none. */
bool site_advance(struct sim *m, unsigned worker);
void site_die(struct sim *m, unsigned worker);
void site_no_start(struct sim *m, unsigned worker);
void site_bad_start(struct sim *m, unsigned worker);
void site_leave(struct sim *m, unsigned worker);
/* It says that it is idle. */
void site_idle(struct sim *m, unsigned worker);
/* The worker says something that cannot be. */
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

/* Take what is there: events, and orders unless they are left for later. */
void sim_follow(struct sim *m);
void sim_submit(struct sim *m, uint32_t count, const struct settings *set, bool failed);
void sim_withdraw(struct sim *m, unsigned job);
void sim_cancel(struct sim *m, unsigned job);
void sim_abort(struct sim *m, unsigned job);
/* A task that has failed is tried again, or not. */
void sim_answer(struct sim *m, unsigned job, bool again);
void sim_shutdown(struct sim *m, bool cancel);
void sim_kill(struct sim *m, bool hard, uint64_t patience);
void sim_resize(struct sim *m, unsigned workers);
void sim_tick(struct sim *m, uint64_t now);
/* Hear at most `n` reports. How many there were. */
unsigned sim_hear(struct sim *m, unsigned n, unsigned pick);
/* Tell a report that no site would give. */
void sim_stray(struct sim *m, unsigned what, unsigned number);

/* --- order.c --- */

/* The scheduler has been told something: who waits now? */
void order_look(struct sim *m);
/* It is taken. */
void order_take(struct sim *m, struct job *j);
/* Nothing that waits should be before what nobody has taken up. */
void order_hold_site(struct sim *m);

/* --- check.c --- */

void sim_check(struct sim *m);
/* ... and when no order is left to be taken. */
void sim_check_quiet(struct sim *m);

/* --- end.c --- */

void sim_end(struct sim *m);

/* --- history.c --- */

void history_make(struct history *h, uint64_t seed);
/* NULL: all is well; else what is not. */
const char *history_run(const struct history *h);

/* --- shrink.c --- */

void history_shrink(struct history *h);

#endif

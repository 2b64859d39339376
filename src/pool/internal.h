/* The pool's inside: what its files share. Everything below is guarded by `lock` unless it says otherwise.
**
** The pool:         pool.c        opening, and the end
**                   refs.c        who holds it
**                   drive.c       the loop between scheduler and site
**                   manager.c     the thread
**                   wait.c        threads of the program that wait
**                   resize.c      another number of workers
** A task:           submit.c      from an encoded call to an item
**                   bytes.c       what a call consists of
**                   needs.c       results as arguments, which it waits for; gifts.c: what comes of that
**                   tasks.c       looking at it, ending it
**                   rare.c        what few items have; rare_drop.c
** Its end:          deliver.c     from what has ended to outcomes and inboxes
**                   outcome.c     what it has ended with
**                   failure.c     what more there is to say of a failure; blame.c: in words
**                   attempts.c    those before the last
**                   follow.c      several owners of one task's end
**                   inbox.c       where its owner hears of it
** While it runs:    events.c      what it emits
**                   printed.c     what it prints, captured; pieces.c: as it comes
** Tasks of tasks:   children.c    as the pool's; kin.c: found by their numbers
**                   mail.c        letters to workers; letters.c: what is in them
** In each worker:   everywhere.c  asking for what each worker runs once; errands.c: what comes of it
**                   exits.c       ends of workers, told
** Looking:          look.c        what a pool says of itself
**                   figures.c     what is measured
**                   remote.c      workers on other machines
**                   show.c        who looks from outside; show_answer.c, show_text.c
**                   tracing.c     what a trace is told
*/
#ifndef TINE_POOL_INTERNAL_H
#define TINE_POOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/hot.h"
#include "base/list.h"
#include "base/ticker.h"
#include "ipc/wakeup.h"
#include "pool/figures.h"
#include "pool/kin.h"
#include "pool/pool.h"
#include "pool/show.h"
#include "sched/sched.h"
#include "site/site.h"
#include "trace/trace.h"

/* A thread that sleeps in tine__wait, as one inbox sees it. */
struct wait_entry {
    struct list node; /* in pool->waiters; the first one leads: it polls the bell */
    struct inbox *inbox;
    int fd; /* wakes it when it does not lead */
};

struct pool {
    atomic_uint refs;
    unsigned generation; /* of the process that opened it (worker/root/root.h) */
    pthread_mutex_t lock;
    struct sched s;
    struct site *site;
    struct store *store;    /* on the site's heap; needs no lock of ours */
    struct carried carried; /* what initializer and the like name */
    uint64_t tidy_at; /* when the manager looks for memory that nobody wants any more; 0: never */
    struct site_bells bells;
    struct failure *reason; /* why it was stopped */
    struct failure *crash;  /* of the death that is just being told */
    struct failure *desert; /* why nobody runs what waits (REPORT_DESERTED) */

    struct list inboxes;
    struct list waiters;    /* struct wait_entry: threads that sleep */
    struct list orphans;    /* children whose task has ended, to be ended, too */
    struct list cancels;    /* of children, that are to be answered */
    struct inbox nest;      /* where children end */
    struct kin kin;         /* those */
    struct mailbox *mail;   /* [1 .. most workers] or NULL: nothing was ever posted */
    uint64_t children;      /* unfinished ones */
    struct list everywhere; /* calls that each worker runs once (errands.h) */
    struct remotes remotes; /* workers on other machines */
    struct list met;        /* needs whose leaders have ended */
    uint64_t needing;       /* needs that have leaders */
    unsigned waiting;       /* threads inside tine__wait: they take in results themselves */
    bool fresh;             /* some inbox has news since waiters were last woken */
    bool refused;           /* some inbox was: see there */

    struct {
        uint64_t finished, failed, cancelled;
    } ends; /* of tasks */
    uint64_t submitted;
    struct figures figures;
    struct ticker ticker;  /* for what each task asks for */
    uint64_t heard;        /* when the batch of results that is being told was taken in */
    uint64_t calls;        /* of submit and map */
    unsigned queued;       /* submits that found the site full */
    uint64_t event_buffer; /* events of a task that are kept unread */
    /* Events (struct events, events.c) of tasks that stand, and of those that need not. */
    struct list standing, loose;
    atomic_bool stands;         /* some do */
    bool stood;                 /* one has begun to, since waiters were last woken */
    _Atomic uint32_t standings; /* so many times one has */
    unsigned end_awaits;        /* threads that wait for its end */
    unsigned looseners;         /* threads for which some are loose */
    struct settings *settings;  /* of tasks that have none of their own */
    uint64_t spin;              /* ns */
    _Atomic uint64_t moved;     /* bytes of the call that was submitted last */
    bool in_process;            /* its one worker is none that is shown */
    struct trace *trace;        /* or NULL */
    uint64_t count_at;          /* when counters are to be told to it again, */
    bool uncounted;             /* which have changed */
    bool far;                   /* its workers are on other machines: */
    unsigned unsure;            /* threads that wait for what hosts say, */
    pthread_cond_t word;        /* of which something has come */

    struct show show;     /* what who looks from outside is told; the manager's, too */
    struct wakeup wakeup; /* the manager's */
    bool asleep;          /* it sleeps, or is about to, */
    uint64_t until;       /* for so long, at most */
    uint64_t looked;      /* when it last looked at its descriptors */
    pthread_t manager;
    atomic_bool ended; /* the site and the manager are gone: no lock needed to look */
    atomic_bool joined;
};

#define SECOND 1000000000ull
#define MILLISECOND 1000000ull

static inline bool pool_site_is_gone(const struct pool *p) {
    return p->s.life == LIFE_ENDED;
}

/* drive.c */
/* Carry out what follows from what the scheduler was told. True: the last thing was that a call was handed over. */
bool tine__drive(struct pool *p);
/* The manager's timer must run, when something is due earlier than it knows. (tine__drive does it.) */
void tine__wake_manager(struct pool *p);
/* Take in what the site has to report, carry out what follows, wake whom it concerns. With `listen` all that
** the site can hear, without only what is there already. */
void tine__take_in(struct pool *p, bool listen);
/* Do calls lie at the site although workers sleep there? With `wake` those are woken. */
bool tine__overdue(struct pool *p, bool wake);
/* Do what the site has to be done by a thread of the program (site_ops.work). The lock is given up meanwhile. */
void tine__work(struct pool *p);
/* See to what is due by the clock, unless somebody has the lock just now, who will be gone soon. `pool`: a struct pool. */
void tine__serve_timers(void *pool);

/* bytes.c */
/* The rest of it is wanted no more: give back the item's bytes. */
void tine__item_free_bytes(struct pool *p, struct item *item);
/* The same, where they lie in no block. */
static inline void item_forget_bytes(struct item *item) {
    if (!item->borrowed && item->bytes != item->small)
        free(item->bytes);
    item->borrowed = false;
    item->bytes = NULL;
}
/* It has a copy of these; NULL: no memory. */
void tine__item_copy_bytes(struct item *item, const char *bytes, size_t length);
/* Move bytes that are in private memory into the call heap. 0 or TINE_ENOMEM. */
COLD int tine__item_move_bytes(struct pool *p, struct item *item);
/* Keep only those of the tasks that have not ended. 0 or TINE_ENOMEM. */
COLD int tine__item_cut_bytes(struct pool *p, struct item *item);

/* deliver.c */
/* Something that a pool runs once in each worker has failed where nobody waits for it. */
void tine__deliver_fault(struct pool *p, const struct report *r);
/* What a task has said of its progress. */
void tine__deliver_progress(struct pool *p, const struct report *r);
/* A task has ended by a report. */
void tine__deliver_result(struct pool *p, const struct report *r);
/* Nobody is there to run what waits, which is about to end. */
void tine__deliver_desert(struct pool *p, const struct report *r);
/* All outcomes of the item are set, and it is DONE. */
void tine__item_ended(struct pool *p, struct item *item);
/* The next thing that the scheduler tells. */
void tine__deliver(struct pool *p, const struct event *e);
/* A task has failed before it was sent. */
void tine__deliver_text(struct pool *p, struct item *item, uint32_t k, int code, const char *text,
                        size_t length);

/* A HELD item ends like this. */
void tine__item_end_held(struct pool *p, struct item *item, const struct outcome *how);
/* The last attempt, of which its owner was asked, was the last. */
void tine__item_refuse(struct pool *p, struct item *item);

/* follow.c */
/* The item that the scheduler knows. */
static inline struct item *item_leader(struct item *item) {
    const struct item_rare *rare = item_rare(item);
    return rare && rare->leader ? rare->leader : item;
}
/* The item has ended: so have those that follow it. */
COLD void tine__followers_end(struct item *item);

/* blame.c */
/* The failure of task `k`, of which a report says that its worker on another machine has died, or that it was lost.
** NULL: out of memory. */
struct failure *tine__failure_far(const struct item *item, uint32_t k, const struct report *r);
/* What a report of no task says: nobody is there. */
struct failure *tine__failure_desert(const struct report *r);
/* The failure that says it; NULL: out of memory. */
struct failure *tine__failure_of(const struct blame *b, bool broken);
/* The failure of task `k`, that was ended by `how` (a limit, ENDING_LATE, ENDING_CANCELLED), and what its worker has said
** of that, or NULL. NULL: out of memory. */
struct failure *tine__failure_ended(const struct item *item, uint32_t k, enum ending how,
                                    const struct report *r);

/* children.c */
void tine__children_open(struct pool *p);
/* Something that a task says of what it has submitted. */
COLD void tine__children_hear(struct pool *p, const struct report *r);
/* Task `id` of the item has ended, or has been asked to: end what it has submitted. */
COLD void tine__children_end(struct pool *p, struct item *item, uint64_t id);
/* What was wanted of them was told, and has been done: say so. */
COLD void tine__children_answer(struct pool *p);
/* Deal with children that have ended, and end those that are to. False: there was nothing. */
COLD bool tine__children_settle(struct pool *p);

/* mail.c */
/* A letter for the worker with `more` bytes behind it: its place in *place, its memory. NULL: none. */
struct letter *tine__letter_new(struct pool *p, size_t more, uint64_t *place);
/* Post it. What it names, which goes over, is held until the worker does so, too. */
void tine__letter_post(struct pool *p, unsigned worker, uint64_t place, struct letter *letter,
                       struct carried *names);
/* Give back what it has read; with `gone` all. */
void tine__mail_tidy(struct pool *p, unsigned worker, bool gone);
void tine__mail_close(struct pool *p);

/* letters.c; NULL: no memory */
/* The call of the item. */
COLD struct letter *tine__letter_of_call(struct pool *p, const struct item *item, uint64_t *place);
/* How a task has ended. What that names is held by *names, too. */
struct letter *tine__letter_of_end(struct pool *p, const struct outcome *o, uint64_t *place,
                                   struct carried *names);

/* pieces.c */
/* A task whose output is relayed has printed something. */
void tine__deliver_printed(struct pool *p, const struct report *r);

/* events.c */
/* A task has emitted something. */
void tine__deliver_event(struct pool *p, const struct report *r);
/* The item has ended. */
COLD void tine__events_end(struct item *item);
/* The follower has the events of its leader. */
void tine__events_follow(struct pool *p, struct item *follower, struct item *leader);
/* The pool takes no more tasks. */
void tine__events_shut(struct pool *p);

/* errands.c */
/* A worker has run an errand. Before the scheduler hears of it. */
void tine__deliver_ran(struct pool *p, const struct report *r);
/* One has failed where nobody waits for it. The task from another machine that it was run for, which is to be posted, or
** NULL. */
struct item *tine__fault_note(struct pool *p, const struct report *r);
/* It is done: so is the item that waited for it, whose outcome is set. */
struct item *tine__errand_done(struct pool *p, struct errand *errand);
/* The inbox is about to be closed. */
void tine__faults_forget(struct pool *p, struct inbox *in);
/* The pool has ended. */
void tine__errands_free(struct pool *p);

/* submit.c */
/* The pool's half of an item that is new to it. */
void tine__item_prepare(struct pool *p, struct item *item);

/* exits.c */
void tine__exits_tell(struct pool *p, const struct worker_exit *x);
/* Those that nobody has taken. */
void tine__exits_forget(struct inbox *in);

/* inbox.c */
/* Empty, in no pool; what its owner has set stays. */
void tine__inbox_init(struct inbox *in);
/* There is something to be taken. */
static inline void inbox_freshen(struct inbox *in) {
    in->fresh = in->pool->fresh = true;
    atomic_store_explicit(&in->has_news, true, memory_order_release);
}
/* ... and not of an item. After it was made known. */
static inline void inbox_stir(struct inbox *in) {
    if (in->stirred)
        atomic_store_explicit(in->stirred, true, memory_order_release);
}
void tine__inbox_post(struct inbox *in, struct item *item);
/* There is room for more tasks: whose submit was refused may look again. */
COLD void tine__inboxes_room(struct pool *p);
/* Wake threads that wait for news that have come; with `all` every one. */
void tine__wake_waiters(struct pool *p, bool all);
/* The pool has ended: for good. */
void tine__inboxes_end(struct pool *p);

/* manager.c */
int tine__manager_start(struct pool *p);

/* figures.c */
/* Tasks that are being run. */
uint64_t tine__pool_running(struct pool *p);

/* tracing.c: only when there is a trace */
/* Attempt number `attempt` of task k, which ran from then until then (`started` 0 or rubbish: it did not), ended like this. */
COLD void tine__tracing_attempt(struct pool *p, const struct item *item, uint32_t k,
                                uint32_t attempt, const struct outcome *o, uint64_t started,
                                uint64_t ended);
/* The last attempt of task k, whose outcome is set, ended then. */
COLD void tine__tracing_end(struct pool *p, const struct item *item, uint32_t k, uint64_t started,
                            uint64_t ended);
COLD void tine__tracing_ready(struct pool *p, const struct report *r);
COLD void tine__tracing_event(struct pool *p, const struct event *e);
/* Tell it the counters, at once or soon. */
void tine__tracing_count(struct pool *p, uint64_t now);
COLD void tine__tracing_changed(struct pool *p, uint64_t now);

/* Have children ended, or are some to be ended (tine__children_settle)? */
static inline bool pool_has_children_news(const struct pool *p) {
    return !list_empty(&p->nest.news) || !list_empty(&p->orphans);
}

/* When something is to be done, by the clock. */
static inline uint64_t pool_due(const struct pool *p) {
    uint64_t due = sched_due(&p->s);
    return p->uncounted && p->count_at < due ? p->count_at : due;
}

#endif

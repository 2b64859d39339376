/* Internals of the pool, shared by the files of this folder. Everything below is guarded by `lock`,
** and its functions are called with `lock` held, unless a comment says otherwise.
**
** The pool:         pool.c        opening and joining
**                   refs.c        reference count, and queries that are valid in any state
**                   drive.c       the loop between scheduler and site
**                   manager.c     the manager thread
**                   wait.c        program threads that wait
**                   resize.c      changing the number of workers
** A task:           submit.c      from an encoded call to an item
**                   bytes.c       the bytes of a call
**                   needs.c       results as arguments of a task; gifts.c: filling them in
**                   tasks.c       looking at tasks, ending them
**                   rare.c        the parts that few items have; rare_drop.c: freeing them
** Its end:          deliver.c     from reports and events to outcomes and inboxes
**                   outcome.c     how a task has ended
**                   failure.c     details of a failure; blame.c: its message
**                   attempts.c    failed attempts before the last one
**                   follow.c      several owners for the end of one task
**                   inbox.c       where the owner of tasks learns of their ends
** While it runs:    events.c      events that tasks emit
**                   printed.c     captured output of tasks; pieces.c: relayed output
** Tasks of tasks:   children.c    as tasks of the pool; kin.c: a table of them by number
**                   mail.c        letters to workers; letters.c: their contents
** In each worker:   everywhere.c  submitting calls that each worker runs once
**                   errands.c     the results of these calls
**                   exits.c       notes of workers' ends
** Looking:          look.c        statistics, lists of workers
**                   figures.c     what is measured
**                   remote.c      workers on other machines
**                   show.c        the socket for `tine top`; show_answer.c, show_text.c
**                   tracing.c     what is written to a trace
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

/* A thread that sleeps in tine__wait, once for each inbox that it waits for. */
struct wait_entry {
    struct list node; /* in pool->waiters, whose first entry is the leader: it polls the bell */
    struct inbox *inbox;
    int fd; /* wakes the thread when it is not the leader */
};

struct pool {
    atomic_uint refs;
    unsigned generation; /* of the process that opened the pool (worker/root/root.h) */
    pthread_mutex_t lock;
    struct sched s;
    struct site *site;
    struct store *store;    /* on the site's heap; has a lock of its own */
    struct carried carried; /* regions that the initializer and other options name */
    uint64_t tidy_at;       /* when the manager next gives back unused heap memory; 0: never */
    struct site_bells bells;
    struct failure *reason; /* why the pool was stopped */
    struct failure *crash;  /* of the death that is being delivered just now */
    struct failure *desert; /* why no worker can run the waiting tasks (REPORT_DESERTED) */

    struct list inboxes;
    struct list waiters;    /* struct wait_entry: threads that sleep */
    struct list orphans;    /* children whose parent task has ended: they are to be ended, too */
    struct list cancels;    /* requests to cancel children, to be answered */
    struct inbox nest;      /* the inbox of children */
    struct kin kin;         /* table of children */
    struct mailbox *mail;   /* [1 .. most workers], or NULL while no letter was posted */
    uint64_t children;      /* unfinished children */
    struct list everywhere; /* calls that each worker runs once (errands.h) */
    struct remotes remotes; /* workers on other machines */
    struct list met;        /* needs whose leaders have ended */
    uint64_t needing;       /* number of needs that have leaders */
    unsigned waiting;       /* threads inside tine__wait; they take in results themselves */
    bool fresh;             /* some inbox has got news since waiters were last woken */
    bool refused;           /* a submit into some inbox was refused, see inbox.refused */

    struct {
        uint64_t finished, failed, cancelled;
    } ends; /* number of tasks by how they ended */
    uint64_t submitted;
    struct figures figures;
    struct ticker ticker;  /* a cheap clock, read for each submit and each batch of results */
    uint64_t heard;        /* when the batch of results that is being delivered was taken in */
    uint64_t calls;        /* number of calls of submit and map */
    unsigned queued;       /* submits that found the site full */
    uint64_t event_buffer; /* how many unread events of a task are kept */
    /* Struct events of tasks that are blocked because nobody reads their events (a task that
    ** "stands"), and of those that are exempt from the limit for now ("loose"); see events.h. */
    struct list standing, loose;
    atomic_bool stands;         /* `standing` is not empty */
    bool stood;                 /* a task has begun to stand since waiters were last woken */
    _Atomic uint32_t standings; /* how many times a task has begun to stand */
    unsigned end_awaits;        /* threads that wait for the end of the pool */
    unsigned looseners;         /* threads for which some events are loose */
    struct settings *settings;  /* of tasks that have no settings of their own */
    uint64_t spin;              /* ns */
    _Atomic uint64_t moved;     /* length in bytes of the call that was submitted last */
    bool in_process;            /* tasks run in program threads; no worker is shown to users */
    struct trace *trace;        /* or NULL */
    uint64_t count_at;          /* when the trace is to get the counters again */
    bool uncounted;             /* the counters have changed since they were written to the trace */
    bool far;                   /* its workers are on other machines */
    unsigned unsure;            /* threads that wait on `word` for answers of hosts */
    pthread_cond_t word;        /* signalled when reports were taken in */

    struct show show;     /* serves `tine top`; for the manager thread only */
    struct wakeup wakeup; /* wakes the manager */
    bool asleep;          /* the manager sleeps, or is about to */
    uint64_t until;       /* when it wakes by itself */
    uint64_t looked;      /* when the manager last checked its descriptors */
    pthread_t manager;
    atomic_bool ended; /* site and manager are gone; may be read without the lock */
    atomic_bool joined;
};

#define SECOND 1000000000ull
#define MILLISECOND 1000000ull

static inline bool pool_site_is_gone(const struct pool *p) {
    return p->s.life == LIFE_ENDED;
}

/* drive.c */
/* Carry out all orders of the scheduler and deliver its events. True: the last order handed over a
** call. */
bool tine__drive(struct pool *p);
/* Wake the manager if a timer is due earlier than it would wake by itself. tine__drive does
** this. */
void tine__wake_manager(struct pool *p);
/* Take in the reports of the site, carry out what follows, and wake the threads concerned. With
** `listen` also read from the site's sockets; otherwise only from its shared memory and what
** `polled` has seen. */
void tine__take_in(struct pool *p, bool listen);
/* Do calls lie in the site's queue although workers sleep there? With `wake`, wake these
** workers. */
bool tine__overdue(struct pool *p, bool wake);
/* Run, in this thread, what the site needs a program thread for (site_ops.work). Releases the lock
** meanwhile. */
void tine__work(struct pool *p);
/* Handle timers that are due. Does nothing if another thread holds the lock, which then sees to
** them. Takes the lock itself. `pool` is a struct pool. */
void tine__serve_timers(void *pool);

/* bytes.c */
/* Free the item's bytes, when nobody will send them any more. */
void tine__item_free_bytes(struct pool *p, struct item *item);
/* The same for bytes that lie in private memory, not in a block of the call heap. */
static inline void item_forget_bytes(struct item *item) {
    if (!item->borrowed && item->bytes != item->small)
        free(item->bytes);
    item->borrowed = false;
    item->bytes = NULL;
}
/* Give the item a copy of these bytes; item->bytes is NULL if there is no memory. */
void tine__item_copy_bytes(struct item *item, const char *bytes, size_t length);
/* Move the item's bytes from private memory into the call heap. 0 or TINE_ENOMEM. */
COLD int tine__item_move_bytes(struct pool *p, struct item *item);
/* Cut the arguments of tasks that have ended out of the item's bytes. 0 or TINE_ENOMEM. */
COLD int tine__item_cut_bytes(struct pool *p, struct item *item);

/* deliver.c */
/* An errand or the like has failed in a worker that nobody waits for. */
void tine__deliver_fault(struct pool *p, const struct report *r);
/* A task has reported its progress. */
void tine__deliver_progress(struct pool *p, const struct report *r);
/* A task has ended, with a result. */
void tine__deliver_result(struct pool *p, const struct report *r);
/* No worker is there to run the waiting tasks, which will end next. */
void tine__deliver_desert(struct pool *p, const struct report *r);
/* All outcomes of the item are set, and its task is DONE. */
void tine__item_ended(struct pool *p, struct item *item);
/* Handle the next event of the scheduler. */
void tine__deliver(struct pool *p, const struct event *e);
/* Task `k` of the item failed before it was sent, with this code and text. */
void tine__deliver_text(struct pool *p, struct item *item, uint32_t k, int code, const char *text,
                        size_t length);

/* End a HELD item with this outcome. */
void tine__item_end_held(struct pool *p, struct item *item, const struct outcome *how);
/* The owner has answered no to another attempt: end the item with the last attempt's error. */
void tine__item_refuse(struct pool *p, struct item *item);

/* follow.c */
/* The item that the scheduler knows: the leader of a follower, else the item itself. */
static inline struct item *item_leader(struct item *item) {
    const struct item_rare *rare = item_rare(item);
    return rare && rare->leader ? rare->leader : item;
}
/* The item has ended: end its followers, too. */
COLD void tine__followers_end(struct item *item);
/* The inbox's followers are about to be let go of: cancel what waits for their results. The
** scheduler's orders must be carried out before they are. */
void tine__followers_forsake(struct inbox *in);
/* End the inbox's followers, without an outcome. */
void tine__followers_leave(struct inbox *in);

/* blame.c */
/* The failure of task `k` that `r` (REPORT_CRASHED, REPORT_AWAY) reports from another machine: its
** worker died, or its host was lost. The caller's reference; NULL: no memory. */
struct failure *tine__failure_far(const struct item *item, uint32_t k, const struct report *r);
/* The failure of all waiting tasks when no host can run them. As above. */
struct failure *tine__failure_desert(const struct report *r);
/* The failure that describes this death or stop. As above. */
struct failure *tine__failure_of(const struct blame *b, bool broken);
/* The failure of task `k` that was ended by `how`: a limit, ENDING_LATE, or ENDING_CANCELLED. `r`
** is what its worker reported about that, or NULL. As above. */
struct failure *tine__failure_ended(const struct item *item, uint32_t k, enum ending how,
                                    const struct report *r);

/* children.c */
void tine__children_open(struct pool *p);
/* A task has reported something about tasks that it submitted (report_is_nested). */
COLD void tine__children_hear(struct pool *p, const struct report *r);
/* Task `id` of the item has ended, or was asked to: orphan the tasks that it submitted, so that
** tine__children_settle ends them. */
COLD void tine__children_end(struct pool *p, struct item *item, uint64_t id);
/* Answer requests to cancel children, after the scheduler was told of them and its orders were
** carried out. */
COLD void tine__children_answer(struct pool *p);
/* Free children that have ended after posting their results, and abort orphans. False: there was
** nothing to do. */
COLD bool tine__children_settle(struct pool *p);

/* mail.c */
/* A new letter with `more` bytes behind it. *place is its offset in the call heap. NULL: no
** memory. */
struct letter *tine__letter_new(struct pool *p, size_t more, uint64_t *place);
/* Post the letter to the worker. Takes over `names`, the regions that the letter names, and holds
** them until the worker has read the letter. */
void tine__letter_post(struct pool *p, unsigned worker, uint64_t place, struct letter *letter,
                       struct carried *names);
/* Free the letters that the worker has read; with `gone` all letters to it. */
void tine__mail_tidy(struct pool *p, unsigned worker, bool gone);
void tine__mail_close(struct pool *p);

/* letters.c. These return NULL if there is no memory. */
/* A letter with the item's call. */
COLD struct letter *tine__letter_of_call(struct pool *p, const struct item *item, uint64_t *place);
/* A letter with the end of a task. Adds to *names references to the regions that its bytes name. */
struct letter *tine__letter_of_end(struct pool *p, const struct outcome *o, uint64_t *place,
                                   struct carried *names);

/* pieces.c */
/* A task whose output is relayed has printed something. */
void tine__deliver_printed(struct pool *p, const struct report *r);

/* events.c */
/* A task has emitted an event. */
void tine__deliver_event(struct pool *p, const struct report *r);
/* The item has ended: it emits nothing more. */
COLD void tine__events_end(struct item *item);
/* Let the follower share the events of its leader. */
void tine__events_follow(struct pool *p, struct item *follower, struct item *leader);
/* The pool takes no more tasks: reconsider the tasks that stand. */
void tine__events_shut(struct pool *p);

/* errands.c */
/* A worker has run an errand. Called before the scheduler gets the report. */
void tine__deliver_ran(struct pool *p, const struct report *r);
/* An errand has failed in a worker that nobody waits for: put a fault into the inbox of its owner.
** Returns the item from another machine for which the errand was run, and which must be posted, or
** NULL. */
struct item *tine__fault_note(struct pool *p, const struct report *r);
/* The errand is done. Sets the outcome of the item that waited for it, and returns that item. */
struct item *tine__errand_done(struct pool *p, struct errand *errand);
/* The inbox is about to be closed: drop its faults. */
void tine__faults_forget(struct pool *p, struct inbox *in);
/* The pool has ended: free its errands. */
void tine__errands_free(struct pool *p);

/* submit.c */
/* Set the members of the item that belong to the pool, before it is submitted. */
void tine__item_prepare(struct pool *p, struct item *item);

/* exits.c */
void tine__exits_tell(struct pool *p, const struct worker_exit *x);
/* Free the notes that nobody has taken. */
void tine__exits_forget(struct inbox *in);

/* inbox.c */
/* Make the inbox empty and part of no pool. Leaves what its owner has set. */
void tine__inbox_init(struct inbox *in);
/* Mark the inbox as having news. */
static inline void inbox_freshen(struct inbox *in) {
    in->fresh = in->pool->fresh = true;
    atomic_store_explicit(&in->has_news, true, memory_order_release);
}
/* Set inbox->stirred, for news that is not an item; call it after that news was made visible. */
static inline void inbox_stir(struct inbox *in) {
    if (in->stirred)
        atomic_store_explicit(in->stirred, true, memory_order_release);
}
void tine__inbox_post(struct inbox *in, struct item *item);
/* There is room for tasks: remind the owners whose submits were refused. */
COLD void tine__inboxes_room(struct pool *p);
/* Wake the threads that wait for inboxes with fresh news; with `all` all waiting threads. */
void tine__wake_waiters(struct pool *p, bool all);
/* The pool has ended: wake everything that waits for an inbox, for good. */
void tine__inboxes_end(struct pool *p);

/* manager.c */
int tine__manager_start(struct pool *p);

/* figures.c */
/* How many tasks workers are running. */
uint64_t tine__pool_running(struct pool *p);

/* tracing.c: to be called only if there is a trace */
/* Attempt number `attempt` of task `k` ran from `started` to `ended` and ended with `o`. A
** `started` that is 0 or not plausible means that it did not run. */
COLD void tine__tracing_attempt(struct pool *p, const struct item *item, uint32_t k,
                                uint32_t attempt, const struct outcome *o, uint64_t started,
                                uint64_t ended);
/* The last attempt of task `k` has ended, and the task's outcome is set. */
COLD void tine__tracing_end(struct pool *p, const struct item *item, uint32_t k, uint64_t started,
                            uint64_t ended);
COLD void tine__tracing_ready(struct pool *p, const struct report *r);
COLD void tine__tracing_event(struct pool *p, const struct event *e);
/* Write the counters to the trace: at once, or (changed) unless that was done a moment ago. */
void tine__tracing_count(struct pool *p, uint64_t now);
COLD void tine__tracing_changed(struct pool *p, uint64_t now);

/* Is there something for tine__children_settle to do? */
static inline bool pool_has_children_news(const struct pool *p) {
    return !list_empty(&p->nest.news) || !list_empty(&p->orphans);
}

/* The next time at which the pool has something to do. */
static inline uint64_t pool_due(const struct pool *p) {
    uint64_t due = sched_due(&p->s);
    return p->uncounted && p->count_at < due ? p->count_at : due;
}

#endif

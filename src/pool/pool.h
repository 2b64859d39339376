/* Pool: the lock and the thread around a scheduler and its site. It handles calls and results as
** bytes; encoding and decoding them is up to its callers (src/api, src/bind, src/serve).
**
** DESIGN
**
**   submit -> [ sched: waiting ] -order-> site -> worker -> site -report-> [ sched ] -> outcome -> inbox
**
** The scheduler (sched/) decides what happens and a site (site/) does it. The pool carries orders,
** reports and events between the two (drive.c), stores the ends of tasks as outcomes and puts their
** items into inboxes (deliver.c), and lets threads wait (wait.c). Each pool has one lock. It is
** held for the short moments in which scheduler, site and inboxes are used, and never while
** anything runs that can raise an error, call back or block. Three kinds of threads take it:
** threads that submit, threads that wait (they take in results themselves), and the manager thread,
** which does what must happen when nobody waits: deaths, replacements, time limits, shutdown
** (manager.c).
**
** A pool is reference-counted: its openers, the manager thread, and each outcome whose bytes lie in
** the site's memory hold it. The state of its life and the reason why it was stopped are the
** scheduler's (enum life, enum why in sched/sched.h); `ended` tells that the manager thread has
** gone, too.
**
** In a child that the program forked, the memory of a pool is a copy that must not be used: every
** function that could touch shared state first checks tine__pool_is_forked and then does nothing
** (TINE_EFORKED).
**
** The functions below take the pool's lock themselves and may be called by any thread.
*/
#ifndef TINE_POOL_POOL_H
#define TINE_POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "msg/origin.h"
#include "pool/failure.h"
#include "pool/figures.h"
#include "pool/inbox.h"
#include "pool/item.h"
#include "pool/remote.h"
#include "sched/sched.h"
#include "store/store.h"
#include "worker/boot.h"

struct pool;
struct trace;
struct far_options;
struct far_host;

#define POOL_MAX_WORKERS 4095u
#define POOL_EVENT_BUFFER 1000        /* default */
#define POOL_AGEING 1                 /* default, priority steps a second */
#define POOL_EXIT_TIMEOUT 5000000000u /* default, ns */

struct pool_options {
    unsigned workers; /* most workers, 1 .. POOL_MAX_WORKERS */
    /* Of tasks that have no settings of their own; the pool takes a reference. */
    struct settings *settings;
    uint64_t max_pending; /* items; 0: no limit */
    /* What a task gains in priority for each second that it waits; 0: nothing. */
    double ageing;
    uint64_t start_timeout, exit_timeout; /* ns; 0: none */
    bool spawn, replace;                  /* start_method = "spawn", on_crash = "replace" */
    unsigned min_workers;                 /* which stay although they are idle */
    uint64_t max_age;                     /* ns that a worker lives; 0: no limit */
    uint64_t max_bytes;                   /* of the calls of unfinished tasks; 0: no limit */
    bool tell_exits;                      /* an inbox with wants_exits will be opened */
    /* Options of a pool with workers on other machines; NULL: they are here. Borrowed for the
    ** call. */
    const struct far_options *far;
    bool in_process;         /* no processes: tasks run in the threads that submit */
    struct boot boot;        /* borrowed for the call */
    struct carried *carried; /* regions that `boot` names, which the pool takes over; or NULL */
    /* Taken over by tine__pool_open, also if that fails; NULL: no trace. */
    struct trace *trace;
};

/* Open a pool with its site and its manager thread. Does not wait for any answer of the site. The
** caller gets one reference. 0; TINE_ESYSTEM (errno), TINE_ENOMEM. */
int tine__pool_open(struct pool **out, const struct pool_options *options);
struct pool *tine__pool_ref(struct pool *p);
/* Giving up the last reference frees the pool. The opener gives its own up only after
** tine__pool_join. */
void tine__pool_unref(struct pool *p);

/* --- submitting --- */

/* A buffer to encode a call into: private memory (`room`) first, a block of the call heap when the
** call outgrows that. Must be submitted or dropped in the end. */
struct call_buf {
    struct buf b; /* first member */
    struct pool *pool;
    struct store_refs refs; /* references to what the call names */
    uint64_t block;         /* offset in the call heap; 0: still private */
    char *room;
    size_t room_size;
};
void tine__call_buf_init(struct call_buf *cb, struct pool *p, void *room, size_t room_size);
void tine__call_buf_drop(struct call_buf *cb);
/* Like tine__call_buf_drop, when the pool no longer exists. */
void tine__call_buf_abandon(struct call_buf *cb);

/* Submit the call in `cb`, which consists of `label` bytes of label, `function` bytes of function
** segment, and the argument segments. The caller has set the owner's members of the item, and all
** its outcomes are NONE. On success `cb` is emptied; on failure the caller must still drop it.
** Never blocks, except that an in_process pool runs tasks. 0; TINE_ESHUTDOWN; TINE_EBROKEN
** (tine__pool_reason); TINE_EFORKED; TINE_ENOMEM; TINE_EAGAIN: a limit of unfinished tasks is
** reached, and the inbox gets news when there is room. */
int tine__pool_submit(struct pool *p, struct item *item, struct call_buf *cb, uint32_t label,
                      uint32_t function);
/* Submit an item whose call could not be encoded: it is counted, all its outcomes become FAILED
** with this code and text, and it is put into its inbox at once. Codes as of tine__pool_submit. */
int tine__pool_submit_failed(struct pool *p, struct item *item, int code, const char *text,
                             size_t length);

/* The settings of tasks that have none of their own. Borrowed from the pool. */
struct settings *tine__pool_settings(struct pool *p);
/* Count a call of map, and return its number among the pool's calls of submit and map. Submits are
** counted by tine__pool_submit. */
uint64_t tine__pool_count_map(struct pool *p);
/* The last progress that the single task of the item has reported. False: none. With workers on
** other machines this may wait 100 ms for the host's answer. */
bool tine__task_progress(struct pool *p, struct item *item, struct progress *out);
/* The store of functions that calls name. Not to be used in a forked child. */
struct store *tine__pool_store(struct pool *p);
/* The shared value with this id is no longer used. To be called after its reference was given
** back. */
void tine__pool_forget(struct pool *p, uint64_t id);

/* --- tasks --- */

/* Take in results, without waiting. Costs a few loads when there are none. An in_process pool runs
** tasks, in this thread. */
void tine__pool_poll(struct pool *p);

enum task_look { LOOK_PENDING, LOOK_RUNNING, LOOK_SETTLED };
enum task_look tine__task_look(struct pool *p, struct item *item, uint32_t k);
/* Cancel task `k` if no worker has begun it. True: it is FAILED with TINE_ECANCELLED. With workers
** on other machines this may wait a second for the host's answer. */
bool tine__task_cancel(struct pool *p, struct item *item, uint32_t k);
/* Cancel all tasks of the item that have not begun. */
void tine__item_cancel(struct pool *p, struct item *item);
/* End the item as if its deadline had passed: tasks that have not begun never run, a running one is
** asked to end. */
void tine__item_expire(struct pool *p, struct item *item);
/* End the item at once: kill the worker that runs it, without grace and even if it was asked to end
** already. The item must have settings of its own. */
void tine__item_kill(struct pool *p, struct item *item);
/* End the single task of the item: cancel it if it is pending, else have it asked to end and its
** worker killed after its grace; its outcome is TINE_ECANCELLED once it has ended, with the
** programs that it started. Does not wait for that; with workers on other machines it may wait a
** second for the host's answer. False: the task has ended or is being ended already. */
bool tine__task_abort(struct pool *p, struct item *item);

/* The worker of this machine that runs a task of the item, and its process id (0: not known yet).
** 0: no worker runs it. */
unsigned tine__item_runner(struct pool *p, struct item *item, int *pid);
/* When and where the item has run, as far as known, and a copy of its earlier failed attempts
** (NULL: none), which the caller frees. The item must not be released. */
void tine__task_times(struct pool *p, struct item *item, struct task_times *out,
                      struct attempts **attempts);
/* Must the owner decide whether this item, which it took from its inbox unreleased, is tried again?
** If so, *out shares the error of the last attempt, and *n is the number of attempts. */
bool tine__item_question(struct pool *p, struct item *item, struct outcome *out, uint32_t *n);
/* The owner's answer. False: there is no question any more. */
bool tine__item_answer(struct pool *p, struct item *item, bool again);

/* --- following --- */

/* Let an item that was not submitted, with the owner's members set and one outcome, end when the
** single task of `leader` does, with the same outcome; it is then released like any other item. The
** leader is in flight, or has ended and still has its outcome. Operations on a follower act on its
** leader. 0, TINE_EFORKED, TINE_ENOMEM. */
int tine__item_follow(struct pool *p, struct item *follower, struct item *leader);
/* Release all followers of this inbox: they end without an outcome and follow no item any more.
** Items that wait for their results are cancelled. */
void tine__inbox_unfollow(struct inbox *in);

/* --- the end --- */

/* Accept no more submits; with `cancel` cancel all tasks that have not begun, except those of tasks.
** Does not wait; may be called again. */
void tine__pool_shutdown(struct pool *p, bool cancel);
/* End the workers now, with SIGTERM if `why` is WHY_TERMINATED, else with SIGKILL. Unfinished tasks
** fail with TINE_EBROKEN, running ones when their worker is gone. Does not wait. */
void tine__pool_kill(struct pool *p, enum why why);
/* Are all workers, the fork server and the manager thread gone? */
bool tine__pool_ended(struct pool *p);
/* Join the manager thread and close all descriptors of an ended pool; its memory goes with the last
** reference. Blocks only for the thread's last instructions. Calls after the first do nothing. */
void tine__pool_join(struct pool *p);

/* Change the number of workers, to 1 .. POOL_MAX_WORKERS. Surplus workers end when their task is
** done. 0; TINE_ESHUTDOWN, TINE_EBROKEN, TINE_EFORKED, TINE_ENOMEM; TINE_EINVALID: the pool has no
** workers on this machine. */
int tine__pool_resize(struct pool *p, unsigned workers);

/* Have every worker run the call in `cb` once: the present workers, for which the item waits,
** before their next task; later ones after their initializer. The bytes in `cb` are a struct
** errand_head, which is filled in here, a function segment of `function` bytes, and an argument
** segment; the pool keeps them as long as it lives. The owner's members of the item are set as for
** a submit; the item is counted nowhere. With workers on other machines it does not wait for any
** worker. Codes as of tine__pool_submit, but never TINE_EAGAIN. */
int tine__pool_everywhere(struct pool *p, struct item *item, struct call_buf *cb,
                          uint32_t function);
/* Set the initializer of a pool with workers on other machines, before its first task. The call in
** `cb` has the form of tine__pool_everywhere. 0, TINE_ENOMEM. */
int tine__pool_initialize(struct pool *p, struct call_buf *cb, uint32_t function);
/* Like tine__pool_everywhere, for an errand whose call could not be encoded: no worker runs it, and
** the item fails with this code and text. */
int tine__pool_everywhere_failed(struct pool *p, struct item *item, int code, const char *text,
                                 size_t length);

/* --- looking --- */

/* The hosts that serve the pool, as far as known (site/far/far.h): fills in at most `most`, returns
** their number; 0 if its workers are here. */
unsigned tine__pool_hosts(struct pool *p, struct far_host *out, unsigned most);

struct pool_stats {
    uint64_t submitted, pending, running, finished, failed, cancelled;
    uint64_t workers_started, workers_lost;
    struct histogram_summary wait, run, round_trip;
    uint64_t bytes_in, bytes_out;
    uint64_t by_code[FIGURES_CODES]; /* failed tasks, by -TINE_E... */
    double cpu;                      /* processor seconds of all workers, ended ones included */
    double busy;                     /* fraction of the workers' lifetime in which they ran tasks */
};
void tine__pool_stats(struct pool *p, struct pool_stats *out);
/* Number of failed tasks of the kind of -code (error_kind_of). Where several codes have the same
** kind, the first code gives the number of them all and the others give 0. */
uint64_t tine__stats_of_kind(const struct pool_stats *s, int code);

struct worker_info {
    unsigned id;
    char host[REMOTE_HOST]; /* machine that it runs on; "": this one */
    uint64_t memory;        /* resident bytes of a worker on another machine, as last reported */
    int pid;                /* 0: not known yet */
    const char *state;      /* "starting", "idle", "running", "ending" */
    uint64_t tasks;
    uint64_t task;             /* id of the task that it runs; 0: none, or not known yet */
    uint64_t since;            /* ns of the clock: since when it is in this state, or runs `task` */
    double busy;               /* fraction of its lifetime in which it ran tasks */
    char label[FIGURES_LABEL]; /* of `task` */
    bool known;                /* `label` is set */
};
/* Describe at most `max` workers; returns how many there are. May wait 100 ms for the process ids
** of workers that have just been started. Of workers on other machines those are listed that are
** known. */
unsigned tine__pool_workers(struct pool *p, struct worker_info *out, unsigned max);
/* A list of all workers, to be freed, and its length in *n. NULL: no memory. */
struct worker_info *tine__pool_all_workers(struct pool *p, unsigned *n);
/* The same, without waiting for process ids. */
struct worker_info *tine__pool_known_workers(struct pool *p, unsigned *n);
/* Resident bytes; 0: not known. */
uint64_t tine__worker_memory(const struct worker_info *w);
/* Figures that only reports show; a copy. */
struct figures_told {
    struct figures_task slowest[FIGURES_TOLD], last[FIGURES_TOLD];
    double lived, starting; /* seconds, summed over all workers */
    double elapsed;         /* seconds since the pool was opened */
    uint64_t calls;         /* number of calls of submit and map */
    /* How many workers there were on other machines when the pool was told to end; 0: not yet. */
    unsigned slots;
};
void tine__pool_told(struct pool *p, struct figures_told *out);
/* Why the pool is broken or was killed, or NULL. The caller gets a reference. */
struct failure *tine__pool_reason(struct pool *p);
bool tine__pool_is_open(struct pool *p);
/* The worker on another machine with this number (pool/remote.h; attempt.place). False: there is
** none. */
bool tine__pool_remote(struct pool *p, unsigned number, struct remote *out);
/* A copy of the list of all of them, to be freed; NULL: there are none, or no memory. */
struct remote *tine__pool_remotes(struct pool *p, unsigned *n);
/* Why the trace is incomplete (trace/trace.h), told only once. To be freed. */
char *tine__pool_trace_trouble(struct pool *p);
/* Are the pool's workers on other machines? Does it run tasks in this process? */
bool tine__pool_is_far(const struct pool *p);
bool tine__pool_is_here(const struct pool *p);
/* Is this process a forked child of the process that opened the pool? */
bool tine__pool_is_forked(const struct pool *p);

#endif

/* Pool: the lock and the thread around a scheduler and its site. Bytes only; whoever encodes and
** decodes sits above.
**
** DESIGN
**
**     submit -> [ sched: waiting ] -order-> site -> worker -> site -report-> [ sched ] -> outcome -> inbox
**
** What happens is decided in sched/ and done by site/; the pool carries orders, reports and events between
** the two (drive.c), puts what has ended into outcomes and those into inboxes (deliver.c), and lets threads
** wait (wait.c). One lock for each pool, held for the short moments in which scheduler, site and inboxes
** change hands, never while anything that can raise, call back or block runs. Three parties take it:
** threads that submit, threads that wait (they take in results themselves), and the manager thread, which
** does what must happen when nobody waits: deaths, replacements, time limits, shutdown (manager.c).
**
** A pool is counted: its openers hold it, the manager thread holds it, and each outcome whose bytes lie in
** the site's memory holds it. Its life, and apart from it the reason why it ended, are the scheduler's
** (enum life, enum why in sched/sched.h); `ended` says that the manager thread has gone, too.
**
** In a child that the program forked a pool is dead memory: every function that could touch what is shared
** checks tine__pool_is_forked first and does nothing (TINE_EFORKED).
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
#define POOL_EVENT_BUFFER 1000        /* what users get who say nothing */
#define POOL_AGEING 1                 /* steps a second: what users get who say nothing */
#define POOL_EXIT_TIMEOUT 5000000000u /* ns: what users get who say nothing */

struct pool_options {
    unsigned workers;          /* at most so many, 1 .. POOL_MAX_WORKERS */
    struct settings *settings; /* of tasks that have none of their own; the pool counts them */
    uint64_t max_pending;      /* 0 none */
    double ageing;             /* what a second of waiting adds to a priority; 0 nothing */
    uint64_t start_timeout, exit_timeout; /* ns, 0 none */
    bool spawn, replace;                  /* start_method = "spawn", on_crash = "replace" */
    unsigned min_workers;                 /* stay though they are idle */
    uint64_t max_age;                     /* ns, of a worker, 0 none */
    uint64_t max_bytes;                   /* of the calls of unfinished tasks, 0 none */
    bool tell_exits;                      /* some inbox wants to hear of ends of workers */
    /* Its workers are on other machines; NULL: they are here; borrowed. */
    const struct far_options *far;
    bool in_process;         /* no worker is a process: tasks run in the threads that submit */
    struct boot boot;        /* borrowed for the call */
    struct carried *carried; /* regions that this names: they go over to the pool; or NULL */
    /* The pool's from the call of tine__pool_open on, also if that fails; NULL: there is none. */
    struct trace *trace;
};

/* Open a pool: its site (no answer of it is waited for) and manager thread. 0, TINE_ESYSTEM, TINE_ENOMEM. The
** caller holds one reference. */
int tine__pool_open(struct pool **out, const struct pool_options *options);
struct pool *tine__pool_ref(struct pool *p);
/* The last reference frees it. The opener gives up its own only after tine__pool_join. */
void tine__pool_unref(struct pool *p);

/* --- submitting --- */

/* A buffer to encode a call into: private memory first (`room`), a block of the call heap when it outgrows
** that. Must be either submitted or dropped. */
struct call_buf {
    struct buf b; /* first member */
    struct pool *pool;
    struct store_refs refs; /* what the call names */
    uint64_t block;         /* in the call heap; 0: still private */
    char *room;
    size_t room_size;
};
void tine__call_buf_init(struct call_buf *cb, struct pool *p, void *room, size_t room_size);
void tine__call_buf_drop(struct call_buf *cb);
/* The same when the pool is not there any more. */
void tine__call_buf_abandon(struct call_buf *cb);

/* Submit the call in `cb` (`label` bytes of label, `function` bytes of function segment, argument segments).
** Of the item the owner's half is set and all outcomes are NONE. `cb` is taken over on success, and on
** failure still the caller's. 0; TINE_ESHUTDOWN; TINE_EBROKEN (tine__pool_reason); TINE_EFORKED;
** TINE_ENOMEM; TINE_EAGAIN: max_pending items are unfinished: wait, then again. Never blocks. */
int tine__pool_submit(struct pool *p, struct item *item, struct call_buf *cb, uint32_t label,
                      uint32_t function);
/* An item that fails before it is sent (its encoding failed): counted, settled as FAILED with the code and
** the text, and put into its inbox at once. Result as of submit. */
int tine__pool_submit_failed(struct pool *p, struct item *item, int code, const char *text,
                             size_t length);

/* The settings of tasks that have none of their own; the pool's. */
struct settings *tine__pool_settings(struct pool *p);
/* The number of a new map among the calls of submit and map on this pool; submits are counted by themselves. */
uint64_t tine__pool_count_map(struct pool *p);
/* What the item's one task has said last of its progress. False: nothing. */
bool tine__task_progress(struct pool *p, struct item *item, struct progress *out);
/* Where the functions are that calls name. Never used in a forked child. */
struct store *tine__pool_store(struct pool *p);
/* A shared value in it is wanted no more: to be called after the reference was given back. */
void tine__pool_forget(struct pool *p, uint64_t id);

/* --- tasks --- */

/* Take in what workers have answered, without waiting. Cheap when there is nothing (a few loads). In a pool without
** processes: do what is to be done in this thread. */
void tine__pool_poll(struct pool *p);

enum task_look { LOOK_PENDING, LOOK_RUNNING, LOOK_SETTLED };
enum task_look tine__task_look(struct pool *p, struct item *item, uint32_t k);
/* Cancel task k if no worker has begun it: true, and it is settled as FAILED/TINE_ECANCELLED. */
bool tine__task_cancel(struct pool *p, struct item *item, uint32_t k);
/* Cancel all tasks of the item that have not begun. */
void tine__item_cancel(struct pool *p, struct item *item);
/* The same, and what of it runs is ended, as when its deadline has passed. */
void tine__item_expire(struct pool *p, struct item *item);
/* The same, at once: the worker that runs it is killed, whatever its grace, and though it was asked to end already. The item
** has settings of its own. */
void tine__item_kill(struct pool *p, struct item *item);
/* End the only task of the item: cancels it when it is pending; a running one's worker is killed, and it is settled
** as TINE_ECANCELLED when that and what it had started are gone. Returns at once. False: it has ended, or is being
** ended already. */
bool tine__task_abort(struct pool *p, struct item *item);

/* The worker of this machine that runs one of its tasks, and its process (0: not heard yet); 0: none does. */
unsigned tine__item_runner(struct pool *p, struct item *item, int *pid);
/* When and where it has run, as far as that is known; a copy of the attempts that failed before (NULL: none), to be
** freed. The item is not released. */
void tine__task_times(struct pool *p, struct item *item, struct task_times *out,
                      struct attempts **attempts);
/* The owner of the item took it from its inbox, and it is not released: is it asked whether it is to be tried again?
** Then *out is a copy of what its last attempt failed with, and *n the number of attempts. */
bool tine__item_question(struct pool *p, struct item *item, struct outcome *out, uint32_t *n);
/* The answer. False: it was not asked any more. */
bool tine__item_answer(struct pool *p, struct item *item, bool again);

/* --- following --- */

/* Let an item that is not submitted, with its owner's half set and one outcome, end when the only task of
** `leader` does, with the same outcome; it is released like any other. The leader is in flight, or has ended and
** still has its outcome. What is asked of a follower, or done to it, is asked of its leader. 0, TINE_EFORKED. */
int tine__item_follow(struct pool *p, struct item *follower, struct item *leader);
/* No item in this inbox follows another one any more: they are released, without an outcome. */
void tine__inbox_unfollow(struct inbox *in);

/* --- the end --- */

/* No more submits; cancel what has not started when `cancel`. Returns at once; callable again. */
void tine__pool_shutdown(struct pool *p, bool cancel);
/* End the workers now (with SIGTERM if that is WHY_TERMINATED, else SIGKILL); unfinished tasks fail with TINE_EBROKEN,
** running ones when their worker is gone. Returns at once. */
void tine__pool_kill(struct pool *p, enum why why);
/* All workers, the fork server and the manager thread are gone. */
bool tine__pool_ended(struct pool *p);
/* After ended: join the manager thread and give back descriptors and (when the last user goes) memory.
** Blocks only for the thread's last instructions. Once. */
void tine__pool_join(struct pool *p);

/* There are to be so many workers, 1 .. POOL_MAX_WORKERS; those too many end when their task is done. 0; TINE_ESHUTDOWN,
** TINE_EBROKEN, TINE_EFORKED, TINE_ENOMEM; TINE_EINVALID: it has none. */
int tine__pool_resize(struct pool *p, unsigned workers);

/* Have each worker run the call in `cb` once: those that are there, for which the item waits, before their next task, later
** ones after their initializer. The bytes begin with a struct errand_head, to be filled in here, then as of a submit without
** a label; they are kept as long as the pool. The item is of no task, and counts nowhere; of it the same is to be set as
** for a submit. As submit, but never TINE_EAGAIN. Of workers on other machines none is there now. */
int tine__pool_everywhere(struct pool *p, struct item *item, struct call_buf *cb,
                          uint32_t function);
/* The initializer of a pool whose workers are on other machines, before its first task: a call in the same form. 0,
** TINE_ENOMEM. */
int tine__pool_initialize(struct pool *p, struct call_buf *cb, uint32_t function);
/* An errand that could not be encoded: no worker runs it. */
int tine__pool_everywhere_failed(struct pool *p, struct item *item, int code, const char *text,
                                 size_t length);

/* --- looking --- */

/* The hosts that serve it (site/far/far.h), as far as they are known: fills in at most `most`, gives their number; 0: its
** workers are here. */
unsigned tine__pool_hosts(struct pool *p, struct far_host *out, unsigned most);

struct pool_stats {
    uint64_t submitted, pending, running, finished, failed, cancelled;
    uint64_t workers_started, workers_lost;
    struct histogram_summary wait, run, round_trip;
    uint64_t bytes_in, bytes_out;
    uint64_t by_code[FIGURES_CODES]; /* tasks that failed, by -TINE_E... */
    double cpu;  /* seconds of the processor, of all workers that there ever were */
    double busy; /* of the time that these have lived, the share that tasks ran */
};
void tine__pool_stats(struct pool *p, struct pool_stats *out);
/* Tasks that failed, by kind (error_kind_of(-code)): of the codes that share one only the first has them all. */
uint64_t tine__stats_of_kind(const struct pool_stats *s, int code);

struct worker_info {
    unsigned id;
    char host[REMOTE_HOST]; /* where it is; "": here */
    uint64_t memory;        /* resident bytes, of one that is elsewhere, as it was heard last */
    int pid;                /* 0: not known yet */
    const char *state;      /* "starting", "idle", "running", "ending" */
    uint64_t tasks;
    uint64_t task;             /* id of the one that it runs; 0: none, or not known yet */
    uint64_t since;            /* ns of the clock: how long it has been doing what it does */
    double busy;               /* of the time that it has lived, the share that tasks ran */
    char label[FIGURES_LABEL]; /* of `task` */
    bool known;                /* the label is */
};
/* Fill in at most `max`; the number there are. Those of other machines are there as far as they are known. */
unsigned tine__pool_workers(struct pool *p, struct worker_info *out, unsigned max);
/* All of them, *n, to be freed; NULL: no memory. */
struct worker_info *tine__pool_all_workers(struct pool *p, unsigned *n);
/* The same, without waiting for the pids of those that are just being started. */
struct worker_info *tine__pool_known_workers(struct pool *p, unsigned *n);
/* Resident bytes; 0: not known. */
uint64_t tine__worker_memory(const struct worker_info *w);
/* What only a report wants to know; a copy. */
struct figures_told {
    struct figures_task slowest[FIGURES_TOLD], last[FIGURES_TOLD];
    double lived, starting; /* seconds, of all workers together */
    double elapsed;         /* since the pool was opened */
    uint64_t calls;         /* of submit and map */
};
void tine__pool_told(struct pool *p, struct figures_told *out);
/* Why the pool is broken or was killed, or NULL; a reference for the caller. */
struct failure *tine__pool_reason(struct pool *p);
bool tine__pool_is_open(struct pool *p);
/* The worker on another machine with this number (pool/remote.h; struct attempt.place). False: there is none. */
bool tine__pool_remote(struct pool *p, unsigned number, struct remote *out);
/* Why its trace has no more (trace/trace.h), said once; to be freed. */
char *tine__pool_trace_trouble(struct pool *p);
/* Are its workers on other machines; or has it none, and runs its tasks in this process? */
bool tine__pool_is_far(const struct pool *p);
bool tine__pool_is_here(const struct pool *p);
/* True in a forked child of the process that opened it. */
bool tine__pool_is_forked(const struct pool *p);

#endif

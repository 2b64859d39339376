/* Pool: the executor. Bytes only; whoever encodes and decodes sits above.
**
** DESIGN
**
** One lock for each pool. It is held for the short moments in which items, rings and lists change hands,
** never while anything that can raise, call back or block runs. Three parties take it: threads that
** submit, threads that wait (they drain the result rings themselves), and the manager thread, which
** does what must happen when nobody waits: deaths, replacements, refilling the call queue, run-time
** limits, shutdown.
**
**     submit -> [pending list] -> call queue -> worker -> result ring -> drain -> outcome -> done list
**
** A pool is counted: its opener holds it, the manager thread holds it, and each outcome whose bytes lie in
** shared memory holds it.
**
** STATE, and apart from it one reason:
**
** A pool in a child that the program forked is dead memory: every function that could touch shared
** memory checks tine__pool_is_forked first and does nothing (TINE_EFORKED).
**
**     OPEN -> CLOSING (no more submits; what is queued runs) -> ENDED
**        \-> BROKEN (every unfinished task fails with the reason) -> ENDED
**        \-> KILLED (terminate_workers, kill_workers) -> ENDED
*/
#ifndef TINE_POOL_POOL_H
#define TINE_POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "codec/origin.h"
#include "pool/failure.h"
#include "pool/item.h"
#include "pool/wait.h"
#include "store/store.h"
#include "worker/boot.h"

struct pool;

struct pool_options {
    unsigned workers;     /* at most so many, 1 .. 4095 */
    uint64_t task_limit;  /* ns, 0 none: task_timeout */
    uint64_t max_pending; /* 0 none */
    bool spawn, replace;  /* start_method = "spawn", on_crash = "replace" */
    struct boot boot;     /* borrowed for the call */
    /* NULL, or: called by the manager thread, with no lock held, when there are done items that nobody has
    ** taken (unless there is a fileno). */
    size_t (*on_done)(struct pool *p);
};

/* Open a pool: its shared memory, fork server (its answer is not waited for) and manager thread. On
** failure *why (when not NULL) says more. 0, TINE_ESYSTEM, TINE_ENOMEM. The caller holds one reference. */
int tine__pool_open(struct pool **out, const struct pool_options *options, struct failure **why);
struct pool *tine__pool_ref(struct pool *p);
/* The last reference frees it. The opener gives up its own only after tine__pool_join. */
void tine__pool_unref(struct pool *p);

/* --- submitting --- */

/* A buffer to encode a call into: private memory first (`room`), a block of the call heap when it
** outgrows that. Must be either submitted or dropped. */
struct call_buf {
    struct buf b; /* first member */
    struct pool *pool;
    struct store_refs refs; /* what the call names */
    uint64_t block;         /* offset in the call heap, 0: still private */
    char *room;
    size_t room_size;
};
void tine__call_buf_init(struct call_buf *cb, struct pool *p, void *room, size_t room_size);
void tine__call_buf_drop(struct call_buf *cb);
/* The same when the pool is not there any more. */
void tine__call_buf_abandon(struct call_buf *cb);

/* Submit the call in `cb` (label, function segment, argument segments). The item has count, limit (0: the
** pool's), outcomes (all NONE) and owner set; the rest is filled in. `cb` is taken over on success, and
** on failure still the caller's. 0; TINE_ESHUTDOWN; TINE_EBROKEN (tine__pool_reason); TINE_EFORKED;
** TINE_ENOMEM; TINE_EAGAIN: max_pending items are unfinished: wait, then again. Never blocks. */
int tine__pool_submit(struct pool *p, struct item *item, struct call_buf *cb, uint32_t label,
                      uint32_t function);
/* An item that fails before it is sent (its encoding failed): counted, settled as FAILED with the code and
** the text, and put on the done list at once. Result as of submit. */
int tine__pool_submit_failed(struct pool *p, struct item *item, int code, const char *text,
                             size_t length);

/* Where the functions are that calls name. Never used in a forked child. */
struct store *tine__pool_store(struct pool *p);

/* --- results --- */

/* Take in what workers have answered, without waiting. Cheap when there is nothing (a few loads). */
void tine__pool_poll(struct pool *p);
/* True when tine__pool_take_done has something. One load. */
bool tine__pool_has_done(struct pool *p);
/* Take at most `max` items with news: settled tasks since it was last taken (all of them for count 1). An
** item whose tasks are all settled is thereby released: the pool does not touch it any more. Their
** number; 0: none. */
unsigned tine__pool_take_done(struct pool *p, struct item **out, unsigned max);
/* The next one of them if its owner does not watch it, else NULL. */
struct item *tine__pool_take_unwatched(struct pool *p);
/* Have `on_done` called if there is something to take. */
void tine__pool_call_owner(struct pool *p);

enum task_state { TASK_PENDING, TASK_RUNNING, TASK_SETTLED };
enum task_state tine__task_state(struct pool *p, struct item *item, uint32_t k);
/* Cancel task k if no worker has begun it: true, and it is settled as FAILED/TINE_ECANCELLED. */
bool tine__task_cancel(struct pool *p, struct item *item, uint32_t k);
/* Cancel all tasks of the item that have not begun. The number cancelled. */
uint32_t tine__item_cancel(struct pool *p, struct item *item);
/* End task k: cancels it when it is pending, kills its worker when it runs (settled as TINE_ECANCELLED).
** False: it was settled already. */
bool tine__task_abort(struct pool *p, struct item *item, uint32_t k);

/* --- the end --- */

/* No more submits; cancel what has not started when `cancel`. Returns at once; callable again. */
void tine__pool_shutdown(struct pool *p, bool cancel);
/* End the workers now (SIGTERM or SIGKILL); unfinished tasks fail with TINE_EBROKEN. Returns at once. */
void tine__pool_kill(struct pool *p, int signal);
/* All workers, the fork server and the manager thread are gone. */
bool tine__pool_ended(struct pool *p);
/* After ended: join the manager thread and give back descriptors and (when the last user goes) memory.
** Blocks only for the thread's last instructions. Once. */
void tine__pool_join(struct pool *p);

/* --- looking --- */

struct pool_stats {
    uint64_t submitted, pending, running, finished, failed, cancelled;
    uint64_t workers_started, workers_lost;
};
void tine__pool_stats(struct pool *p, struct pool_stats *out);
struct worker_info {
    unsigned id;
    int pid;           /* 0: not known yet */
    const char *state; /* "starting", "idle", "running" */
    uint64_t tasks;
};
/* Fill in at most `max`; the number there are. */
unsigned tine__pool_workers(struct pool *p, struct worker_info *out, unsigned max);
/* Why the pool is broken, or NULL; a reference for the caller. */
struct failure *tine__pool_reason(struct pool *p);
bool tine__pool_is_open(struct pool *p);
uint64_t tine__pool_unfinished(struct pool *p);
/* True in a forked child of the process that opened it. */
bool tine__pool_is_forked(const struct pool *p);
/* A descriptor that is readable while tine__pool_take_done may have something (level: emptied by
** take_done). Made at the first call; the pool closes it. TINE_ESYSTEM, TINE_EFORKED, TINE_ESHUTDOWN: it
** has ended and was joined. */
int tine__pool_fileno(struct pool *p);

/* The label of task k: given one, or `name (file:line) #id`. Writes at most `size` bytes with the NUL;
** the length it would have. */
size_t tine__task_label(const struct task_name *name, uint32_t k, char *out, size_t size);

#endif

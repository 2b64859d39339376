/* Work item: a submitted task, or a chunk of tasks of one map, in the submitting process: what the
** scheduler sees of it (sched/task.h), its bytes, and for each of its tasks how it has ended.
**
** The memory of an item belongs to who submits (a Lua userdata, or malloc for the C library): it must
** stay where it is from tine__pool_submit until the item is *released*: all its tasks have ended and it
** has been taken from its inbox (pool/inbox.h). Between the two the pool alone writes it, under the
** pool's lock.
*/
#ifndef TINE_POOL_ITEM_H
#define TINE_POOL_ITEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/hot.h"
#include "base/list.h"
#include "base/text.h"
#include "msg/label.h"
#include "msg/progress.h"
#include "pool/attempts.h"
#include "pool/events.h"
#include "pool/needs.h"
#include "pool/outcome.h"
#include "pool/pieces.h"
#include "pool/printed.h"
#include "sched/task.h"
#include "store/store.h"

struct inbox;

#define ITEM_SMALL 48 /* a known function and some numbers */

/* What few items have. It is made with the first of it, under the pool's lock, and given up with the item by its owner,
** which may look at its own part of it without the lock. */
struct item_rare {
    struct item *item;           /* whose it is */
    struct list question, heard; /* the owner's */
    /* the pool's */
    struct list dependents; /* needs (by `node`) of others that this one is to meet */
    /* Items that end when this one does (follow.c), linked by `next_follower`. */
    struct item *followers;
    struct item *next_follower;
    struct list following; /* of a follower: in its inbox */
    struct item *leader; /* of a follower that has not ended; which is not known to the scheduler */
    struct list children;      /* tasks that tasks of this one have submitted (children.c) */
    struct attempts *attempts; /* that have failed before the last one */
    struct events *events;     /* that its tasks have emitted, or NULL */
    struct progress *told; /* what a single task has said last, once it is about to end, or NULL */
    struct printed *printed; /* what it has printed, or NULL */
    uint64_t *ran; /* ns, of each task of a chunk from another machine; 0: not known; or NULL */
    struct piece *pieces, *last_piece; /* what its tasks print that is relayed */
};

/* By lines of the cache: who takes it from its inbox looks at the first, and at that of its task. */
struct item {
    struct list news;                 /* in its inbox */
    void *owner;                      /* the owner's */
    void *home;                       /* the owner's: where its memory is from */
    _Atomic(struct item_rare *) rare; /* NULL: none, as before it is submitted */
    uint64_t started, ended;          /* of the last attempt: as in struct task_times */
    bool answers; /* its owner is asked before it is tried again, if its settings say so */
    bool watched; /* its owner wants to hear of its end at once (a callback of the C library) */
    /* the pool's */
    bool asking;   /* HELD until its owner has answered whether it is to be tried again */
    bool asked;    /* set by tine__inbox_take: tine__item_question */
    bool emitted;  /* set by tine__inbox_take: there may be events to be read */
    bool listed;   /* in its inbox */
    bool released; /* set by tine__inbox_take: the pool touches it no more */
    bool borrowed; /* `bytes` are the submitter's: it is just being submitted */

    struct task task;      /* the owner sets call.count */
    uint64_t parent;       /* the task that has submitted it, 0: none has */
    uint64_t event_buffer; /* of one from another machine (task.far): as its submitter wants it */

    char *bytes;            /* label, function segment, argument segments; NULL: none any more */
    struct store_refs refs; /* what the call names, until all its tasks have ended */
    /* the owner's, set before tine__pool_submit */
    /* Its own, or NULL: the pool's; counted by the pool until all its tasks have ended. */
    struct settings *settings;
    struct inbox *inbox;
    struct outcome *outcomes; /* call.count of them */
    struct needs *needs;      /* what it is to be given, or NULL; the pool's once it is submitted */
    /* The id is given by tine__pool_submit; texts live as long as the item. */
    struct task_name name;
    uint64_t serial;        /* which call of its pool's it belongs to */
    uint32_t first;         /* the first task that `bytes` are for */
    char small[ITEM_SMALL]; /* where few bytes lie: most calls wait for some time */
};
_Static_assert(sizeof(void *) != 8 ||
                   (offsetof(struct item, task) == 64 && offsetof(struct item, bytes) % 64 == 0),
               "by lines of the cache");

/* Once for the memory of an item, which may be used for one after the other: what is said above to be the pool's is again
** as it is then when the item was released, but for what belongs to that. */
static inline void item_init(struct item *item) {
    task_make(&item->task);
    list_init(&item->news);
    atomic_init(&item->rare, NULL);
    item->parent = 0;
    item->asking = item->asked = item->listed = false;
}

static inline struct item *item_of(struct task *t) {
    return LIST_ITEM(t, struct item, task);
}

static inline struct item_rare *item_rare(const struct item *item) {
    return atomic_load_explicit(&item->rare, memory_order_acquire);
}

/* The same, made if there is none; NULL: no memory. Under the pool's lock. */
struct item_rare *tine__item_need_rare(struct item *item);
/* Give it up, with all that it holds. The owner's, of an item that is released or was never submitted. */
COLD void tine__item_drop_rare(struct item *item);

/* Of its last attempt. */
static inline struct task_times item_times(const struct item *item) {
    const struct task *t = &item->task;
    return (struct task_times){.submitted = t->since,
                               .started = item->started,
                               .ended = item->ended,
                               .pid = t->pid,
                               .worker = (uint16_t)t->worker,
                               .host = t->host ? tine__text_number(t->host) : 0};
}

/* They were those of another one, or of an earlier attempt. */
static inline void item_set_times(struct item *item, const struct task_times *times) {
    struct task *t = &item->task;
    t->since = times->submitted;
    t->worker = times->worker;
    t->pid = times->pid;
    t->host = tine__text_numbered(times->host);
    item->started = times->started;
    item->ended = times->ended;
}

static inline struct attempts *item_attempts(const struct item *item) {
    const struct item_rare *rare = item_rare(item);
    return rare ? rare->attempts : NULL;
}

static inline struct events *item_events(const struct item *item) {
    const struct item_rare *rare = item_rare(item);
    return rare ? rare->events : NULL;
}

static inline struct progress *item_told(const struct item *item) {
    const struct item_rare *rare = item_rare(item);
    return rare ? rare->told : NULL;
}

static inline struct printed *item_printed(const struct item *item) {
    const struct item_rare *rare = item_rare(item);
    return rare ? rare->printed : NULL;
}

#endif

/* Item: a submitted task, or a chunk of tasks of one map, on the submitter's side. It has the
** scheduler's view of it (sched/task.h), the bytes of its call, and for each of its tasks an
** outcome.
**
** The memory of an item belongs to its owner, who submits it (a Lua userdata, or malloc for the C
** library). It must stay in place from tine__pool_submit until the item is *released*: all its
** tasks have ended, and its owner has taken it from its inbox (pool/inbox.h). In between only the
** pool writes to it, under the pool's lock.
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

#define ITEM_SMALL 48 /* bytes: enough for a known function and some numbers */

/* The parts that few items have. Made under the pool's lock when the first of them is needed, freed
** by the item's owner with the item. The owner may read the owner's parts without the lock. */
struct item_rare {
    struct item *item;           /* back pointer */
    struct list question, heard; /* for the owner */
    /* for the pool */
    struct list dependents; /* needs (by `node`) of other items that wait for this one */
    /* Items that follow this one (follow.c), linked by `next_follower`. */
    struct item *followers;
    struct item *next_follower;
    struct list following; /* of a follower: in its inbox's list of followers */
    /* Of a follower that has not ended; the scheduler knows only the leader. */
    struct item *leader;
    struct list children;      /* tasks that were submitted by tasks of this item (children.c) */
    struct attempts *attempts; /* failed attempts before the last one, or NULL */
    struct events *events;     /* emitted by its tasks, or NULL */
    /* The last progress of a single task, kept when it is about to end; or NULL. */
    struct progress *told;
    struct printed *printed; /* captured output, or NULL */
    /* How long each task of a chunk from another machine ran, in ns, 0 if not known; or NULL. */
    uint64_t *ran;
    struct piece *pieces, *last_piece; /* relayed output that its owner has not taken */
};

/* Ordered by cache lines: taking an item from its inbox touches the first line, and that of its
** task. */
struct item {
    struct list news;                 /* in the inbox */
    void *owner;                      /* for the owner */
    void *home;                       /* for the owner: the container of its memory */
    _Atomic(struct item_rare *) rare; /* NULL: none, as always before the submit */
    uint64_t started, ended;          /* times of the last attempt, as in struct task_times */
    /* The owner is asked before the item is tried again, if its settings say so. */
    bool answers;
    /* The owner wants to learn of its end at once (a callback of the C library). */
    bool watched;
    /* for the pool */
    bool asking;   /* HELD until its owner has answered whether it is to be tried again */
    bool asked;    /* set by tine__inbox_take: tine__item_question has a question */
    bool emitted;  /* set by tine__inbox_take: there may be events to read */
    bool listed;   /* it is in its inbox */
    bool released; /* set by tine__inbox_take: the pool no longer touches the item */
    bool borrowed; /* `bytes` are the submitter's, during the submit */

    struct task task;      /* the owner sets call.count */
    uint64_t parent;       /* id of the task that submitted it; 0: none */
    uint64_t event_buffer; /* of an item from another machine (task.far): its submitter's limit */

    char *bytes;            /* label, function segment, argument segments; NULL: freed */
    struct store_refs refs; /* what the call names; held until all its tasks have ended */
    /* set by the owner before tine__pool_submit */
    /* Its own settings, or NULL: the pool's. The pool holds a reference until all tasks have
    ** ended. */
    struct settings *settings;
    struct inbox *inbox;
    struct outcome *outcomes; /* [call.count] */
    /* Results to fill in as arguments, or NULL; the pool's after the submit. */
    struct needs *needs;
    /* The id is given by tine__pool_submit; the texts must live as long as the item. */
    struct task_name name;
    uint64_t serial;        /* number of its call of submit or map on the pool */
    uint32_t first;         /* the first task whose arguments are in `bytes` */
    char small[ITEM_SMALL]; /* where short `bytes` lie */
};
_Static_assert(sizeof(void *) != 8 ||
                   (offsetof(struct item, task) == 64 && offsetof(struct item, bytes) % 64 == 0),
               "by lines of the cache");

/* Initialize the memory of an item, once; the memory may then be used for one item after the other.
** The members initialized here have these values again whenever an item is released. */
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

/* Get the item's rare part, making it if there is none. NULL: no memory. Under the pool's lock. */
struct item_rare *tine__item_need_rare(struct item *item);
/* Free the rare part with all that it holds. For the owner of an item that is released or was never
** submitted; no lock held. */
COLD void tine__item_drop_rare(struct item *item);

/* The times of the last attempt. */
static inline struct task_times item_times(const struct item *item) {
    const struct task *t = &item->task;
    return (struct task_times){.submitted = t->since,
                               .started = item->started,
                               .ended = item->ended,
                               .pid = t->pid,
                               .worker = (uint16_t)t->worker,
                               .host = t->host ? tine__text_number(t->host) : 0};
}

/* Set the times, to those of another item or of an earlier attempt. */
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

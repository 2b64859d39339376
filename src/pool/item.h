/* Work item: a submitted task, or a chunk of tasks of one map, in the submitting process.
**
** The memory of an item belongs to who submits (a Lua userdata, or malloc for the C library): it must
** stay where it is from tine__pool_submit until the item is *released*: all its tasks are settled and it
** has been taken from the pool's list of done items (tine__pool_take_done). Between the two the pool
** alone writes it, under the pool's lock.
**
**     NEW -> PENDING (no room in the call queue) -> QUEUED (in the queue or with a worker) -> DONE
**
** Each of its `count` tasks (ids id .. id+count-1) has an outcome.
*/
#ifndef TINE_POOL_ITEM_H
#define TINE_POOL_ITEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "codec/origin.h"
#include "pool/failure.h"
#include "store/store.h"

struct pool;

enum outcome_state {
    OUTCOME_NONE,   /* not settled */
    OUTCOME_VALUES, /* bytes: a result segment with the values */
    OUTCOME_ERROR,  /* bytes: a result segment [error value, traceback] */
    OUTCOME_FAILED  /* code; perhaps a failure, perhaps bytes (a text) */
};

/* Where its bytes are, or the failure. */
enum storage { STORE_NONE, STORE_INLINE, STORE_MALLOC, STORE_BLOCK, STORE_FAILURE };

#define OUTCOME_INLINE 24 /* enough for two numbers */

/* How a task ended. Written once, under the pool's lock; `state` last, with release, so that its owner
** may look at it without the lock. There is one for each item of a map: it is kept small. */
struct outcome {
    _Atomic uint8_t state;
    uint8_t storage;  /* enum storage */
    int16_t code;     /* TINE_E... of a failed one */
    uint16_t length;  /* of bytes that lie here */
    uint16_t readers; /* for the owner's use: who reads the bytes just now */
    union {
        char bytes[OUTCOME_INLINE];
        struct {
            const char *data;
            uint64_t length;
            struct kept_block *block; /* that they lie in; NULL: they are malloced */
        } far;
        struct failure *failure;
    } u;
};
_Static_assert(sizeof(struct outcome) == 32, "two in a cache line");

static inline bool outcome_settled(const struct outcome *o) {
    return atomic_load_explicit(&o->state, memory_order_acquire) != OUTCOME_NONE;
}
/* The bytes (valid until tine__outcome_free); NULL when it has none. */
const char *tine__outcome_bytes(const struct outcome *o, size_t *length);
/* Its failure, or NULL. */
struct failure *tine__outcome_failure(const struct outcome *o);
/* True when tine__outcome_free has something to do. */
static inline bool outcome_owns(const struct outcome *o) {
    return o->storage > STORE_INLINE;
}
/* Give back what it holds; it keeps state and code. Any thread, no lock held. */
void tine__outcome_free(struct outcome *o);

enum item_state { ITEM_NEW, ITEM_PENDING, ITEM_QUEUED, ITEM_DONE };

/* What a task is called. Text that is not its own. */
struct task_name {
    uint64_t id;                       /* of the first task of an item */
    uint64_t index;                    /* of that task in its map, from 1; 0: not of a map */
    const struct codec_origin *origin; /* or NULL */
    const char *label;                 /* given by the user, or NULL */
    uint32_t label_len;
};

/* The encoded call: label, function segment, argument segments (ipc/queue.h). */
struct payload {
    char *data;      /* NULL: none (or all of it is in the queue's slot) */
    uint64_t offset; /* of a block in the call heap; 0: `data` is malloced */
    uint64_t length;
    uint32_t label, function; /* bytes of the first two parts */
};

struct item {
    struct list node; /* in the pool's pending list */
    struct list news; /* in its list of done items */
    struct task_name
        name;       /* the id is given by tine__pool_submit; the texts live as long as the item */
    uint32_t count; /* tasks, 1 or more */
    uint32_t open;  /* tasks not settled yet */
    uint64_t seq;   /* in the call queue */
    uint32_t ref;   /* in the pool's table of queued items */
    uint8_t state;  /* enum item_state */
    bool listed;    /* in the list of done items */
    bool released;  /* set by tine__pool_take_done: the pool touches it no more */
    bool taken;     /* seen to be with a worker */
    bool watched;   /* its owner wants to hear of its end at once (a callback of the C library) */
    uint32_t first; /* the first task that the bytes in `call` are for */
    uint64_t limit; /* run-time limit of each task, ns; 0 none */
    struct payload call;
    struct store_refs refs;   /* what it names, until the last of its tasks is settled */
    struct outcome *outcomes; /* `count` of them: the owner's memory */
    void *owner;              /* for the owner's use */
};

#endif

/* Outcome: how a task has ended, and where the bytes of its result are until somebody asks for
** them.
**
** The pool sets it once, under its lock; `state` is set last, with release order, so the owner may
** read it without the lock. Maps have one outcome for each item, so it is kept small.
*/
#ifndef TINE_POOL_OUTCOME_H
#define TINE_POOL_OUTCOME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "pool/failure.h"

struct pool;
struct report;
struct carried;

enum outcome_state {
    OUTCOME_NONE,   /* the task has not ended */
    OUTCOME_VALUES, /* bytes: a result segment with the values */
    OUTCOME_ERROR,  /* bytes: a result segment [error value, traceback] */
    OUTCOME_FAILED  /* code; perhaps a failure, or bytes (a text) */
};

/* Where the bytes or the failure are. */
enum storage { STORE_NONE, STORE_MOVED, STORE_INLINE, STORE_KEPT, STORE_FAILURE };

#define OUTCOME_INLINE 24 /* enough for two numbers */

struct outcome {
    _Atomic uint8_t state;
    uint8_t storage;  /* enum storage */
    int16_t code;     /* TINE_E... of a FAILED outcome */
    uint16_t length;  /* of STORE_INLINE bytes */
    uint16_t readers; /* for the owner: how many read the bytes just now */
    union {
        char bytes[OUTCOME_INLINE];
        struct {
            const char *data;
            uint64_t length;
            struct kept_bytes *kept; /* owns the bytes */
        } far;
        struct failure *failure;
    } u;
};
_Static_assert(sizeof(struct outcome) == 32, "two in a cache line");

/* --- for the owner --- */

static inline bool outcome_settled(const struct outcome *o) {
    return atomic_load_explicit(&o->state, memory_order_acquire) != OUTCOME_NONE;
}
/* The bytes, valid until tine__outcome_free; NULL if there are none. */
const char *tine__outcome_bytes(const struct outcome *o, size_t *length);
/* The failure, borrowed, or NULL. */
struct failure *tine__outcome_failure(const struct outcome *o);
/* Must tine__outcome_free be called? */
static inline bool outcome_owns(const struct outcome *o) {
    return o->storage > STORE_INLINE;
}
/* Move what the outcome holds to *to. The owner remembers where that is. */
static inline void outcome_move(struct outcome *o, struct outcome *to) {
    memcpy(to, o, sizeof *to);
    o->storage = STORE_MOVED;
}
/* Free what the outcome holds; it keeps state and code. Any thread, no lock held. */
void tine__outcome_free(struct outcome *o);
/* The same while the lock of `p` (NULL: of no pool) is held. */
void tine__outcome_free_locked(struct pool *p, struct outcome *o);
/* Make `to`, which is not settled, a copy of `from`, which is settled and not freed meanwhile. The
** two share the bytes. */
void tine__outcome_share(struct outcome *to, const struct outcome *from);

/* --- for the pool --- */

/* Copy the bytes into the outcome. Without memory for them it becomes FAILED with TINE_ENOMEM.
** Takes over the regions that the bytes name (`carried`, or NULL). */
void tine__outcome_set_bytes(struct outcome *o, enum outcome_state state, int code,
                             const char *bytes, size_t length, struct carried *carried);
/* The regions that its bytes name, or NULL. */
const struct carried *tine__outcome_carried(const struct outcome *o);
/* Set the bytes of the report that the site gave last: copied, or if they are many kept in the
** site's block (site_ops.keep). Memory and regions as for tine__outcome_set_bytes. */
void tine__outcome_set_report(struct outcome *o, enum outcome_state state, int code, struct pool *p,
                              const struct report *r);
/* Set FAILED, with a new reference to `f` (may be NULL). */
void tine__outcome_set_failure(struct outcome *o, int code, struct failure *f);

#endif

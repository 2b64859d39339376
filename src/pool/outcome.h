/* Outcome: how a task has ended, and where its bytes are kept until somebody asks for them.
**
** Set once, by the pool under its lock; `state` last, with release, so that its owner may look at it
** without the lock. There is one for each item of a map: it is kept small.
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
    OUTCOME_NONE,   /* not settled */
    OUTCOME_VALUES, /* bytes: a result segment with the values */
    OUTCOME_ERROR,  /* bytes: a result segment [error value, traceback] */
    OUTCOME_FAILED  /* code; perhaps a failure, perhaps bytes (a text) */
};

/* Where its bytes are, or the failure. */
enum storage { STORE_NONE, STORE_MOVED, STORE_INLINE, STORE_KEPT, STORE_FAILURE };

#define OUTCOME_INLINE 24 /* enough for two numbers */

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
            struct kept_bytes *kept; /* that they lie in */
        } far;
        struct failure *failure;
    } u;
};
_Static_assert(sizeof(struct outcome) == 32, "two in a cache line");

/* --- the owner's side --- */

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
/* What it holds is held from now on by *to, which is a copy of it; where that is the owner knows. */
static inline void outcome_move(struct outcome *o, struct outcome *to) {
    memcpy(to, o, sizeof *to);
    o->storage = STORE_MOVED;
}
/* Give back what it holds; it keeps state and code. Any thread, no lock held. */
void tine__outcome_free(struct outcome *o);
/* The same while the lock of `p` is held. */
void tine__outcome_free_locked(struct pool *p, struct outcome *o);
/* `to`, which is not settled, becomes what `from` is, which is settled and not freed meanwhile. They share
** the bytes. */
void tine__outcome_share(struct outcome *to, const struct outcome *from);

/* --- the pool's side --- */

/* Copy the bytes. When there is no memory for them the outcome is FAILED with TINE_ENOMEM. What they name (`carried`, or
** NULL) goes over to the outcome, as below. */
void tine__outcome_set_bytes(struct outcome *o, enum outcome_state state, int code,
                             const char *bytes, size_t length, struct carried *carried);
/* The regions that its bytes name, or NULL. */
const struct carried *tine__outcome_carried(const struct outcome *o);
/* The bytes of the report given last: copied, or if they are many their block is kept by the site. No memory, and what they
** name: as above. */
void tine__outcome_set_report(struct outcome *o, enum outcome_state state, int code, struct pool *p,
                              const struct report *r);
/* FAILED, with a reference to `f` (may be NULL). */
void tine__outcome_set_failure(struct outcome *o, int code, struct failure *f);

#endif

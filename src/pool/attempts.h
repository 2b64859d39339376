/* Attempts: when and where a task has run, and with which errors its earlier attempts failed. */
#ifndef TINE_POOL_ATTEMPTS_H
#define TINE_POOL_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>
#include "pool/outcome.h"

struct pool;
struct item;

/* Times of the last attempt, in ns of the clock; 0: not known, or not yet. */
struct task_times {
    uint64_t submitted, started, ended;
    int pid;
    uint16_t worker; /* 0: it has not run */
    uint16_t host;   /* tine__text_number; 0: here, or not known */
};
_Static_assert(sizeof(struct task_times) == 32, "each future has them");

/* A failed attempt that was not the last one. */
struct attempt {
    struct task_times times;
    uint16_t place; /* number of the worker on another machine (remote.h), or 0 */
    struct outcome error;
};

struct attempts {
    uint32_t n, room;
    struct attempt list[];
};

/* NULL is allowed. No lock held. */
void tine__attempts_free(struct attempts *a);
/* The same while the lock of `p` is held. */
void tine__attempts_free_locked(struct pool *p, struct attempts *a);
/* A copy for a reader, which the caller frees. NULL: there are none, or no memory. */
struct attempts *tine__attempts_copy(const struct attempts *a);

/* --- for the pool, under its lock --- */

/* Note an attempt of the item's single task that failed and may be repeated; the caller sets its
** error. NULL: no memory. */
struct attempt *tine__attempt_add(struct item *item);
/* Set when the attempt that is being delivered began and ended, as far as that is known. */
void tine__attempt_times(struct item *item, uint64_t started, uint64_t ended);

#endif

/* Attempts: when and where a task has run, and how it has failed before it was tried again. */
#ifndef TINE_POOL_ATTEMPTS_H
#define TINE_POOL_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>
#include "pool/outcome.h"

struct pool;
struct item;

/* Of the attempt that was made last; all in ns of the clock, 0: not known, or not yet. */
struct task_times {
    uint64_t submitted, started, ended;
    int pid;
    uint16_t worker; /* 0: it has not run */
    uint16_t host;   /* tine__text_number; 0: here, or not known */
};
_Static_assert(sizeof(struct task_times) == 32, "each future has them");

/* One that has failed, and was not the last. */
struct attempt {
    struct task_times times;
    uint16_t place; /* which worker on another machine it was (remote.h), or 0 */
    struct outcome error;
};

struct attempts {
    uint32_t n, room;
    struct attempt list[];
};

/* Takes NULL. */
void tine__attempts_free(struct attempts *a);
/* A copy, for who is about to look at it; NULL: there are none, or no memory. */
struct attempts *tine__attempts_copy(const struct attempts *a);

/* --- the pool's side, under its lock --- */

/* The only task of the item has failed, for now: the attempt is noted, its error still NONE. NULL: no memory. */
struct attempt *tine__attempt_add(struct item *item);
/* When the attempt that is being told began and ended, as far as it is known. */
void tine__attempt_times(struct item *item, uint64_t started, uint64_t ended);

#endif

/* Figures: what a pool measures of its tasks, always, and for some instructions each: pool:stats, pool:report and
** `tine top` read them.
**
** Under the pool's lock. Of times they know what workers have said (of their own tasks), and when it was heard: the
** clock is read once for each submit and once for each batch of results.
*/
#ifndef TINE_POOL_FIGURES_H
#define TINE_POOL_FIGURES_H

#include <stdint.h>
#include "sched/histogram.h"

struct pool;
struct item;
struct report;

#define FIGURES_CODES 16 /* above the greatest -TINE_E... */
#define FIGURES_TOLD 5   /* of the slowest, of those that failed last */
#define FIGURES_LABEL 160
#define FIGURES_TEXT 240

/* A task that a person is to be told of. */
struct figures_task {
    uint64_t id;  /* 0: no more of them */
    uint64_t ran; /* ns */
    uint64_t ended;
    unsigned worker; /* 0: it did not run */
    int code;        /* of one that failed */
    char label[FIGURES_LABEL];
    char text[FIGURES_TEXT]; /* ... and its error */
};

struct figures {
    uint64_t began;             /* ns: when the pool was opened */
    struct histogram wait, run; /* of each attempt that a worker has begun */
    /* Of each task that has ended after it had begun: from submit to when that was heard. */
    struct histogram round_trip;
    uint64_t bytes_in, bytes_out; /* of calls and of results */
    uint64_t failed[FIGURES_CODES];
    uint64_t spent; /* ns of the processor: of workers that have ended */
    uint64_t most;  /* ... of all, as it was said last: it never becomes less */
    struct figures_task slowest[FIGURES_TOLD]; /* the slowest first */
    /* Those that failed last: `lasts` have, number i is at i modulo FIGURES_TOLD. */
    struct figures_task last[FIGURES_TOLD];
    uint64_t lasts;
};

/* An attempt at task `k` has ended that began then (0: it is not known). */
void tine__figures_ran(struct pool *p, const struct item *item, uint32_t k, uint64_t started,
                       uint64_t ended);
/* Task `k`, which had begun, has ended for good. */
void tine__figures_through(struct pool *p, const struct item *item, uint64_t ended);
/* ... as a failure, which its outcome says. */
void tine__figures_failed(struct pool *p, const struct item *item, uint32_t k);

#endif

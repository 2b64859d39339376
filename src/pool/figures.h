/* Figures: what a pool measures of its tasks, always, at the cost of some instructions for each.
** Read by pool:stats, pool:report and `tine top`. Under the pool's lock.
**
** Times come from workers (when a task ran) and from when results were taken in. The clock is read
** once for each submit and once for each batch of results.
*/
#ifndef TINE_POOL_FIGURES_H
#define TINE_POOL_FIGURES_H

#include <stdint.h>
#include "sched/histogram.h"

struct pool;
struct item;
struct report;

#define FIGURES_CODES 16 /* above the greatest -TINE_E... */
#define FIGURES_TOLD 5   /* tasks kept: the slowest, and those that failed last */
#define FIGURES_LABEL 160
#define FIGURES_TEXT 240

/* A task that is shown to people. */
struct figures_task {
    uint64_t id;  /* 0: this entry is empty */
    uint64_t ran; /* ns */
    uint64_t ended;
    unsigned worker; /* 0: it did not run */
    int code;        /* of a failed task */
    char label[FIGURES_LABEL];
    char text[FIGURES_TEXT]; /* error of a failed task */
};

struct figures {
    uint64_t began;             /* ns: when the pool was opened */
    struct histogram wait, run; /* of each attempt that a worker began */
    /* Of each task that ran: from its submit until its end was taken in. */
    struct histogram round_trip;
    uint64_t bytes_in, bytes_out; /* bytes of calls and of results */
    uint64_t failed[FIGURES_CODES];
    uint64_t spent; /* processor time of ended workers, ns */
    uint64_t most;  /* highest processor time reported, so that it never decreases */
    struct figures_task slowest[FIGURES_TOLD]; /* in descending order */
    /* The tasks that failed last, a ring: number i is at i modulo FIGURES_TOLD. */
    struct figures_task last[FIGURES_TOLD];
    uint64_t lasts;
};

/* An attempt at task `k` has ended. `started` 0: not known. */
void tine__figures_ran(struct pool *p, const struct item *item, uint32_t k, uint64_t started,
                       uint64_t ended);
/* A task that had begun has ended for good. */
void tine__figures_through(struct pool *p, const struct item *item, uint64_t ended);
/* Task `k` has failed for good; its outcome is set. */
void tine__figures_failed(struct pool *p, const struct item *item, uint32_t k);

#endif

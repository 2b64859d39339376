/* Remotes: the workers on other machines that have run tasks of a pool, as known from results. Each
** has a number, from 1, by which times, traces and reports refer to it. Under the pool's lock; kept
** as long as the pool.
*/
#ifndef TINE_POOL_REMOTE_H
#define TINE_POOL_REMOTE_H

#include <stdint.h>

#define REMOTES_MOST 4095u /* a trace has no more rows */
#define REMOTE_HOST 128u

struct pool;
struct report;
struct worker_info;

struct remote {
    char host[REMOTE_HOST];
    uint32_t worker; /* number that its host gives it */
    int pid;         /* process id, as last reported */
    uint64_t met;    /* when it began its first task */
    uint64_t tasks;  /* tasks that have ended in it */
    uint64_t ran;    /* ns that these tasks took, as far as known */
    /* When the last task began and ended, adjusted so that tasks of a worker do not overlap. */
    uint64_t from, until;
};

struct remotes {
    unsigned n, room;
    struct remote *list;
    unsigned slots; /* of all hosts, as known when the pool was told to end */
};

/* A result has come from another machine: count it, and return the worker's number, or 0. */
uint16_t tine__remote_note(struct pool *p, const struct report *r);

/* --- under the pool's lock --- */

/* Describe at most `max` known workers on other machines; returns their number. */
unsigned tine__remotes_list(struct pool *p, uint64_t now, struct worker_info *out, unsigned max);
/* Sums over these workers, in ns: how long they have been known; how long their present tasks have
** run. */
uint64_t tine__remotes_lived(const struct pool *p, uint64_t now);
uint64_t tine__remotes_busy(struct pool *p, uint64_t now);

#endif

/* Remotes: the workers on other machines that have run tasks of a pool, as far as results have told. Each has a number,
** from 1, under which times, traces and reports know it. Under the pool's lock; they are kept as long as the pool.
*/
#ifndef TINE_POOL_REMOTE_H
#define TINE_POOL_REMOTE_H

#include <stdint.h>

#define REMOTES_MOST 4095u /* as many as a trace has rows */
#define REMOTE_HOST 128u

struct pool;
struct report;
struct worker_info;

struct remote {
    char host[REMOTE_HOST];
    uint32_t worker; /* as its host counts */
    int pid;         /* its process, as was heard last */
    uint64_t met;    /* when it began its first task */
    uint64_t tasks;  /* that it has ended, */
    uint64_t ran;    /* and how long they took, as far as that is known (ns) */
    /* When the last one began and ended, as it was heard: not before the end of another. */
    uint64_t from, until;
};

struct remotes {
    unsigned n, room;
    struct remote *list;
};

/* A result from another machine: its place, or 0. It is counted there. */
uint16_t tine__remote_note(struct pool *p, const struct report *r);

/* --- under the pool's lock --- */

/* The workers on other machines that are there, as far as that is known: fills in at most `max`, gives their number. */
unsigned tine__remotes_list(struct pool *p, uint64_t now, struct worker_info *out, unsigned max);
/* How long those that have run something have been there; how long tasks have run there that have not ended. */
uint64_t tine__remotes_lived(const struct pool *p, uint64_t now);
uint64_t tine__remotes_busy(struct pool *p, uint64_t now);

#endif

/* Places: the workers on other machines that have run tasks of a pool, as far as results have told. Each has a number,
** from 1, under which times, traces and reports know it. Under the pool's lock; they are kept as long as the pool.
*/
#ifndef TINE_POOL_PLACES_H
#define TINE_POOL_PLACES_H

#include <stdint.h>

#define PLACES_MOST 4095u /* as many as a trace has rows */
#define PLACE_HOST 128u

struct pool;
struct report;

struct place {
    char host[PLACE_HOST];
    uint32_t worker; /* as its host counts */
    uint64_t tasks;  /* that it has ended, */
    uint64_t ran;    /* and how long they took, as far as that is known (ns) */
    uint64_t from,
        until; /* when the last one began and ended, as it was heard: not before the end of another */
};

struct places {
    unsigned n, room;
    struct place *list;
};

/* A result from another machine: its place, or 0. It is counted there. */
uint16_t tine__place_note(struct pool *p, const struct report *r);

#endif

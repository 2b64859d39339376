/* Extra: what a worker is told of a call beyond its head (msg/call.h), for tasks with settings that
** concern the worker. It lies before the label, when CALL_EXTRA says so; most calls have none and
** pay nothing for it.
*/
#ifndef TINE_MSG_EXTRA_H
#define TINE_MSG_EXTRA_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "msg/settings.h"

struct call_extra {
    uint64_t memory;       /* bytes that each of its tasks may add to the Lua state, 0: no limit */
    uint64_t serial;       /* number of the pool's submit or map that it came from, from 1 */
    uint64_t seed[2];      /* if seeded: the seed of all tasks with this setting */
    uint64_t output_limit; /* bytes */
    uint32_t seeded;
    uint32_t output; /* enum output_mode */
};
_Static_assert(sizeof(struct call_extra) == 48, "no padding with foreign bytes");

/* What a worker is told of a call that came from another machine (CALL_FAR); it lies behind the
** extra, if there is one. */
struct call_far {
    uint64_t id;           /* of the first task, as its submitter counts */
    uint64_t event_buffer; /* events that each task may emit before it is granted more */
    uint64_t crew;         /* number of the remote pool, unique */
    uint64_t errands;      /* how many of that pool's errands a worker has to run before it */
    uint64_t errand;       /* id in the store of the last of them (msg/errand.h); 0: none */
    uint32_t attempt;
    uint32_t names;
    /* then struct call_far_name[names] */
};

/* A function that the call names. */
struct call_far_name {
    uint64_t theirs, ours; /* its ids in the submitter's store and in ours */
};

/* The seed of the random numbers of the task with this index in its map (0: not of a map). It does
** not depend on which worker runs the task, or when. */
void tine__extra_seed(const struct call_extra *e, uint64_t index, uint64_t out[2]);

/* Do tasks with these settings need an extra? */
static inline bool settings_need_extra(const struct settings *s) {
    return !s->plain && (s->memory | s->seeded | s->output) != 0;
}

static inline struct call_extra extra_of(const struct settings *s, uint64_t serial) {
    struct call_extra e = {.memory = s->memory,
                           .serial = serial,
                           .output_limit = s->output_limit,
                           .seeded = s->seeded,
                           .output = s->output};
    memcpy(e.seed, s->seed, sizeof e.seed);
    return e;
}

/* Size of the struct call_far with `names` names. */
static inline uint32_t far_size(uint32_t names) {
    return (uint32_t)(sizeof(struct call_far) + names * sizeof(struct call_far_name));
}

/* Size of the extra in a call of a task with these settings. */
static inline uint32_t settings_extra(const struct settings *s) {
    return settings_need_extra(s) ? sizeof(struct call_extra) : 0;
}

#endif

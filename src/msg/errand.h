/* Errand: a call that each worker of a pool runs once, before its next task (pool:everywhere).
**
** Its bytes are kept as long as the pool, in a block of the call heap that begins with this head; each names the next.
** They are written before they are told of, and only `next` changes afterwards, before the next one is told of.
*/
#ifndef TINE_MSG_ERRAND_H
#define TINE_MSG_ERRAND_H

#include <stdint.h>

struct errand_place {
    uint64_t offset, length; /* of the block, this head included */
};

struct errand_head {
    struct errand_place next;
    uint64_t function; /* bytes of the function segment; the argument segment follows */
};

/* One of a pool on another machine, as a host keeps it for its workers: a value in its store. */
struct errand_far {
    uint64_t before; /* the one before it, by its id in the store; 0: it is the first */
    uint64_t number; /* from 1, as its pool counts */
    uint64_t first;  /* 1: it is the initializer: where that fails no task of the pool runs; or 0 */
    uint64_t names;
    uint64_t function; /* bytes */
    /* struct call_far_name[names] (msg/extra.h); the function segment; the argument segment */
};

#endif

/* Errand: a call that each worker of a pool runs once, before its next task (pool:everywhere).
**
** Its bytes are kept as long as the pool, in a block of the call heap that begins with this head.
** Each errand names the next. An errand is written before workers are told of it; only `next` is
** written later, before workers are told of the next one.
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

/* An errand of a pool on another machine, as a host keeps it for its workers: a value in its
** store. */
struct errand_far {
    uint64_t before; /* id in the store of the errand before it; 0: it is the first */
    uint64_t number; /* from 1, as its pool counts */
    /* 1: it is the initializer, and if it fails on a worker no task of the pool runs there; else
    ** 0 */
    uint64_t first;
    uint64_t names;
    uint64_t function; /* bytes of the function segment */
    /* then struct call_far_name[names] (msg/extra.h), function segment, argument segment */
};

#endif

/* Call: what a worker is told of a task (or a chunk of tasks) when it is handed over. It is
** described once: the same struct is in the pool's item, in a slot of the call queue, and at the
** head of a message to another machine.
**
** Plain data. The bytes that belong to a call are the label, the function segment and `count`
** argument segments, one after the other (codec/segment.h describes segments). Where they lie is up
** to whoever carries the call.
*/
#ifndef TINE_MSG_CALL_H
#define TINE_MSG_CALL_H

#include <stdint.h>

#define CALL_INLINE 192u /* bytes that fit into the slot; more lie in the call heap */
#define CALL_TRIED 32    /* bit from which the flags hold the number of earlier attempts */
#define CALL_DEPTH 16    /* bit from which the flags hold the nesting depth, in CALL_DEPTHS */
#define CALL_DEPTHS 0xffffu
#define CALL_TIMED 1u  /* note when the task starts: it has a run-time limit */
#define CALL_SPENDS 4u /* note the processor time at its start: that has a limit */
#define CALL_FAR 8u    /* from another machine: a struct call_far is behind the extra */
#define CALL_MUTE 16u  /* nobody wants its events */
#define CALL_AGAIN 32u /* an error of it may be followed by another attempt, also if nobody waits */
#define CALL_EXTRA 2u  /* a struct call_extra (msg/extra.h) is before the label */

struct call_head {
    uint64_t id;       /* of the first task, 56 bits; a chunk has the ids id .. id+count-1 */
    uint64_t index;    /* of the first task in its map, from 1; 0: not of a map */
    uint64_t offset;   /* of a block in the call heap with the bytes; 0: they are in the slot */
    uint64_t length;   /* of the bytes */
    uint64_t callee;   /* id of the function in the store (store/store.h); 0: not stored */
    uint64_t flags;    /* CALL_TIMED ...; depth and attempts: see above */
    uint32_t count;    /* tasks in it */
    uint32_t ref;      /* the submitter's number for the call; each report has it */
    uint32_t label;    /* bytes before the function segment: extra and label */
    uint32_t function; /* bytes of the function segment */
};
_Static_assert(sizeof(struct call_head) == 64, "a cache line, and no padding with foreign bytes");

/* The nesting depth: 0 for a task of the program, n+1 for a task submitted by a task of depth n. */
static inline uint32_t call_depth(const struct call_head *h) {
    return (uint32_t)(h->flags >> CALL_DEPTH) & CALL_DEPTHS;
}

/* Which attempt this is, from 1. */
static inline uint32_t call_attempt(const struct call_head *h) {
    return (uint32_t)(h->flags >> CALL_TRIED) + 1;
}

#endif

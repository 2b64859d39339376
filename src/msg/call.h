/* Call: what is said of a task when it is handed over, described once: the same struct is in the
** pool's item, in the slot of the call queue, and at the head of a message to another machine.
**
** Plain data. The bytes that go with it are the label, the function segment and `count` argument
** segments, one after the other (codec/segment.h has the segments); where they lie is the business
** of whoever carries them.
*/
#ifndef TINE_MSG_CALL_H
#define TINE_MSG_CALL_H

#include <stdint.h>

#define CALL_INLINE 192u /* bytes that go along; more lie in the call heap */
#define CALL_TRIED 32    /* a bit */
#define CALL_DEPTH 16    /* a bit: so deep a task is nested, in CALL_DEPTHS */
#define CALL_DEPTHS 0xffffu
#define CALL_TIMED 1u  /* note the start: the task has a run-time limit */
#define CALL_SPENDS 4u /* note the processor time at the start, too: that is limited */
#define CALL_FAR 8u    /* a struct call_far is behind that: it came from another machine */
#define CALL_MUTE 16u  /* nobody wants its events */
#define CALL_EXTRA 2u  /* a struct call_extra (msg/extra.h) is before the label */

struct call_head {
    uint64_t id;       /* of the first task, 56 bits; a chunk has ids id .. id+count-1 */
    uint64_t index;    /* of the first task in its map, from 1; 0: it is of none */
    uint64_t offset;   /* of a block in the call heap where the bytes are; 0: they go along */
    uint64_t length;   /* of the bytes */
    uint64_t callee;   /* id of the function in the store (store/store.h), 0: it is not there */
    uint64_t flags;    /* CALL_TIMED ...; from bit CALL_TRIED on: attempts before this one */
    uint32_t count;    /* tasks in it */
    uint32_t ref;      /* the submitter's own number for it, comes back with each report */
    uint32_t label;    /* bytes before the function segment: extra, label */
    uint32_t function; /* bytes of the function segment */
};
_Static_assert(sizeof(struct call_head) == 64, "a cache line, and no padding with foreign bytes");

/* How many tasks it was submitted by, one by the other. */
static inline uint32_t call_depth(const struct call_head *h) {
    return (uint32_t)(h->flags >> CALL_DEPTH) & CALL_DEPTHS;
}

/* Which attempt it is, from 1. */
static inline uint32_t call_attempt(const struct call_head *h) {
    return (uint32_t)(h->flags >> CALL_TRIED) + 1;
}

#endif

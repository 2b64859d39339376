/* Blocks: a queue of records from the one that tells (under its pool's lock) to the one that writes, without a lock
** between the two. It grows while the writer is behind, up to BLOCKS_MOST; then it has no room.
*/
#ifndef TINE_TRACE_BLOCK_H
#define TINE_TRACE_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "trace/record.h"

#define BLOCK_SIZE (64u << 10)
#define BLOCKS_MOST 64u

struct block {
    _Atomic(struct block *) next;
    _Atomic uint32_t length; /* written, and whole records */
    _Alignas(8) char bytes[BLOCK_SIZE];
};

struct blocks {
    struct block *in;              /* the teller's */
    struct block *out;             /* the writer's, */
    uint32_t read;                 /* so far */
    atomic_uint n;                 /* there are */
    _Atomic(struct block *) spare; /* one that is empty, or NULL */
};

/* 0 or TINE_ENOMEM. */
int tine__blocks_init(struct blocks *b);
void tine__blocks_free(struct blocks *b);

/* The teller: room for a record of this size; NULL: there is none, or no memory. Then it is filled in, and put. */
void *tine__blocks_room(struct blocks *b, uint32_t size);
void tine__blocks_put(struct blocks *b, uint32_t size);
/* The writer: the next record, or NULL. It is good until the next one is asked for. */
const struct trace_record *tine__blocks_next(struct blocks *b);

/* So much is in it that the writer should hurry. */
static inline bool blocks_pressed(struct blocks *b) {
    return atomic_load_explicit(&b->n, memory_order_relaxed) > BLOCKS_MOST / 8;
}

#endif

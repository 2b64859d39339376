/* Blocks: a lock-free queue of records with one producer, the teller (a pool, under its lock), and
** one consumer, the writer. It grows while the writer is behind, up to BLOCKS_MOST blocks.
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
    _Atomic uint32_t length; /* bytes of whole records */
    _Alignas(8) char bytes[BLOCK_SIZE];
};

struct blocks {
    struct block *in;              /* the teller's: the block that it fills */
    struct block *out;             /* the writer's: the block that it reads, */
    uint32_t read;                 /* and how many bytes of it were read */
    atomic_uint n;                 /* blocks in the queue */
    _Atomic(struct block *) spare; /* an empty block, or NULL */
};

/* 0 or TINE_ENOMEM. */
int tine__blocks_init(struct blocks *b);
void tine__blocks_free(struct blocks *b);

/* The teller: room for a record of this size, to be filled in and put. NULL: BLOCKS_MOST are full,
** or no memory. */
void *tine__blocks_room(struct blocks *b, uint32_t size);
void tine__blocks_put(struct blocks *b, uint32_t size);
/* The writer: the next record, valid until the next call; NULL: there is none. */
const struct trace_record *tine__blocks_next(struct blocks *b);

/* Is the queue so full that the writer should hurry? */
static inline bool blocks_pressed(struct blocks *b) {
    return atomic_load_explicit(&b->n, memory_order_relaxed) > BLOCKS_MOST / 8;
}

#endif

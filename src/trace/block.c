#include "trace/block.h"

#include "base/error.h"
#include "base/sys.h"

static struct block *new_block(void) {
    struct block *block = sys.malloc(sizeof *block);
    if (block) {
        atomic_init(&block->next, NULL);
        atomic_init(&block->length, 0);
    }
    return block;
}

int tine__blocks_init(struct blocks *b) {
    *b = (struct blocks){.in = new_block()};
    b->out = b->in;
    atomic_init(&b->n, 1);
    return b->in ? 0 : TINE_ENOMEM;
}

void tine__blocks_free(struct blocks *b) {
    while (b->out) {
        struct block *next = atomic_load(&b->out->next);
        free(b->out);
        b->out = next;
    }
    free(atomic_load(&b->spare));
    atomic_store(&b->spare, NULL);
    b->in = NULL;
}

/* --- the teller --- */

static struct block *take_block(struct blocks *b) {
    struct block *block = atomic_exchange_explicit(&b->spare, NULL, memory_order_acquire);
    if (block)
        return block;
    return atomic_load_explicit(&b->n, memory_order_relaxed) < BLOCKS_MOST ? new_block() : NULL;
}

void *tine__blocks_room(struct blocks *b, uint32_t size) {
    uint32_t length = atomic_load_explicit(&b->in->length, memory_order_relaxed);
    if (size <= BLOCK_SIZE - length)
        return b->in->bytes + length;
    struct block *block = take_block(b);
    if (!block)
        return NULL;
    atomic_fetch_add_explicit(&b->n, 1, memory_order_relaxed);
    /* release: the writer sees that `block` is empty, and that the block before it is complete */
    atomic_store_explicit(&b->in->next, block, memory_order_release);
    b->in = block;
    return block->bytes;
}

void tine__blocks_put(struct blocks *b, uint32_t size) {
    uint32_t length = atomic_load_explicit(&b->in->length, memory_order_relaxed);
    atomic_store_explicit(&b->in->length, length + size, memory_order_release);
}

/* --- the writer --- */

/* Keep one empty block for the teller; free any other. */
static void recycle(struct blocks *b, struct block *block) {
    struct block *none = NULL;
    atomic_store_explicit(&block->next, NULL, memory_order_relaxed);
    atomic_store_explicit(&block->length, 0, memory_order_relaxed);
    atomic_fetch_sub_explicit(&b->n, 1, memory_order_relaxed);
    if (!atomic_compare_exchange_strong_explicit(&b->spare, &none, block, memory_order_release,
                                                 memory_order_relaxed))
        free(block);
}

const struct trace_record *tine__blocks_next(struct blocks *b) {
    for (;;) {
        struct block *next = atomic_load_explicit(&b->out->next, memory_order_acquire);
        /* read after `next`: a block that has a successor is complete */
        uint32_t length = atomic_load_explicit(&b->out->length, memory_order_acquire);
        if (b->read < length) {
            const struct trace_record *r = (const void *)(b->out->bytes + b->read);
            b->read += r->size;
            return r;
        }
        if (!next)
            return NULL;
        recycle(b, b->out);
        b->out = next;
        b->read = 0;
    }
}

#include <stdalign.h>
#include <stdint.h>
#include "base/hot.h"
#include "base/sys.h"
#include "bind/items.h"

#define KEPT 2048    /* about as many items as the call queue and the result rings hold */
#define TOGETHER 20u /* items in a block */

#define LINE 64u /* of the cache; items are laid out in lines */

struct block {
    struct list node;  /* in items.blocks while it has free items */
    struct item *free; /* linked by `owner` */
    void *memory;      /* the address from malloc */
    unsigned nfree;
    alignas(LINE) struct item items[TOGETHER];
};

void tine__items_init(struct items *s) {
    list_init(&s->blocks);
    s->nfree = 0;
    s->most = KEPT;
}

COLD static struct block *new_block(struct items *s) {
    void *memory = sys.malloc(sizeof(struct block) + LINE);
    if (!memory)
        return NULL;
    struct block *b = (struct block *)(((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
    b->memory = memory;
    b->free = NULL;
    b->nfree = TOGETHER;
    for (unsigned i = TOGETHER; i-- > 0;) {
        item_init(&b->items[i]);
        b->items[i].home = b;
        b->items[i].owner = b->free;
        b->free = &b->items[i];
    }
    list_init(&b->node);
    list_push_front(&s->blocks, &b->node);
    s->nfree += TOGETHER;
    return b;
}

HOT struct item *tine__items_take(struct items *s) {
    struct block *b =
        list_empty(&s->blocks) ? new_block(s) : LIST_ITEM(s->blocks.next, struct block, node);
    if (!b)
        return NULL;
    struct item *item = b->free;
    b->free = item->owner;
    s->nfree--;
    if (--b->nfree == 0)
        list_remove(&b->node);
    return item;
}

COLD static void free_block(struct items *s, struct block *b) {
    list_remove(&b->node);
    s->nfree -= TOGETHER;
    free(b->memory);
}

HOT void tine__items_put(struct items *s, struct item *item) {
    struct block *b = item->home;
    item->owner = b->free;
    b->free = item;
    s->nfree++;
    if (b->nfree++ == 0)
        list_push_front(&s->blocks, &b->node);
    if (b->nfree == TOGETHER && s->nfree > s->most)
        free_block(s, b);
}

void tine__items_close(struct items *s) {
    s->most = 0;
    for (struct list *n = s->blocks.next, *next; n != &s->blocks; n = next) {
        struct block *b = LIST_ITEM(n, struct block, node);
        next = n->next;
        if (b->nfree == TOGETHER)
            free_block(s, b);
    }
}

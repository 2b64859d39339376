/* Cache: decides which entries to forget, so that a cache stays within a limit of bytes.
**
** It uses the second-chance (clock) algorithm: an entry that was used since it was last considered
** is spared once. A use costs one store.
*/
#ifndef TINE_CODEC_CACHE_H
#define TINE_CODEC_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"

struct cached {
    struct list node; /* in cache->order; the oldest entry comes first */
    size_t bytes;
    bool used;
};

struct cache {
    struct list order;
    size_t bytes;
    uint32_t count;
};

/* Added to the bytes of a function's code: an estimate of what Lua and the codec allocate for
** it. */
#define CACHE_OVERHEAD 700u

static inline void cache_enter(struct cache *c, struct cached *e, size_t bytes) {
    e->bytes = bytes + CACHE_OVERHEAD;
    e->used = true;
    list_push(&c->order, &e->node);
    c->bytes += e->bytes;
    c->count++;
}

static inline void cache_leave(struct cache *c, struct cached *e) {
    list_remove(&e->node);
    c->bytes -= e->bytes;
    c->count--;
}

/* The entry to forget before one of `more` bytes is entered; NULL: there is room. */
static inline struct cached *cache_victim(struct cache *c, size_t more, size_t limit) {
    while (c->count > 0 && c->bytes + more + CACHE_OVERHEAD > limit) {
        struct cached *e = LIST_ITEM(c->order.next, struct cached, node);
        if (!e->used)
            return e;
        e->used = false;
        list_remove(&e->node);
        list_push(&c->order, &e->node);
    }
    return NULL;
}

#endif

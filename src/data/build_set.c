/* Building images: memory and sets. */
#include <stdlib.h>

#include "base/error.h"
#include "base/sys.h"
#include "data/build.h"

#define LARGE ((size_t)1 << 20)
#define POPULATE 23 /* MADV_POPULATE_WRITE, from Linux 5.14 on */

/* Map all pages of fresh memory at once: filling it takes longer by page faults than by writing. */
static void populate(char *p, size_t size) {
    uintptr_t from = ((uintptr_t)p + 4095) & ~(uintptr_t)4095;
    uintptr_t to = ((uintptr_t)p + size) & ~(uintptr_t)4095;
    if (to > from)
        (void)sys.madvise((void *)from, to - from, POPULATE);
}

/* Zeroed memory, or NULL. */
static void *zeros(size_t size) {
    void *p = sys.calloc(1, size);
    if (p && size >= LARGE)
        populate(p, size);
    return p;
}

int tine__build_room(void **list, uint64_t n, uint64_t *room, size_t size) {
    if (n < *room)
        return 0;
    uint64_t more = *room ? 2 * *room : 256;
    void *p = sys.realloc(*list, more * size);
    if (!p)
        return TINE_ENOMEM;
    *list = p;
    *room = more;
    return 0;
}

int tine__build_more(struct build *b) {
    return tine__build_room((void **)&b->stack, b->nstack, &b->stack_room, sizeof *b->stack);
}

/* Map the pages that are written next. */
static void make_ready(struct build *b, size_t size) {
    size_t more = size > LARGE ? size : LARGE, left = b->out.cap - b->out.len;
    b->ready = b->out.len + (more < left ? more : left);
    if (b->out.cap >= LARGE)
        populate(b->out.data + b->out.len, b->ready - b->out.len);
}

int tine__build_reserve(struct build *b, size_t size) {
    int err = buf_reserve(&b->out, size);
    if (!err)
        make_ready(b, size);
    return err;
}

/* Entries are moved in order, so the new memory is walked only once. */
int tine__build_widen(struct build_set *set, uint64_t more) {
    struct build_set wide = {.n = set->n, .room = set->room ? 2 * set->room : 1024};
    while (wide.n + more > wide.room / 4 * 3)
        wide.room *= 2;
    wide.entries = zeros(wide.room * sizeof *wide.entries);
    if (!wide.entries)
        return TINE_ENOMEM;
    for (uint64_t i = 0; i < set->room; i++) {
        uint64_t at = set->entries[i] >> 32;
        if (!set->entries[i])
            continue;
        while (wide.entries[at & (wide.room - 1)])
            at++;
        wide.entries[at & (wide.room - 1)] = set->entries[i];
    }
    free(set->entries);
    *set = wide;
    return 0;
}

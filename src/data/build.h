/* Building images: strings, shapes and tables into one growing piece of private memory. Knows no Lua. */
#ifndef TINE_DATA_BUILD_H
#define TINE_DATA_BUILD_H

#include "base/buf.h"
#include "data/image.h"

/* From 64-bit keys to 64-bit values. */
struct build_map {
    struct build_entry {
        uint64_t key, value; /* value 0: free */
    } * entries;
    uint64_t n, room; /* room: a power of two, or 0 */
};

/* Of strings, found by what they are: the hash in the upper half, in the lower one their place by 4, 0: free. */
struct build_set {
    uint64_t *entries;
    uint64_t n, room;
};

struct build {
    struct buf out;
    struct build_set strings;
    struct build_map shapes; /* hash of the keys -> place */
    struct build_table {
        const void *address;
        uint64_t place; /* 0: not written yet */
    } * tables;         /* by number */
    uint64_t ntables, tables_room;
    uint32_t *index; /* by address: number + 1, 0: free */
    uint64_t index_room;
    size_t ready;     /* bytes of `out` whose pages are there */
    uint64_t *fixups; /* places of values that are tables not written when they were */
    uint64_t nfixups, fixups_room;
    uint64_t *stack; /* values of the tables that are being written */
    uint64_t nstack, stack_room;
};

void tine__build_init(struct build *b);
void tine__build_free(struct build *b);
/* The head, which comes first. All of these give 0 or TINE_ENOMEM. */
int tine__build_begin(struct build *b);
/* A string of at most UINT32_MAX bytes. */
int tine__build_string(struct build *b, const char *s, size_t len, uint64_t *value);
int tine__build_integer(struct build *b, int64_t i, uint64_t *value);
int tine__build_number(struct build *b, double d, uint64_t *value);
/* The table at that address: *fresh when it is met for the first time. */
int tine__build_meet(struct build *b, const void *address, uint64_t *value, bool *fresh);
int tine__build_more(struct build *b);
static inline int build_push(struct build *b, uint64_t value) {
    int err = b->nstack == b->stack_room ? tine__build_more(b) : 0;
    if (!err)
        b->stack[b->nstack++] = value;
    return err;
}
/* What was pushed from `base` on is a table: items, then `fields` pairs of key and value. */
int tine__build_table(struct build *b, uint64_t table, uint64_t base, uint32_t items,
                      uint32_t length, uint32_t fields);
/* All tables are written: the image is complete. */
void tine__build_end(struct build *b, uint64_t root);

#endif

/* Building images: strings, shapes and tables into one growing piece of private memory. Knows no Lua.
**
** What takes the time is not the work but waiting for memory: a place in a set of a million strings is in no cache. So
** a string is not looked for when it comes, but its place is asked for then, and it is looked for when the table that
** holds it is complete.
**
**   build_set.c      memory, and sets        build_string.c   strings and numbers        build.c   shapes and tables
*/
#ifndef TINE_DATA_BUILD_H
#define TINE_DATA_BUILD_H

#include "base/buf.h"
#include "data/image.h"

/* Of numbers, found by the hash of what they stand for: hash << 32 | number, 0: free. */
struct build_set {
    uint64_t *entries;
    uint64_t n, room; /* room: a power of two; never fewer than it has */
};

#define BUILD_LATE 16    /* strings that have been asked for */
#define BUILD_RECENT 256 /* strings that are known by their address */

struct build {
    struct buf out;
    size_t ready; /* bytes of `out` whose pages are there; never fewer than it has */
    struct build_set strings, shapes, tables; /* place / 4, place / 8, number + 1 */
    struct build_late {
        const char *s;
        uint64_t at; /* in the stack */
        uint32_t len, hash;
    } late[BUILD_LATE];
    unsigned nlate;
    struct build_recent {
        const char *s;
        uint64_t value;
    } recent[BUILD_RECENT];
    struct build_table {
        const void *address;
        uint64_t place; /* 0: not written yet */
    } * table;          /* by number */
    uint64_t ntables, tables_room;
    uint64_t *fixups; /* places of values that are tables not written when they were */
    uint64_t nfixups, fixups_room;
    uint64_t *stack; /* values of the tables that are being written */
    uint64_t nstack, stack_room;
};

void tine__build_init(struct build *b);
void tine__build_free(struct build *b);
/* The head, which comes first. All of these give 0 or TINE_ENOMEM. */
int tine__build_begin(struct build *b);
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
/* Push a string of at most UINT32_MAX bytes, which stay where they are until the image is complete. */
int tine__build_push_string(struct build *b, const char *s, size_t len);
/* Strings that were pushed are on the stack now. */
int tine__build_settle(struct build *b);
/* Forget what was pushed from `base` on. */
int tine__build_cut(struct build *b, uint64_t base);
/* What was pushed from `base` on is a table: items, then `fields` pairs of key and value. */
int tine__build_table(struct build *b, uint64_t table, uint64_t base, uint32_t items,
                      uint32_t length, uint32_t fields);
/* All tables are written: the image is complete. */
void tine__build_end(struct build *b, uint64_t root);

/* --- for the files of it --- */

/* Room for one more of `n` things of that size. */
int tine__build_room(void **list, uint64_t n, uint64_t *room, size_t size);
/* Room for so many bytes in `out`, with their pages. */
int tine__build_reserve(struct build *b, size_t size);
/* Begin something at a multiple of `align`, 4 or 8, of at most `size` bytes. */
static inline int build_align(struct build *b, size_t align, size_t size) {
    const uint64_t none = 0;
    if (size + 8 > b->ready - b->out.len) {
        int err = tine__build_reserve(b, size + 8);
        if (err)
            return err;
    }
    memcpy(b->out.data + b->out.len, &none, sizeof none);
    b->out.len += -b->out.len & (align - 1);
    return 0;
}
/* There is room for it. */
static inline void build_put64(struct build *b, uint64_t bits) {
    memcpy(b->out.data + b->out.len, &bits, sizeof bits);
    b->out.len += sizeof bits;
}

/* Room for `more`, in an array at most three quarters full. */
int tine__build_widen(struct build_set *set, uint64_t more);
static inline int build_set_room(struct build_set *set, uint64_t more) {
    return set->n + more > set->room / 4 * 3 ? tine__build_widen(set, more) : 0;
}
/* The entry with that hash from *at on, or the free one behind them; *at is where to go on. */
static inline uint64_t *build_entry(const struct build_set *set, uint32_t hash, uint64_t *at) {
    for (;; ++*at) {
        uint64_t *e = &set->entries[*at & (set->room - 1)];
        if (!*e || *e >> 32 == hash)
            return e;
    }
}
/* Numbers that do not fit are not found again. */
static inline void build_enter(struct build_set *set, uint64_t *e, uint32_t hash, uint64_t number) {
    if (number > UINT32_MAX)
        return;
    *e = (uint64_t)hash << 32 | number;
    set->n++;
}

#endif

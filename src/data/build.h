/* Building images: strings, shapes and tables are appended to one growing block of private memory.
** Knows no Lua.
**
** What takes time is waiting for memory: an entry in a set of a million strings is in no cache. So
** when a string is pushed, its entry is only prefetched; the entry is looked up when the table that
** holds the string is complete.
**
**   build_set.c      memory, and sets
**   build_string.c   strings and numbers
**   build.c          shapes and tables
*/
#ifndef TINE_DATA_BUILD_H
#define TINE_DATA_BUILD_H

#include "base/buf.h"
#include "data/image.h"

/* An open-addressing hash set. An entry is the hash of a string, shape or table << 32 | its number;
** 0: free. */
struct build_set {
    uint64_t *entries;
    uint64_t n, room; /* room: a power of two, never less than `n` */
};

#define BUILD_LATE 16    /* strings that are pushed but not looked up yet */
#define BUILD_RECENT 256 /* size of the cache of strings by address */

struct build {
    struct buf out;
    size_t ready; /* bytes of `out` whose pages are mapped; at least out.len */
    struct build_set strings, shapes, tables; /* numbers: place / 4, place / 8, index + 1 */
    struct build_late {
        const char *s;
        uint64_t at; /* index in `stack` */
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
    } * table;          /* by index */
    uint64_t ntables, tables_room;
    uint64_t *fixups; /* places of values whose tables had not been written */
    uint64_t nfixups, fixups_room;
    uint64_t *stack; /* values of the tables that are being written */
    uint64_t nstack, stack_room;
};

void tine__build_init(struct build *b);
void tine__build_free(struct build *b);
/* Begin with the head of the image. This and the functions below return 0 or TINE_ENOMEM. */
int tine__build_begin(struct build *b);
int tine__build_integer(struct build *b, int64_t i, uint64_t *value);
int tine__build_number(struct build *b, double d, uint64_t *value);
/* The value for the table at this address; *fresh is true when it is asked for the first time. */
int tine__build_meet(struct build *b, const void *address, uint64_t *value, bool *fresh);
int tine__build_more(struct build *b);
static inline int build_push(struct build *b, uint64_t value) {
    int err = b->nstack == b->stack_room ? tine__build_more(b) : 0;
    if (!err)
        b->stack[b->nstack++] = value;
    return err;
}
/* Push a string of at most UINT32_MAX bytes, which must stay in place until the image is
** complete. */
int tine__build_push_string(struct build *b, const char *s, size_t len);
/* Look up or write the strings that were pushed, and put their values on the stack. */
int tine__build_settle(struct build *b);
/* Remove what was pushed from `base` on. */
int tine__build_cut(struct build *b, uint64_t base);
/* Write a table from what was pushed from `base` on: items, then `fields` pairs of key and
** value. */
int tine__build_table(struct build *b, uint64_t table, uint64_t base, uint32_t items,
                      uint32_t length, uint32_t fields);
/* Complete the image, when all tables are written. */
void tine__build_end(struct build *b, uint64_t root);

/* --- for the files build*.c --- */

/* Make room for one more element in a list of `n`. */
int tine__build_room(void **list, uint64_t n, uint64_t *room, size_t size);
/* Make room for `size` bytes in `out`, with mapped pages. */
int tine__build_reserve(struct build *b, size_t size);
/* Advance `out` to a multiple of `align` (4 or 8), with room for `size` bytes there. */
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
/* Append 8 bytes, for which there must be room. */
static inline void build_put64(struct build *b, uint64_t bits) {
    memcpy(b->out.data + b->out.len, &bits, sizeof bits);
    b->out.len += sizeof bits;
}

/* Make room for `more` entries, at a load of at most three quarters. */
int tine__build_widen(struct build_set *set, uint64_t more);
static inline int build_set_room(struct build_set *set, uint64_t more) {
    return set->n + more > set->room / 4 * 3 ? tine__build_widen(set, more) : 0;
}
/* The next entry with this hash from *at on, or the free one after them. *at is then its
** position. */
static inline uint64_t *build_entry(const struct build_set *set, uint32_t hash, uint64_t *at) {
    for (;; ++*at) {
        uint64_t *e = &set->entries[*at & (set->room - 1)];
        if (!*e || *e >> 32 == hash)
            return e;
    }
}
/* Numbers that do not fit are not entered, so they will not be found. */
static inline void build_enter(struct build_set *set, uint64_t *e, uint32_t hash, uint64_t number) {
    if (number > UINT32_MAX)
        return;
    *e = (uint64_t)hash << 32 | number;
    set->n++;
}

#endif

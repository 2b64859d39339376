/* What a message has already met: tables, closures, upvalue boxes, by address.
**
** Entries lie in the order in which they were met, beside an open-addressing index into them that
** is never cleared: a slot of the index counts only when the entry that it names names the slot
** back (a sparse set). So forgetting everything, or everything after some point, is one store to
** `len`. That is sound because what stays is always older than what goes: an entry's probe chain
** ran only through entries older than itself.
*/
#ifndef TINE_CODEC_SEEN_H
#define TINE_CODEC_SEEN_H

#include <stdbool.h>
#include <stdint.h>

struct seen_entry {
    const void *key;
    uint32_t slot;    /* the index slot that names this entry */
    uint32_t ordinal; /* of the object; of the function, for an upvalue box */
    uint8_t upvalue;  /* which upvalue of the function, 0 for objects */
    uint8_t kind;     /* enum seen_kind */
    bool marked;      /* something points back to it */
};

enum seen_kind {
    SEEN_OBJECT,
    SEEN_OPEN,   /* a registered object whose plain value is being encoded */
    SEEN_ENV,    /* a table that stands for the globals: `ordinal` is the environment's number */
    SEEN_NO_ENV, /* looked at, and it does not */
};

struct seen {
    struct seen_entry *entries;
    uint32_t *index;
    uint32_t len, cap, mask;
};

/* The entry of `key`, made if there was none (*found says). NULL: out of memory. The pointer is good
** until the next call. */
struct seen_entry *tine__seen_put(struct seen *s, const void *key, bool *found);
/* The entry of `key`; NULL: there is none. */
struct seen_entry *tine__seen_find(struct seen *s, const void *key);
/* Forget all entries but the first `len`. */
static inline void seen_cut(struct seen *s, uint32_t len) {
    s->len = len;
}
void tine__seen_free(struct seen *s);

#endif

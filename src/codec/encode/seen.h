/* The objects and upvalues that a message has already, by address: tables, functions, userdata, and
** the variables that closures share as upvalues (upvalue boxes).
**
** Entries are in the order in which the objects were met. Beside them is an open-addressing hash
** index that is never cleared: a slot of the index counts only if the entry that it refers to
** refers back to the slot (a sparse set). So all entries, or all after some point, are dropped by
** one store to `len`. That is sound because the entries that stay are older than those dropped: the
** probe sequence of an entry passed only entries older than itself.
*/
#ifndef TINE_CODEC_SEEN_H
#define TINE_CODEC_SEEN_H

#include <stdbool.h>
#include <stdint.h>

struct seen_entry {
    const void *key;
    uint32_t slot;    /* the slot of the index that refers to this entry */
    uint32_t ordinal; /* of the object; of an upvalue box: of its function */
    uint8_t upvalue;  /* index of an upvalue box in its function; 0: an object */
    uint8_t kind;
    /* Its ordinal is among the marks. Of a call environment: the receiver knows that the table is a
    ** value, too. */
    bool marked;
};

enum seen_kind {
    SEEN_OBJECT,
    SEEN_OPEN,   /* an object whose class's encode function runs */
    SEEN_ENV,    /* a call environment: `ordinal` is its number */
    SEEN_NO_ENV, /* a table that was an _ENV, and does not stand for the globals */
};

struct seen {
    struct seen_entry *entries;
    uint32_t *index;
    uint32_t len, cap, mask;
};

/* The entry of `key`; made if there was none: then *found is false. NULL: out of memory. The
** pointer is valid until the next call. */
struct seen_entry *tine__seen_put(struct seen *s, const void *key, bool *found);
/* The entry of `key`, or NULL. */
struct seen_entry *tine__seen_find(struct seen *s, const void *key);
/* Drop all entries but the first `len`. */
static inline void seen_cut(struct seen *s, uint32_t len) {
    s->len = len;
}
void tine__seen_free(struct seen *s);

#endif

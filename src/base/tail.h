/* Tail: keeps the last bytes of what is written into it, up to a limit. Memory grows with the
** content; if there is no memory for more, fewer bytes are kept. Used by one thread at a time.
*/
#ifndef TINE_BASE_TAIL_H
#define TINE_BASE_TAIL_H

#include <stddef.h>
#include <stdint.h>

struct tail {
    uint64_t limit;
    char *data;
    size_t room;  /* size of data */
    size_t start; /* index of the oldest byte (a ring) */
    size_t length;
};

static inline struct tail tail_of(uint64_t limit) {
    return (struct tail){.limit = limit};
}
void tine__tail_append(struct tail *t, const char *bytes, size_t n);
/* The content in one piece: `t->length` bytes, which stay the tail's. */
const char *tine__tail_bytes(struct tail *t);
void tine__tail_free(struct tail *t);

#endif

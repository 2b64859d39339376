/* Tail: the last bytes of what is written into it, at most so many. Memory grows with what there is; where there is
** none for more, fewer are kept.
*/
#ifndef TINE_BASE_TAIL_H
#define TINE_BASE_TAIL_H

#include <stddef.h>
#include <stdint.h>

struct tail {
    uint64_t limit;
    char *data;
    size_t room;  /* of data */
    size_t start; /* where the oldest byte is: it goes round */
    size_t length;
};

static inline struct tail tail_of(uint64_t limit) {
    return (struct tail){.limit = limit};
}
void tine__tail_append(struct tail *t, const char *bytes, size_t n);
/* What there is, in one piece: `t->length` bytes, the tail's. */
const char *tine__tail_bytes(struct tail *t);
void tine__tail_free(struct tail *t);

#endif

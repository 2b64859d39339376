/* Buffers in private memory. */
#include "base/buf.h"

#include <stdint.h>

#include "base/error.h"
#include "base/sys.h"

static int grow_private(struct buf *b, size_t need) {
    size_t cap = b->cap ? b->cap : 64;
    if (need < b->len) /* b->len + n was more than SIZE_MAX */
        return TINE_ENOMEM;
    while (cap < need) {
        if (cap > SIZE_MAX / 2)
            return TINE_ENOMEM;
        cap *= 2;
    }
    char *data = sys.realloc(b->data, cap);
    if (!data)
        return TINE_ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

void tine__buf_init(struct buf *b) {
    *b = (struct buf){.grow = grow_private};
}

void tine__buf_free(struct buf *b) {
    free(b->data);
    tine__buf_init(b);
}

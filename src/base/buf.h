/* A growing byte buffer whose memory may come from elsewhere.
**
** The codec writes a message into a buffer without knowing where the bytes will be: small ones stay
** in private memory; larger ones move to a block of shared memory as soon as they outgrow that, so
** that a megabyte is written once and not copied again. `grow` is for that.
**
** Who writes reserves: what buf_reserve has made room for may be written until something else is
** reserved, and nothing behind it, even if the memory goes on there.
**
** A buffer is used by one thread at a time.
*/
#ifndef TINE_BASE_BUF_H
#define TINE_BASE_BUF_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buf {
    char *data;
    size_t len; /* bytes written */
    size_t cap; /* bytes that fit before `grow` is called */
    /* Make room for `need` bytes in all, keeping the first `len`. 0; TINE_ENOMEM:
    ** the buffer is unchanged. */
    int (*grow)(struct buf *b, size_t need);
    void *owner; /* for `grow` only */
    /* Where regions that the bytes name are noted (ipc/arena.h); NULL: they must not name any. */
    struct carried *carried;
    bool shared; /* another process reads the bytes in place */
    /* Where the bytes end that were reserved last; kept only with assertions. It is there without
    ** them, too: a state may have codecs of builds of both kinds, which share their finalizer. */
    size_t reserved;
};

/* A buffer in private memory (malloc from base/sys.h). Nothing is allocated before the first
** byte. */
void tine__buf_init(struct buf *b);
/* Free its memory; the buffer is empty and usable afterwards. Only for buffers of
** tine__buf_init. */
void tine__buf_free(struct buf *b);

/* Make room for `n` more bytes. 0 or TINE_ENOMEM. */
static inline int buf_reserve(struct buf *b, size_t n) {
    assert(b->len <= b->cap);
    int err = n <= b->cap - b->len ? 0 : b->grow(b, b->len + n);
#ifndef NDEBUG
    b->reserved = b->len + (err ? 0 : n);
#endif
    return err;
}

/* Where the next `n` bytes go, which are reserved. */
static inline char *buf_end(const struct buf *b, size_t n) {
    assert(b->reserved <= b->cap && b->len <= b->reserved && n <= b->reserved - b->len);
    return b->data + b->len;
}

/* The same, and they count as written. */
static inline char *buf_take(struct buf *b, size_t n) {
    char *at = buf_end(b, n);
    b->len += n;
    return at;
}

/* Append `n` bytes; without any, `p` may be NULL. 0 or TINE_ENOMEM. */
static inline int buf_append(struct buf *b, const void *p, size_t n) {
    int err = buf_reserve(b, n);
    if (err || n == 0)
        return err;
    memcpy(buf_end(b, n), p, n);
    b->len += n;
    return 0;
}

#endif

/* msgpack-c's packer, instantiated so that it writes straight into a struct buf.
**
** Nothing here makes room: a function reserves what it packs (PACK_MAX bytes cover any header or
** number), in one test for several writes, and does so anew behind each call of a function that may
** pack or reserve itself; base/buf.h asserts it.
*/
#ifndef TINE_CODEC_PACK_H
#define TINE_CODEC_PACK_H

#include <stdint.h>
#include <string.h>

#include <msgpack/pack_define.h>
#include <msgpack/timestamp.h>
#include "base/buf.h"
#include "base/stream.h"
#include "codec/wire.h"

#define PACK_MAX 16

static inline void pack_bytes(struct buf *b, const void *p, size_t n) {
    memcpy(buf_end(b, n), p, n);
    b->len += n;
}

/* The bytes of a string, of any length. */
static inline void pack_text(struct buf *b, const char *text, size_t n) {
    char *at = buf_take(b, n);
    if (b->shared)
        stream_copy(at, text, n);
    else
        memcpy(at, text, n);
}

/* An id of the store: always written as uint 64, as ids are nearly always large. */
static inline void pack_id(struct buf *b, uint64_t id) {
    unsigned char bytes[9] = {0xcf};
    put_be32(bytes + 1, (uint32_t)(id >> 32));
    put_be32(bytes + 5, (uint32_t)id);
    pack_bytes(b, bytes, sizeof bytes);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"
#define msgpack_pack_inline_func(name) static inline void pack##name
#define msgpack_pack_inline_func_cint(name) static inline void pack##name
#define msgpack_pack_user struct buf *
#define msgpack_pack_append_buffer(b, p, n) pack_bytes(b, p, n)
#define msgpack_pack_ext(b, n, type) pack_ext(b, n, type) /* the template calls it by this name */
#include <msgpack/pack_template.h>
#undef msgpack_pack_ext
#pragma GCC diagnostic pop

#endif

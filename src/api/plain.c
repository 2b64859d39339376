#include "api/plain.h"

#include <stdint.h>
#include "codec/segment.h"

/* What msgpack's unpack_template.h needs. */
struct looker {
    size_t budget; /* items that the remaining bytes can hold */
};
typedef char nothing;

#define MSGPACK_EMBED_STACK_SIZE 1002 /* the nesting limit of the decoder */
#define MSGPACK_UNPACK_PARSE_ERROR (-1)
#define MSGPACK_UNPACK_NOMEM_ERROR (-2)

#include <msgpack/unpack_define.h>

#define ON_SCALAR(name, type) \
    static inline int look_##name(struct looker *l, type d, nothing *o) { \
        (void)l, (void)d, (void)o; \
        return 0; \
    }
ON_SCALAR(uint8, uint8_t)
ON_SCALAR(uint16, uint16_t)
ON_SCALAR(uint32, uint32_t)
ON_SCALAR(int8, int8_t)
ON_SCALAR(int16, int16_t)
ON_SCALAR(int32, int32_t)
ON_SCALAR(int64, int64_t)
ON_SCALAR(float, float)
ON_SCALAR(double, double)
#undef ON_SCALAR

/* Lua has no integers from 2^63 on, and a float would not be equal. */
static inline int look_uint64(struct looker *l, uint64_t d, nothing *o) {
    (void)l, (void)o;
    return d > INT64_MAX ? -1 : 0;
}

#define ON_NAME(name) \
    static inline int look_##name(struct looker *l, nothing *o) { \
        (void)l, (void)o; \
        return 0; \
    }
ON_NAME(nil)
ON_NAME(true)
ON_NAME(false)
#undef ON_NAME

/* Every item needs at least one byte. */
static inline int spend(struct looker *l, uint64_t n) {
    if (n > l->budget)
        return -1;
    l->budget -= (size_t)n;
    return 0;
}

static inline int look_array(struct looker *l, unsigned int n, nothing *o) {
    (void)o;
    return spend(l, n);
}

static inline int look_map(struct looker *l, unsigned int n, nothing *o) {
    (void)o;
    return spend(l, 2 * (uint64_t)n);
}

static inline int look_array_item(struct looker *l, nothing *c, nothing o) {
    (void)l, (void)c, (void)o;
    return 0;
}

static inline int look_map_item(struct looker *l, nothing *c, nothing k, nothing v) {
    (void)l, (void)c, (void)k, (void)v;
    return 0;
}

static inline int look_str(struct looker *l, const char *b, const char *p, unsigned int n,
                           nothing *o) {
    (void)l, (void)b, (void)p, (void)n, (void)o;
    return 0;
}

static inline int look_bin(struct looker *l, const char *b, const char *p, unsigned int n,
                           nothing *o) {
    return look_str(l, b, p, n, o);
}

/* `n` includes the type byte. */
static inline int look_ext(struct looker *l, const char *b, const char *p, unsigned int n,
                           nothing *o) {
    (void)l, (void)b, (void)o;
    if (n != 2)
        return -1;
    bool table = p[0] == SEGMENT_EXT_OP && p[1] == SEGMENT_OP_TABLE;
    return table || p[0] == SEGMENT_EXT_NULL ? 0 : -1;
}

static inline nothing look_root(struct looker *l) {
    (void)l;
    return 0;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wcast-qual"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" /* objects are of an empty type here */
#endif
#define msgpack_unpack_func(result, name) static inline result look_unpack##name
#define msgpack_unpack_callback(name) look##name
#define msgpack_unpack_struct(name) struct look_unpack##name
#define msgpack_unpack_object nothing
#define msgpack_unpack_user struct looker
#include <msgpack/unpack_template.h>
bool tine__is_plain_array(const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    struct look_unpack_context parser;
    size_t at = 0;
    if (length == 0 || ((p[0] & 0xf0) != 0x90 && p[0] != 0xdc && p[0] != 0xdd))
        return false;
    look_unpack_init(&parser);
    parser.user.budget = length;
    return look_unpack_execute(&parser, bytes, length, &at) > 0 && at == length;
}

#pragma GCC diagnostic pop

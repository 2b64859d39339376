/* Image: the format of frozen tables (tine.freeze), in a region of kind REGION_IMAGE.
**
** An image is written once (build.c, freeze.c) and read in place by any number of processes
** (image.c, view.c), in the machine's byte order. Everything is aligned to 8 bytes, strings to 4.
**
**     0    "TineFrz1"
**     8    u64 size of the image
**     16   u64 place of the root table
**     24   u64 number of tables
**     32   ... strings, cells, shapes and tables; each precedes what refers to it, except in cycles
**
** A *place* is an offset in the image. A *value* is 64 bits: a double, unless its 13 highest bits
** are all ones; then the next 3 bits are a tag, and the other 48 are:
**
**     0 SPECIAL   0 nil, 1 false, 2 true         3 FLOAT    place of a cell: some NaN
**     1 INTEGER   the integer, signed            4 STRING   place
**     2 BIG       place of a cell: an integer    5 TABLE    place
**
** A *cell* is 8 bytes. A *string* is its length, u32, and its bytes.
**
** A *table* is
**
**     u64 place of its shape (48 bits, 0: none) | flags << 48
**     u64 items (32 bits) | length << 32          only with flag 1
**     the value of each item 1 .. items, nil in holes
**     the value of each field of the shape
**
** A *shape* is the keys that are no items, in the order of `pairs`. Tables with the same keys share
** one:
**
**     u32 number of keys, n | u32 b, for 2^b > n buckets
**     each key, as a value
**     buckets: 0, or the number of a key, from 1; u8 if n < 255, u16 if n < 65535, else u32. A key
**     is in the first free bucket from its hash on
**
** Equal strings are stored once, and so is a table that is referred to several times.
**
** NOTHING IN AN IMAGE IS TRUSTED. The head is checked when the image is mapped. Each place, length
** and tag is checked against the size of the region when it is followed, and read only once, since
** it may change meanwhile. Whatever the bytes are, reading them gives some value or an error.
*/
#ifndef TINE_DATA_IMAGE_H
#define TINE_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/hot.h"

#define IMAGE_MAGIC "TineFrz1"
struct image_head {
    char magic[8];
    uint64_t size, root, tables;
};

struct image {
    const char *base;
    uint64_t size;
};

/* --- values --- */

enum image_tag { TAG_SPECIAL, TAG_INTEGER, TAG_BIG, TAG_FLOAT, TAG_STRING, TAG_TABLE, TAG_PENDING };
enum image_special { SPECIAL_NIL, SPECIAL_FALSE, SPECIAL_TRUE };

#define IMAGE_BOXED ((uint64_t)0xfff8 << 48)
#define IMAGE_PAYLOAD (((uint64_t)1 << 48) - 1)
#define IMAGE_ITEMS 1u /* flag in the head of a table */

static inline uint64_t image_value(enum image_tag tag, uint64_t payload) {
    return IMAGE_BOXED | (uint64_t)tag << 48 | (payload & IMAGE_PAYLOAD);
}
static inline bool image_is_boxed(uint64_t v) {
    return v >= IMAGE_BOXED;
}
static inline enum image_tag image_tag(uint64_t v) {
    return (enum image_tag)(v >> 48 & 7);
}
static inline uint64_t image_payload(uint64_t v) {
    return v & IMAGE_PAYLOAD;
}
static inline int64_t image_integer(uint64_t v) {
    return (int64_t)(v << 16) >> 16;
}
static inline bool image_integer_fits(int64_t i) {
    return i >= -((int64_t)1 << 47) && i < (int64_t)1 << 47;
}

/* --- reading --- */

static inline uint64_t image_read64(const void *p) {
    return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
}
static inline uint32_t image_read32(const void *p) {
    return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
}

/* `size` bytes at a place. NULL: they are not inside the image, or not aligned to `align`. */
static inline const char *image_at(const struct image *m, uint64_t place, uint64_t size,
                                   unsigned align) {
    if (unlikely(place > m->size || size > m->size - place || place % align))
        return NULL;
    return m->base + place;
}

/* A table whose head and shape have been checked. */
struct image_table {
    uint32_t items, length, fields;
    uint32_t mask;      /* hash mask for the buckets */
    unsigned width;     /* bytes of a bucket */
    const char *values; /* of items, then of fields */
    const char *keys;
    const char *buckets; /* NULL: it has no fields */
};

/* Is the image's head valid? */
bool tine__image_check(const struct image *m);
/* The table at a place. False: there is no valid one. */
bool tine__image_table(const struct image *m, uint64_t place, struct image_table *out);
/* The string at a place. NULL: there is no valid one. */
const char *tine__image_string(const struct image *m, uint64_t place, size_t *len);

/* The value under a key: IMAGE_NIL if there is none, IMAGE_DAMAGED if the shape is not valid. */
#define IMAGE_NIL image_value(TAG_SPECIAL, SPECIAL_NIL)
#define IMAGE_DAMAGED image_value(TAG_PENDING, 0)
uint64_t tine__image_by_string(const struct image *m, const struct image_table *t, const char *key,
                               size_t len);
uint64_t tine__image_by_integer(const struct image *m, const struct image_table *t, int64_t key);
/* For a double that is no integer, or a boolean; `key` is the value. */
uint64_t tine__image_by_value(const struct image *m, const struct image_table *t, uint64_t key);

static inline uint64_t image_item(const struct image_table *t, uint64_t i) {
    return image_read64(t->values + 8 * i);
}

/* --- hashes of keys --- */

static inline uint32_t image_mix(uint64_t h) {
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static inline uint64_t image_load(const char *p, size_t n) {
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

static inline uint32_t image_hash(const char *s, size_t len) {
    uint64_t h = len * 0xff51afd7ed558ccdu, tail;
    for (; len > 8; s += 8, len -= 8)
        h = (h ^ image_load(s, 8)) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    if (len == 8)
        tail = image_load(s, 8);
    else if (len >= 4)
        tail = image_load(s, 4) | image_load(s + len - 4, 4) << 32;
    else if (len > 0)
        tail = (uint8_t)s[0] | (uint64_t)(uint8_t)s[len / 2] << 8 |
               (uint64_t)(uint8_t)s[len - 1] << 16;
    else
        tail = 0;
    return image_mix(h ^ tail);
}

static inline uint32_t image_hash_number(uint64_t bits) {
    return image_mix(bits * 0xff51afd7ed558ccdu);
}

static inline unsigned image_width(uint32_t fields) {
    return fields < 255 ? 1 : fields < 65535 ? 2 : 4;
}

#endif

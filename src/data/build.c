/* Building images: shapes and tables (data/build.h). */
#include "data/build.h"

#include <stdlib.h>

#include "base/error.h"

void tine__build_init(struct build *b) {
    memset(b, 0, sizeof *b);
    tine__buf_init(&b->out);
}

void tine__build_free(struct build *b) {
    tine__buf_free(&b->out);
    free(b->strings.entries);
    free(b->shapes.entries);
    free(b->tables.entries);
    free(b->table);
    free(b->fixups);
    free(b->stack);
    tine__build_init(b);
}

int tine__build_begin(struct build *b) {
    const struct image_head head = {.magic = IMAGE_MAGIC};
    int err = tine__build_reserve(b, sizeof head);
    return err ? err : buf_append(&b->out, &head, sizeof head);
}

/* --- shapes --- */

static uint32_t hash_of(const struct build *b, uint64_t key) {
    const char *p = b->out.data + image_payload(key);
    if (!image_is_boxed(key))
        return image_hash_number(key);
    switch (image_tag(key)) {
    case TAG_STRING:
        return image_hash(p + 4, image_read32(p));
    case TAG_INTEGER:
        return image_hash_number((uint64_t)image_integer(key));
    case TAG_BIG:
        return image_hash_number(image_read64(p));
    default:
        return image_hash_number(key);
    }
}

struct buckets {
    char *start;
    unsigned width;
    uint32_t mask;
};

static bool is_free(const struct buckets *s, uint32_t i) {
    uint32_t e = 0;
    memcpy(&e, s->start + (size_t)i * s->width, s->width); /* little endian, or four bytes wide */
    return e == 0;
}

static void enter_key(const struct buckets *s, uint32_t at, uint32_t number) {
    while (!is_free(s, at & s->mask))
        at++;
    memcpy(s->start + (size_t)(at & s->mask) * s->width, &number, s->width);
}

#define AHEAD 16

/* Enter the keys, which are every second element of `keys`. */
static void fill_buckets(const struct build *b, const struct buckets *s, const uint64_t *keys,
                         uint32_t fields) {
    uint32_t hashes[AHEAD];
    for (uint32_t i = 0; i < fields; i += AHEAD) {
        uint32_t n = fields - i < AHEAD ? fields - i : AHEAD;
        for (uint32_t k = 0; k < n; k++) {
            hashes[k] = hash_of(b, keys[2 * ((size_t)i + k)]);
            __builtin_prefetch(s->start + (size_t)(hashes[k] & s->mask) * s->width, 1);
        }
        for (uint32_t k = 0; k < n; k++)
            enter_key(s, hashes[k], i + k + 1);
    }
}

static unsigned bits_for(uint32_t fields) {
    unsigned bits = 1;
    while (((uint64_t)3 << bits) < 4 * (uint64_t)fields + 4)
        bits++;
    return bits;
}

static int write_shape(struct build *b, const uint64_t *keys, uint32_t fields, uint64_t *place) {
    uint32_t head[2] = {fields, bits_for(fields)};
    struct buckets s = {.width = image_width(fields), .mask = ((uint32_t)1 << head[1]) - 1};
    size_t all = (size_t)s.width << head[1];
    int err = build_align(b, 8, 8 + 8 * (size_t)fields + all);
    if (err)
        return err;
    *place = b->out.len;
    buf_append(&b->out, head, sizeof head);
    for (uint32_t i = 0; i < fields; i++)
        build_put64(b, keys[2 * (size_t)i]);
    s.start = b->out.data + b->out.len;
    memset(s.start, 0, all);
    b->out.len += all;
    fill_buckets(b, &s, keys, fields);
    return 0;
}

#define SHARED_FIELDS 256 /* larger shapes are assumed to be unique */

static bool is_shape(const struct build *b, uint64_t place, const uint64_t *keys, uint32_t fields) {
    const char *p = b->out.data + place;
    if (image_read32(p) != fields)
        return false;
    for (uint32_t i = 0; i < fields; i++)
        if (image_read64(p + 8 + 8 * (size_t)i) != keys[2 * (size_t)i])
            return false;
    return true;
}

static uint32_t hash_keys(const uint64_t *keys, uint32_t fields) {
    uint64_t hash = fields;
    for (uint32_t i = 0; i < fields; i++)
        hash = (hash ^ keys[2 * (size_t)i]) * 0xff51afd7ed558ccdu, hash ^= hash >> 31;
    return image_mix(hash);
}

static int shape_of(struct build *b, const uint64_t *keys, uint32_t fields, uint64_t *place) {
    if (fields > SHARED_FIELDS)
        return write_shape(b, keys, fields, place);
    int err = build_set_room(&b->shapes, 1);
    if (err)
        return err;
    uint32_t hash = hash_keys(keys, fields);
    for (uint64_t at = hash;; at++) {
        uint64_t *e = build_entry(&b->shapes, hash, &at);
        *place = 8 * (uint64_t)(uint32_t)*e;
        if (*e && !is_shape(b, *place, keys, fields))
            continue;
        if (!*e && !(err = write_shape(b, keys, fields, place)))
            build_enter(&b->shapes, e, hash, *place / 8);
        return err;
    }
}

/* --- tables --- */

static uint64_t table_value(const struct build *b, uint64_t number) {
    uint64_t place = b->table[number].place;
    return place ? image_value(TAG_TABLE, place) : image_value(TAG_PENDING, number);
}

/* The table's entry, or the free one for it. */
static uint64_t *find_table(const struct build *b, const void *address, uint32_t hash) {
    for (uint64_t at = hash;; at++) {
        uint64_t *e = build_entry(&b->tables, hash, &at);
        if (!*e || b->table[(uint32_t)*e - 1].address == address)
            return e;
    }
}

int tine__build_meet(struct build *b, const void *address, uint64_t *value, bool *fresh) {
    uint32_t hash = image_mix((uint64_t)(uintptr_t)address);
    int err = build_set_room(&b->tables, 1);
    if (!err)
        err = tine__build_room((void **)&b->table, b->ntables, &b->tables_room, sizeof *b->table);
    if (err || b->ntables == UINT32_MAX)
        return TINE_ENOMEM;
    uint64_t *e = find_table(b, address, hash);
    *fresh = !*e;
    if (*fresh) {
        b->table[b->ntables++] = (struct build_table){address, 0};
        build_enter(&b->tables, e, hash, b->ntables);
    }
    *value = table_value(b, (uint32_t)*e - 1);
    return 0;
}

static int write_value(struct build *b, uint64_t value) {
    int err = 0;
    if (image_is_boxed(value) && image_tag(value) == TAG_PENDING) {
        err = tine__build_room((void **)&b->fixups, b->nfixups, &b->fixups_room, sizeof *b->fixups);
        if (!err)
            b->fixups[b->nfixups++] = b->out.len;
    }
    build_put64(b, value);
    return err;
}

int tine__build_table(struct build *b, uint64_t table, uint64_t base, uint32_t items,
                      uint32_t length, uint32_t fields) {
    uint64_t shape = 0, count = items | (uint64_t)length << 32;
    size_t size = 16 + 8 * ((size_t)items + fields);
    int err = tine__build_settle(b);
    if (!err && fields)
        err = shape_of(b, b->stack + base + items, fields, &shape);
    if (err || (err = build_align(b, 8, size)))
        return err;
    b->table[image_payload(table)].place = b->out.len;
    build_put64(b, shape | (uint64_t)(count ? IMAGE_ITEMS : 0) << 48);
    if (count)
        build_put64(b, count);
    for (uint32_t i = 0; i < items && !err; i++)
        err = write_value(b, b->stack[base + i]);
    for (uint32_t i = 0; i < fields && !err; i++)
        err = write_value(b, b->stack[base + items + 2 * (size_t)i + 1]);
    b->nstack = base;
    return err;
}

void tine__build_end(struct build *b, uint64_t root) {
    for (uint64_t i = 0; i < b->nfixups; i++) {
        char *at = b->out.data + b->fixups[i];
        uint64_t value = table_value(b, image_payload(image_read64(at)));
        memcpy(at, &value, sizeof value);
    }
    struct image_head head = {.magic = IMAGE_MAGIC, .size = b->out.len, .tables = b->ntables};
    head.root = b->table[image_payload(root)].place;
    memcpy(b->out.data, &head, sizeof head);
}

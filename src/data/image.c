/* Reading images (the format is in image.h). */
#include "data/image.h"

bool tine__image_check(const struct image *m) {
    struct image_head head;
    if (m->size < sizeof head)
        return false;
    memcpy(&head, m->base, sizeof head);
    return memcmp(head.magic, IMAGE_MAGIC, sizeof head.magic) == 0 && head.size == m->size;
}

/* --- tables --- */

static bool read_shape(const struct image *m, uint64_t place, struct image_table *t) {
    const char *p = image_at(m, place, 8, 8);
    if (!p)
        return false;
    uint32_t fields = image_read32(p), bits = image_read32(p + 4);
    if (bits > 31 || fields >= (uint32_t)1 << bits)
        return false;
    t->fields = fields;
    t->mask = ((uint32_t)1 << bits) - 1;
    t->width = image_width(fields);
    uint64_t keys = 8 * (uint64_t)fields, buckets = (uint64_t)t->width << bits;
    t->keys = image_at(m, place + 8, keys + buckets, 8);
    t->buckets = t->keys ? t->keys + keys : NULL;
    return t->keys != NULL;
}

bool tine__image_table(const struct image *m, uint64_t place, struct image_table *t) {
    const char *p = image_at(m, place, 8, 8);
    if (!p)
        return false;
    uint64_t head = image_read64(p), shape = head & IMAGE_PAYLOAD, at = place + 8;
    *t = (struct image_table){.items = 0};
    if (head >> 48 & ~IMAGE_ITEMS)
        return false;
    if (head >> 48) {
        if (!(p = image_at(m, at, 8, 8)))
            return false;
        uint64_t count = image_read64(p);
        t->items = (uint32_t)count;
        t->length = (uint32_t)(count >> 32);
        at += 8;
    }
    if (shape && !read_shape(m, shape, t))
        return false;
    t->values = image_at(m, at, 8 * ((uint64_t)t->items + t->fields), 8);
    return t->values != NULL;
}

const char *tine__image_string(const struct image *m, uint64_t place, size_t *len) {
    const char *p = image_at(m, place, 4, 4);
    if (!p)
        return NULL;
    *len = image_read32(p);
    return image_at(m, place + 4, *len, 4);
}

/* --- keys --- */

static inline uint32_t bucket(const struct image_table *t, uint32_t i) {
    uint16_t two;
    switch (t->width) {
    case 1:
        return *(const volatile uint8_t *)(t->buckets + i);
    case 2:
        two = __atomic_load_n((const uint16_t *)(const void *)(t->buckets + 2 * (size_t)i),
                              __ATOMIC_RELAXED);
        return two;
    default:
        return image_read32(t->buckets + 4 * (size_t)i);
    }
}

/* A key that is looked for. */
struct wanted {
    const char *text; /* a string; NULL: another key */
    size_t len;
    uint64_t value; /* the key's value, if `text` is NULL */
    int64_t big;    /* the integer, if `value` has TAG_BIG */
};

static inline bool is_wanted(const struct image *m, const struct wanted *w, uint64_t key) {
    if (w->text) {
        size_t len;
        if (!image_is_boxed(key) || image_tag(key) != TAG_STRING)
            return false;
        const char *s = tine__image_string(m, image_payload(key), &len);
        return s && len == w->len && memcmp(s, w->text, len) == 0;
    }
    if (image_is_boxed(w->value) && image_tag(w->value) == TAG_BIG) {
        const char *p = image_is_boxed(key) && image_tag(key) == TAG_BIG
                            ? image_at(m, image_payload(key), 8, 8)
                            : NULL;
        return p && (int64_t)image_read64(p) == w->big;
    }
    return key == w->value;
}

static inline uint64_t find(const struct image *m, const struct image_table *t, uint32_t hash,
                            const struct wanted *w) {
    if (!t->buckets)
        return IMAGE_NIL;
    for (uint32_t i = hash, n = 0; n <= t->mask; i++, n++) {
        uint32_t e = bucket(t, i & t->mask);
        if (e == 0)
            return IMAGE_NIL;
        if (e > t->fields)
            return IMAGE_DAMAGED;
        if (is_wanted(m, w, image_read64(t->keys + 8 * (size_t)(e - 1))))
            return image_item(t, (uint64_t)t->items + e - 1);
    }
    return IMAGE_DAMAGED;
}

uint64_t tine__image_by_string(const struct image *m, const struct image_table *t, const char *key,
                               size_t len) {
    const struct wanted w = {.text = key, .len = len};
    return find(m, t, image_hash(key, len), &w);
}

uint64_t tine__image_by_integer(const struct image *m, const struct image_table *t, int64_t key) {
    if ((uint64_t)key - 1 < t->items)
        return image_item(t, (uint64_t)key - 1);
    const struct wanted w = {
        .value = image_integer_fits(key) ? image_value(TAG_INTEGER, (uint64_t)key)
                                         : image_value(TAG_BIG, 0),
        .big = key,
    };
    return find(m, t, image_hash_number((uint64_t)key), &w);
}

uint64_t tine__image_by_value(const struct image *m, const struct image_table *t, uint64_t key) {
    const struct wanted w = {.value = key};
    return find(m, t, image_hash_number(key), &w);
}

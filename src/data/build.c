/* Building images: see data/build.h. */
#include "data/build.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/sys.h"

/* --- memory --- */

#define LARGE ((size_t)1 << 20)
#define POPULATE 23 /* MADV_POPULATE_WRITE, of Linux 5.14 */

/* Most of the time that it takes to fill fresh memory goes into page faults: have its pages there, all at once. */
static void populate(char *p, size_t size) {
    uintptr_t from = ((uintptr_t)p + 4095) & ~(uintptr_t)4095;
    uintptr_t to = ((uintptr_t)p + size) & ~(uintptr_t)4095;
    if (to > from)
        (void)sys.madvise((void *)from, to - from, POPULATE);
}

/* Zeros. NULL: no memory. */
static void *zeros(size_t size) {
    void *p = sys.calloc(1, size);
    if (p && size >= LARGE)
        populate(p, size);
    return p;
}

/* Room for one more of `n` things of that size. */
static int make_room(void **list, uint64_t n, uint64_t *room, size_t size) {
    if (n < *room)
        return 0;
    uint64_t more = *room ? 2 * *room : 256;
    void *p = sys.realloc(*list, more * size);
    if (!p)
        return TINE_ENOMEM;
    *list = p;
    *room = more;
    return 0;
}

void tine__build_init(struct build *b) {
    memset(b, 0, sizeof *b);
    tine__buf_init(&b->out);
}

void tine__build_free(struct build *b) {
    tine__buf_free(&b->out);
    free(b->strings.entries);
    free(b->shapes.entries);
    free(b->tables);
    free(b->index);
    free(b->fixups);
    free(b->stack);
    tine__build_init(b);
}

/* The pages that are written next. */
static void make_ready(struct build *b, size_t size) {
    size_t more = size > LARGE ? size : LARGE, left = b->out.cap - b->out.len;
    b->ready = b->out.len + (more < left ? more : left);
    if (b->out.cap >= LARGE)
        populate(b->out.data + b->out.len, b->ready - b->out.len);
}

/* Begin something at a multiple of `align`, of at most `size` bytes. */
static int align_to(struct build *b, size_t align, size_t size) {
    static const char none[8];
    size_t gap = -b->out.len & (align - 1);
    int err = buf_reserve(&b->out, gap + size);
    if (err)
        return err;
    if (b->out.len + gap + size > b->ready)
        make_ready(b, gap + size);
    return buf_append(&b->out, none, gap);
}

int tine__build_begin(struct build *b) {
    const struct image_head head = {.magic = IMAGE_MAGIC};
    return buf_append(&b->out, &head, sizeof head);
}

/* --- maps --- */

static uint64_t start_of(uint64_t key) {
    key *= 0x9e3779b97f4a7c15u;
    return key ^ key >> 32;
}

static int widen(struct build_map *m) {
    struct build_map wide = {.room = m->room ? 2 * m->room : 1024};
    wide.entries = zeros(wide.room * sizeof *wide.entries);
    if (!wide.entries)
        return TINE_ENOMEM;
    for (uint64_t i = 0; i < m->room; i++) {
        if (!m->entries[i].value)
            continue;
        uint64_t at = start_of(m->entries[i].key);
        while (wide.entries[at & (wide.room - 1)].value)
            at++;
        wide.entries[at & (wide.room - 1)] = m->entries[i];
    }
    wide.n = m->n;
    free(m->entries);
    *m = wide;
    return 0;
}

/* The entry of the key from *at on, or the free place for it; there is one. *at is where to go on. */
static struct build_entry *entry_of(struct build_map *m, uint64_t key, uint64_t *at) {
    for (;; ++*at) {
        struct build_entry *e = &m->entries[*at & (m->room - 1)];
        if (!e->value || e->key == key)
            return e;
    }
}

static int have_room(struct build_map *m) {
    return m->n >= m->room / 4 * 3 ? widen(m) : 0;
}

static void enter(struct build_map *m, struct build_entry *e, uint64_t key, uint64_t value) {
    e->key = key;
    e->value = value;
    m->n++;
}

/* --- what is no table --- */

#define LAST_PLACE ((uint64_t)UINT32_MAX * 4)

static int widen_set(struct build_set *set) {
    struct build_set wide = {.n = set->n, .room = set->room ? 2 * set->room : 1024};
    wide.entries = zeros(wide.room * sizeof *wide.entries);
    if (!wide.entries)
        return TINE_ENOMEM;
    for (uint64_t i = 0; i < set->room; i++) {
        uint64_t at = set->entries[i] >> 32;
        if (!set->entries[i])
            continue;
        while (wide.entries[at & (wide.room - 1)])
            at++;
        wide.entries[at & (wide.room - 1)] = set->entries[i];
    }
    free(set->entries);
    *set = wide;
    return 0;
}

static bool is_there(const struct build *b, uint64_t place, const char *s, size_t len) {
    return image_read32(b->out.data + place) == len && memcmp(b->out.data + place + 4, s, len) == 0;
}

static int write_string(struct build *b, const char *s, size_t len, uint64_t *place) {
    uint32_t length = (uint32_t)len;
    int err = align_to(b, 4, len + sizeof length);
    if (err)
        return err;
    *place = b->out.len;
    buf_append(&b->out, &length, sizeof length);
    buf_append(&b->out, s, len);
    return 0;
}

/* The entry of a string, or the free place for it. */
static uint64_t *find_string(const struct build *b, uint32_t hash, const char *s, size_t len) {
    const struct build_set *set = &b->strings;
    for (uint64_t at = hash;; at++) {
        uint64_t *e = &set->entries[at & (set->room - 1)];
        if (!*e || (*e >> 32 == hash && is_there(b, 4 * (uint64_t)(uint32_t)*e, s, len)))
            return e;
    }
}

int tine__build_string(struct build *b, const char *s, size_t len, uint64_t *value) {
    struct build_set *set = &b->strings;
    uint32_t hash = image_hash(s, len);
    uint64_t place;
    int err = set->n >= set->room / 4 * 3 ? widen_set(set) : 0;
    if (err)
        return err;
    uint64_t *e = find_string(b, hash, s, len);
    place = 4 * (uint64_t)(uint32_t)*e;
    if (!*e) {
        if ((err = write_string(b, s, len, &place)))
            return err;
        if (place <= LAST_PLACE) { /* what lies beyond is not found again */
            *e = (uint64_t)hash << 32 | place / 4;
            set->n++;
        }
    }
    *value = image_value(TAG_STRING, place);
    return 0;
}

static int write_cell(struct build *b, enum image_tag tag, uint64_t bits, uint64_t *value) {
    int err = align_to(b, 8, sizeof bits);
    if (err)
        return err;
    *value = image_value(tag, b->out.len);
    return buf_append(&b->out, &bits, sizeof bits);
}

int tine__build_integer(struct build *b, int64_t i, uint64_t *value) {
    *value = image_value(TAG_INTEGER, (uint64_t)i);
    return image_integer_fits(i) ? 0 : write_cell(b, TAG_BIG, (uint64_t)i, value);
}

int tine__build_number(struct build *b, double d, uint64_t *value) {
    memcpy(value, &d, sizeof d);
    return image_is_boxed(*value) ? write_cell(b, TAG_FLOAT, *value, value) : 0;
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

static void put_bucket(char *buckets, unsigned width, uint32_t i, uint32_t e) {
    memcpy(buckets + (size_t)i * width, &e, width); /* little endian, or four bytes wide */
}

static bool is_free(const char *buckets, unsigned width, uint32_t i) {
    uint32_t e = 0;
    memcpy(&e, buckets + (size_t)i * width, width);
    return e == 0;
}

static unsigned bits_for(uint32_t fields) {
    unsigned bits = 1;
    while (((uint64_t)3 << bits) < 4 * (uint64_t)fields + 4)
        bits++;
    return bits;
}

/* The keys lie in every second place from `keys` on. */
static int write_shape(struct build *b, const uint64_t *keys, uint32_t fields, uint64_t *place) {
    uint32_t head[2] = {fields, bits_for(fields)};
    unsigned width = image_width(fields);
    uint32_t mask = ((uint32_t)1 << head[1]) - 1;
    size_t size = 8 + 8 * (size_t)fields + ((size_t)width << head[1]);
    int err = align_to(b, 8, size);
    if (err)
        return err;
    *place = b->out.len;
    buf_append(&b->out, head, sizeof head);
    for (uint32_t i = 0; i < fields; i++)
        buf_append(&b->out, &keys[2 * (size_t)i], 8);
    char *buckets = b->out.data + b->out.len;
    memset(buckets, 0, (size_t)width << head[1]);
    b->out.len += (size_t)width << head[1];
    for (uint32_t i = 0; i < fields; i++) {
        uint32_t at = hash_of(b, keys[2 * (size_t)i]) & mask;
        while (!is_free(buckets, width, at))
            at = (at + 1) & mask;
        put_bucket(buckets, width, at, i + 1);
    }
    return 0;
}

#define SHARED_FIELDS 256 /* shapes with more are taken to be the only ones of their kind */

static bool is_shape(const struct build *b, uint64_t place, const uint64_t *keys, uint32_t fields) {
    const char *p = b->out.data + place;
    if (image_read32(p) != fields)
        return false;
    for (uint32_t i = 0; i < fields; i++)
        if (image_read64(p + 8 + 8 * (size_t)i) != keys[2 * (size_t)i])
            return false;
    return true;
}

static int shape_of(struct build *b, const uint64_t *keys, uint32_t fields, uint64_t *place) {
    uint64_t hash = fields;
    if (fields > SHARED_FIELDS)
        return write_shape(b, keys, fields, place);
    for (uint32_t i = 0; i < fields; i++)
        hash = (hash ^ keys[2 * (size_t)i]) * 0xff51afd7ed558ccdu, hash ^= hash >> 31;
    int err = have_room(&b->shapes);
    if (err)
        return err;
    uint64_t at = start_of(hash);
    struct build_entry *e = entry_of(&b->shapes, hash, &at);
    while (e->value && !is_shape(b, e->value, keys, fields)) {
        at++;
        e = entry_of(&b->shapes, hash, &at);
    }
    if (!e->value) {
        if ((err = write_shape(b, keys, fields, place)))
            return err;
        enter(&b->shapes, e, hash, *place);
    }
    *place = e->value;
    return 0;
}

/* --- tables --- */

static uint64_t table_value(const struct build *b, uint64_t number) {
    uint64_t place = b->tables[number].place;
    return place ? image_value(TAG_TABLE, place) : image_value(TAG_PENDING, number);
}

/* Where the table at that address is in the index, or the free place for it. */
static uint32_t *find_table(const struct build *b, const void *address) {
    for (uint64_t at = start_of((uint64_t)(uintptr_t)address);; at++) {
        uint32_t *e = &b->index[at & (b->index_room - 1)];
        if (!*e || b->tables[*e - 1].address == address)
            return e;
    }
}

static int widen_index(struct build *b) {
    uint64_t room = b->index_room ? 2 * b->index_room : 1024;
    uint32_t *index = room <= UINT32_MAX ? zeros(room * sizeof *index) : NULL;
    if (!index)
        return TINE_ENOMEM;
    free(b->index);
    b->index = index;
    b->index_room = room;
    for (uint64_t i = 0; i < b->ntables; i++)
        *find_table(b, b->tables[i].address) = (uint32_t)i + 1;
    return 0;
}

int tine__build_meet(struct build *b, const void *address, uint64_t *value, bool *fresh) {
    int err = b->ntables >= b->index_room / 4 * 3 ? widen_index(b) : 0;
    if (!err)
        err = make_room((void **)&b->tables, b->ntables, &b->tables_room, sizeof *b->tables);
    if (err)
        return err;
    uint32_t *e = find_table(b, address);
    *fresh = !*e;
    if (*fresh) {
        b->tables[b->ntables++] = (struct build_table){address, 0};
        *e = (uint32_t)b->ntables;
    }
    *value = table_value(b, *e - 1);
    return 0;
}

int tine__build_more(struct build *b) {
    return make_room((void **)&b->stack, b->nstack, &b->stack_room, sizeof *b->stack);
}

/* There is room for it. */
static int write_value(struct build *b, uint64_t value) {
    int err = 0;
    if (image_is_boxed(value) && image_tag(value) == TAG_PENDING) {
        err = make_room((void **)&b->fixups, b->nfixups, &b->fixups_room, sizeof *b->fixups);
        if (!err)
            b->fixups[b->nfixups++] = b->out.len;
    }
    memcpy(b->out.data + b->out.len, &value, sizeof value);
    b->out.len += sizeof value;
    return err;
}

int tine__build_table(struct build *b, uint64_t table, uint64_t base, uint32_t items,
                      uint32_t length, uint32_t fields) {
    uint64_t shape = 0, count = items | (uint64_t)length << 32;
    size_t size = 16 + 8 * ((size_t)items + fields);
    int err = fields ? shape_of(b, b->stack + base + items, fields, &shape) : 0;
    if (err || (err = align_to(b, 8, size)))
        return err;
    uint64_t place = b->out.len;
    write_value(b, shape | (uint64_t)(count ? IMAGE_ITEMS : 0) << 48);
    if (count)
        write_value(b, count);
    for (uint32_t i = 0; i < items && !err; i++)
        err = write_value(b, b->stack[base + i]);
    for (uint32_t i = 0; i < fields && !err; i++)
        err = write_value(b, b->stack[base + items + 2 * (size_t)i + 1]);
    b->tables[image_payload(table)].place = place;
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
    head.root = b->tables[image_payload(root)].place;
    memcpy(b->out.data, &head, sizeof head);
}

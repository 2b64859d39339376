/* Building images: strings and numbers. */
#include <string.h>

#include "base/error.h"
#include "data/build.h"

/* --- numbers --- */

static int write_cell(struct build *b, enum image_tag tag, uint64_t bits, uint64_t *value) {
    int err = build_align(b, 8, sizeof bits);
    if (err)
        return err;
    *value = image_value(tag, b->out.len);
    build_put64(b, bits);
    return 0;
}

int tine__build_integer(struct build *b, int64_t i, uint64_t *value) {
    *value = image_value(TAG_INTEGER, (uint64_t)i);
    return image_integer_fits(i) ? 0 : write_cell(b, TAG_BIG, (uint64_t)i, value);
}

int tine__build_number(struct build *b, double d, uint64_t *value) {
    memcpy(value, &d, sizeof d);
    return image_is_boxed(*value) ? write_cell(b, TAG_FLOAT, *value, value) : 0;
}

/* --- strings --- */

static bool is_there(const struct build *b, uint64_t place, const struct build_late *l) {
    return image_read32(b->out.data + place) == l->len &&
           memcmp(b->out.data + place + 4, l->s, l->len) == 0;
}

static int write_string(struct build *b, const struct build_late *l, uint64_t *place) {
    int err = build_align(b, 4, (size_t)l->len + 4);
    if (err)
        return err;
    *place = b->out.len;
    buf_append(&b->out, &l->len, 4);
    buf_append(&b->out, l->s, l->len);
    return 0;
}

/* The string's entry, or the free one for it. */
static uint64_t *find_string(const struct build *b, const struct build_late *l) {
    for (uint64_t at = l->hash;; at++) {
        uint64_t *e = build_entry(&b->strings, l->hash, &at);
        if (!*e || is_there(b, 4 * (uint64_t)(uint32_t)*e, l))
            return e;
    }
}

static struct build_recent *recent(struct build *b, const char *s) {
    uint64_t address = (uint64_t)(uintptr_t)s >> 3;
    return &b->recent[(address ^ address >> 8) % BUILD_RECENT];
}

static int settle(struct build *b, const struct build_late *l) {
    uint64_t *e = find_string(b, l), place = 4 * (uint64_t)(uint32_t)*e;
    if (!*e) {
        int err = write_string(b, l, &place);
        if (err)
            return err;
        build_enter(&b->strings, e, l->hash, place / 4);
    }
    b->stack[l->at] = image_value(TAG_STRING, place);
    *recent(b, l->s) = (struct build_recent){l->s, b->stack[l->at]};
    return 0;
}

int tine__build_settle(struct build *b) {
    int err = 0;
    for (unsigned i = 0; i < b->nlate && !err; i++)
        err = settle(b, &b->late[i]);
    b->nlate = 0;
    return err;
}

int tine__build_push_string(struct build *b, const char *s, size_t len) {
    const struct build_recent *r = recent(b, s);
    if (r->s == s)
        return build_push(b, r->value);
    int err = b->nlate == BUILD_LATE ? tine__build_settle(b) : 0;
    if (err || (err = build_set_room(&b->strings, BUILD_LATE)))
        return err;
    struct build_late *l = &b->late[b->nlate++];
    *l = (struct build_late){s, b->nstack, (uint32_t)len, image_hash(s, len)};
    __builtin_prefetch(&b->strings.entries[l->hash & (b->strings.room - 1)], 1);
    return build_push(b, IMAGE_NIL);
}

int tine__build_cut(struct build *b, uint64_t base) {
    int err = tine__build_settle(b);
    b->nstack = base;
    return err;
}

/* Reading results from msgpack, for programs without a msgpack library. The bytes are not
** trusted. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "tine.h"

/* What a first byte determines: the type of the value, and the number or length that follows. */
enum form { FORM_NONE, FORM_UNSIGNED, FORM_SIGNED, FORM_FLOAT, FORM_LENGTH };

struct head {
    enum tine_type type;
    enum form form;
    unsigned bytes;
    bool known; /* false: not valid in msgpack */
};

static const struct head heads[0x20] = {
    /* for first bytes from 0xc0 on */
    [0x00] = {TINE_NIL, FORM_NONE, 0, true},
    [0x02] = {TINE_BOOLEAN, FORM_NONE, 0, true},
    [0x03] = {TINE_BOOLEAN, FORM_NONE, 0, true},
    [0x04] = {TINE_STRING, FORM_LENGTH, 1, true},
    [0x05] = {TINE_STRING, FORM_LENGTH, 2, true},
    [0x06] = {TINE_STRING, FORM_LENGTH, 4, true},
    [0x07] = {TINE_EXTENSION, FORM_LENGTH, 1, true},
    [0x08] = {TINE_EXTENSION, FORM_LENGTH, 2, true},
    [0x09] = {TINE_EXTENSION, FORM_LENGTH, 4, true},
    [0x0a] = {TINE_NUMBER, FORM_FLOAT, 4, true},
    [0x0b] = {TINE_NUMBER, FORM_FLOAT, 8, true},
    [0x0c] = {TINE_INTEGER, FORM_UNSIGNED, 1, true},
    [0x0d] = {TINE_INTEGER, FORM_UNSIGNED, 2, true},
    [0x0e] = {TINE_INTEGER, FORM_UNSIGNED, 4, true},
    [0x0f] = {TINE_INTEGER, FORM_UNSIGNED, 8, true},
    [0x10] = {TINE_INTEGER, FORM_SIGNED, 1, true},
    [0x11] = {TINE_INTEGER, FORM_SIGNED, 2, true},
    [0x12] = {TINE_INTEGER, FORM_SIGNED, 4, true},
    [0x13] = {TINE_INTEGER, FORM_SIGNED, 8, true},
    [0x14] = {TINE_EXTENSION, FORM_NONE, 0, true},
    [0x15] = {TINE_EXTENSION, FORM_NONE, 0, true},
    [0x16] = {TINE_EXTENSION, FORM_NONE, 0, true},
    [0x17] = {TINE_EXTENSION, FORM_NONE, 0, true},
    [0x18] = {TINE_EXTENSION, FORM_NONE, 0, true},
    [0x19] = {TINE_STRING, FORM_LENGTH, 1, true},
    [0x1a] = {TINE_STRING, FORM_LENGTH, 2, true},
    [0x1b] = {TINE_STRING, FORM_LENGTH, 4, true},
    [0x1c] = {TINE_ARRAY, FORM_LENGTH, 2, true},
    [0x1d] = {TINE_ARRAY, FORM_LENGTH, 4, true},
    [0x1e] = {TINE_MAP, FORM_LENGTH, 2, true},
    [0x1f] = {TINE_MAP, FORM_LENGTH, 4, true},
};

static void set_integer(tine_value *v, int64_t n) {
    v->type = TINE_INTEGER;
    v->integer = n;
    v->number = (double)n;
}

/* Read a value that is, or whose length is, in its first byte. False: more bytes follow. */
static bool read_short(unsigned char c, tine_value *v) {
    if (c <= 0x7f || c >= 0xe0)
        return set_integer(v, (int8_t)c), true;
    if (c >= 0xc0)
        return false;
    v->type = c >= 0xa0 ? TINE_STRING : c >= 0x90 ? TINE_ARRAY : TINE_MAP;
    v->length = c & (c >= 0xa0 ? 0x1f : 0x0f);
    return true;
}

/* An integer of `n` bytes in big-endian order. */
static uint64_t number_at(const unsigned char *at, unsigned n) {
    uint64_t number = 0;
    for (unsigned i = 0; i < n; i++)
        number = number << 8 | at[i];
    return number;
}

static int64_t extend(uint64_t number, unsigned bytes) {
    assert(bytes > 0 && bytes <= 8);
    unsigned shift = 64 - 8 * bytes;
    return (int64_t)(number << shift) >> shift;
}

static void set_float(tine_value *v, uint64_t bits, unsigned bytes) {
    uint32_t low = (uint32_t)bits;
    float f;
    if (bytes == sizeof f) {
        memcpy(&f, &low, sizeof f);
        v->number = (double)f;
    } else {
        memcpy(&v->number, &bits, sizeof v->number);
    }
}

static void set_number(tine_value *v, const struct head *h, uint64_t number) {
    if (h->form == FORM_SIGNED)
        set_integer(v, extend(number, h->bytes));
    else if (h->form == FORM_UNSIGNED && number <= INT64_MAX)
        set_integer(v, (int64_t)number);
    else if (h->form == FORM_UNSIGNED)
        v->type = TINE_NUMBER, v->number = (double)number; /* Lua has no such integer */
    else if (h->form == FORM_FLOAT)
        set_float(v, number, h->bytes);
    else
        v->length = (size_t)number;
}

/* Read the head at `at`, where `left` bytes are left. Returns its length; 0: it is invalid or cut
** off. */
static size_t read_head(const unsigned char *at, size_t left, tine_value *v) {
    *v = (tine_value){0};
    if (read_short(*at, v))
        return 1;
    const struct head *h = &heads[*at - 0xc0];
    size_t size = 1 + (size_t)h->bytes;
    if (!h->known || size > left)
        return 0;
    v->type = h->type;
    v->boolean = *at == 0xc3;
    set_number(v, h, number_at(at + 1, h->bytes));
    if (h->type != TINE_EXTENSION)
        return size;
    if (size == left)
        return 0;
    if (h->form == FORM_NONE) {
        assert(*at >= 0xd4);
        v->length = (size_t)1 << (*at - 0xd4);
    }
    v->integer = (int8_t)at[size];
    return size + 1;
}

int tine_unpack_next(tine_unpack *u, tine_value *v) {
    if (!u || !v || (!u->at && u->left > 0))
        return TINE_EARG;
    if (u->left == 0)
        return 0;
    const unsigned char *at = u->at;
    size_t size = read_head(at, u->left, v), left = u->left - size;
    size_t least = v->type == TINE_MAP ? 2 : 1; /* shortest possible item, in bytes */
    if (size == 0 || v->length > left / least)
        return TINE_EINVALID;
    if (v->type == TINE_STRING || v->type == TINE_EXTENSION) {
        v->bytes = (const char *)at + size;
        size += v->length;
    }
    u->at = at + size;
    u->left -= size;
    return 1;
}

/* The number of values directly inside the value. */
static size_t parts_of(const tine_value *v) {
    return v->type == TINE_ARRAY ? v->length : v->type == TINE_MAP ? 2 * v->length : 0;
}

int tine_unpack_skip(tine_unpack *u) {
    tine_unpack ahead = u ? *u : (tine_unpack){NULL, 0};
    tine_value v;
    int r = u ? tine_unpack_next(&ahead, &v) : TINE_EARG;
    if (r != 1)
        return r;
    /* `open` is the number of values to come. It cannot overflow: each was checked to need a
    ** byte. */
    for (size_t open = parts_of(&v); open > 0; open--) {
        if (tine_unpack_next(&ahead, &v) != 1)
            return TINE_EINVALID;
        open += parts_of(&v);
    }
    *u = ahead;
    return 1;
}

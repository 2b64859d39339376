/* Writing arguments as msgpack, for programs without a msgpack library. */
#include <stdlib.h>
#include <string.h>
#include "base/sys.h"
#include "tine.h"

#define FIRST_ROOM 64

/* Extend the bytes by `n`. NULL: an error is set. */
static unsigned char *claim(tine_pack *p, size_t n) {
    if (!p || p->error)
        return NULL;
    if (n > p->room - p->length) {
        size_t room = p->room ? p->room : FIRST_ROOM;
        while (room - p->length < n && room <= SIZE_MAX / 2)
            room *= 2;
        char *bytes = room - p->length < n ? NULL : sys.realloc(p->bytes, room);
        if (!bytes) {
            p->error = TINE_ENOMEM;
            return NULL;
        }
        p->bytes = bytes;
        p->room = room;
    }
    unsigned char *at = (unsigned char *)p->bytes + p->length;
    p->length += n;
    return at;
}

/* Append `head` and the lowest `n` bytes of the number, in big-endian order. */
static void put(tine_pack *p, unsigned char head, uint64_t number, unsigned n) {
    unsigned char *at = claim(p, 1 + (size_t)n);
    if (!at)
        return;
    *at = head;
    for (unsigned i = n; i > 0; i--, number >>= 8)
        at[i] = (unsigned char)number;
}

void tine_pack_nil(tine_pack *p) {
    put(p, 0xc0, 0, 0);
}

void tine_pack_boolean(tine_pack *p, bool value) {
    put(p, value ? 0xc3 : 0xc2, 0, 0);
}

void tine_pack_integer(tine_pack *p, int64_t value) {
    if (value >= -32 && value <= 127)
        put(p, (unsigned char)value, 0, 0);
    else if (value >= INT8_MIN && value <= INT8_MAX)
        put(p, 0xd0, (uint64_t)value, 1);
    else if (value >= INT16_MIN && value <= INT16_MAX)
        put(p, 0xd1, (uint64_t)value, 2);
    else if (value >= INT32_MIN && value <= INT32_MAX)
        put(p, 0xd2, (uint64_t)value, 4);
    else
        put(p, 0xd3, (uint64_t)value, 8);
}

void tine_pack_number(tine_pack *p, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put(p, 0xcb, bits, 8);
}

/* Append the head of a string, an array or a map of `n` items: a single byte up to `most`, else
** `wide` or the type behind it with a number of 16 or 32 bits. False: an error is set. */
static bool put_head(tine_pack *p, size_t n, unsigned char few, size_t most, unsigned char wide) {
    if (p && !p->error && n > UINT32_MAX)
        p->error = TINE_EARG;
    if (n <= most)
        put(p, (unsigned char)(few | n), 0, 0);
    else if (n <= UINT16_MAX)
        put(p, wide, n, 2);
    else
        put(p, (unsigned char)(wide + 1), n, 4);
    return p && !p->error;
}

void tine_pack_string(tine_pack *p, const void *bytes, size_t length) {
    if (p && !p->error && !bytes && length > 0)
        p->error = TINE_EARG;
    if (!put_head(p, length, 0xa0, 31, 0xda) || !bytes)
        return;
    unsigned char *at = claim(p, length);
    if (at)
        memcpy(at, bytes, length);
}

void tine_pack_array(tine_pack *p, size_t n) {
    put_head(p, n, 0x90, 15, 0xdc);
}

void tine_pack_map(tine_pack *p, size_t n) {
    put_head(p, n, 0x80, 15, 0xde);
}

void tine_pack_free(tine_pack *p) {
    if (!p)
        return;
    free(p->bytes);
    *p = (tine_pack)TINE_PACK_INIT;
}

/* Streaming copies: at all offsets, of all lengths of some lines; nothing beside them is touched. */
#include "base/stream.h"
#include "check.h"

#define ROOM 512
#define OFFSETS 67

static unsigned char from[STREAM_FROM + ROOM], to[STREAM_FROM + ROOM], expected[STREAM_FROM + ROOM];

static void one(size_t in, size_t out, size_t n, void (*copy)(void *, const void *, size_t)) {
    size_t room = n + OFFSETS + 64;
    memset(to, 0xa5, room);
    memset(expected, 0xa5, room);
    memcpy(expected + out, from + in, n);
    copy(to + out, from + in, n);
    CHECK(memcmp(to, expected, room) == 0);
}

int main(void) {
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t out = 0; out < OFFSETS; out++)
        for (size_t n = 0; n < 3 * 64 + 2; n++)
            one((out * 13 + n) % OFFSETS, out, n, tine__stream);
    for (size_t out = 0; out < OFFSETS; out++)
        for (size_t n = STREAM_FROM - 2; n < STREAM_FROM + 3; n++)
            one(out * 13 % OFFSETS, out, n, stream_copy);
    return 0;
}

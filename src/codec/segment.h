/* Segments by their outside: what those who carry messages must know of them. No Lua in here. */
#ifndef TINE_CODEC_SEGMENT_H
#define TINE_CODEC_SEGMENT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SEGMENT_HEAD 8
#define SEGMENT_GLOBALS UINT32_C(0x80000000) /* in the number of marks: call environments occur */

/* Length of the segment (codec/codec.h) that starts at `p`, checked against the `len` bytes there are; 0
** when it is not whole. */
static inline size_t segment_length(const char *p, size_t len) {
    uint32_t body, marks;
    if (len < SEGMENT_HEAD)
        return 0;
    memcpy(&body, p, 4);
    memcpy(&marks, p + 4, 4);
    marks &= ~SEGMENT_GLOBALS;
    uint64_t whole = SEGMENT_HEAD + (uint64_t)body + 4 * (uint64_t)marks;
    return whole <= len ? (size_t)whole : 0;
}

#endif

/* Segments (codec.h) from outside: what code that transports messages must know. No Lua in here. */
#ifndef TINE_CODEC_SEGMENT_H
#define TINE_CODEC_SEGMENT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SEGMENT_HEAD 8
#define SEGMENT_GLOBALS UINT32_C(0x80000000) /* in the number of marks: environments occur */

/* Extension and operation that occur in plain data, too: NULL, and tables that are more than an
** array or a map. */
#define SEGMENT_EXT_NULL 4
#define SEGMENT_OP_TABLE 1
/* Functions that can be named without Lua: the body is [ext SEGMENT_EXT_OP with the operation,
** text]. */
#define SEGMENT_EXT_OP 5
#define SEGMENT_OP_TEXT 5   /* "a.b.c" */
#define SEGMENT_OP_SOURCE 8 /* Lua source of a chunk */

/* Write the head of a segment without marks. */
static inline void segment_set_head(char *at, size_t body) {
    uint32_t head[2] = {(uint32_t)body, 0};
    memcpy(at, head, sizeof head);
}

/* Are these `len` bytes a whole segment without marks and call environments? */
static inline int segment_is_plain(const char *p, size_t len) {
    uint32_t head[2];
    if (len < SEGMENT_HEAD)
        return 0;
    memcpy(head, p, sizeof head);
    return head[0] == len - SEGMENT_HEAD && head[1] == 0;
}

/* Length of the segment that starts at `p`, of which `len` bytes are there; 0: it is not
** complete. */
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

/* Length of the body of a complete segment; it starts behind the head. */
static inline size_t segment_body(const char *p, size_t len) {
    uint32_t body;
    memcpy(&body, p, 4);
    return body <= len - SEGMENT_HEAD ? body : 0;
}

/* The error value of an error segment, if it is a string in plain msgpack: its bytes, and *length.
** NULL: it is something else. */
static inline const char *segment_error_text(const char *p, size_t len, size_t *length) {
    const unsigned char *s =
        (const unsigned char *)p + SEGMENT_HEAD + 1; /* behind the array's head */
    size_t left = len > SEGMENT_HEAD + 2 ? len - SEGMENT_HEAD - 1 : 0, head = 1;
    if (!left || (s[-1] & 0xf0) != 0x90) /* not an array of < 16 items */
        return NULL;
    if ((s[0] & 0xe0) == 0xa0)
        *length = s[0] & 0x1f;
    else if (s[0] == 0xd9)
        *length = s[1], head = 2;
    else if (s[0] == 0xda && left > 2)
        *length = (size_t)s[1] << 8 | s[2], head = 3;
    else
        return NULL;
    return *length <= left - head ? (const char *)s + head : NULL;
}

#endif

/* Texts in memory from base/sys.h, so that tests can make that fail. */
#ifndef TINE_BASE_TEXT_H
#define TINE_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A copy, which the caller frees; NULL: `text` is NULL, or out of memory. */
char *tine__text_copy(const char *text);
/* Likewise of `length` bytes, with a NUL added. */
char *tine__text_copy_n(const char *bytes, size_t length);

/* The one copy of this text that the process keeps, never freed; NULL: out of memory. For names, of
** which there are few. Any thread. */
const char *tine__text_keep(const char *text);
/* A number for a kept text, where a pointer takes too much room: from 1; 0 for any other text, for
** NULL, and when there are too many. */
uint16_t tine__text_number(const char *kept);
/* The text with that number; NULL for 0. */
const char *tine__text_numbered(uint16_t number);

/* Copy `n` bytes to *at and advance *at. Returns where they are; NULL if there are none. */
static inline const char *text_put(char **at, const char *text, size_t n) {
    char *to = n ? memcpy(*at, text, n) : NULL;
    *at += n;
    return to;
}

#endif

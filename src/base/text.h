/* Texts in memory that can be had to fail (base/sys.h). */
#ifndef TINE_BASE_TEXT_H
#define TINE_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A copy, to be freed by the caller; NULL: of NULL, or out of memory. */
char *tine__text_copy(const char *text);
/* The same of `length` bytes, with a NUL behind them. */
char *tine__text_copy_n(const char *bytes, size_t length);

/* The one copy of this text that the process keeps for good; NULL: out of memory. For names of which there are few. Any
** thread may call. */
const char *tine__text_keep(const char *text);
/* A number for one that is kept, where a pointer takes too much room: from 1; 0 of any other, of NULL, and when there are
** too many. */
uint16_t tine__text_number(const char *kept);
/* The text of that number; NULL: of 0. */
const char *tine__text_numbered(uint16_t number);

/* Put `n` bytes of a text at *at, and *at behind them. Where they are; NULL: there are none. */
static inline const char *text_put(char **at, const char *text, size_t n) {
    char *to = n ? memcpy(*at, text, n) : NULL;
    *at += n;
    return to;
}

#endif

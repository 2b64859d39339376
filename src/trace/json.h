/* JSON, as far as a trace needs it. Each function writes at `p`, where the caller has made room,
** and returns the end. */
#ifndef TINE_TRACE_JSON_H
#define TINE_TRACE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JSON_STRETCH 6u /* bytes that one byte of a string takes at most */

/* Write a string literal as it is. */
#define JSON_PUT(p, literal) ((char *)memcpy(p, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

char *tine__json_number(char *p, uint64_t n);
/* ns as µs with three decimals. */
char *tine__json_us(char *p, uint64_t ns);
/* ns as seconds with nine decimals. */
char *tine__json_seconds(char *p, uint64_t ns);
/* The text of a string, without the quotes. `text` may be any bytes; those that are no UTF-8 become
** U+FFFD. */
char *tine__json_string(char *p, const char *text, size_t length);

#endif

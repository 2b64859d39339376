/* JSON, as far as a trace needs it: pieces are put at `p`, where there is room; the end of what was put is returned. */
#ifndef TINE_TRACE_JSON_H
#define TINE_TRACE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JSON_STRETCH 6u /* that a byte of a string takes at most */

/* A literal. */
#define JSON_PUT(p, literal) ((char *)memcpy(p, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

char *tine__json_number(char *p, uint64_t n);
/* ns as µs, with three digits behind the point. */
char *tine__json_us(char *p, uint64_t ns);
/* ns as seconds. */
char *tine__json_seconds(char *p, uint64_t ns);
/* What is between the quotes: any bytes, those that are no UTF-8 as U+FFFD. */
char *tine__json_string(char *p, const char *text, size_t length);

#endif

/* Checks of what a C program says in the fields of a struct. Each gives false when the value makes no sense, and has told
** tine_error_detail then which field is wrong, what it is, and what would be right.
*/
#ifndef TINE_API_CHECKS_H
#define TINE_API_CHECKS_H

#include <stdbool.h>
#include "tine.h"

/* Always false: what is wrong, as printf does it. */
bool tine__refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A time in seconds: 0 or more. */
bool tine__check_time(const char *field, double seconds);
/* Any number but NaN. */
bool tine__check_number(const char *field, double number);
bool tine__check_retry(const tine_retry *r);
/* One of enum tine_output. */
bool tine__check_output(int output);
/* The struct was read (tine__struct_read). `init`: the macro that begins one. */
bool tine__check_struct(bool was_read, const char *init);

#endif

/* Checking msgpack that comes from outside, by msgpack-c's parser with callbacks that only look. */
#ifndef TINE_API_PLAIN_H
#define TINE_API_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

/* Are these bytes one msgpack array, and nothing but plain data (no functions, no references)? */
bool tine__is_plain_array(const void *bytes, size_t length);

#endif

/* Checking msgpack from untrusted sources, with msgpack-c's parser and callbacks that store
** nothing. */
#ifndef TINE_API_PLAIN_H
#define TINE_API_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

/* Are these bytes exactly one msgpack array of plain data (no functions, no references)? */
bool tine__is_plain_array(const void *bytes, size_t length);

#endif

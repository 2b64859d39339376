/* Encoding calls without Lua, for the C library (the format is in codec/codec.h). The functions
** append to a buffer and return 0, TINE_EARG or TINE_ENOMEM. */
#ifndef TINE_API_ENCODE_H
#define TINE_API_ENCODE_H

#include "base/buf.h"
#include "tine.h"

/* Append the function segment of a task. */
int tine__task_function(const tine_task *task, struct buf *out);
/* Append an argument segment: `args` is one msgpack array, NULL: no arguments. */
int tine__task_arguments(const void *args, size_t length, struct buf *out);
/* Append a call of a chunk of Lua source without arguments; *function is the length of its function
** segment. */
int tine__task_chunk(const char *source, struct buf *out, size_t *function);

#endif

/* Calls encoded without Lua: what the C library submits (codec/codec.h has the format). */
#ifndef TINE_API_ENCODE_H
#define TINE_API_ENCODE_H

#include "base/buf.h"
#include "tine.h"

/* Append the function segment of a task. 0, TINE_EARG, TINE_ENOMEM. */
int tine__task_function(const tine_task *task, struct buf *out);
/* Append an argument segment: `args` is one msgpack array, NULL none. 0, TINE_EARG, TINE_ENOMEM. */
int tine__task_arguments(const void *args, size_t length, struct buf *out);
/* Append a call without arguments of a chunk of Lua source; *function: bytes of its function
** segment. As above. */
int tine__task_chunk(const char *source, struct buf *out, size_t *function);

#endif

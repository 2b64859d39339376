/* Store: what is sent once and named afterwards: the code of functions, and their origins.
**
** It lies in the call heap, which only grows: an id is the place of its block in the heap (offset /
** 16), so neither side needs a directory. The submitter writes (under its lock), workers read.
*/
#ifndef TINE_WORKER_STORE_H
#define TINE_WORKER_STORE_H

#include "codec/origin.h"
#include "ipc/heap.h"

/* Submitter: copy code into the heap and give its id; 0: out of memory. */
uint32_t tine__store_code(struct heap *h, const struct codec_code *code);
/* Worker: the code of an id; false when the id names none. */
bool tine__store_find_code(struct heap *h, uint32_t id, struct codec_code *out);
/* Submitter: copy an origin into the heap; *out has pointers into it. 0: out of memory. */
uint32_t tine__store_origin(struct heap *h, const struct codec_origin *origin,
                            struct codec_origin *out);
/* Worker: the origin of an id. */
bool tine__store_find_origin(struct heap *h, uint32_t id, struct codec_origin *out);

#endif

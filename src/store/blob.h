/* How a blob lies in the call heap: head, name, source (zeros included), code, or a shared value's segment. */
#ifndef TINE_STORE_BLOB_H
#define TINE_STORE_BLOB_H

#include <stdint.h>

#define BLOB_UNIT 64u       /* blocks of the heap are aligned to it */
#define BLOB_PLACE_BITS 28u /* of an id: the block's offset in units */
#define BLOB_MAGIC 0x65646f63u
#define BLOB_GONE 0u /* a shared value that was: readers may look, whatever is there now */

struct blob_head {
    uint32_t magic;
    int32_t line;
    uint64_t id;
    uint32_t name, source; /* bytes */
    uint64_t len, hash;    /* of the code; len 0: none */
};

#endif

/* A blob in the call heap: this head, name and source (NULs included), then the code, or the
** segment of a shared value. */
#ifndef TINE_STORE_BLOB_H
#define TINE_STORE_BLOB_H

#include <stdint.h>

#define BLOB_UNIT 64u       /* blocks of the heap are aligned to this */
#define BLOB_PLACE_BITS 28u /* lowest bits of an id: the block's offset in units */
#define BLOB_MAGIC 0x65646f63u
#define BLOB_GONE 0u /* a shared value that has ended; readers may look at whatever is there now */

struct blob_head {
    uint32_t magic;
    int32_t line;
    uint64_t id;
    uint32_t name, source; /* bytes */
    uint64_t len, hash;    /* of the code; len 0: none */
};

#endif

/* Stream: copies large data that another process is going to read.
**
** The data which that process read last is still in its processor's cache. Plain stores fetch each
** line from there before overwriting it; streaming stores do not. Where the two processors share no
** cache, as most pairs in a large machine, streaming takes a fifth of the time. Where they share
** one, the reader must get the bytes from memory, and a message there and back takes a fifth
** longer.
*/
#ifndef TINE_BASE_STREAM_H
#define TINE_BASE_STREAM_H

#include <stddef.h>
#include <string.h>

#define STREAM_FROM ((size_t)128 << 10) /* from this size on it pays */

/* As memcpy. Everything is written before any later store. */
void tine__stream(void *to, const void *from, size_t n);

static inline void stream_copy(void *to, const void *from, size_t n) {
    if (n < STREAM_FROM)
        memcpy(to, from, n);
    else
        tine__stream(to, from, n);
}

#endif

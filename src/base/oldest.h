/* Oldest: finds the least recently used element of an array, to make room for another. Each element
** has a clock reading of its last use. For short arrays, which are scanned.
*/
#ifndef TINE_BASE_OLDEST_H
#define TINE_BASE_OLDEST_H

#include <stddef.h>
#include <stdint.h>

/* The index of that element among `n` (one or more) of `size` bytes each; `used` points to the
** first one's reading. */
static inline size_t oldest_of(const uint64_t *used, size_t n, size_t size) {
    const char *first = (const char *)used;
    size_t oldest = 0;
    for (size_t i = 1; i < n; i++)
        if (*(const uint64_t *)(first + i * size) < *(const uint64_t *)(first + oldest * size))
            oldest = i;
    return oldest;
}

#endif

/* Oldest: what of some things was not used for longest, to make room for another. Each has a clock's reading of its last
** use; there are so few that they are looked through.
*/
#ifndef TINE_BASE_OLDEST_H
#define TINE_BASE_OLDEST_H

#include <stddef.h>
#include <stdint.h>

/* Its index among `n`, one or more, of `size` bytes each; `used` is the reading of the first. */
static inline size_t oldest_of(const uint64_t *used, size_t n, size_t size) {
    const char *first = (const char *)used;
    size_t oldest = 0;
    for (size_t i = 1; i < n; i++)
        if (*(const uint64_t *)(first + i * size) < *(const uint64_t *)(first + oldest * size))
            oldest = i;
    return oldest;
}

#endif

#include "base/hash.h"

#include <string.h>

uint64_t tine__hash(const void *bytes, size_t length) {
    const char *p = bytes;
    uint64_t h = UINT64_C(0x9E3779B97F4A7C15) ^ length, x;
    for (; length >= 8; p += 8, length -= 8) {
        memcpy(&x, p, 8);
        h = (h ^ x) * UINT64_C(0xFF51AFD7ED558CCD);
        h ^= h >> 32;
    }
    x = 0;
    memcpy(&x, p, length);
    h = (h ^ x) * UINT64_C(0xC4CEB9FE1A85EC53);
    return h ^ h >> 29;
}

/* Hash: 64 bits of any bytes, fast. For look-ups and against accidents, not against attackers. */
#ifndef TINE_BASE_HASH_H
#define TINE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t tine__hash(const void *bytes, size_t length);

#endif

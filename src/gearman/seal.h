/* Seal: messages that pass job servers are encrypted and authenticated with a key that both sides
** have (libsodium's XChaCha20-Poly1305), and bound to their purpose (`about`). So nobody else, the
** job server included, can read, forge or change one, or replace it by another. Without keys they
** are sent in clear.
**
** An envelope is a byte that tells which of the two it is; and then either the bytes, or the key's
** id, the nonce and the ciphertext.
*/
#ifndef TINE_GEARMAN_SEAL_H
#define TINE_GEARMAN_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

#define SEAL_KEY 32u
#define SEAL_KEYS 16u

struct seal_key {
    unsigned char bytes[SEAL_KEY];
    uint64_t id; /* identifies the key in envelopes */
};

struct seal_keys {
    unsigned n; /* 0: messages are not sealed */
    struct seal_key list[SEAL_KEYS];
};

/* Can this build seal messages, with libsodium? */
bool tine__seal_is_there(void);
/* Read a key file. False: `why`, of `size` bytes, tells what is wrong. */
bool tine__seal_read(const char *path, struct seal_keys *out, char *why, size_t size);
/* Unpredictable random bytes. False: there are none. */
bool tine__seal_random(void *out, size_t n);

struct seal_about {
    const void *p;
    size_t n;
};

/* Append the envelope of the bytes, sealed with key number `key` of the list. 0 or TINE_ENOMEM. */
int tine__seal(const struct seal_keys *keys, unsigned key, struct seal_about about,
               const char *bytes, size_t n, struct buf *out);
/* Replace `out` by the content of the envelope; *key is the key that opened it. False: it cannot be
** verified, or no memory. */
bool tine__unseal(const struct seal_keys *keys, struct seal_about about, const char *envelope,
                  size_t n, struct buf *out, unsigned *key);

#endif

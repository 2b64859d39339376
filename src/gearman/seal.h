/* Seal: what travels over job servers is authenticated and encrypted with a key that both ends have (libsodium's
** XChaCha20-Poly1305), bound to what it is for (`about`): so nobody else, the job server included, can read, forge,
** change, or put it in another's place. Without keys it goes as it is.
**
** An envelope is a byte that says which of the two it is, and then the bytes; or the key's number, the nonce, and what
** the cipher makes of the bytes.
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
    uint64_t id; /* what it is called in envelopes */
};

struct seal_keys {
    unsigned n; /* 0: nothing is sealed */
    struct seal_key list[SEAL_KEYS];
};

/* Is there a library for it? */
bool tine__seal_is_there(void);
/* Read a file of keys; false: *why says what is wrong. */
bool tine__seal_read(const char *path, struct seal_keys *out, char *why, size_t size);
/* Random bytes, never predictable; false: none to be had. */
bool tine__seal_random(void *out, size_t n);

struct seal_about {
    const void *p;
    size_t n;
};

/* Append the envelope of the bytes, sealed with key number `key` of the list. 0 or TINE_ENOMEM. */
int tine__seal(const struct seal_keys *keys, unsigned key, struct seal_about about,
               const char *bytes, size_t n, struct buf *out);
/* What was in it, in place of what is in `out`; which key opened it. False: it cannot be verified (or there is no
** memory). */
bool tine__unseal(const struct seal_keys *keys, struct seal_about about, const char *envelope,
                  size_t n, struct buf *out, unsigned *key);

#endif

#include "gearman/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef TINE_SODIUM
#include <sodium.h>
#endif
#include "base/error.h"
#include "base/fd.h"
#include "base/sys.h"

#define PLAIN 'P'
#define SEALED 'S'

bool tine__seal_random(void *out, size_t n) {
    return getrandom(out, n, 0) == (ssize_t)n;
}

/* --- key files --- */

#define FILE_MOST 4096

static int digit(char c) {
    const char *digits = "0123456789abcdef",
               *at = strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);
    return c && at ? (int)(at - digits) : -1;
}

/* Parse a line of 64 hexadecimal digits. */
static bool read_key(const char *p, size_t n, struct seal_key *out) {
    if (n != sizeof out->bytes * 2)
        return false;
    for (size_t i = 0; i < SEAL_KEY; i++) {
        int high = digit(p[2 * i]), low = digit(p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static void name_key(struct seal_key *k) {
#ifdef TINE_SODIUM
    static const unsigned char text[] = "tine key";
    crypto_generichash((unsigned char *)&k->id, sizeof k->id, text, sizeof text, k->bytes,
                       sizeof k->bytes);
#else
    k->id = 0;
#endif
}

static bool read_lines(const char *path, const char *p, struct seal_keys *out, char *why,
                       size_t size) {
    for (unsigned line = 1; *p; line++) {
        size_t whole = strcspn(p, "\n"), blank = strspn(p, " \t"), n = strcspn(p, "#\n");
        n -= blank < n ? blank : n;
        while (n > 0 && strchr(" \t\r", p[blank + n - 1]))
            n--;
        if (n > 0) {
            if (out->n == SEAL_KEYS) {
                snprintf(why, size, "%s has more than %u keys", path, SEAL_KEYS);
                return false;
            }
            if (!read_key(p + blank, n, &out->list[out->n])) {
                snprintf(why, size, "%s:%u: a key is 64 hexadecimal digits (tine key makes one)",
                         path, line);
                return false;
            }
            name_key(&out->list[out->n++]);
        }
        p += whole + (p[whole] == '\n');
    }
    if (out->n == 0)
        snprintf(why, size, "%s has no key in it", path);
    return out->n > 0;
}

/* Read all, or as much as fits; -1: errno. A pipe may give it in pieces. */
static ssize_t read_all(int fd, char *text, size_t room) {
    size_t n = 0;
    while (n < room) {
        ssize_t some = read(fd, text + n, room - n);
        if (some == 0)
            break;
        if (some == -1 && errno != EINTR)
            return -1;
        n += some > 0 ? (size_t)some : 0;
    }
    return (ssize_t)n;
}

/* Read the file into `text`, NUL-terminated. False: errno; 0 if others have access to it, EFBIG if
** it is too long. */
static bool read_file(const char *path, char text[FILE_MOST]) {
    struct stat st;
    int fd = tine__fd_open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    bool ok = sys.fstat(fd, &st) == 0;
    int error = ok ? 0 : errno;
    if (ok && (st.st_mode & (S_IRGRP | S_IROTH | S_IWGRP | S_IWOTH)))
        ok = false;
    ssize_t n = ok ? read_all(fd, text, FILE_MOST - 1) : 0;
    if (ok && (n < 0 || n == FILE_MOST - 1)) {
        ok = false;
        error = n < 0 ? errno : EFBIG;
    }
    tine__close(&fd);
    if (ok)
        text[n] = 0;
    errno = error;
    return ok;
}

bool tine__seal_read(const char *path, struct seal_keys *out, char *why, size_t size) {
    char text[FILE_MOST];
    out->n = 0;
    if (!tine__seal_is_there()) {
        snprintf(why, size, "this build has no libsodium, which keys need");
        return false;
    }
    if (!read_file(path, text)) {
        if (errno)
            snprintf(why, size, "%s: %s", path, strerror(errno));
        else
            snprintf(why, size, "%s can be read or written by others: chmod 600 it", path);
        return false;
    }
    bool ok = read_lines(path, text, out, why, size);
    explicit_bzero(text, sizeof text);
    return ok;
}

/* --- without a key --- */

static int wrap(const char *bytes, size_t n, struct buf *out) {
    const char kind = PLAIN;
    if (n > SIZE_MAX - 1 || buf_reserve(out, n + 1))
        return TINE_ENOMEM;
    buf_append(out, &kind, 1);
    return buf_append(out, bytes, n);
}

static bool unwrap(const char *envelope, size_t n, struct buf *out) {
    out->len = 0;
    if (n == 0 || envelope[0] != PLAIN)
        return false;
    return n == 1 || buf_append(out, envelope + 1, n - 1) == 0;
}

#ifdef TINE_SODIUM

/* --- with a key --- */

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD (1 + sizeof(uint64_t) + NONCE)

bool tine__seal_is_there(void) {
    return sodium_init() >= 0;
}

int tine__seal(const struct seal_keys *keys, unsigned key, struct seal_about about,
               const char *bytes, size_t n, struct buf *out) {
    char head[HEAD] = {SEALED};
    if (keys->n == 0)
        return wrap(bytes, n, out);
    if (n > SIZE_MAX - HEAD - TAG || buf_reserve(out, HEAD + n + TAG))
        return TINE_ENOMEM;
    memcpy(head + 1, &keys->list[key].id, sizeof(uint64_t));
    randombytes_buf(head + 1 + sizeof(uint64_t), NONCE);
    buf_append(out, head, HEAD);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        (unsigned char *)out->data + out->len, NULL, (const unsigned char *)bytes, n, about.p,
        about.n, NULL, (const unsigned char *)head + 1 + sizeof(uint64_t), keys->list[key].bytes);
    out->len += n + TAG;
    return 0;
}

static bool find_key(const struct seal_keys *keys, const char *id, unsigned *key) {
    for (*key = 0; *key < keys->n; ++*key)
        if (memcmp(&keys->list[*key].id, id, sizeof(uint64_t)) == 0)
            return true;
    return false;
}

bool tine__unseal(const struct seal_keys *keys, struct seal_about about, const char *envelope,
                  size_t n, struct buf *out, unsigned *key) {
    out->len = 0;
    *key = 0;
    if (keys->n == 0)
        return unwrap(envelope, n, out);
    if (n < HEAD + TAG || envelope[0] != SEALED || !find_key(keys, envelope + 1, key) ||
        buf_reserve(out, n - HEAD - TAG))
        return false;
    const unsigned char *nonce = (const unsigned char *)envelope + 1 + sizeof(uint64_t);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)out->data, NULL, NULL,
                                                   nonce + NONCE, n - HEAD, about.p, about.n, nonce,
                                                   keys->list[*key].bytes) != 0)
        return false;
    out->len = n - HEAD - TAG;
    return true;
}

#else

bool tine__seal_is_there(void) {
    return false;
}

int tine__seal(const struct seal_keys *keys, unsigned key, struct seal_about about,
               const char *bytes, size_t n, struct buf *out) {
    (void)keys;
    (void)key;
    (void)about;
    return wrap(bytes, n, out);
}

bool tine__unseal(const struct seal_keys *keys, struct seal_about about, const char *envelope,
                  size_t n, struct buf *out, unsigned *key) {
    (void)keys;
    (void)about;
    *key = 0;
    return unwrap(envelope, n, out);
}

#endif

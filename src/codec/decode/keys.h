/* Keys: a cache of the strings that are keys of maps in a message.
**
** A few strings occur as keys again and again. Each is created once and kept in a place on the Lua
** stack, below the values being decoded. To push it from there is much faster than to look it up in
** Lua's table of strings. Keys mostly follow each other as before, so each place notes which key
** came next. Otherwise a hash of a few bytes tells in which place the key may be. Both are guesses:
** the bytes are always compared.
**
** Maps with more entries than there are places are dictionaries, whose keys are not cached. If many
** new keys come and none of them occurs again, the cache is given up for this message.
*/
#ifndef TINE_CODEC_KEYS_H
#define TINE_CODEC_KEYS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEYS_PLACES 32   /* places; also, entries of the largest map whose keys are cached */
#define KEYS_LENGTH 32   /* bytes of the longest key that is cached */
#define KEYS_MESSAGE 512 /* bytes of the shortest message for which the cache is used */
#define KEYS_IN_VAIN 64  /* after so many new keys in a row the cache is given up */
#define KEYS_GUESSES 64  /* power of two */

struct keys {
    int at;                        /* stack index before the first place; 0: not in use */
    unsigned made;                 /* strings created so far */
    unsigned in_vain;              /* unexpected keys in a row that were new */
    uint8_t last;                  /* the place that was used last; 0: none */
    uint8_t guesses[KEYS_GUESSES]; /* hash of a key -> place */
    struct {
        const char *bytes; /* the string, owned by Lua */
        uint8_t len;
        uint8_t next; /* the place that was used after this one */
    } places[KEYS_PLACES + 1];
};

/* Do without the cache. */
static inline void keys_none(struct keys *k) {
    k->at = 0;
}

/* Make room for the places on the stack. */
static inline void keys_open(struct keys *k, lua_State *L) {
    k->at = lua_gettop(L);
    lua_settop(L, k->at + KEYS_PLACES);
    k->made = k->in_vain = k->last = 0;
    memset(k->guesses, 0, sizeof k->guesses);
    memset(k->places, 0, sizeof k->places);
}

/* Compare `n` bytes, 1 to KEYS_LENGTH. */
static inline bool keys_equal(const char *a, const char *b, size_t n) {
    uint64_t x = 0, y = 0, u = 0, v = 0;
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8) {
            memcpy(&x, a + i, 8);
            memcpy(&y, b + i, 8);
            u |= x ^ y;
        }
        memcpy(&x, a + n - 8, 8);
        memcpy(&y, b + n - 8, 8);
    } else if (n >= 4) {
        memcpy(&x, a, 4);
        memcpy(&y, b, 4);
        memcpy(&u, a + n - 4, 4);
        memcpy(&v, b + n - 4, 4);
        u ^= v;
    } else {
        u = (uint64_t)((a[0] ^ b[0]) | (a[n / 2] ^ b[n / 2]));
        x = (unsigned char)a[n - 1];
        y = (unsigned char)b[n - 1];
    }
    return (u | (x ^ y)) == 0;
}

static inline bool keys_is(const struct keys *k, unsigned place, const char *p, size_t n) {
    return k->places[place].len == n && keys_equal(k->places[place].bytes, p, n);
}

/* keys_push for a key that was not expected next. */
void tine__keys_push_other(struct keys *k, lua_State *L, const char *p, size_t n);

/* Push the string of `n` bytes at `p`, 1 to KEYS_LENGTH. May raise memory errors. */
static inline void keys_push(struct keys *k, lua_State *L, const char *p, size_t n) {
    unsigned place = k->places[k->last].next;
    if (!keys_is(k, place, p, n))
        return tine__keys_push_other(k, L, p, n);
    k->last = (uint8_t)place;
    lua_pushvalue(L, k->at + (int)place);
}

#endif

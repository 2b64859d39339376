/* Keys: what records have in common.
**
** The same few strings come again and again as keys of a message's maps. Each is made once and then lies in a place on
** the Lua stack, below what is decoded: from there it is pushed, which is far less than to look it up among all of
** Lua's strings. Keys mostly come in the order in which they came before, so each place notes which one followed it. Where
** they do not, a few bytes of a key say where it might be. All of that is only a guess: the bytes are compared.
**
** Maps with more entries are dictionaries, and so are those whose keys are new all the time: after so many new ones of
** which none came again there is an end to it.
*/
#ifndef TINE_CODEC_KEYS_H
#define TINE_CODEC_KEYS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEYS_PLACES 32   /* a message keeps so many, and maps of so many entries count */
#define KEYS_LENGTH 32   /* bytes of the longest */
#define KEYS_MESSAGE 512 /* bytes of the shortest message that is worth it */
#define KEYS_IN_VAIN 64  /* so many new ones, and it ends */
#define KEYS_GUESSES 64  /* power of two */

struct keys {
    int at;                        /* stack index before the first place; 0: none are kept */
    unsigned made;                 /* so far */
    unsigned in_vain;              /* since one came again, in another order than before */
    uint8_t last;                  /* the place that was pushed last; 0: none */
    uint8_t guesses[KEYS_GUESSES]; /* by a hash: place */
    struct {
        const char *bytes; /* Lua's own */
        uint8_t len;
        uint8_t next; /* which came after it */
    } places[KEYS_PLACES + 1];
};

/* Without any. */
static inline void keys_none(struct keys *k) {
    k->at = 0;
}

/* Make room for them on the stack. */
static inline void keys_open(struct keys *k, lua_State *L) {
    k->at = lua_gettop(L);
    lua_settop(L, k->at + KEYS_PLACES);
    k->made = k->in_vain = k->last = 0;
    memset(k->guesses, 0, sizeof k->guesses);
    memset(k->places, 0, sizeof k->places);
}

/* Of 1 to KEYS_LENGTH bytes. */
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

/* The same when it is not the one that was expected. */
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

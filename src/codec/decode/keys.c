#include <lua.h>
#include "codec/decode/keys.h"

static uint8_t *guess(struct keys *k, const char *p, size_t n) {
    unsigned h = (unsigned char)p[0] + 5u * (unsigned char)p[n / 2] +
                 11u * (unsigned char)p[n - 1] + 3u * (unsigned)n;
    return &k->guesses[h % KEYS_GUESSES];
}

/* Push a new string, and keep it in the oldest place. */
static unsigned make(struct keys *k, lua_State *L, const char *p, size_t n) {
    unsigned place = k->made++ % KEYS_PLACES + 1;
    const char *bytes = lua_pushlstring(L, p, n);
    lua_pushvalue(L, -1);
    lua_replace(L, k->at + (int)place);
    k->places[place].bytes = bytes;
    k->places[place].len = (uint8_t)n;
    return place;
}

void tine__keys_push_other(struct keys *k, lua_State *L, const char *p, size_t n) {
    uint8_t *g = guess(k, p, n);
    bool known = keys_is(k, *g, p, n);
    if (known)
        lua_pushvalue(L, k->at + *g);
    else
        *g = (uint8_t)make(k, L, p, n);
    k->places[k->last].next = *g;
    k->last = *g;
    k->in_vain = known ? 0 : k->in_vain + 1;
    if (k->in_vain == KEYS_IN_VAIN)
        k->at = 0; /* the places remain on the stack until the message is decoded */
}

/* The code of functions that came. */
#ifndef TINE_CODEC_DECODE_LOADED_H
#define TINE_CODEC_DECODE_LOADED_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/cache.h"

struct codec;

/* One that came, by its id. */
struct loaded {
    struct cached cached;
    uint64_t id;
    uint8_t nups;
    uint8_t env;
    bool stateless; /* one closure serves all calls */
    int closure;    /* registry reference to it, or 0 */
    struct loaded *next;
};

#define LOADED_BUCKETS 512u            /* power of two */
#define CODES_LOADED ((size_t)2 << 20) /* of codes that came */

/* The code of an id as it came in a message, loaded if it is not. Raises. */
struct loaded *tine__loaded(lua_State *L, struct codec *c, int self, lua_Integer id);
/* The same if it is loaded, else NULL. */
struct loaded *tine__loaded_find(struct codec *c, uint64_t id);
/* Push a new closure of it. Raises. */
void tine__loaded_push(lua_State *L, struct codec *c, int self, const struct loaded *l);
/* Push a new closure of code that came inline: hash (8 bytes), dump. Gives nups. Raises. */
int tine__code_push_inline(lua_State *L, const char *p, size_t len);
void tine__loaded_free(lua_State *L, struct codec *c);

#endif

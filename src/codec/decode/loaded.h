/* A cache of loaded code: the functions that messages name by their ids. */
#ifndef TINE_CODEC_DECODE_LOADED_H
#define TINE_CODEC_DECODE_LOADED_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/cache.h"

struct codec;

/* The code of a function, loaded. */
struct loaded {
    struct cached cached;
    uint64_t id;
    uint8_t nups;        /* number of upvalues */
    uint8_t env;         /* index of the upvalue _ENV; 0: none */
    bool stateless;      /* one closure can serve all calls (simple.c) */
    int closure;         /* registry reference to that closure; 0: none */
    struct loaded *next; /* in the same bucket */
};

#define LOADED_BUCKETS 512u            /* power of two */
#define CODES_LOADED ((size_t)2 << 20) /* bytes of code that the cache holds */

/* The code with this id, which occurs in a message; loaded if need be. `self` is the stack index of
** the state table. Raises. */
struct loaded *tine__loaded(lua_State *L, struct codec *c, int self, lua_Integer id);
/* The code with this id if it is in the cache, else NULL. */
struct loaded *tine__loaded_find(struct codec *c, uint64_t id);
/* Push a new closure of the code. Raises. */
void tine__loaded_push(lua_State *L, struct codec *c, int self, const struct loaded *l);
/* Push a closure of code that is in the message itself: hash (8 bytes), dump. Returns the number of
** its upvalues. Raises. */
int tine__code_push_inline(lua_State *L, const char *p, size_t len);
/* Empty the cache, and free it. */
void tine__loaded_free(lua_State *L, struct codec *c);

#endif

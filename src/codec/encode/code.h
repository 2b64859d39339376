/* The code of functions that are sent. */
#ifndef TINE_CODEC_ENCODE_CODE_H
#define TINE_CODEC_ENCODE_CODE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"
#include "codec/cache.h"
#include "codec/changes/watch.h"
#include "codec/codec.h"
#include "codec/lua/globals.h"

struct codec;
struct encoder;

/* A function that is in the store: a userdata, which holds it there. */
struct known {
    struct codec *c;  /* NULL: it is gone; what its state table held dies after it */
    struct list node; /* in its list of all of them */
    const struct codec_stored *stored; /* NULL: it is not */
    const struct codec_origin *origin; /* what store.keep made of its origin */
    uint32_t age;                      /* then */
    uint64_t message;                  /* the last one that was told to hold it */
};

/* The code of Lua functions that are one prototype: one to send. A userdata. */
struct code {
    struct known known; /* stored without an id: it travels inline */
    struct cached cached;
    bool linked; /* the codec knows it */
    bool listed; /* it has names of globals in ST_GLOBALS */
    uint8_t nups;
    uint8_t env;  /* index of the upvalue _ENV, 0 for none */
    uint8_t sent; /* how often it was encoded, up to STRINGS_LOOKED */
    struct global_uses globals;
    struct watch watch; /* of Lua's own that it names; the list is number 0 of its names */
    uint64_t hash;      /* of the dump */
    struct code *next;  /* same bucket */
    const char *dump;   /* as the store has it, or our own */
    size_t len;
    char *own; /* NULL: the store has it */
};

static inline uint64_t code_id(const struct code *code) {
    return code->known.stored ? code->known.stored->id : 0;
}

#define CODE_BUCKETS 512u            /* power of two */
#define CODES_KEPT ((size_t)2 << 20) /* bytes of codes to send that are remembered */
/* The metatable of strings is looked at when a code is encoded for the first times, as any arithmetic might use it, and
** always once it was found to be changed. */
#define STRINGS_LOOKED 2

/* Push the code of the Lua function at `idx`, dumped and stored if it is new. 0 or an error as above. */
int tine__code_of(struct encoder *e, int idx, struct code **out);
/* The code that this found last if it was for the function at that address; NULL: it was not. */
struct code *tine__code_memo(const struct encoder *e, const void *p);
/* The number of the upvalue _ENV of the function at `fn`, by its name; 0: none. */
int tine__find_env(lua_State *L, int fn, int nups, const void *globals);
void tine__code_free(struct codec *c);

/* Push a new one that is not stored yet. */
struct known *tine__known_new(lua_State *L, struct codec *c);
/* Store it, if there is a store that has memory for it. */
void tine__known_put(struct known *k, const struct codec_code *code,
                     const struct codec_origin *origin);
/* The message names it: have the store hold it for that. 0 or an error as above. */
int tine__known_name(struct encoder *e, struct known *k);
/* Its origin for labels. May raise memory errors. */
const struct codec_origin *tine__known_origin(lua_State *L, struct known *k);

#endif

/* The code (bytecode) of Lua functions that are sent, and functions that are known to the store.
**
** A code is looked up by the function, then by the hash of its dump. The codec remembers the codes
** that were used recently.
*/
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

/* Something that the store holds for this codec: the code of a function, or only the origin of a
** function that is sent by name. A userdata. The store drops it when the userdata is collected, the
** code is forgotten, or the codec ends. */
struct known {
    struct codec *c;                   /* NULL: the codec has ended */
    struct list node;                  /* in codec.knowns */
    const struct codec_stored *stored; /* NULL: not in the store */
    /* The copy of the origin that store.keep gave, and the value of *store.age then; NULL: not
    ** asked for yet. */
    const struct codec_origin *origin;
    uint32_t age;
    uint64_t message; /* the last message for which the store was told to hold it */
};

/* The code of Lua functions with equal dumps. A userdata, which begins with a struct known. */
struct code {
    struct known known; /* known.stored NULL: the bytecode is sent inline */
    struct cached cached;
    bool linked;  /* the codec remembers it: it is in its buckets and in ST_CODES */
    bool listed;  /* the names of its globals are in ST_GLOBALS */
    uint8_t nups; /* number of upvalues */
    uint8_t env;  /* index of the upvalue _ENV; 0: none */
    uint8_t sent; /* how often it was encoded, up to STRINGS_LOOKED */
    struct global_uses globals;
    /* Watches the standard functions that the code names. Its Lua list is item 0 of the code's
    ** names in ST_GLOBALS. */
    struct watch watch;
    uint64_t hash;     /* of the dump */
    struct code *next; /* in the same bucket */
    const char *dump;  /* `own`, or the store's copy */
    size_t len;
    char *own; /* memory of the dump; NULL: the store has it */
};

/* The id of the code in the store; 0: the code is not stored, and is sent inline. */
static inline uint64_t code_id(const struct code *code) {
    return code->known.stored ? code->known.stored->id : 0;
}

#define CODE_BUCKETS 512u            /* power of two */
#define CODES_KEPT ((size_t)2 << 20) /* bytes of the codes that are remembered */
/* The metatable of strings is checked for changes when a code is encoded for the first
** STRINGS_LOOKED times, since any arithmetic in it might use that; and always once it was found
** changed. */
#define STRINGS_LOOKED 2

/* Push the code of the Lua function at `idx`, and set *out to it. If the code is new, it is dumped
** and stored. */
int tine__code_of(struct encoder *e, int idx, struct code **out);
/* The code that tine__code_of gave last, if that was for the function at address `p` and the code
** is still remembered; else NULL. */
struct code *tine__code_memo(const struct encoder *e, const void *p);
/* The index of the upvalue _ENV of the function at `fn`, which has `nups` upvalues; 0: it has none.
** Stripped functions have no names of upvalues: there it is the upvalue that is the globals table
** (its address is `globals`; NULL: do not look for it). */
int tine__find_env(lua_State *L, int fn, int nups, const void *globals);
/* The codec ends: forget all its codes and drop what it holds in the store. */
void tine__code_free(struct codec *c);

/* Push a new struct known that is not stored yet. May raise memory errors. */
struct known *tine__known_new(lua_State *L, struct codec *c);
/* Put `k` into the store. `k->stored` stays NULL if there is no store or it has no memory. */
void tine__known_put(struct known *k, const struct codec_code *code,
                     const struct codec_origin *origin);
/* The message refers to `k`: have the store hold it as long as the message. */
int tine__known_name(struct encoder *e, struct known *k);
/* The origin of `k`, for labels; NULL: not stored, or no memory. May raise memory errors. */
const struct codec_origin *tine__known_origin(lua_State *L, struct known *k);

#endif

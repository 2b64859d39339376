/* The state of a codec: what it keeps from message to message.
**
** Lua values that a codec keeps are in one table (its *state table*), held by a registry reference;
** its other memory is freed by its __gc. What encoding and decoding need while they run is in an
** encoder and a decoder. These are userdata that are *taken* and put back. If an error passes
** through, a taken one is left to the garbage collector; if a registered function uses the codec
** again meanwhile, it finds them taken, and new ones are made.
**
** The folders:
**
**     lua/       Lua itself: its own functions and tables, the format of bytecode
**     files/     what the code in a module's file says of its functions, keys and variables
**     names/     which objects can be reached from loaded modules, and may travel by name
**     changes/   what the program has changed in modules, and what therefore goes along with a name
**     encode/    values to bytes
**     decode/    bytes to values, and names to the objects that they name
**
** This folder has what both directions share, and the fast paths (simple.c, scalars.c).
*/
#ifndef TINE_CODEC_STATE_H
#define TINE_CODEC_STATE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/buf.h"
#include "base/hot.h"
#include "base/list.h"
#include "codec/cache.h"
#include "codec/codec.h"
#include "codec/names/names.h"

struct code;
struct encoder;
struct loaded;

/* Slots of the state table. */
enum {
    ST_ENCODER = 1, /* userdata: the encoder */
    ST_DECODER,     /* userdata: the decoder */
    ST_CACHE,       /* weak: function -> its struct code */
    ST_HASHES,      /* weak keys: function -> hash of its code (function_hash.c) */
    ST_CHANGES,     /* weak keys: table of a module -> record of its own fields (changes/known.c) */
    ST_CHECKED,     /* weak keys: table -> hash of the file that it was loaded from (resolve.c) */
    ST_WITNESSES,   /* weak keys: table -> witness that it was found to have (resolve.c) */
    ST_CODES,       /* address -> struct code: those in the cache `codes` */
    ST_GLOBALS,     /* address of a struct code -> list of names (lua/globals.h) */
    ST_MAKERS,      /* address of a struct loaded -> maker of closures, or false */
    ST_PATHS,       /* number of a name + 1 -> last step of its way; of a module, its name */
    ST_WAYS,        /* the same for names that are moved (ways.c) */
    ST_FOUND,       /* module -> record of its file, or false (files.c) */
    ST_OWNERS,      /* chunk name -> name of the module that has the file (owner.c) */
    ST_WATCHES,     /* number of a name + 1 -> list of its watch (changes/watch.h) */
    ST_USES,        /* module -> list: what its code uses of Lua's own (changes/uses.h) */
    ST_ANCHORS,     /* number of a name + 1 -> its object, so that the address stays its own */
    ST_FILES,       /* list of the records of files that names refer to (files.c) */
    ST_LIBRARIES,   /* name -> Lua's own function, file or table of this name */
    ST_UNDO,        /* list: what to reset after the call (apply.c) */
    ST_ORIGINS,     /* weak keys: function that travels by name, or text -> struct known */
    ST_LOADED,      /* package.loaded, as `require` uses it */
    ST_TEXTS,       /* text -> length of the module's name in it (text.c) */
    ST_HELD,        /* what stayed with the sender of the last call -> enum wire_held */
    ST_SOURCES,     /* Lua source -> function of the chunk (source.c) */
    ST_SHARED,      /* id -> list with the decoded value, which may be nil (shared.c) */
    ST_KEPT,        /* i + 1 -> table names.kept[i], if not empty at the last message */
    ST_SENT,        /* slot in codec.sent + 1 -> the function there */
    ST_COUNT = ST_SENT,
};

#define SENT_SLOTS 16
#define SIMPLE_MAX 13 /* upvalues of a function in codec.sent, at most */

/* A function that was sent (simple.c). */
struct sent {
    const void *fn;
    struct code *code;              /* NULL: the function is not recognized (yet); it may be dead */
    bool complex;                   /* it had an upvalue that was not simple */
    bool watched;                   /* the code names some of Lua's own globals or libraries */
    uint32_t names[SIMPLE_MAX + 1]; /* of each upvalue: number of its name + 1; 0: a scalar */
};
#define SENT_STANDARD UINT32_MAX /* in place of a number: one of Lua's own functions */

#define OWN_TABLES 3

struct codec {
    struct codec_options options;
    int ref;                     /* registry reference to the state table */
    const void *globals;         /* address of the globals table */
    const void *own[OWN_TABLES]; /* addresses of Lua's own tables (own.c) */
    struct encoder *encoder;     /* the one in ST_ENCODER, NULL: none yet */
    struct decoder *decoder;
    uint32_t encoding;     /* encoders that are in use, see codec_is_inner */
    struct list knowns;    /* list of struct known */
    struct cache codes;    /* cache of struct code */
    struct code **buckets; /* hash table of struct code; NULL: none was sent yet */
    uint32_t forgotten;    /* how many codes were forgotten so far */
    struct buf scratch;    /* buffer for dumps */
    const void *lately[8]; /* addresses of closures whose code was recognized lately */
    uint32_t lately_at;
    struct cache loaded; /* cache of struct loaded */
    struct loaded **loaded_buckets;
    struct loaded *latest; /* the one that was used last */
    /* The address of the function segment by which `latest` was found, if all calls of it share one
    ** closure (simple.c); else NULL. */
    const char *callee;
    struct loaded *loading; /* being loaded, not in the cache yet */
    uint64_t message;       /* number of the message begun last */
    uint32_t origins;       /* entries in ST_ORIGINS */
    struct names names;
    bool strings;          /* the metatable of strings was found to be changed */
    bool held;             /* ST_HELD is not empty */
    uint32_t changed;      /* changes in ST_UNDO */
    bool prepares;         /* the call being decoded prepares this process for later ones */
    const uint64_t *loads; /* a counter: names that were added to package.loaded */
    /* package.path, package.cpath and working directory of the other side, when the pool was made;
    ** NULL: this state's current ones are used. */
    char *path, *cpath, *cwd;
    uint32_t sources;      /* entries in ST_SOURCES */
    uint32_t shared, gone; /* entries in ST_SHARED; store.gone when those were checked last */
    struct sent sent[SENT_SLOTS]; /* a cache, by address */
    /* For each slot of `sent`, a reference to the list of its code's watch; 0: none yet. */
    int watches[SENT_SLOTS];
    const struct sent *last; /* the function encoded last, if simple.c has encoded it; else NULL */
    uint64_t last_message;   /* its number */
    uint64_t function;       /* tine__codec_function */
    struct codec_load load;  /* of the function encoded last */
};

/* Is a message encoded in the midst of another, by an encode function or a finalizer? The outer
** encoder holds names by their addresses and numbers, which must stay what they are until its
** message is complete. */
static inline bool codec_is_inner(const struct codec *c) {
    return c->encoding > 1;
}

/* An upvalue or a global of the function being encoded takes so many bytes: note it, if it is the
** largest so far. */
static inline void tine__load_note(struct codec *c, size_t bytes, bool global, const char *name) {
    struct codec_load *load = &c->load;
    if (likely(bytes < CODEC_LOAD_LEAST) || bytes <= load->bytes)
        return;
    load->global = global;
    load->bytes = bytes;
    snprintf(load->name, sizeof load->name, "%s", name);
}

/* ---- codec.c ---- */

/* Empty ST_HELD. `self` is the stack index of the state table. */
void tine__forget_held(lua_State *L, struct codec *c, int self);

#endif

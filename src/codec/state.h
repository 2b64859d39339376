/* The codec's state: what one of them keeps from message to message.
**
** Lua values that a codec keeps are in one table (its *state table*), held by a registry reference;
** memory of its own is freed by its __gc. What encoding and decoding need while they run is in an
** encoder and a decoder, userdata that are *taken* and put back: an error that passes through simply
** leaves them to the collector, and a registered function that uses the codec again finds them taken
** and makes others.
**
** The folders:
**
**     lua/       what Lua itself is: its own functions and tables, the layout of bytecode
**     files/     what a module's file says: its functions, and the names that it gives
**     names/     what can be reached from loaded modules, and may go by a name
**     changes/   what the program has changed in modules, and what therefore goes along with a name
**     encode/    values to bytes
**     decode/    bytes to values, and names back to what they name
**
** and here: what both directions have in common, and the quick ways past all of it (simple.c, scalars.c).
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
    ST_ENCODER = 1, /* userdata */
    ST_DECODER,     /* userdata */
    ST_CACHE,       /* weak: function -> struct code */
    ST_HASHES,      /* weak keys: function -> hash of its code (files.c) */
    ST_CHANGES,     /* weak keys: table of a module -> what belongs there (changes.c) */
    ST_CHECKED,     /* weak keys: table of a module here -> hash of its file, as it was loaded */
    ST_WITNESSES,   /* weak keys: the same -> what it has shown to have */
    ST_CODES,       /* address -> struct code: those that are remembered */
    ST_GLOBALS,     /* address of a struct code -> names: read ones, then assigned ones */
    ST_MAKERS,      /* address of a struct loaded -> function that makes a closure, or false */
    ST_PATHS,       /* names.c: the last step to each name */
    ST_WAYS,        /* ways.c: the same, where that is another way than the index has */
    ST_FOUND,       /* files.c: module -> its file, or false */
    ST_OWNERS,      /* owner.c: chunk name -> name of the module with that file, or false */
    ST_WATCHES,     /* names.c: number -> list of a watch */
    ST_USES, /* changes.c: module -> what its code and that of modules it names uses of Lua's own */
    ST_ANCHORS,   /* names.c: number -> the object that has a name and was sent by it */
    ST_FILES,     /* files.c: every file that a name may point to */
    ST_LIBRARIES, /* name -> what Lua's own function, file or table of that name is here */
    ST_PENDING,   /* resolve.c: table, path, value ... to be set for the call */
    ST_UNDO,      /* apply.c: what to put back after the call */
    ST_ORIGINS,   /* weak keys: function that goes by name, or text -> struct known */
    ST_LOADED,    /* package.loaded, the one that `require` uses */
    ST_WEAK,      /* weak values: ordinal -> object of the function segment */
    ST_TEXTS,     /* text -> length of the module's name in it */
    ST_HELD,      /* global that stayed at home -> enum wire_held; of the call decoded last */
    ST_SOURCES,   /* Lua source -> the function of that chunk */
    ST_SHARED,    /* id -> value that came, or a list of nil */
    ST_KEPT, /* the tables in names.kept, as far as something was in them at the last message */
    ST_SENT, /* the functions in codec.sent */
    ST_COUNT = ST_SENT,
};

#define SENT_SLOTS 16
#define SIMPLE_MAX 13 /* upvalues of a function in sent */

/* A function that was sent. */
struct sent {
    const void *fn;
    struct code *code;              /* NULL: it need not be alive */
    bool complex;                   /* it had an upvalue that was not simple */
    bool watched;                   /* it names some of Lua's own */
    uint32_t names[SIMPLE_MAX + 1]; /* of upvalues that go by name: number + 1; 0: it does not */
};
#define SENT_STANDARD UINT32_MAX /* one of Lua's own functions */

#define OWN_TABLES 3

struct codec {
    struct codec_options options;
    int ref;                     /* of the state table */
    const void *globals;         /* address of the globals table */
    const void *own[OWN_TABLES]; /* of what ST_LIBRARIES has of them (own.c) */
    struct encoder *encoder;     /* the one in ST_ENCODER */
    struct decoder *decoder;
    struct list knowns;    /* struct known */
    struct cache codes;    /* struct code */
    struct code **buckets; /* by hash; NULL: none was sent yet */
    uint32_t forgotten;    /* codes so far */
    struct buf scratch;    /* for dumps */
    const void *lately[8]; /* functions whose code was recognized lately */
    uint32_t lately_at;
    struct cache loaded; /* struct loaded */
    struct loaded **loaded_buckets;
    struct loaded *latest; /* found last */
    /* The function segment by which that was, if this needs no more than its kept closure; else NULL. */
    const char *callee;
    struct loaded *loading; /* not yet anywhere else */
    uint64_t message;       /* begun last */
    uint32_t origins;       /* in ST_ORIGINS */
    struct names names;
    bool strings;          /* their metatable was changed, when it was looked at */
    bool held;             /* ST_HELD has something */
    uint32_t changed;      /* so much is in ST_UNDO */
    bool prepares;         /* the call that is decoded prepares this process for others */
    const uint64_t *loads; /* changes when a module is loaded */
    /* Where the other side's `require` looks; NULL: where this state's does now. */
    char *path, *cpath, *cwd;
    uint32_t sources;      /* in ST_SOURCES */
    uint32_t shared, gone; /* how many are in ST_SHARED; store.gone, when they were looked at */
    struct sent sent[SENT_SLOTS]; /* by address */
    /* Registry references: lists of the watches of their codes; 0: none yet. */
    int watches[SENT_SLOTS];
    const struct sent *last; /* the function encoded last, if the encoder does not know it */
    struct codec_load load;  /* of the function encoded last */
};

/* So many bytes belong to an upvalue or a global of the function that is called: the largest is kept. */
static inline void tine__load_note(struct codec *c, size_t bytes, bool global, const char *name) {
    struct codec_load *load = &c->load;
    if (likely(bytes < CODEC_LOAD_LEAST) || bytes <= load->bytes)
        return;
    load->global = global;
    load->bytes = bytes;
    snprintf(load->name, sizeof load->name, "%s", name);
}

/* ---- codec.c ---- */

/* Empty ST_HELD. */
void tine__forget_held(lua_State *L, struct codec *c, int self);

#endif

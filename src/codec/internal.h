/* What the files of the codec share.
**
**     encode.c      values to bytes           decode.c      bytes to values: the parser's callbacks
**     encode_fn.c   functions to bytes        decode_op.c   what is more than plain msgpack
**     code.c        a function's code: recognize, dump, store
**     loaded.c      the same when it has come: fetch, check, load
**     cache.h       what of either to forget
**     maker.c       closures of it, fast       dump.c        the layout of a dump
**     globals.c     which globals a function reads and assigns
**     names.c       what can be reached from loaded modules, by address: the rule about names
**     index.c       the same: how it is made          index_copy.c  left for other codecs
**     proof.c       how such a thing goes            files.c       what `require` loads there
**     stores.c      which names may vary             ways.c        the best of several names
**     record.c      asked of what `require` loads    witness.c     which table it is
**     ops.c         Lua's instructions
**     encode_name.c such things to bytes            learn.c       what a name is now
**     company.c     what goes along with a name
**     uses.c        what code reaches by names       watch.c       is what was seen still so
**     changes.c     what the program has changed     standard.c    what a new Lua state has
**     resolve.c     names back to what they name     step.c        steps on the way from a module
**     apply.c       changes done and undone          same.c        is what came the same as what is here
**     registry.c    tine.register             path.c        "argument 2: key "x"[3]: ..."
**     seen.c        what a message has met    codec.c       the codec itself
**     keys.c        keys that come again                version.c     what a module's file was
**     segment.c     segments                  class.c       metatables of our own userdata
**     source.c      Lua source, compiled once      own.c         tables of Lua's own
**     owner.c       whose a function is
**     shared.c      values that are sent once
**     simple.c      functions whose upvalues are scalars, quickly
**     scalars.c     lists of scalars, likewise
**
** Lua values that a codec keeps are in one table (its *state table*), held by a registry reference;
** memory of its own is freed by its __gc. What encoding and decoding need while they run is in an
** encoder and a decoder, userdata that are *taken* and put back: an error that passes through simply
** leaves them to the collector, and a registered function that uses the codec again finds them taken
** and makes others.
*/
#ifndef TINE_CODEC_INTERNAL_H
#define TINE_CODEC_INTERNAL_H

#include "codec/codec.h"

#include <stdio.h>
#include <lauxlib.h>

#include "base/error.h"
#include "codec/cache.h"
#include "codec/seen.h"
#include "codec/wire.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

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
    ST_UNDO,      /* resolve.c: table, key, value ... to put back after the call */
    ST_ORIGINS,   /* weak keys: function that goes by name, or text -> struct known */
    ST_LOADED,    /* package.loaded, the one that `require` uses */
    ST_WEAK,      /* weak values: ordinal -> object of the function segment */
    ST_TEXTS,     /* text -> length of the module's name in it */
    ST_HELD,      /* global that stayed at home -> enum wire_held; of the call decoded last */
    ST_SOURCES,   /* Lua source -> the function of that chunk */
    ST_SHARED,    /* id -> value that came, or a list of nil */
    ST_SENT,      /* the functions in codec.sent */
    ST_COUNT = ST_SENT,
};

/* ---- watch.c ---- */

/* Something that was seen, and is to be the same still. */
enum watch_how {
    WATCH_FIELD,     /* a field */
    WATCH_OBJECTS,   /* which objects a table, and tables in it, hold */
    WATCH_KEYS,      /* and which keys with anything else */
    WATCH_VALUES,    /* which values a table has */
    WATCH_FUNCTIONS, /* which functions a table, and tables in it, hold */
    WATCH_UPVALUE,   /* which function or table, if any, is in a variable of a function */
};

struct watched {
    enum watch_how how;
    bool again;           /* its table is that of the item before */
    bool global;          /* it is the globals table */
    const void *expected; /* of a field: the object in it; NULL: compare with what the list has */
    uint64_t count;       /* of a table; or the variable's number */
};

/* Belongs to a list in Lua: table, key and value of each item. */
struct watch {
    struct watched *items;
    uint32_t n, cap;
    lua_Integer table; /* where the list has the last item's table */
    uint64_t tick;     /* when that was, */
    bool large;        /* if there is too much to count */
    bool made;
};

/* Note that the field at `key` of the table at `t` is what it is. False: no memory. */
bool tine__watch_field(lua_State *L, struct watch *w, int list, int t, int key);
/* Note what the table at `t` is. */
bool tine__watch_table(lua_State *L, struct watch *w, int list, int t, enum watch_how how);
/* Note which function or table is in upvalue `i` of the function at `fn`. */
bool tine__watch_upvalue(lua_State *L, struct watch *w, int list, int fn, int i);
/* Is it all so still? The list is on top, at `list`; something is left above it. The globals table is at `env`, unless
** that is 0. Never raises. */
bool tine__watch_holds(lua_State *L, const struct watch *w, int list, int env);
void tine__watch_free(struct watch *w);
/* A clock that moves every few milliseconds. */
uint64_t tine__tick(void);

/* ---- code.c ---- */

/* Which globals a function names, and which fields of Lua's own libraries: numbers of names in one list, in this
** order. */
struct global_uses {
    uint32_t reads;     /* read and never assigned, not Lua's own */
    uint32_t assigns;   /* assigned */
    uint32_t by_g;      /* read as _G.name */
    uint32_t standards; /* Lua's own */
    uint32_t uses;      /* pairs: library, and field or false for any */
    bool escapes;       /* _ENV is used as a value */
    bool stores;        /* and something is stored in it */
};

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

#define CODE_BUCKETS 512u              /* power of two */
#define CODES_KEPT ((size_t)2 << 20)   /* bytes of codes to send that are remembered */
#define CODES_LOADED ((size_t)2 << 20) /* of codes that came */
/* The metatable of strings is looked at when a code is encoded for the first times, as any arithmetic might use it, and
** always once it was found to be changed. */
#define STRINGS_LOOKED 2

/* ---- names.c ---- */

#define NAME_FILTER 16384 /* bits */

static inline uint32_t name_filter_bit(const void *p) {
    uint64_t x = (uint64_t)(uintptr_t)p >> 3;
    return (uint32_t)((x * UINT64_C(0x9E3779B97F4A7C15)) >> 32) % NAME_FILTER;
}

/* On the wire, too. */
enum name_kind { NAME_NONE, NAME_MODULE, NAME_HELD, NAME_FUNCTION, NAME_CFUNCTION, NAME_USERDATA };

enum { BUILTIN_LUA = 1, BUILTIN_TINE };

enum going { GOES_BY_VALUE, GOES_BY_NAME, GOES_BY_BOTH };

#define NAME_STEPS 4 /* from the module */
#define WAY_STEPS 15 /* when some on the way have gone by another one */
#define WAY_MAX (WAY_STEPS + 1)
#define CHECK_MAX 40 /* bytes that say what is there: Lua interns strings as short as this */

struct file;

/* Where an object is. */
struct place {
    const void *key;
    uint32_t parent,
        root; /* numbers of the object one step nearer to the module, and of the module */
    uint8_t kind, depth;
    uint8_t builtin;
    bool meta; /* the last step to it is a metatable */
};

/* All that can be reached. Nothing of it changes once it is made, and codecs of one state share it. */
struct index {
    unsigned users;
    struct place *list; /* by number */
    uint32_t *slots;    /* by address: number + 1 */
    uint32_t mask, used, cap;
    uint64_t filter[NAME_FILTER / 64]; /* by address: no bit, no name */
};

/* What a codec knows of one of these objects. All zero until it is asked for. */
struct name {
    const void *key; /* as in its place: */
    uint32_t root;
    uint8_t kind, depth;
    uint8_t builtin;
    bool meta;
    const struct file *file; /* of its module, if that is known and found */
    uint32_t wire, wire_len; /* its operation in names.bytes */
    uint32_t next;           /* number + 1 of the one that was asked for before */
    uint8_t going;           /* enum going */
    bool known;              /* it was looked at: file, going and wire are good */
    bool fields;             /* the way to it is in the watch */
    bool filled;  /* a table that functions of its module fill with what the program gives them */
    bool moved;   /* it goes by another way than the index has: */
    bool ranked;  /* of a module: that was looked for */
    uint8_t rank; /* then, of what is in it: how good the way is */
    uint32_t parent;    /* the number of the object one step nearer, if it is moved */
    uint32_t look;      /* names.looks when its module was looked at for changes */
    uint32_t company;   /* so much goes along with it (company.c), */
    struct watch watch; /* as long as nothing was changed of what was looked at then */
};

struct names {
    struct index *index;
    struct name *list;                 /* by number; pages that nobody asks for stay untouched */
    uint32_t asked;                    /* the number of the one that was asked for last */
    uint64_t filter[NAME_FILTER / 64]; /* the index's */
    struct buf bytes;
    uint64_t sum;   /* of package.loaded, when the index was built */
    uint64_t loads; /* codec.loads, when package.loaded was looked at */
    bool built;
    uint32_t looks;        /* for changes so far */
    const void *plain[64]; /* tables lately found to have no name */
};

/* ---- the codec ---- */

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
    struct loaded *latest; /* found last, */
    const char
        *callee; /* by this function segment, which needs no more than its kept closure; NULL */
    struct loaded *loading; /* not yet anywhere else */
    uint64_t message;       /* begun last */
    uint32_t origins;       /* in ST_ORIGINS */
    struct names names;
    bool strings;          /* their metatable was changed, when it was looked at */
    bool held;             /* ST_HELD has something */
    uint32_t changed;      /* what is in ST_UNDO: so many times table, key, value */
    const uint64_t *loads; /* changes when a module is loaded */
    char *path, *cpath,
        *cwd; /* where the other side's `require` looks; NULL: where this state's does now */
    uint32_t sources;      /* in ST_SOURCES */
    uint32_t shared, gone; /* how many are in ST_SHARED; store.gone, when they were looked at */
    struct sent sent[SENT_SLOTS]; /* by address */
    /* Registry references: lists of the watches of their codes; 0: none yet. */
    int watches[SENT_SLOTS];
    const struct sent *last; /* the function encoded last, if the encoder does not know it */
    struct codec_load load;  /* of the function encoded last */
};

/* ---- encoding ---- */

/* So many bytes belong to an upvalue or a global of the function that is called: the largest is kept. */
static inline void tine__load_note(struct codec *c, size_t bytes, bool global, const char *name) {
    struct codec_load *load = &c->load;
    if (likely(bytes < CODEC_LOAD_LEAST) || bytes <= load->bytes)
        return;
    load->global = global;
    load->bytes = bytes;
    snprintf(load->name, sizeof load->name, "%s", name);
}

/* Where the encoder is, from the innermost outwards: a list on the C stack, read when it fails. */
struct step {
    const struct step *up;
    enum step_kind {
        STEP_ARGUMENT, /* n: its number */
        STEP_RESULT,   /* n */
        STEP_ERROR,    /* the error value */
        STEP_SHARED,   /* the value that is shared */
        STEP_CHANGE,   /* of a module; at: the path */
        STEP_KEY,      /* at: stack index of the key */
        STEP_INDEX,    /* n: an array item */
        STEP_KEY_SELF, /* the key itself */
        STEP_UPVALUE,  /* at: the function, n: which */
        STEP_METATABLE,
        STEP_GLOBAL,  /* at: the name */
        STEP_ENCODED, /* at: the class's name */
        STEP_DECODE,  /* at: the class's name */
    } kind;
    int at;
    lua_Integer n;
};

/* Lua stack: a plain table takes two slots, so room is made only at every so many levels. Whatever
** takes more makes room itself. */
#define STACK_LEVELS 16
#define STACK_ROOM 64

#define ENCODE_AGAIN (-1000) /* a module was loaded meanwhile: start the segment again */

struct encoder {
    lua_State *L;
    struct codec *c;
    struct buf *out;
    struct seen seen;
    uint32_t *marks;
    uint32_t nmarks, marks_cap;
    uint32_t ordinals; /* objects so far */
    int self;          /* stack index of the state table */
    int weak;          /* of ST_WEAK, or 0 when not needed */
    int classes;       /* of the table of registered classes, or 0 */
    int anchors;       /* of a table that keeps what encode functions gave, or 0 */
    int callee;        /* of the function that is called, when somebody asks for its origin, or 0 */
    int levels;
    uint32_t nenvs; /* call environments so far */
    bool own_envs;  /* one of them is not the globals table */
    bool globals;   /* call environments occur in this segment */
    bool busy;
    bool arguments; /* encoding an argument segment */
    bool checked;   /* package.loaded was looked at for this segment */
    bool changes;   /* what the program has changed in modules goes along */
    /* The table that is encoded just now as something that the program has put into a module. */
    const void *added;
    int reach; /* stack index: the modules that were looked at for what is put just now along with a name; or 0 */
    bool results; /* encoding what comes out of a task */
    bool has_function;
    const void *memo_fn; /* the function that code_of saw last, and its code, */
    struct code *memo_code;
    uint32_t memo_at; /* as long as none was forgotten since */
    uint64_t message;
    uint32_t fn_seen, fn_ordinals, fn_envs; /* where the function segment ended */
};

/* All give 0 or a negative code; with one the message is on top of the Lua stack, and whatever lies
** between is left there for the outermost to drop. */
int tine__encode_value(struct encoder *e, int idx, const struct step *step);
int tine__encode_fn_value(struct encoder *e, int idx, const struct step *step);
/* A table that serves as a metatable. */
int tine__encode_metatable(struct encoder *e, int meta, const struct step *step);
/* Append that a value stays at home. */
int tine__encode_held(struct encoder *e, enum wire_held why);
/* Append a note: why a value stayed at home. */
int tine__encode_note(struct encoder *e, int text);
/* Find or make the entry (the newest then) of the object at `idx`, whose address is `p`. *found: a
** reference to it has been written. */
int tine__encode_meet(struct encoder *e, int idx, const void *p, const struct step *step,
                      bool *found);
/* Append a reference to what `seen` says, and mark it. */
int tine__encode_ref(struct encoder *e, struct seen_entry *s);
/* The same of a table as an upvalue _ENV, which is the call environment of that number. */
int tine__encode_env_ref(struct encoder *e, struct seen_entry *s, unsigned number);
/* Is the object at `idx` the very one that was met (and not another at the address of a dead one)? */
bool tine__encode_same(struct encoder *e, const struct seen_entry *s, int idx);
/* Give the object at `idx`, whose entry is new, its ordinal. */
void tine__encode_number(struct encoder *e, struct seen_entry *s, int idx);

/* A point to which the encoder can go back. */
struct encode_point {
    size_t len;
    uint32_t seen, nmarks, ordinals, nenvs;
    int levels;
};
struct encode_point tine__encode_mark(const struct encoder *e);
void tine__encode_rewind(struct encoder *e, const struct encode_point *p);

/* Append " a.b: cannot ..." messages; push the text and give TINE_ESERIALIZE. */
int tine__encode_fail(struct encoder *e, const struct step *step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int tine__encode_nomem(struct encoder *e);
/* For the message of a function: "report.lua:12", pushed. */
const char *tine__push_place(lua_State *L, int fn);

/* ---- code.c ---- */

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

/* ---- loaded.c ---- */

/* The code of an id as it came in a message, loaded if it is not. Raises. */
struct loaded *tine__loaded(lua_State *L, struct codec *c, int self, lua_Integer id);
/* The same if it is loaded, else NULL. */
struct loaded *tine__loaded_find(struct codec *c, uint64_t id);
/* Push a new closure of it. Raises. */
void tine__loaded_push(lua_State *L, struct codec *c, int self, const struct loaded *l);
/* Push a new closure of code that came inline: hash (8 bytes), dump. Gives nups. Raises. */
int tine__code_push_inline(lua_State *L, const char *p, size_t len);
void tine__loaded_free(lua_State *L, struct codec *c);

/* ---- simple.c ---- */

/* The function at `fn`, of that code, was encoded: the second time, it is one to recognize. */
void tine__simple_note(lua_State *L, struct codec *c, int fn, struct code *code);
/* Encode the function at `fn` if it was noted and is simple, and give its code, else NULL. It is
** codec.last then: the encoder has not met it. */
struct code *tine__simple_encode(lua_State *L, struct codec *c, int fn, struct buf *out);
/* Push the function codec.last. */
void tine__simple_push_last(lua_State *L, const struct codec *c);
/* Have the encoder meet it: it is at `fn`. */
int tine__simple_meet(struct encoder *e, int fn);
/* May one closure of this code serve all calls? */
bool tine__stateless(const struct loaded *l, const char *dump, size_t len);
/* Push the function of a segment if it is simple and its code is loaded. A new closure is made only when
** `make`, which raises memory errors; without, it never raises. */
bool tine__simple_push(lua_State *L, struct codec *c, const char *segment, size_t len, bool make);
/* The same, of a segment that is still what it was when it was pushed last. It never raises; false: it is not known that
** it is simple. */
bool tine__simple_push_again(lua_State *L, struct codec *c, const char *segment);

/* ---- scalars.c ---- */

/* Append the value at `idx`. False: it is no scalar, or there is no room for it. */
bool tine__encode_scalar(lua_State *L, int idx, struct buf *out);
/* Push the value at `p`, before `end`, and give what follows it. NULL, and nothing pushed: it is no scalar
** (or a string, when not `strings`), or not a good one. */
const unsigned char *tine__decode_scalar(lua_State *L, const unsigned char *p,
                                         const unsigned char *end, bool strings);

/* ---- maker.c ---- */

/* Push a function each call of which makes a new closure of the dumped code, with new upvalues that
** are nil; false, and nothing, when it cannot be had. May raise memory errors. */
bool tine__push_maker(lua_State *L, const char *dump, size_t len);

/* ---- globals.c ---- */

/* Push the list of names (see struct global_uses) in a dump whose upvalue number `env` is _ENV, 0 none; with `inner`
** only those in the functions in it. False, with nothing pushed, if the dump is not understood. */
bool tine__globals_of(lua_State *L, const char *dump, size_t len, int env, bool inner,
                      struct global_uses *out);

/* A function that the main function of a dump makes and stores in a field. */
#define NO_FUNCTION UINT32_MAX
struct definition {
    const char *key;
    size_t len;
    /* Its number among those in there; NO_FUNCTION: something else, perhaps another function. */
    uint32_t function;
    /* The field is one of the table that is returned, and that function was made for it. */
    bool of_module;
};

/* Call `found` for each that is seen. False if the dump is not understood. */
bool tine__definitions_of(lua_State *L, const char *dump, size_t len,
                          void (*found)(void *ud, const struct definition *d), void *ud);

/* ---- index.c, names.c, encode_name.c ---- */

/* Append the operation that names the value at `idx` (address `p`), if it can be reached from a loaded module
** and the rule lets it go by name. NAME_SAME: the value must follow. Negative: error. */
enum { NAME_BY_VALUE, NAME_DONE, NAME_SAME };
int tine__name_encode(struct encoder *e, int idx, const void *p, const struct step *step);
/* Does it go by name, alone or with its value? *out says which, and it is positive; 0: no; negative: error. */
int tine__name_of(struct encoder *e, int idx, struct name **out);
/* Append the operation that stands for what a new Lua state has under that name. 0, or there is no memory. */
int tine__standard_put(struct buf *out, const char *name);
/* Likewise a C function of a loaded module's library. 0: there is none such. */
int tine__library_encode(struct encoder *e, int fn);
/* Append `count` triples of the list at `list`: library, path, value. */
int tine__changes_put(struct encoder *e, int list, int count, const struct step *step);
/* Something has no name: if package.loaded changed since the index was built, build it again and
** give ENCODE_AGAIN. */
int tine__name_missing(struct encoder *e);
/* The same for a table, of which many come by that have no name. */
int tine__name_missing_table(struct encoder *e, const void *p);
/* The entry of the object at that address, which stays there; NULL: it has none. */
struct name *tine__name_find(const struct codec *c, const void *p);
/* The entry of that number. */
struct name *tine__name_at(const struct codec *c, uint32_t id);
/* Is the name as good as when its watch was made? */
bool tine__name_holds(lua_State *L, const struct codec *c, int self, struct name *n);
/* False: none is. For most tables and functions this is all that must be asked. */
static inline bool name_possible(const struct names *n, const void *p) {
    uint32_t bit = name_filter_bit(p);
    return unlikely(!n->built || (n->filter[bit / 64] >> bit % 64 & 1));
}
/* "string.rep", pushed. */
const char *tine__name_push(struct encoder *e, const struct name *n);
void tine__names_free(struct codec *c);

/* ---- encode_fn.c: environments ---- */

/* The number of the call environment that the table at `t` is, too, if the other side is to be told now; else 0. */
unsigned tine__env_of(struct encoder *e, int t);

/* ---- version.c ---- */

/* The module at `module` gets its name, at `name`, in package.loaded, at `loaded`: note what its file is. May raise memory
** errors. */
void tine__version_note(lua_State *L, int loaded, int name, int module);

/* ---- own.c ---- */

/* Note which they are here, in the table on top: ST_LIBRARIES. */
void tine__own_keep(lua_State *L, struct codec *c);
/* The name of such a table; NULL: it is none. */
const char *tine__own_table(const struct codec *c, const void *p);

/* ---- changes.c ---- */

/* Push a list of the changed fields of Lua's own libraries that the code names, and with `strings` of the metatable of
** strings: library, path, value in turn. How many; 0, and nothing pushed. */
int tine__changes_used(struct encoder *e, const struct code *code, bool strings);
/* Is the value on top what a new state has under that global name? */
bool tine__is_standard_value(lua_State *L, const char *name);

/* ---- uses.c ---- */

/* Are there none, and are the globals of Lua's own that the code names what they were? Then that is noted in its watch.
** May raise memory errors. `self` is the state table. */
bool tine__uses_watch(lua_State *L, struct codec *c, int self, struct code *code);

/* ---- step.c ---- */

/* Replace the value at `at` by what is a step from it; the step is on top, and taken. False: it leads nowhere. */
bool tine__take_step(lua_State *L, int at);
/* Replace the step on top by how it is written: ".name", "[3]". */
void tine__push_step(lua_State *L, bool first);

/* ---- registry.c ---- */

enum { CLASS_NAME = 1, CLASS_METATABLE, CLASS_ENCODE, CLASS_DECODE };

/* Push the table of classes (by name and by metatable), or nothing and false when there is none. */
bool tine__classes_push(lua_State *L);
/* Push the text of the error value on top, that such a class's function has raised. */
const char *tine__push_text(lua_State *L);

/* ---- class.c ---- */

/* Give the userdata on top the metatable of that name, with that __gc. Raises memory errors, and nothing was done then. */
void tine__set_class(lua_State *L, const char *name, lua_CFunction gc);

/* ---- shared.c ---- */

/* If the userdata at `idx` is a shared value, append what names it: 1; 0: it is none; negative: error. */
int tine__shared_encode(struct encoder *e, int idx, const struct step *step);
/* Forget those that are gone. */
void tine__shared_forget(lua_State *L, struct codec *c);
static inline bool shared_are_gone(const struct codec *c) {
    return c->shared && c->options.store.gone(c->options.store.ctx) != c->gone;
}

/* ---- codec.c ---- */

/* Empty ST_HELD. */
void tine__forget_held(lua_State *L, struct codec *c, int self);

/* ---- segment.c ---- */

/* Read a segment of exactly `len` bytes. Raises. */
void tine__segment_read(lua_State *L, const char *p, size_t len, struct segment *out);

#endif

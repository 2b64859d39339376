/* What the files of the codec that deal with modules share: whose a function is, and how it is shown. */
#ifndef TINE_CODEC_MODULES_H
#define TINE_CODEC_MODULES_H

#include "codec/dump.h"
#include "codec/internal.h"

#include <sys/types.h>
#include <time.h>

/* So many fields of a table are looked at. Where there are more, in a module's table and those in it, the long look
** (changes.c) is taken whenever the clock has moved on; else as soon as anything has changed. */
#define MODULE_FIELDS 8192
/* A private table that functions of a module fill, and in so many fields of which, with those of the tables in it, nothing is
** that the program has given, is a cache. */
#define KEPT_FIELDS 256
/* So much data under keys of the program's may there be in a table that functions fill, with all that is in it: else it is a
** cache, too. */
#define KEPT_DATA 64

/* So many bytes of what is checked are hashes. */
static inline size_t check_head(enum name_kind kind) {
    return kind == NAME_HELD ? 16 : 8;
}

/* ---- files.c ---- */

struct file_id {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec modified, changed;
};

struct file_hash {
    uint64_t hash;
    uint32_t level;   /* of a function: how many are around it */
    uint64_t varies;  /* of a function: the upvalues that functions assign, a bit each */
    uint64_t assigns; /* of a function: those that it assigns itself, or functions in it do */
    uint64_t filled;  /* of a function: those with tables that functions may put something into */
    bool again;       /* of a function: there may be many of it */
};

/* How good a name is; the first is best. */
enum store_rank {
    STORE_FRESH,     /* the main function stores there what it has just made, */
    STORE_CALLED,    /* or got from a call */
    STORE_MENTIONED, /* the code has such a string */
    STORE_ALIAS,     /* the main function stores there what has another name, or who knows what */
    STORE_UNKNOWN,   /* the code says nothing of it */
    STORE_VARIES,    /* functions store there */
};

/* A key in which the file's code stores something: the worst of one key comes last. */
struct file_key {
    uint64_t hash;
    enum store_rank rank;
};

/* "function M.key() ... end", and the like. */
struct file_definition {
    uint64_t key, function; /* hashes; of what is not known: 0 */
    char *field; /* the key, if it is one of the table that the file returns; else NULL */
};

/* What `require` loads for a module. */
struct file {
    char *path;
    struct file_id id;
    uint64_t tick; /* when stat was asked last */
    bool found;
    bool assigns;  /* functions in it assign variables that are not their own */
    bool lua;      /* else a C library */
    bool dumped;   /* it holds bytecode */
    uint64_t hash; /* of all the code in it */
    struct file_hash *functions, *texts;
    struct file_definition *definitions;
    struct file_key *keys;
    uint64_t *values; /* hashes of string constants that are more than names of fields */
    uint32_t nfunctions, ntexts, ndefinitions, nkeys, nvalues;
};

/* The file of that module, as it is now; NULL: `require` would find none. Raises memory errors. */
const struct file *tine__file_of(lua_State *L, struct codec *c, int self, const char *module);
/* The same if it holds bytecode, else NULL: others are not read for it. */
const struct file *tine__file_of_dump(lua_State *L, struct codec *c, int self, const char *module);
/* Push the name of the first file that the templates in `path` make of `module` and that can be read; relative ones are in
** `cwd`, or where the process is. False, and nothing: there is none. */
bool tine__file_search(lua_State *L, const char *cwd, const char *module, const char *path);
/* What stat says of a file; false: it says nothing. */
bool tine__file_identify(const char *path, struct file_id *id);
bool tine__file_same(const struct file_id *a, const struct file_id *b);
/* Is that path the same file? */
bool tine__file_is_of(const struct file *f, const char *path);
/* The hash of the Lua function at `fn`: its code with lines and names, without the chunk's name. */
uint64_t tine__hash_function(lua_State *L, int self, int fn);
uint64_t tine__function_hash(const char *dump, const struct dump_function *f);
/* Is it of the library, or program, that we are in? */
bool tine__library_is_ours(lua_CFunction fn);
/* Which library and where in it. *path: of the library, as long as that is loaded. 0: unknown. */
uint64_t tine__library_hash(lua_CFunction fn, const char **path);
/* What can be told of the userdata at `idx`, the same in each process; 0: nothing. */
uint64_t tine__userdata_hash(lua_State *L, int idx);

/* Push a list of what the code of that module's file uses of Lua's own: library and field (false: any), in turn. */
void tine__file_push_uses(lua_State *L, struct codec *c, int self, const char *module);
/* Is it still the file that was read? */
bool tine__file_is_current(const struct file *f);

/* ---- stores.c ---- */

/* Note in the record, whose functions are there, what the dumped file says of its names. False: it is not understood,
** or there is no memory. */
bool tine__stores_of(lua_State *L, const char *dump, size_t len, struct file *f);

/* ---- record.c ---- */

/* For qsort and bsearch of hashes. */
int tine__compare_hashes(const void *a, const void *b);
/* What there is of the function of that hash; NULL: it is not in the file. */
struct file_hash *tine__file_function(const struct file *f, uint64_t hash);
/* Does the file put a function into a field of that name, but never the one of that hash? */
bool tine__file_defines_another(const struct file *f, const char *key, uint64_t hash);
/* Does the file fill the table that it returns with functions? */
bool tine__file_has_fields(const struct file *f);
/* Is there such a string in the code? */
bool tine__file_mentions(const struct file *f, const char *text);
/* Does the code store something under that key, as a constant? */
bool tine__file_stores(const struct file *f, const char *key);
/* The same, or may it store something under a key that was the value of a variable? */
bool tine__file_may_store(const struct file *f, const char *key);
/* How good a name is that key, or that upvalue of the function of that hash? */
enum store_rank tine__file_key_rank(const struct file *f, const char *key);
enum store_rank tine__file_upvalue_rank(const struct file *f, uint64_t function, int upvalue);
/* May the function of that hash, or one in it, assign something to that upvalue of it? */
bool tine__file_assigns(const struct file *f, uint64_t function, int upvalue);
/* Has that upvalue always the same table, into which functions may put something? */
bool tine__file_fills(const struct file *f, uint64_t function, int upvalue);

/* ---- version.c ---- */

/* The hash that the module's file, which is `f` now, had when the module was loaded, or first looked at; 0: it had another one.
** May raise memory errors. */
uint64_t tine__version(lua_State *L, int self, const char *module, const struct file *f);

/* ---- owner.c ---- */

/* Push the name of the loaded module whose file has that chunk name; or false. No module's name is longer than `longest`
** (SIZE_MAX: who knows). */
bool tine__push_owner(lua_State *L, int self, const char *source, size_t longest);

/* ---- index_copy.c ---- */

/* What belongs to an index, in this order on the stack: a userdata that holds it, and tables. */
enum { INDEX_HOLDER, INDEX_PATHS, INDEX_OWNERS, INDEX_OBJECTS /* by number */, INDEX_PARTS };

struct index_sums {
    uint64_t loaded; /* of package.loaded */
    uint64_t places; /* of what was met, and where */
};

/* Push the parts of a new index, with room for so many places at first. NULL: no memory for it. */
struct index *tine__index_push_new(lua_State *L, uint32_t expected);
/* Leave the index whose parts are from stack index `parts` on, just made, for other codecs of the state. `searched`: the
** way there led through files. */
void tine__index_leave(struct encoder *e, const struct index_sums *sums, int parts, bool searched);
/* If another has left one for what is loaded, push its parts. NULL, and nothing: there is none. */
struct index *tine__index_push_left(struct encoder *e, uint64_t loaded, struct index_sums *sums);

/* ---- names.c ---- */

/* A new index, which has one user, with room for so many places at first; NULL: no memory. */
struct index *tine__index_new(uint32_t expected);
/* One user less. NULL is fine. */
void tine__index_drop(struct index *x);
/* A new place for the object at that address; NULL: no memory. */
struct place *tine__index_insert(struct index *x, const void *key);
struct place *tine__index_find(const struct index *x, const void *key);
/* Have the codec, which has none, use that index. False: no memory. */
bool tine__names_open(struct codec *c, struct index *x);
/* The numbers of the objects on the way to that of number `id`, the module's first. How many steps. */
int tine__name_way(const struct names *n, uint32_t id, uint32_t way[WAY_MAX]);
/* The number of the object one step nearer to its module. */
uint32_t tine__name_parent(const struct encoder *e, uint32_t id);
/* Push the last step to it. */
void tine__name_push_step(struct encoder *e, uint32_t id);
/* How many steps are to it? */
int tine__name_steps(const struct encoder *e, const struct name *n);
/* Note the way to it; false: it is none of fields, or there is no memory. */
bool tine__name_watch(struct encoder *e, struct name *n, int list);
/* Push what is at the end of the way; false, and nothing, when it leads nowhere. */
bool tine__name_walk(struct encoder *e, const struct name *n);
/* Append its steps. */
int tine__name_pack(struct encoder *e, const struct name *n, struct buf *out);
/* The name of its module. */
const char *tine__name_root(struct encoder *e, const struct name *n);

/* ---- ways.c ---- */

/* If the way to it is poor, or does not lead to it any more (`lost`), look for a better one. May raise memory errors. */
void tine__choose_way(struct encoder *e, struct name *n, bool lost);

/* ---- learn.c ---- */

/* How the object at `idx` goes, which may be where its name says; or an error. */
int tine__name_consider(struct encoder *e, int idx, struct name *n);
/* Make the operation of the name, which is of the object at `idx`. 0 or an error. */
int tine__name_make_wire(struct encoder *e, int idx, struct name *n);

/* ---- company.c ---- */

#define COMPANY_ITEM 4 /* number of a name (or a library's name), its table, path, value */

/* Look for what goes along with the name of the object at `idx`, and push the list of it. How many items; or an error. */
int tine__company_push(struct encoder *e, int idx, struct name *n);
/* Push the list that was found last, if it is not empty, as long as the name holds (tine__name_holds). How many items. */
int tine__company_push_kept(struct encoder *e, const struct name *n);

/* ---- proof.c ---- */

/* What a function in a module's table is to the module's file. */
enum origin {
    ORIGIN_OTHER, /* not from there */
    ORIGIN_ONCE,  /* the file makes it, once */
    ORIGIN_MANY, /* ... in a loop, outside of other functions: a table that holds such ones is there once */
    ORIGIN_AGAIN, /* the file's code makes it, perhaps at every call of something */
};
enum origin tine__origin(struct encoder *e, const struct file *f, int value);
/* Is the function at `value` from that very file, or a C function? */
bool tine__is_from_file(struct encoder *e, const struct file *f, int value);
/* Is the value a Lua function that is not from there: one of the program's? */
bool tine__is_programs(struct encoder *e, const struct file *f, int value);
/* Is the function at `fn` a Lua function from the file of one of the modules whose names are keys of the table at `reach`
** (0: of none)? */
bool tine__is_from_reach(struct encoder *e, int reach, int fn);
/* Is there at `key` a text that no file has, not that one nor those of the modules in the list at `reach`? The program must
** have thought of it. */
bool tine__is_foreign_key(struct encoder *e, const struct file *f, int reach, int key);
/* Where the function at `fn` is from, as Lua says it (lua_Debug): good as long as the function. */
const char *tine__source_of(lua_State *L, int fn);
/* Does the file say that another function than the Lua function at `fn` has that name? */
bool tine__is_misplaced(struct encoder *e, const struct file *f, int fn, const char *key);

/* How the object at `idx` goes, which is where its name says. */
enum going tine__judge(struct encoder *e, int idx, struct name *n);
/* The hash of the module's file, as it was first, when the table at `t` holds functions that are in it, else 0. */
uint64_t tine__hash_of_file(lua_State *L, struct codec *c, int self, const char *module, int t);

/* ---- witness.c ---- */

/* What tells the table at `t`, of the module with that file, from others; 0: nothing. */
uint64_t tine__witness(lua_State *L, int self, const struct file *f, int t);
enum witnessed {
    WITNESS_MISSING,  /* it is another one */
    WITNESS_REPLACED, /* it may be the one: something that is not the file's is in that place */
    WITNESS_HERE,
};
/* Has the table at `t` here what another process says tells it from others? The file is that of the module here, or NULL. */
enum witnessed tine__has_witness(lua_State *L, int self, const struct file *f, int t,
                                 uint64_t witness);

/* The path of a change, a key or a list of what leads to it, is at `path`: is that a field, by its name, of the module or of
** something in it? */
static inline bool change_is_field(lua_State *L, int path) {
    if (!lua_istable(L, path))
        return lua_type(L, path) == LUA_TSTRING;
    bool is = lua_rawgeti(L, path, 2) == LUA_TSTRING;
    lua_pop(L, 1);
    return is;
}

/* ---- changes.c ---- */

/* Push a list of what the program has changed in the table at `t`, which goes by the name `n`: paths and values, in
** turn. How many; 0, and nothing pushed; or an error. `reach`: the modules that the other side loads with what the table
** is looked at for, whose functions they may have put there themselves (as names in a table; 0: who knows). */
int tine__changes_of(struct encoder *e, int t, const struct name *n, int reach);
/* Was the Lua function on top made by `load` from a text, and given no name of a file? */
bool tine__is_of_text(lua_State *L);
/* The library whose name is at `at` (then its field, or false): add what the program has changed there to the list at
** `triples`. */
void tine__look_at_use(struct encoder *e, int at, int triples, int *count);
/* Push the table of the library whose name is at `name`; false, and nothing: the program has it not. */
bool tine__push_library(lua_State *L, int self, int name);

/* ---- uses.c ---- */

/* Push a list of what the code of the module of `n`, and of those it names, uses of Lua's own: library and field (or
** false), in turn. Number 0 is the list of these modules, which has their names as keys, too. */
void tine__push_uses_of(struct encoder *e, const struct name *n);
/* Push a list of what the program has changed in Lua's own libraries, of the uses in the list at `uses`: library, path,
** value in turn. How many; 0, and nothing pushed. */
int tine__changes_under(struct encoder *e, int uses);
/* Note what was seen of all of these but of the table `own`. False: no memory. */
bool tine__changes_watch(struct encoder *e, struct watch *w, int list, int uses, const void *own);
#endif

/* The record of a module's file: what its code says of functions, keys and variables.
**
** It is made by reading bytecode (read.c, scan.c), and mostly consists of hashes: of functions, of
** string constants, of keys. A *variable* here is an upvalue of a function, as far as functions in
** the file can see it. Where bytecode leaves open what happens, the record says that more may
** happen.
*/
#ifndef TINE_CODEC_FILES_RECORD_H
#define TINE_CODEC_FILES_RECORD_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* What stat says of a file: another version of it differs in something. */
struct file_id {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec modified, changed;
};

/* A function of the file; or a string constant, of which only the hash is used. Bits stand for
** upvalues: bit 0 for the first one. */
struct file_hash {
    uint64_t hash;    /* comes first: see tine__compare_hashes */
    uint32_t level;   /* of a function: how many functions are around it */
    uint64_t varies;  /* of a function: upvalues that any function assigns; a bit each */
    uint64_t assigns; /* of a function: those that it assigns itself, or functions in it */
    /* of a function: those with a table into which functions may put something */
    uint64_t filled;
    /* Of a function: those with a table into which functions put values that they were called with,
    ** under keys that they were called with. */
    uint64_t told;
    uint64_t fixed; /* of a function: those that begin with a function of the main function */
    uint64_t given; /* of a function: those to which functions assign what they were called with */
    bool again;     /* of a function: there may be several closures of it */
};

/* What a variable may have before any function of the module assigns it. */
enum start_kind {
    START_NIL,
    START_FALSE,
    START_FUNCTION, /* a function that the main function makes; its hash is listed */
    START_FIELD,    /* what was in a field; the hash of the field's key is listed */
    START_TABLE,    /* a table that the main function makes */
    START_OTHER,    /* a string, a number, true */
    START_UNKNOWN,  /* anything */
};

/* How constant a name is: the value under the key, or in the upvalue, is the same in each process.
** The first rank is the best. */
enum store_rank {
    STORE_FRESH,     /* the main function stores there what it has just made, */
    STORE_CALLED,    /* or what a call has returned */
    STORE_MENTIONED, /* the string occurs in the code */
    STORE_ALIAS,     /* the main function stores there what has another name, or is unknown */
    STORE_UNKNOWN,   /* the code does not say */
    STORE_VARIES,    /* functions store there */
};

/* A key under which the file's code stores something. Of one key, the worst rank comes last. */
struct file_key {
    uint64_t hash;
    enum store_rank rank;
};

/* A key under which the file's code stores a constant scalar, by the scalar's hash, or one of the
** values below. A key has an entry for each value that is stored under it. */
struct file_setting {
    uint64_t key;
    uint64_t value; /* tine__scalar_hash, or one of these: */
};
#define SETTING_OTHER 0  /* no constant, or a function of the module stores it */
#define SETTING_FILLED 1 /* a table in which functions store under computed keys */

/* A definition, such as "function M.key() ... end" (lua/definitions.h). */
struct file_definition {
    uint64_t key, function; /* hashes; 0: not known */
    /* The key, if `function` was made for it and `of_module` or `table` is set; else NULL. */
    char *field;
    bool of_module; /* the table is the one that the file returns */
    uint32_t table; /* which of the tables that the main function makes; 0: not certain */
    bool maybe;     /* the code may not be reached when the file is loaded */
};

/* The record of the file that `require` loads for a module. */
struct file {
    char *path;
    struct file_id id;
    uint64_t tick; /* when stat was asked last (tine__tick) */
    bool found;
    bool clears;   /* the code removes fields under keys that it was not called with */
    bool computes; /* the code stores something under computed keys, */
    bool spreads;  /* in tables that may be any tables */
    bool assigns;  /* functions assign variables of functions around them */
    bool lua;      /* false: it is a C library */
    bool dumped;   /* it holds bytecode */
    uint64_t hash; /* of the main function, that is, of all the code */
    struct file_hash *functions, *texts;
    struct file_definition *definitions;
    struct file_key *keys;
    struct file_setting *settings; /* sorted by key; values of one key in any order */
    uint64_t *values; /* hashes of string constants that are used as values, not only as keys */
    /* hashes made of a function, an upvalue of it, and what that may have at first */
    uint64_t *starts;
    uint32_t nfunctions, ntexts, ndefinitions, nkeys, nsettings, nvalues, nstarts;
};

/* ---- read.c ---- */

/* Push the record of the file whose path is the string at `path`; `lua`: it is a Lua file, else a C
** library. If it could not be read, `found` is false. Raises memory errors. */
struct file *tine__file_read(lua_State *L, int path, bool lua);
/* Does the file begin as bytecode does, perhaps after a first line for the shell? */
bool tine__file_is_dump(const char *path);

/* ---- scan.c ---- */

/* Fill in what the code of the file, dumped, says of its names; the record has its functions
** already. False: the dump is not understood, or there is no memory. */
bool tine__file_scan(lua_State *L, const char *dump, size_t len, struct file *f);

/* ---- record.c ---- */

/* Compares hashes at the beginning of two structs, for qsort and bsearch. */
int tine__compare_hashes(const void *a, const void *b);
/* What is known of the function with this hash; NULL: it is not in the file. */
struct file_hash *tine__file_function(const struct file *f, uint64_t hash);
/* Does the file define the function with this hash under this key, not in the table that it
** returns? */
bool tine__file_defines(const struct file *f, const char *key, uint64_t hash);
/* Does the file define functions under this key, but never the one with this hash? */
bool tine__file_defines_another(const struct file *f, const char *key, uint64_t hash);
/* Does this upvalue always have a function that the file's main function makes (which functions of
** the file never replace)? */
bool tine__file_is_fixed(const struct file *f, uint64_t function, int upvalue);
/* Does the file define functions as fields of the table that it returns? */
bool tine__file_has_fields(const struct file *f);
/* Does the string occur in the code? */
bool tine__file_mentions(const struct file *f, const char *text);
/* Is the string used as a value in the code: of a variable, or as an argument? */
bool tine__file_has_value(const struct file *f, const char *text);
/* Does the code store something under this constant key? */
bool tine__file_stores(const struct file *f, const char *key);
/* The same, or may it store something under this key because the string is used as a value? */
bool tine__file_may_store(const struct file *f, const char *key);
/* The rank of this key, or of this upvalue of the function with this hash. */
enum store_rank tine__file_key_rank(const struct file *f, const char *key);
enum store_rank tine__file_upvalue_rank(const struct file *f, uint64_t function, int upvalue);
/* May the function with this hash, or one in it, assign this upvalue? */
bool tine__file_assigns(const struct file *f, uint64_t function, int upvalue);
/* May a function assign to this upvalue what it was called with? Then the caller decides. */
bool tine__file_is_given(const struct file *f, uint64_t function, int upvalue);
/* May this upvalue, which functions assign, have `what` at first? `what` is an enum start_kind, or
** the hash of a function, or of the key of a field. */
bool tine__file_starts_with(const struct file *f, uint64_t function, int upvalue, uint64_t what);
/* The hash of such a fact, as it is in `starts`. */
uint64_t tine__start_hash(uint64_t function, int upvalue, uint64_t what);
/* Has this upvalue always the same table, into which functions may put something? */
bool tine__file_fills(const struct file *f, uint64_t function, int upvalue);
/* And do they put in what they were called with, under keys that they were called with? */
bool tine__file_tells(const struct file *f, uint64_t function, int upvalue);

/* ---- settings.c ---- */

/* The hash of the scalar (a string, a number, a boolean) at `idx`, and of a constant as it is in a
** dump. Never 0 or 1. */
uint64_t tine__scalar_hash(lua_State *L, int idx);
uint64_t tine__constant_hash(const unsigned char *dumped, size_t len);
/* May the code of the file store the scalar with this hash in a field with this key? Also true if
** functions in the file store anything there. */
bool tine__file_sets(const struct file *f, const char *key, uint64_t scalar);
/* Does the code store only constants in fields with this key, if anything, so that any other value
** there was not set by it? False if the key is used as a value, as in rawset(m, "key", n), or if
** the code may fill any table under any key. */
bool tine__file_leaves(const struct file *f, const char *key);
/* Does the code store anything in fields with this key, where the key is a constant? */
bool tine__file_has_setting(const struct file *f, const char *key);
/* Does the code store nothing at all in fields with this key, as far as can be seen? */
bool tine__file_never_sets(const struct file *f, const char *key);
/* Do functions in the file store under computed keys in a table that is in a field with this
** key? */
bool tine__file_fills_field(const struct file *f, const char *key);

#endif

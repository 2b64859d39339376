/* The record of a module's file: what its code says. */
#ifndef TINE_CODEC_FILES_RECORD_H
#define TINE_CODEC_FILES_RECORD_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct file_id {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec modified, changed;
};

struct file_hash {
    uint64_t hash;    /* first: tine__compare_hashes */
    uint32_t level;   /* of a function: how many are around it */
    uint64_t varies;  /* of a function: the upvalues that functions assign, a bit each */
    uint64_t assigns; /* of a function: those that it assigns itself, or functions in it do */
    uint64_t filled;  /* of a function: those with tables that functions may put something into */
    /* Of a function: those with tables in which functions put what they are given under such keys. */
    uint64_t told;
    uint64_t fixed; /* of a function: those that have functions of the main one at first */
    uint64_t given; /* of a function: those that functions assign what they were called with */
    bool again;     /* of a function: there may be many of it */
};

/* What a variable may have at first. */
enum start_kind {
    START_NIL,
    START_FALSE,
    START_FUNCTION, /* one that the main function makes: its hash is there, too */
    START_FIELD,    /* what was in a field of something, whose key's hash is there, too */
    START_TABLE,    /* one that the main function makes */
    START_OTHER,    /* a string, a number, true */
    START_UNKNOWN,  /* anything */
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

/* A key under which the file's code stores a scalar, and which: of one key, all that is stored there. */
struct file_setting {
    uint64_t key;
    uint64_t value; /* tine__scalar_hash, or one of these: */
};
#define SETTING_OTHER 0  /* no constant, or a function of the module stores it */
#define SETTING_FILLED 1 /* a table, in which functions store under keys that they compute */

/* "function M.key() ... end", and the like. */
struct file_definition {
    uint64_t key, function; /* hashes; of what is not known: 0 */
    /* The key, where the function was made for it and `of_module` or `table`; else NULL. */
    char *field;
    bool of_module; /* it is one of the table that the file returns */
    uint32_t table; /* which of the tables that the main function makes; 0: that is not sure */
    bool maybe;     /* not each process that loads the file need come there */
};

/* What `require` loads for a module. */
struct file {
    char *path;
    struct file_id id;
    uint64_t tick; /* when stat was asked last */
    bool found;
    bool clears;   /* its code takes out of tables what it was not called with */
    bool computes; /* its code stores something under keys that it computes, */
    bool spreads;  /* and into tables that may be any */
    bool assigns;  /* functions in it assign variables that are not their own */
    bool lua;      /* else a C library */
    bool dumped;   /* it holds bytecode */
    uint64_t hash; /* of all the code in it */
    struct file_hash *functions, *texts;
    struct file_definition *definitions;
    struct file_key *keys;
    struct file_setting *settings; /* sorted by key */
    uint64_t *values; /* hashes of string constants that are more than names of fields */
    uint64_t *starts; /* hashes of a function, an upvalue of it, and what this may have at first */
    uint32_t nfunctions, ntexts, ndefinitions, nkeys, nsettings, nvalues, nstarts;
};

/* ---- read.c ---- */

/* Push the record of the file whose path is the string at `path`; `lua`: else it is a library. One that could not be read has
** not `found`. Raises memory errors. */
struct file *tine__file_read(lua_State *L, int path, bool lua);
/* Does the file begin as bytecode does, behind a line for the shell perhaps? */
bool tine__file_is_dump(const char *path);

/* ---- scan.c ---- */

/* Note in the record, whose functions are there, what the dumped file says of its names. False: it is not understood,
** or there is no memory. */
bool tine__file_scan(lua_State *L, const char *dump, size_t len, struct file *f);

/* ---- record.c ---- */

/* For qsort and bsearch of hashes. */
int tine__compare_hashes(const void *a, const void *b);
/* What there is of the function of that hash; NULL: it is not in the file. */
struct file_hash *tine__file_function(const struct file *f, uint64_t hash);
/* Does the file put a function into a field of that name, but never the one of that hash? */
bool tine__file_defines_another(const struct file *f, const char *key, uint64_t hash);
/* Has that upvalue of the function at first a function that the file's main one makes, and never another one of its own accord? */
bool tine__file_is_fixed(const struct file *f, uint64_t function, int upvalue);
/* Does the file fill the table that it returns with functions? */
bool tine__file_has_fields(const struct file *f);
/* Is there such a string in the code? */
bool tine__file_mentions(const struct file *f, const char *text);
/* Is that string the value of a variable in the code, or an argument? */
bool tine__file_has_value(const struct file *f, const char *text);
/* Does the code store something under that key, as a constant? */
bool tine__file_stores(const struct file *f, const char *key);
/* The same, or may it store something under a key that was the value of a variable? */
bool tine__file_may_store(const struct file *f, const char *key);
/* How good a name is that key, or that upvalue of the function of that hash? */
enum store_rank tine__file_key_rank(const struct file *f, const char *key);
enum store_rank tine__file_upvalue_rank(const struct file *f, uint64_t function, int upvalue);
/* May the function of that hash, or one in it, assign something to that upvalue of it? */
bool tine__file_assigns(const struct file *f, uint64_t function, int upvalue);
/* May a function assign to that upvalue what it was called with? Then it is who calls that decides. */
bool tine__file_is_given(const struct file *f, uint64_t function, int upvalue);
/* May that upvalue, which functions assign, have `what` at first: an enum start_kind, or a function or what is in a field, by
** the hash of that or of its key? */
bool tine__file_starts_with(const struct file *f, uint64_t function, int upvalue, uint64_t what);
/* The hash of such a fact. */
uint64_t tine__start_hash(uint64_t function, int upvalue, uint64_t what);
/* Has that upvalue always the same table, into which functions may put something? */
bool tine__file_fills(const struct file *f, uint64_t function, int upvalue);
/* And what they are called with, under what they are called with? */
bool tine__file_tells(const struct file *f, uint64_t function, int upvalue);

/* ---- settings.c ---- */

/* The hash of the scalar (a string, a number, a boolean) at `idx`, or of the constant that lies there in a dump; not 0 or 1. */
uint64_t tine__scalar_hash(lua_State *L, int idx);
uint64_t tine__constant_hash(const unsigned char *dumped, size_t len);
/* May the code of the file store the scalar of that hash in a field of that name of a table, or do functions in it store anything
** there? */
bool tine__file_sets(const struct file *f, const char *key, uint64_t scalar);
/* Does it store nothing but constants there, if anything, so that only others can have put something else there? Not where the
** key is among its values, too, as in rawset(m, "key", n), or it may fill any table under any key. */
bool tine__file_leaves(const struct file *f, const char *key);
/* Does it store anything there under a key that stands in the code? */
bool tine__file_has_setting(const struct file *f, const char *key);
/* Does it store nothing at all there, as far as that can be seen? */
bool tine__file_never_sets(const struct file *f, const char *key);
/* Do functions in the file store under keys that they compute in a table in a field of that name? */
bool tine__file_fills_field(const struct file *f, const char *key);

#endif

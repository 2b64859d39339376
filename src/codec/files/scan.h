/* What the files of the scan share: how the code of a module's file is looked through (scan.c walks through its functions,
** scan_code.c and scan_fill.c look at the instructions of one, scan_keep.c puts what was found into the file's record).
*/
#ifndef TINE_CODEC_FILES_SCAN_H
#define TINE_CODEC_FILES_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/buf.h"
#include "codec/files/record.h"
#include "codec/files/starts.h"
#include "codec/lua/dump.h"
#include "codec/lua/ops.h"

#define NO_VARIABLE UINT32_MAX
#define CONSTANT_NIL 1 /* in place of the hash of a constant */

struct scan {
    struct dump_cursor c;
    struct opcodes ops;
    struct buf keys;     /* struct file_key */
    struct buf settings; /* struct file_setting */
    struct buf values;   /* hashes of string constants that are used as values */
    struct buf assigned; /* variables that functions assign */
    struct buf given;    /* variables that functions assign what they were called with */
    struct buf cleared;  /* those that functions assign nil or false */
    struct buf asked;  /* those that functions look at before they assign something of their own */
    struct buf filled; /* those with a table that functions may put something into */
    /* Those with a table into which functions put what they are given, under what they are given. */
    struct buf told;
    struct buf found;    /* struct found: functions, those inside of one before it */
    struct buf ups;      /* the variables that are their upvalues */
    struct buf children; /* numbers in found of functions that the main function makes */
    struct starts starts;
    uint32_t count;             /* functions begun so far */
    bool computes;              /* the code stores something under keys that it computes, */
    bool spreads;               /* in tables that may be any, */
    struct buf spread;          /* or in those of the main function's variables */
    bool given_away[REGISTERS]; /* those of its registers whose table others may have */
    bool clears; /* the code takes something out of tables under keys that it was not called with */
    bool failed;
};

struct found {
    uint64_t hash;
    uint64_t assigns;     /* which upvalues it assigns, or functions in it do: a bit each */
    uint32_t first, nups; /* in scan.ups */
    bool looped;
};

/* A function: code, string constants by number (hashes; 0: it is none), all constants by number (tine__constant_hash), and whose
** variables its upvalues are: a variable is the number of its function, and its register. */
struct function {
    const struct function *up;
    uint32_t number;
    const unsigned char *code;
    size_t n;
    unsigned parameters;
    struct buf constants;
    struct buf scalars;
    uint32_t ups[REGISTERS];
    size_t nups;
};

/* One without memory is one that failed. */
static inline void scan_append(struct scan *s, struct buf *b, const void *p, size_t n) {
    s->failed |= n && buf_append(b, p, n) != 0;
}

/* Number `i` of the hashes; 0: there are not so many. */
static inline uint64_t hash_at(const struct buf *hashes, size_t i) {
    uint64_t hash = 0;
    if ((i + 1) * sizeof hash <= hashes->len)
        memcpy(&hash, hashes->data + i * sizeof hash, sizeof hash);
    return hash;
}

static inline void scan_add_setting(struct scan *s, uint64_t key, uint64_t value) {
    struct file_setting setting = {key, value};
    if (key)
        scan_append(s, &s->settings, &setting, sizeof setting);
}

/* ---- scan_code.c ---- */

/* Note what the code of a function does: of the main one, and of one inside of it. */
void tine__scan_main(struct scan *s, const struct function *f);
void tine__scan_inner(struct scan *s, const struct function *f);

/* ---- scan_fill.c ---- */

/* Note into which tables the function stores under keys that it computes. */
void tine__scan_fills(struct scan *s, const struct function *f);
/* All was looked at: may these be any tables? Those are not that the main function keeps to itself and others in it. */
bool tine__scan_spreads(const struct scan *s);

/* ---- scan_keep.c ---- */

/* All was looked at: put it into the record, which gets the keys, settings, values and starts. */
void tine__scan_keep(struct scan *s, struct file *f);

#endif

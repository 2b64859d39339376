/* The scan of the code in a module's file, which fills in the file's record (record.h). scan.c goes
** through the functions; scan_code.c and scan_fill.c read the instructions of one function;
** scan_keep.c puts what was found into the record.
**
** A variable is identified by the number of the function that has it as a local, times 256, plus
** its register there. The main function has number 0.
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
#define CONSTANT_NIL 1 /* in place of the hash of a string constant: nil */

struct scan {
    struct dump_cursor c;
    struct opcodes ops;
    struct buf keys;     /* list of struct file_key */
    struct buf settings; /* list of struct file_setting */
    struct buf values;   /* hashes of string constants that are used as values */
    struct buf assigned; /* list of variables that functions assign */
    struct buf given;    /* those to which functions assign what they were called with */
    struct buf cleared;  /* those to which functions assign nil or false */
    struct buf asked;    /* those that functions read before they assign something of their own */
    struct buf filled;   /* those with a table into which functions may put something */
    /* Those with a table into which functions put what they were called with, under keys that they
    ** were called with. */
    struct buf told;
    struct buf found;    /* list of struct found: a function after those inside of it */
    struct buf ups;      /* the variables that are upvalues of these functions */
    struct buf children; /* index in `found` of each function that the main function makes */
    struct starts starts;
    uint32_t count;    /* number of functions begun so far */
    bool computes;     /* something is stored under computed keys, */
    bool spreads;      /* in tables that may be any tables, */
    struct buf spread; /* or in tables of these variables of the main function */
    /* for each register of the main function: its table may be held elsewhere, too */
    bool given_away[REGISTERS];
    bool clears; /* fields are removed under keys that the code was not called with */
    bool failed;
};

struct found {
    uint64_t hash;
    uint64_t assigns;     /* upvalues that it assigns, or functions in it; a bit each */
    uint32_t first, nups; /* its upvalues, in scan.ups */
    bool looped;
};

/* A function being read: its code; hashes of its constants, by number (`constants`: of strings,
** else CONSTANT_NIL or 0; `scalars`: of all, see tine__constant_hash); and the variables that its
** upvalues are. */
struct function {
    const struct function *up; /* the enclosing function; NULL: it is the main one */
    uint32_t number;
    const unsigned char *code;
    size_t n;
    unsigned parameters;
    struct buf constants;
    struct buf scalars;
    uint32_t ups[REGISTERS];
    size_t nups;
};

/* Append to a list; without memory the scan has failed. */
static inline void scan_append(struct scan *s, struct buf *b, const void *p, size_t n) {
    s->failed |= n && buf_append(b, p, n) != 0;
}

/* Hash number `i` of a list; 0: there are not so many. */
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

/* Read the code of a function: of the main function; of a function inside of it. */
void tine__scan_main(struct scan *s, const struct function *f);
void tine__scan_inner(struct scan *s, const struct function *f);

/* ---- scan_fill.c ---- */

/* Note in which tables the function stores under computed keys. */
void tine__scan_fills(struct scan *s, const struct function *f);
/* At the end of a scan: may the tables in which something is stored under computed keys be any
** tables? Not if they are variables of the main function, which it has made and no other code
** holds. */
bool tine__scan_spreads(const struct scan *s);

/* ---- scan_keep.c ---- */

/* At the end of a scan: put everything into the record, which takes over the keys, settings, values
** and starts. */
void tine__scan_keep(struct scan *s, struct file *f);

#endif

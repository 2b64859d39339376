/* Starts: what variables of a file's main function have at first, if functions in the file share
** them. */
#ifndef TINE_CODEC_FILES_STARTS_H
#define TINE_CODEC_FILES_STARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "codec/files/record.h"

struct opcodes;

/* A function that the main function makes. */
struct child {
    uint64_t hash;
    /* Its upvalues. Variables below REGISTERS are registers of the main function. */
    const uint32_t *variables;
    size_t n;
    uint64_t assigns; /* those that it assigns, or functions in it; a bit each */
};

#define REGISTERS 256

/* The code of a main function. */
struct main_code {
    const unsigned char *code;
    size_t n;
    const uint64_t *constants; /* hashes of string constants; 0: no string */
    size_t nconstants;
    const struct child *children;
    size_t nchildren;
};

/* A function that may be in a variable, or the key of a field that it may come from. */
struct start {
    uint32_t variable;
    uint64_t what; /* hash of the function, or of the key */
};

struct starts {
    unsigned kinds[REGISTERS]; /* for each register, a set of bits 1 << enum start_kind */
    unsigned own[REGISTERS];   /* the same, without what called functions may do */
    unsigned count[REGISTERS]; /* how many entries it has in `list` */
    struct buf list;           /* list of struct start */
};

/* Find what the code of a main function puts into variables that functions share: what may be there
** when the first such function is made, and later. What is uncertain adds to the result, up to
** START_UNKNOWN. False: no memory. */
bool tine__starts_of(const struct opcodes *ops, const struct main_code *code, struct starts *out);

#endif

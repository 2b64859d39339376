/* What variables of a file's main function have at first, where functions in it share them. */
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
    /* Its upvalues: below REGISTERS they are registers of the main function. */
    const uint32_t *variables;
    size_t n;
    uint64_t assigns; /* which of them it assigns, or functions in it do: a bit each */
};

#define REGISTERS 256

/* The code of a main function. */
struct main_code {
    const unsigned char *code;
    size_t n;
    const uint64_t *constants; /* hashes of strings; 0: it is none */
    size_t nconstants;
    const struct child *children;
    size_t nchildren;
};

/* The main function puts that function into that variable, or what is under that key of something. */
struct start {
    uint32_t variable;
    uint64_t what; /* a hash */
};

struct starts {
    unsigned kinds[REGISTERS]; /* a bit for each enum start_kind */
    unsigned own[REGISTERS];   /* the same, but for what functions may do that the code calls */
    unsigned count[REGISTERS]; /* so many are in the list */
    struct buf list;           /* struct start */
};

/* What the code of a main function puts into variables that functions share: all that may be there when the first of these is
** made, and later. What is seen errs towards more, and towards START_UNKNOWN. False: no memory. */
bool tine__starts_of(const struct opcodes *ops, const struct main_code *code, struct starts *out);

#endif

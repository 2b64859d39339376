/* What variables of a file's main function have at first, where functions in it share them. */
#ifndef TINE_CODEC_FILES_STARTS_H
#define TINE_CODEC_FILES_STARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

struct opcodes;

/* A function that the main function makes. */
struct child {
    uint64_t hash;
    const uint32_t
        *variables; /* its upvalues: below REGISTERS they are registers of the main function */
    size_t n;
};

#define REGISTERS 256

/* The main function puts that function into that variable. */
struct start {
    uint32_t variable;
    uint64_t function;
};

struct starts {
    bool some[REGISTERS]; /* something else than nil is put there */
    struct buf functions; /* struct start */
};

/* What the code of a main function, in which these functions are made, puts into variables that they share: all that is there
** when the first of them is made, and later. What is seen errs towards something. False: no memory. */
bool tine__starts_of(const struct opcodes *ops, const unsigned char *code, size_t n,
                     const struct child *children, size_t nchildren, struct starts *out);

#endif

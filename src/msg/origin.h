/* What the codec says of functions to those who carry them: code and origin. No Lua in here. */
#ifndef TINE_MSG_ORIGIN_H
#define TINE_MSG_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

/* Where a function comes from: what labels and errors are made of. */
struct codec_origin {
    const char *name;   /* "fib", "string.rep", "a.b.c"; "function" when it has none */
    const char *source; /* "report.lua" (short_src); "[C]" for C functions, "" unknown */
    int line;           /* line where it is defined, 0 when unknown */
};

/* A function's code: what is stored once. */
struct codec_code {
    const char *bytes; /* lua_dump of it; NULL: none, the function goes by name */
    size_t len;
    uint64_t hash; /* of the bytes, checked before they are loaded */
};

/* A function as a store has it (store/store.h), for who holds it. */
struct codec_stored {
    uint64_t id; /* by which messages name it; 0: the store had no room, it travels inline */
    struct codec_origin origin;
    struct codec_code code; /* where the store has it; bytes NULL: not there */
};

#endif

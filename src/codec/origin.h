/* What the codec says of functions to those who carry them: code and origin. No Lua in here. */
#ifndef TINE_CODEC_ORIGIN_H
#define TINE_CODEC_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

/* Where a function comes from: what labels and errors are made of. */
struct codec_origin {
    const char *name;   /* "fib", "string.rep", "a.b.c"; "function" when it has none */
    const char *source; /* "report.lua" (short_src); "[C]" for C functions, "" unknown */
    int line;           /* line where it is defined, 0 when unknown */
    uint32_t id;        /* its number in the store, 0 none: set by the store */
};

/* A function's code: what is stored once. */
struct codec_code {
    const char *bytes; /* lua_dump of it */
    size_t len;
    uint64_t hash; /* of the bytes, checked before they are loaded */
};

#endif

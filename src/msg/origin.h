/* What the codec tells the other parts of a function: code and origin. No Lua in here. */
#ifndef TINE_MSG_ORIGIN_H
#define TINE_MSG_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

/* Where a function comes from; labels and errors are made of it. */
struct codec_origin {
    const char *name;   /* "fib", "string.rep", "a.b.c"; "function" when it has none */
    const char *source; /* "report.lua" (short_src); "[C]" for C functions, "" unknown */
    int line;           /* line where it is defined, 0 when unknown */
};

/* The code of a function, as it is stored. */
struct codec_code {
    const char *bytes; /* made by lua_dump; NULL: none, the function goes by name */
    size_t len;
    uint64_t hash; /* of the bytes; checked before they are loaded */
};

/* A function in a store (store/store.h), as its holders see it. */
struct codec_stored {
    uint64_t id; /* messages name it by this; 0: the store had no room, it travels inline */
    struct codec_origin origin;
    struct codec_code code; /* as the store has it; bytes NULL: not there */
};

#endif

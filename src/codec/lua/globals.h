/* Which globals a function names. */
#ifndef TINE_CODEC_LUA_GLOBALS_H
#define TINE_CODEC_LUA_GLOBALS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which globals a function names, and which fields of Lua's own libraries: numbers of names in one list, in this
** order. */
struct global_uses {
    uint32_t reads;     /* read and never assigned, not Lua's own */
    uint32_t assigns;   /* assigned */
    uint32_t by_g;      /* read as _G.name */
    uint32_t standards; /* Lua's own */
    uint32_t uses;      /* pairs: library, and field or false for any */
    bool escapes;       /* _ENV is used as a value */
    bool stores;        /* and something is stored in it */
};

/* Push the list of names (see struct global_uses) in a dump whose upvalue number `env` is _ENV, 0 none; with `inner`
** only those in the functions in it. False, with nothing pushed, if the dump is not understood. */
bool tine__globals_of(lua_State *L, const char *dump, size_t len, int env, bool inner,
                      struct global_uses *out);

/* A function that the main function of a dump makes and stores in a field. */
#define NO_FUNCTION UINT32_MAX
struct definition {
    const char *key;
    size_t len;
    /* Its number among those in there; NO_FUNCTION: something else, perhaps another function. */
    uint32_t function;
    /* The field is one of the table that is returned, and that function was made for it. */
    bool of_module;
    /* Which of the tables that the code makes: a number from 1 on; 0: that is not sure. */
    uint32_t table;
    bool maybe; /* the code may have been jumped over, or have returned before */
};

/* Call `found` for each that is seen. False if the dump is not understood. */
bool tine__definitions_of(lua_State *L, const char *dump, size_t len,
                          void (*found)(void *ud, const struct definition *d), void *ud);

#endif

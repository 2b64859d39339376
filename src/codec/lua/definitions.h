/* Which functions a file defines. */
#ifndef TINE_CODEC_LUA_DEFINITIONS_H
#define TINE_CODEC_LUA_DEFINITIONS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

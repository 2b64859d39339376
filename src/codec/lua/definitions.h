/* Definitions: which functions the code of a file defines as fields of tables. */
#ifndef TINE_CODEC_LUA_DEFINITIONS_H
#define TINE_CODEC_LUA_DEFINITIONS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A *definition*: the main function of a dump stores a function that it has made, or an unknown
** value, in a field. */
#define NO_FUNCTION UINT32_MAX
struct definition {
    const char *key;
    size_t len;
    /* Index among the functions inside of the main function; NO_FUNCTION: the field gets something
    ** else, perhaps another function. */
    uint32_t function;
    /* The table is the one that the file returns, and the function was made for this field. */
    bool of_module;
    /* Which of the tables that the code makes has the field, numbered from 1; 0: that is not
    ** certain. */
    uint32_t table;
    bool maybe; /* the code may be jumped over, or may have returned before */
};

/* Call `found` for each store of a value in a field. False: the dump is not understood. */
bool tine__definitions_of(lua_State *L, const char *dump, size_t len,
                          void (*found)(void *ud, const struct definition *d), void *ud);

#endif

/* Globals: which globals a function names. */
#ifndef TINE_CODEC_LUA_GLOBALS_H
#define TINE_CODEC_LUA_GLOBALS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which globals a function names, and which fields of Lua's own libraries. The names are in one
** list, in the order of these fields, which say how many there are of each kind. */
struct global_uses {
    uint32_t reads;     /* read and never assigned, and not Lua's own */
    uint32_t assigns;   /* assigned */
    uint32_t by_g;      /* read as _G.name */
    uint32_t standards; /* Lua's own, read and never assigned */
    uint32_t uses;      /* pairs: library, and field, or false for any field */
    bool escapes;       /* _ENV is used as a value */
    bool stores;        /* and a field of it is set then */
};

/* Push the list of names (see struct global_uses) in a dump whose upvalue `env` is _ENV (0: none);
** with `inner`, without the main function itself. False, and nothing is pushed: the dump is not
** understood. */
bool tine__globals_of(lua_State *L, const char *dump, size_t len, int env, bool inner,
                      struct global_uses *out);

#endif

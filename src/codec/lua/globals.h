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

#endif

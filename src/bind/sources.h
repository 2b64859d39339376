/* The Lua half of the module (the files of lua/tine), as it is compiled into the library.
**
** Worker states and the host program load it from here, so a worker needs nothing installed and
** always runs the version that its submitter runs. The table is made by cmake/embed_lua.cmake.
*/
#ifndef TINE_BIND_SOURCES_H
#define TINE_BIND_SOURCES_H

#include <stddef.h>
#include <lua.h>

struct tine__lua_source {
    const char *name; /* of the module: "tine", "tine.map" ... */
    const char *text; /* followed by a zero byte that `len` does not count */
    size_t len;
};

/* Ends with a row of NULLs. */
extern const struct tine__lua_source tine__lua_sources[];

/* What the host program has beside the module: for its own state and for workers. */
struct tine__extra_modules {
    const struct tine__lua_source *sources;
    const char *name; /* of one more module, and its function */
    int (*open)(lua_State *L);
};

/* NULL: nothing. Set before the first state is made ready, and never changed. */
extern const struct tine__extra_modules *tine__extra;

#endif

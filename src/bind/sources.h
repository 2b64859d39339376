/* The Lua half of the module (the files of lua/tine), as it is compiled into the library.
**
** Worker states and the host program load it from here, so a worker needs nothing installed and
** always runs the version that its submitter runs. The table is made by cmake/embed_lua.cmake.
*/
#ifndef TINE_BIND_SOURCES_H
#define TINE_BIND_SOURCES_H

#include <stddef.h>

struct tine__lua_source {
    const char *name; /* of the module: "tine", "tine.map" ... */
    const char *text; /* followed by a zero byte that `len` does not count */
    size_t len;
};

/* Ends with a row of NULLs. */
extern const struct tine__lua_source tine__lua_sources[];

#endif

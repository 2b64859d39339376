/* See hook_library.c. */
#ifndef TESTS_CLIB_HOOK_LIBRARY_H
#define TESTS_CLIB_HOOK_LIBRARY_H

#include <lua.h>

int prepare_twice(lua_State *L, void *arg);

#endif

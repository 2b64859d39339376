/* Interactive mode. */
#ifndef TINE_HOST_REPL_H
#define TINE_HOST_REPL_H

#include <lua.h>

/* Read, run and print until the end of stdin, as lua.c does (without line editing). */
void run_repl(lua_State *L);

#endif

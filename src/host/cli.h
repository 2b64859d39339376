/* System functions for the program's commands (lua/tine/cli) that Lua lacks. Also in workers, where
** tasks of the commands run.
**
** The C half is the module "tine.cli.host". When the system refuses, its functions return nil, a
** message and errno, like Lua's own. A call that a signal interrupts returns what it has, so that
** the hook of Ctrl-C (host/call.h) can run; callers go on in a loop.
*/
#ifndef TINE_HOST_CLI_H
#define TINE_HOST_CLI_H

#include <lua.h>

/* Make the commands' modules available to the states of this process and to workers of later pools.
** To be called before tine__preload_modules, and before the first pool. */
void enable_commands(void);

int luaopen_tine_cli_host(lua_State *L);

/* Parts of the module: each adds functions to the table on top of the stack. */
void add_descriptors(lua_State *L); /* descriptors.c */
void add_reader(lua_State *L);      /* reader.c */
void add_spawn(lua_State *L);       /* spawn.c */
void add_look(lua_State *L);        /* look.c */

/* serve.c: adds serve(pool, options) and random(n) to the table on top, among others. */
void add_serve(lua_State *L);

#endif

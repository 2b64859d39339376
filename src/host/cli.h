/* What the commands of the program (tine map, tine busted: lua/tine/cli) need of the system and Lua
** has not. In workers, too, where the commands' tasks run.
**
** The C half is the module "tine.cli.host". Its functions return nil, a message and errno when the system
** fails, as Lua's own do. A call that a signal interrupts returns what it has, so that Ctrl-C, a hook
** (host/call.h), is seen; callers go on in a loop.
*/
#ifndef TINE_HOST_CLI_H
#define TINE_HOST_CLI_H

#include <lua.h>

/* Make the commands' modules available to this process's states and to workers of pools to come. Before
** tine__preload_modules, and before the first pool. */
void enable_commands(void);

int luaopen_tine_cli_host(lua_State *L);

/* Parts of the module: functions are added to the table on top of the stack. */
void add_descriptors(lua_State *L); /* descriptors.c */
void add_reader(lua_State *L);      /* reader.c */
void add_spawn(lua_State *L);       /* spawn.c */
void add_look(lua_State *L);        /* look.c */

/* serve.c: add serve(pool, options) and random(n) to the table on top. */
void add_serve(lua_State *L);

#endif

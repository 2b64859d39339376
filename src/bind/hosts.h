/* Workers on other machines. */
#ifndef TINE_BIND_HOSTS_H
#define TINE_BIND_HOSTS_H

#include "bind/core.h"

/* --- far.c --- */

/* The options in the table at `arg` of a pool on other machines, which stay on the stack; NULL: it is here. */
const struct far_options *tine__far_read(lua_State *L, int arg);

/* --- hosts.c --- */

int tine__pool_workers_lua(lua_State *L);
/* So many workers serve one on other machines, or may. */
unsigned tine__far_workers(lua_State *L, struct core *c);

#endif

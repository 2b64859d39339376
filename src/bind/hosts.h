/* Pools with workers on other machines: their options, and the hosts that serve them. */
#ifndef TINE_BIND_HOSTS_H
#define TINE_BIND_HOSTS_H

#include "bind/core.h"

/* --- far.c --- */

/* Read the options for other machines from the table at `arg`; they stay on the stack. NULL: option
** `backend` is not set. */
const struct far_options *tine__far_read(lua_State *L, int arg);

/* --- hosts.c --- */

int tine__pool_workers_lua(lua_State *L);
/* How many workers the hosts of the pool have, or a guess while no host is known. */
unsigned tine__far_workers(lua_State *L, struct core *c);

#endif

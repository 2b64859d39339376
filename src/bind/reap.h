/* What has ended comes back to the Lua thread. */
#ifndef TINE_BIND_REAP_H
#define TINE_BIND_REAP_H

#include "bind/anchor.h"
#include "bind/core.h"

/* What was in flight is no more: its item is the core's again. Allocates nothing. */
void tine__landed(lua_State *L, struct anchor *a, struct core *c);

/* Take in what has ended in all pools of the state: no callbacks run. */
void tine__reap(lua_State *L);
/* The same, only what is in its inbox already. */
void tine__reap_core(lua_State *L, struct core *c);

#endif

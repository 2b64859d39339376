/* Reaping: taking ended items from the inboxes of a Lua state, and ending their futures and
** chunks. */
#ifndef TINE_BIND_REAP_H
#define TINE_BIND_REAP_H

#include "bind/anchor.h"
#include "bind/core.h"

/* Take the item back from a future or chunk in flight: the core may reuse it. Does not allocate. */
void tine__landed(lua_State *L, struct anchor *a, struct core *c);

/* Take in what has ended in all pools of the state. Runs no callbacks. */
void tine__reap(lua_State *L);
/* The same for the inbox of one core, without asking its pool for results. */
void tine__reap_core(lua_State *L, struct core *c);

#endif

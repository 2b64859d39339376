/* Futures as arguments. */
#ifndef TINE_BIND_NEEDS_H
#define TINE_BIND_NEEDS_H

#include "bind/core.h"
#include "bind/submit.h"
#include "pool/needs.h"

/* The futures among the `n` arguments from stack index `first` on, as needs; nil is in their place, or their value. They
** are in a table at `futures` (nil before); pushed is what keeps the needs. NULL: none. */
COLD struct needs *tine__needs_collect(lua_State *L, struct core *c, int first, int n, int futures);
/* Just before it is submitted: who gives what. Allocates nothing. */
COLD void tine__needs_resolve(lua_State *L, struct core *c, struct needs *needs, int futures);
/* What was drafted is on its way: let its futures give it what they end with. Raises memory errors; then the task has failed
** with that. */
COLD void tine__needs_await(lua_State *L, const struct draft *d);
int tine__future_chain(lua_State *L); /* future:chain */

#endif

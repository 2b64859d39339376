/* Futures as arguments of tasks (needs.c). */
#ifndef TINE_BIND_NEEDS_H
#define TINE_BIND_NEEDS_H

#include "bind/core.h"
#include "bind/submit.h"
#include "pool/needs.h"

/* Make needs of the futures among the `n` arguments from stack index `first` on. Those futures are
** replaced by nil, or by their value if that is at hand; a table at `futures` (nil before) holds
** them. Pushes a userdata that owns the needs. NULL: there are none. */
COLD struct needs *tine__needs_collect(lua_State *L, struct core *c, int first, int n, int futures);
/* Set who gives each need its result: the pool or a callback. To be called just before the submit.
** Does not allocate. */
COLD void tine__needs_resolve(lua_State *L, struct core *c, struct needs *needs, int futures);
/* The task was submitted: let the futures give it their results. Raises memory errors; the task has
** then failed. */
COLD void tine__needs_await(lua_State *L, const struct draft *d);
int tine__future_chain(lua_State *L); /* future:chain */

#endif

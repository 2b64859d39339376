/* Outcomes as Lua values. `name` and `k` are the task's, for messages. */
#ifndef TINE_BIND_VALUES_H
#define TINE_BIND_VALUES_H

#include "bind/core.h"
#include "pool/outcome.h"

/* Decoding was stopped by a lack of memory, which may be over the next time: what is pushed as the
** error is Lua's own, "not enough memory". */
#define VALUES_SHORT (-2)

/* Push the values of an outcome (VALUES) and return their number; or -1, or VALUES_SHORT, with an
** error pushed. Frees the outcome. */
int tine__values_push(lua_State *L, struct core *c, struct outcome *o, const struct task_name *name,
                      uint32_t k);
/* Push the values without freeing the outcome, if they are so few and small that decoding them
** again is cheaper than keeping them; else return -1. With `strings` false it does not allocate. */
int tine__scalars_push(lua_State *L, const struct outcome *o, bool strings);
/* Push error and traceback of an outcome that is not VALUES, and return -1 or VALUES_SHORT. Frees
** the outcome. */
int tine__failure_push(lua_State *L, struct core *c, struct outcome *o,
                       const struct task_name *name, uint32_t k);

#endif

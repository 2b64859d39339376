/* What outcomes hold, as Lua values. */
#ifndef TINE_BIND_VALUES_H
#define TINE_BIND_VALUES_H

#include "bind/core.h"
#include "pool/outcome.h"

/* Push the values of an outcome (VALUES); their number, or -1 with an error object pushed. The outcome is freed. */
int tine__values_push(lua_State *L, struct core *c, struct outcome *o, const struct task_name *name,
                      uint32_t k);
/* The same if they are so few and small that decoding them again costs less than keeping them; else -1. Without
** strings it allocates nothing. */
int tine__scalars_push(lua_State *L, const struct outcome *o, bool strings);
/* Push error and traceback of an outcome that is not VALUES. The outcome is freed. */
void tine__failure_push(lua_State *L, struct core *c, struct outcome *o,
                        const struct task_name *name, uint32_t k);

#endif

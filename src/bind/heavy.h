/* Warning about functions whose calls carry much data beside their arguments (heavy.c). */
#ifndef TINE_BIND_HEAVY_H
#define TINE_BIND_HEAVY_H

#include "bind/core.h"

/* A call of the function was encoded, with so many bytes beside its arguments. If they are many,
** Lua's `warn` tells so when that happens for the tenth time. */
void tine__heavy_note(lua_State *L, struct core *c, const struct codec_origin *origin,
                      size_t bytes);
/* Push a list of warnings, as texts, for pool:report. */
void tine__heavy_push(lua_State *L, const struct core *c);
void tine__heavy_free(struct core *c);

#endif

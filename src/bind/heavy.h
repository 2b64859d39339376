/* Functions whose calls carry much beside their arguments. */
#ifndef TINE_BIND_HEAVY_H
#define TINE_BIND_HEAVY_H

#include "bind/core.h"

/* The function that was encoded just now carries so many bytes beside its arguments: Lua's `warn` says so when that is much
** and the tenth time. */
void tine__heavy_note(lua_State *L, struct core *c, const struct codec_origin *origin,
                      size_t bytes);
/* Push a list of texts: what is to be said of such functions. */
void tine__heavy_push(lua_State *L, const struct core *c);
void tine__heavy_free(struct core *c);

#endif

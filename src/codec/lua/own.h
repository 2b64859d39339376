/* Tables of Lua's own. */
#ifndef TINE_CODEC_LUA_OWN_H
#define TINE_CODEC_LUA_OWN_H

#include <lua.h>

struct codec;

/* Note which they are here, in the table on top: ST_LIBRARIES. */
void tine__own_keep(lua_State *L, struct codec *c);
/* The name of such a table; NULL: it is none. */
const char *tine__own_table(const struct codec *c, const void *p);

#endif

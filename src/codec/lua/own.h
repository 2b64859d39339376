/* Lua's own tables that are in each state and in no library. */
#ifndef TINE_CODEC_LUA_OWN_H
#define TINE_CODEC_LUA_OWN_H

#include <lua.h>

struct codec;

/* Put those of this state into the table on top (ST_LIBRARIES), by name, and note their
** addresses. */
void tine__own_keep(lua_State *L, struct codec *c);
/* The name of Lua's own table at address `p`; NULL: it is none. */
const char *tine__own_table(const struct codec *c, const void *p);

#endif

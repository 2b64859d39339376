/* Metatables of Tine's own userdata. */
#ifndef TINE_CODEC_LUA_CLASS_H
#define TINE_CODEC_LUA_CLASS_H

#include <lua.h>

/* Give the userdata on top the metatable with this name, whose __gc is `gc`; it is made at the
** first call. Raises memory errors; the userdata then has no metatable. */
void tine__set_class(lua_State *L, const char *name, lua_CFunction gc);

#endif

/* The metatables of our own userdata. */
#ifndef TINE_CODEC_LUA_CLASS_H
#define TINE_CODEC_LUA_CLASS_H

#include <lua.h>

/* Give the userdata on top the metatable of that name, with that __gc. Raises memory errors, and nothing was done then. */
void tine__set_class(lua_State *L, const char *name, lua_CFunction gc);

#endif

/* pool:share: values that each worker decodes once (share.c). */
#ifndef TINE_BIND_SHARE_H
#define TINE_BIND_SHARE_H

#include <lauxlib.h>
#include <lua.h>

int tine__share(lua_State *L); /* pool:share */
extern const luaL_Reg tine__shared_methods[], tine__shared_meta[];

#endif

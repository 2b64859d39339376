/* Watches: waiting for many futures at once (watch.c). */
#ifndef TINE_BIND_WATCH_H
#define TINE_BIND_WATCH_H

#include <lauxlib.h>
#include "bind/future.h"

int tine__watch_next(lua_State *L); /* __call of the iterator of as_completed */
int tine__watch_add(lua_State *L);  /* its method `add` */
/* The future at `idx` has ended: tell the watch at `watch`, for which there was made room. */
void tine__watch_room(lua_State *L, int watch);
void tine__watch_tell(lua_State *L, int watch, struct future *f, int idx);
extern const luaL_Reg tine__watch_functions[];

#endif

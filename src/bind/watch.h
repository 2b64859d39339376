/* Many futures watched at once: as_completed and wait. */
#ifndef TINE_BIND_WATCH_H
#define TINE_BIND_WATCH_H

#include <lauxlib.h>
#include "bind/future.h"

int tine__watch_next(lua_State *L); /* of what as_completed gives: __call */
int tine__watch_add(lua_State *L);  /* and `add` */
/* The future at `idx` has ended; the watch is at `watch`. */
void tine__watch_tell(lua_State *L, int watch, struct future *f, int idx);
extern const luaL_Reg tine__watch_functions[];

#endif

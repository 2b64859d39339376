/* What tasks emit. */
#ifndef TINE_BIND_EVENTS_H
#define TINE_BIND_EVENTS_H

#include "bind/future.h"

/* The future at `idx`, whose item has been released, has events that nobody has read: they are its own. False: it has been
** dealt with meanwhile. */
COLD bool tine__events_keep(lua_State *L, struct future *f, int idx);
/* The task of the future at `idx` has emitted something. */
COLD void tine__future_heard(lua_State *L, struct future *f, int idx);
/* Its callbacks for events are called, for those that are there. */
void tine__future_hear(lua_State *L, struct future *f, int idx);
/* Call the function at `fn` with the event of task k of what has this name; errors go where those of what is at `idx` go. The
** outcome is freed. */
void tine__events_call(lua_State *L, struct core *c, struct outcome *o,
                       const struct task_name *name, uint32_t k, int idx, int fn);
int tine__future_events(lua_State *L);
int tine__future_on_event(lua_State *L);
int tine__events_gc(lua_State *L);
extern const luaL_Reg tine__events_functions[];

#endif

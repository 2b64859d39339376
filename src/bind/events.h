/* Events that tasks emit, as scripts read them (events.c). */
#ifndef TINE_BIND_EVENTS_H
#define TINE_BIND_EVENTS_H

#include "bind/future.h"

/* The item of the future at `idx` was released: keep its unread events with the future. False: a
** finalizer that ran meanwhile has already taken the item back. */
COLD bool tine__events_keep(lua_State *L, struct future *f, int idx);
/* The task of the future at `idx` has emitted an event: its callbacks become due, or if nobody can
** ever hear of the future, its anchor becomes weak. */
COLD void tine__future_heard(lua_State *L, struct future *f, int idx);
/* Call the callbacks of the future at `idx` for the events that are there. */
void tine__future_hear(lua_State *L, struct future *f, int idx);
/* Call the function at `fn` with the event of task `k` of a chunk. Errors are reported as those of
** callbacks of the value at `idx`. Frees the outcome. */
void tine__events_call(lua_State *L, struct core *c, struct outcome *o,
                       const struct task_name *name, uint32_t k, int idx, int fn);
int tine__future_events(lua_State *L);
int tine__future_on_event(lua_State *L);
int tine__events_gc(lua_State *L);
extern const luaL_Reg tine__events_functions[];

#endif

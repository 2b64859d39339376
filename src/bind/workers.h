/* Lists of workers, and calls that concern all of them. */
#ifndef TINE_BIND_WORKERS_H
#define TINE_BIND_WORKERS_H

#include "bind/future.h"

/* Push the list of workers; with `figures` all that is known of each. */
void tine__push_workers(lua_State *L, struct core *c, bool figures);
/* Push the name of this machine. */
void tine__push_machine(lua_State *L);
/* Push a future that has ended and carries a callback into the queue of due entries. `meta` is the
** stack index of the core's metatable of futures. Errors are reported as those of the pool's
** callbacks. */
struct future *tine__carrier_push(lua_State *L, struct core *c, int meta, const char *label);
/* Take the next end of a worker of the core's pool, if there is one, and make on_worker_exit due
** for it. */
void tine__exits_due(lua_State *L, struct core *c);
int tine__pool_resize_lua(lua_State *L); /* pool:resize */

/* --- stats.c --- */

int tine__pool_stats_lua(lua_State *L); /* pool:stats */
int tine__pool_told_lua(lua_State *L);

/* --- everywhere.c --- */

int tine__everywhere(lua_State *L); /* pool:everywhere */
/* Take the next error of an errand in a worker that nobody waited for, if there is one, and make
** its report due. */
void tine__faults_due(lua_State *L, struct core *c);

#endif

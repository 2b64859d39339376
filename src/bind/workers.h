/* What is known of workers, and what is asked of all of them. */
#ifndef TINE_BIND_WORKERS_H
#define TINE_BIND_WORKERS_H

#include "bind/future.h"

/* Push the list of them; with `figures` all that is known of each. */
void tine__push_workers(lua_State *L, struct core *c, bool figures);
/* Push the name of this machine. */
void tine__push_machine(lua_State *L);
/* Push a future that has ended, for the queue of callbacks, of this core, whose metatable of futures is at `meta`: errors
** go where those of its tasks go. */
struct future *tine__carrier_push(lua_State *L, struct core *c, int meta, const char *label);
/* Workers of this core's pool have ended: on_worker_exit is due for each. */
void tine__exits_due(lua_State *L, struct core *c);
int tine__pool_resize_lua(lua_State *L); /* pool:resize */

/* --- stats.c --- */

int tine__pool_stats_lua(lua_State *L); /* pool:stats */
int tine__pool_told_lua(lua_State *L);

/* --- everywhere.c --- */

int tine__everywhere(lua_State *L); /* pool:everywhere */
/* Errands have failed in workers that nobody waited for: that is to be reported. */
void tine__faults_due(lua_State *L, struct core *c);

#endif

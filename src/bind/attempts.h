/* Tasks that are tried again: the list of attempts, and `when`. */
#ifndef TINE_BIND_ATTEMPTS_H
#define TINE_BIND_ATTEMPTS_H

#include "bind/future.h"

/* The item of a future that has been released has failed attempts: they are the future's. False: it has been dealt with
** meanwhile. */
COLD bool tine__keep_attempts(lua_State *L, struct future *f, int idx);
/* Its owner is asked whether it is to be tried again: when callbacks may run. Allocates nothing. */
COLD void tine__ask_later(struct state *S, struct item *item);
/* Ask all those. Raises only `interrupted!`, and, before one was taken out, that there is no room. */
void tine__questions_run(lua_State *L);
int tine__future_times(lua_State *L);    /* future:times */
int tine__future_attempts(lua_State *L); /* future:attempts */

#endif

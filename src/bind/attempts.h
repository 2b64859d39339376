/* Tasks that are tried again: their failed attempts, and the setting `retry.when`, a function of
** the script that decides whether to try again. */
#ifndef TINE_BIND_ATTEMPTS_H
#define TINE_BIND_ATTEMPTS_H

#include "bind/future.h"

/* Move the failed attempts from the released item to the future at `idx`. False: a finalizer that
** ran meanwhile has already taken the item back. */
COLD bool tine__keep_attempts(lua_State *L, struct future *f, int idx);
/* Ask the function `when` about this item the next time that callbacks may run. Does not
** allocate. */
COLD void tine__ask_later(struct state *S, struct item *item);
/* Ask about all such items. Raises `interrupted!`, and a Lua error if the C stack is too deep, in
** which case no question is lost. */
void tine__questions_run(lua_State *L);
int tine__future_times(lua_State *L);    /* future:times */
int tine__future_attempts(lua_State *L); /* future:attempts */

#endif

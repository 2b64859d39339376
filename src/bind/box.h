/* Boxes: userdata with a __gc for outcomes that own memory, since futures have no __gc. */
#ifndef TINE_BIND_BOX_H
#define TINE_BIND_BOX_H

#include "bind/state.h"
#include "pool/outcome.h"

/* Push a box and move the outcome *o into it. Raises memory errors. */
struct outcome *tine__box(lua_State *L, struct outcome *o);
/* The outcome in the box at `idx`. NULL: there is none, or the box was finalized before another
** object whose finalizer still uses it. */
struct outcome *tine__box_outcome(lua_State *L, int idx);
/* The state is being closed: free the outcomes of all boxes. */
void tine__boxes_empty(struct state *S);
int tine__box_gc(lua_State *L);

#endif

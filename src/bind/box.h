/* Boxes: what an outcome holds beyond its own bytes, with a __gc. */
#ifndef TINE_BIND_BOX_H
#define TINE_BIND_BOX_H

#include "bind/state.h"
#include "pool/outcome.h"

/* Move what the outcome holds into a box (pushed): the outcome is then in the box alone. */
struct outcome *tine__box(lua_State *L, struct outcome *o);
/* The outcome in the box at `idx`; NULL: there is none, or it was finalized, before somebody whose own finalizer can
** still ask. */
struct outcome *tine__box_outcome(lua_State *L, int idx);
/* The state is closed: what is in boxes goes. */
void tine__boxes_empty(struct state *S);
int tine__box_gc(lua_State *L);

#endif

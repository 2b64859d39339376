/* Boxes: what an outcome holds beyond its own bytes, with a __gc. */
#ifndef TINE_BIND_BOX_H
#define TINE_BIND_BOX_H

#include "bind/state.h"
#include "pool/outcome.h"

/* Move what the outcome holds into a box (pushed): the outcome is then in the box alone. */
struct outcome *tine__box(lua_State *L, struct outcome *o);
/* The state is closed: what is in boxes goes. */
void tine__boxes_empty(struct state *S);
int tine__box_gc(lua_State *L);

#endif

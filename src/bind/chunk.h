/* Chunks of a map (bind/map.h), as seen by code that handles futures and chunks alike. */
#ifndef TINE_BIND_CHUNK_H
#define TINE_BIND_CHUNK_H

#include "bind/future.h"
#include "pool/item.h"

struct core *tine__chunk_core(struct anchor *a);
/* The core of a future or chunk; NULL: a manual future. */
static inline struct core *anchor_core(struct anchor *a) {
    return a->kind == ANCHOR_CHUNK ? tine__chunk_core(a) : ((struct future *)a)->core;
}
/* Push the function `when` of the chunk at `idx`; returns its core and sets its name. */
struct core *tine__chunk_when(lua_State *L, int idx, struct task_name *name);
/* Tasks of the chunk at `idx` have emitted events: make it due, once (heard); call the function for
** the events that are there (hear). */
COLD void tine__chunk_heard(lua_State *L, int idx);
void tine__chunk_hear(lua_State *L, int idx);
/* The chunk's item has been released. */
void tine__chunk_released(lua_State *L, struct anchor *a);
/* The pool has news of this item, which is a chunk's. Does not allocate. */
void tine__chunk_news(struct item *item);
int tine__chunk_gc(lua_State *L);

#endif

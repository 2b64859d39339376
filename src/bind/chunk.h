/* Chunks of a map, as those see them who deal with everything that is in flight. */
#ifndef TINE_BIND_CHUNK_H
#define TINE_BIND_CHUNK_H

#include "bind/future.h"
#include "pool/item.h"

struct core *tine__chunk_core(struct anchor *a);
/* The pool that a future, or a chunk, belongs to; NULL: none. */
static inline struct core *anchor_core(struct anchor *a) {
    return a->kind == ANCHOR_CHUNK ? tine__chunk_core(a) : ((struct future *)a)->core;
}
/* Push the function that the chunk at `idx` was sent with to be asked; its core and name. */
struct core *tine__chunk_when(lua_State *L, int idx, struct task_name *name);
/* Tasks of the chunk at `idx` have emitted something: it is due, once; and the function is called for what is there. */
COLD void tine__chunk_heard(lua_State *L, int idx);
void tine__chunk_hear(lua_State *L, int idx);
/* A chunk's item has been released. */
void tine__chunk_released(lua_State *L, struct anchor *a);
/* The pool has news of this item, a chunk's. Does not allocate. */
void tine__chunk_news(struct item *item);
int tine__chunk_gc(lua_State *L);

#endif

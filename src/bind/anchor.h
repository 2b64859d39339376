/* What is in flight: futures and chunks whose items the pool has, held by the state's table of anchors until then. */
#ifndef TINE_BIND_ANCHOR_H
#define TINE_BIND_ANCHOR_H

#include "bind/state.h"

enum anchor_kind { ANCHOR_FUTURE, ANCHOR_CHUNK };
struct anchor {        /* item->owner */
    struct item *item; /* NULL: not in flight */
    uint32_t slot;     /* 0: not anchored */
    uint8_t kind;
    bool weak; /* its value may be collected: then it is anchored again (events.c) */
};

/* Anchor the value at `idx`. */
void tine__anchor(lua_State *L, struct state *S, struct anchor *a, int idx);
/* Let it go. */
void tine__unanchor(lua_State *L, struct state *S, struct anchor *a);

/* The value at `idx`, which is anchored, is held by that, or is not. */
void tine__anchor_weaken(lua_State *L, struct anchor *a, int idx);
void tine__anchor_strengthen(lua_State *L, struct anchor *a, int idx);
/* The value at `idx` is used though it is just being collected, in somebody's finalizer: then it is held again. */
void tine__anchor_check(lua_State *L, struct anchor *a, int idx);
/* Push what is anchored; false, and nil: it is just being collected. */
bool tine__anchored_push(lua_State *L, const struct anchor *a);

#endif

/* Anchors: futures and chunks whose items are in flight are held in the state's table of anchors,
** so that the collector does not free them before their items are released. */
#ifndef TINE_BIND_ANCHOR_H
#define TINE_BIND_ANCHOR_H

#include "bind/state.h"

enum anchor_kind { ANCHOR_FUTURE, ANCHOR_CHUNK };
struct anchor {        /* first member of futures and chunks; item->owner */
    struct item *item; /* NULL: not in flight */
    uint32_t slot;     /* 0: not anchored */
    uint8_t kind;
    bool weak; /* held only weakly: when collected, it is anchored again (events.c) */
};

/* Anchor the value at `idx`, whose anchor is `a`. */
void tine__anchor(lua_State *L, struct state *S, struct anchor *a, int idx);
/* Release the anchored value. */
void tine__unanchor(lua_State *L, struct state *S, struct anchor *a);

/* Let the anchor at `idx` hold its value weakly, or again strongly. */
void tine__anchor_weaken(lua_State *L, struct anchor *a, int idx);
void tine__anchor_strengthen(lua_State *L, struct anchor *a, int idx);
/* The value at `idx` is used, perhaps by a finalizer while it is being collected: hold it strongly
** in that case. */
void tine__anchor_check(lua_State *L, struct anchor *a, int idx);
/* Push the anchored value. False, and nil pushed: it is being collected. */
bool tine__anchored_push(lua_State *L, const struct anchor *a);

#endif

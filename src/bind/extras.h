/* What few futures have: a label of their own, watches, callbacks, what was kept of their tasks. */
#ifndef TINE_BIND_EXTRAS_H
#define TINE_BIND_EXTRAS_H

#include "bind/future.h"
#include "pool/printed.h"

enum extra { EXTRA_NONE, EXTRA_LABEL, EXTRA_WATCH, EXTRA_TABLE };
/* Push the table of extras of the future at `idx`, made if there is none. */
COLD void tine__extras_push(lua_State *L, struct future *f, int idx);
/* Append the value at `what` to the list `field` of the extras. */
void tine__extras_add(lua_State *L, struct future *f, int idx, const char *field, int what);
/* Would nobody hear of its end who does not hold it? */
bool tine__extras_are_idle(lua_State *L, struct future *f, int idx);
void tine__extras_set_label(lua_State *L, struct future *f, int idx, int label);
/* The label of the future at `idx`, which lives as long as that, and its length; NULL: it has none. */
const char *tine__extras_label(lua_State *L, const struct future *f, int idx, size_t *len);
/* Add a watch (at `watch`) to the future. */
void tine__extras_watch(lua_State *L, struct future *f, int idx, int watch);
void tine__extras_unwatch(lua_State *L, struct future *f, int idx, int watch);
/* Keep what the task of the future has said last, which is about to end. False: the future has ended meanwhile, by a
** finalizer. */
bool tine__extras_keep_progress(lua_State *L, struct future *f, int idx);
/* Push what was kept: done, total, text: 3; or 0. */
int tine__extras_push_progress(lua_State *L, struct future *f, int idx);
/* The same of what it has printed, if that was captured; push it, or nil: 1. */
void tine__extras_set_printed(lua_State *L, struct future *f, int idx, const struct printed *p);
bool tine__extras_keep_printed(lua_State *L, struct future *f, int idx);
int tine__extras_push_printed(lua_State *L, struct future *f, int idx);

#endif

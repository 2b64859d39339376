/* Extras: the parts that few futures have, so that futures stay small: a label of their own,
** watches, callbacks, and what is kept of a task's progress, output, attempts and events. */
#ifndef TINE_BIND_EXTRAS_H
#define TINE_BIND_EXTRAS_H

#include "bind/future.h"
#include "pool/printed.h"

enum extra { EXTRA_NONE, EXTRA_LABEL, EXTRA_WATCH, EXTRA_TABLE };
/* Push the table of extras of the future at `idx`, making it if needed. */
COLD void tine__extras_push(lua_State *L, struct future *f, int idx);
/* Append the value at `what` to list `field` of the extras. False: a finalizer that ran meanwhile
** has ended the future, whose lists were read then; nothing was appended. */
bool tine__extras_add(lua_State *L, struct future *f, int idx, const char *field, int what);
/* Would the end of the future go unnoticed if nobody held it: has it no callbacks, watches, ...? */
bool tine__extras_are_idle(lua_State *L, struct future *f, int idx);
void tine__extras_set_label(lua_State *L, struct future *f, int idx, int label);
/* The label, which lives as long as the future, and its length. NULL: it has no label of its
** own. */
const char *tine__extras_label(lua_State *L, const struct future *f, int idx, size_t *len);
/* Attach the watch at `watch` to the future, or detach it. False: as above. */
bool tine__extras_watch(lua_State *L, struct future *f, int idx, int watch);
void tine__extras_unwatch(lua_State *L, struct future *f, int idx, int watch);
/* Keep the last progress of the future's task, which is about to end. False: a finalizer that ran
** meanwhile has already ended the future. */
bool tine__extras_keep_progress(lua_State *L, struct future *f, int idx);
/* Push the kept progress (done, total, text) and return 3; or return 0. */
int tine__extras_push_progress(lua_State *L, struct future *f, int idx);
/* Keep the captured output of the task; push it, or nil, and return 1. */
void tine__extras_set_printed(lua_State *L, struct future *f, int idx, const struct printed *p);
bool tine__extras_keep_printed(lua_State *L, struct future *f, int idx);
int tine__extras_push_printed(lua_State *L, struct future *f, int idx);

#endif

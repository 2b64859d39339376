/* Pools and views: what has methods `submit` and `map`, and settings for its tasks. */
#ifndef TINE_BIND_VIEW_H
#define TINE_BIND_VIEW_H

#include "bind/core.h"

/* A pool, or a view of one (pool:with). User values: the core; the metatable of futures that it
** used last; the label; the function `when`; and of a view the pool or view that it was derived
** from, to keep it alive. */
enum { VIEW_CORE = 1, VIEW_META, VIEW_POOL, VIEW_LABEL, VIEW_WHEN, VIEW_LAST = VIEW_WHEN };
struct view {
    struct core *core;
    const void *meta; /* of the metatable in VIEW_META */
    const char *label;
    size_t label_len;
    struct settings *settings; /* of its tasks; NULL: not set yet, or finalized */
    bool derived;              /* made by `with`; else it is the pool itself */
};

/* The view's place in the cache of known views; Fibonacci hashing spreads neighbouring
** addresses. */
static inline const void **known_at(struct state *S, const void *view) {
    return &S->known[(uintptr_t)view / 16 * 0x9e3779b97f4a7c15u >> (64 - KNOWN_BITS)];
}

/* The pool or view at `arg`; raises if it cannot be used in this process. */
struct view *tine__check_view(lua_State *L, int arg);
/* The same for submitting a task: raises also if it was finalized. */
struct view *tine__check_live_view(lua_State *L, int arg);
/* The pool (no view) at `arg`; raises if it cannot be used in this process. */
struct core *tine__check_pool(lua_State *L, int arg);
/* The pool at `idx`; NULL: it is no pool. */
struct view *tine__to_pool(lua_State *L, int idx);
/* The pool at `arg`, in any process. */
struct core *tine__raw_pool(lua_State *L, int arg);

extern const luaL_Reg tine__pool_methods[], tine__pool_meta[], tine__view_methods[],
    tine__view_meta[];

/* --- settings.c --- */

/* Read settings from the table at `arg`, based on `from`: *out is new with one reference.
** True: `retry` is among them, and its function `when`, or nil, is pushed. */
bool tine__settings_read(lua_State *L, int arg, const struct settings *from, struct settings **out);
/* Names of settings in option tables. */
#define SETTING_NAMES \
    "label", "timeout", "deadline", "grace", "priority", "group", "retry", "memory", "cpu", \
        "output", "output_limit", "seed"
/* Give the view at `idx` its label and settings from the table at `arg`, based on `from`, which is
** of the view at `over` (0: none). */
void tine__view_settings(lua_State *L, int arg, int idx, const struct settings *from, int over);
/* Give the pool at `idx` the settings of its core, and label and `when` of the view at `from`
** (0: none). */
void tine__view_adopt_settings(lua_State *L, int idx, int from);
int tine__view_gc(lua_State *L);

#endif

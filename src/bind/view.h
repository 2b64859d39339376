/* What has `submit` and `map`: pools and views, their settings. */
#ifndef TINE_BIND_VIEW_H
#define TINE_BIND_VIEW_H

#include "bind/core.h"

/* A pool, or a view of one (pool:with). User values: the core, and the
** metatable of futures that it used last, the label, and the function that is asked before a task is tried again;
** of a view also the pool userdata, so that it lives. */
enum { VIEW_CORE = 1, VIEW_META, VIEW_POOL, VIEW_LABEL, VIEW_WHEN, VIEW_LAST = VIEW_WHEN };
struct view {
    struct core *core;
    const void *meta; /* in VIEW_META */
    const char *label;
    size_t label_len;
    struct settings *settings; /* how its tasks are to be run; NULL: not yet known */
    bool derived;              /* by `with`; else it is the pool itself */
};

/* Where it is among the views that are known: neighbours come far apart (Fibonacci hashing). */
static inline const void **known_at(struct state *S, const void *view) {
    return &S->known[(uintptr_t)view / 16 * 0x9e3779b97f4a7c15u >> (64 - KNOWN_BITS)];
}

/* The pool or view at `arg`, usable in this process; else raises. */
struct view *tine__check_view(lua_State *L, int arg);
/* The same for a new task: neither has it been finalized. */
struct view *tine__check_live_view(lua_State *L, int arg);
/* The same as the first, a pool only. */
struct core *tine__check_pool(lua_State *L, int arg);
/* The pool or view at `idx`; NULL: it is none. */
struct view *tine__to_pool(lua_State *L, int idx);
/* The pool at `arg`, in whatever process. */
struct core *tine__raw_pool(lua_State *L, int arg);

extern const luaL_Reg tine__pool_methods[], tine__pool_meta[], tine__view_methods[],
    tine__view_meta[];

/* --- settings.c --- */

/* The settings in the table at `arg`, over those of `from`: *out is new, counted once. True: there are retries among
** them, and the function to be asked, or nil, is pushed. */
bool tine__settings_read(lua_State *L, int arg, const struct settings *from, struct settings **out);
/* Their names in an option table. */
#define SETTING_NAMES \
    "label", "timeout", "deadline", "grace", "priority", "group", "retry", "memory", "cpu", \
        "output", "output_limit", "seed"
/* Give the view at `idx`, which has none yet, its label and its settings from the table at `arg`, over those of `from`,
** which are at `over` (0: there is no such view). */
void tine__view_settings(lua_State *L, int arg, int idx, const struct settings *from, int over);
/* Give the pool at `idx` the settings of its core, and what else the view at `from` (0: none) was told. */
void tine__view_adopt_settings(lua_State *L, int idx, int from);
int tine__view_gc(lua_State *L);

#endif

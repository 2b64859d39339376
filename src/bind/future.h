/* Futures: of tasks of a pool, and manual ones, which the script itself completes. */
#ifndef TINE_BIND_FUTURE_H
#define TINE_BIND_FUTURE_H

#include "bind/anchor.h"
#include "bind/view.h"
#include "pool/item.h"

/* User values of a future. EXTRAS: nil, a label (string or view), a watch, or a table of extras
** (extras.c). VALUE: the decoded result (enum cache); before it is decoded the box of the outcome,
** if there is one. */
enum { FUTURE_EXTRAS = 1, FUTURE_VALUE, FUTURE_LAST = FUTURE_VALUE };

/* State of a manual future. */
enum phase { PHASE_PENDING, PHASE_RUNNING, PHASE_CANCELLED, PHASE_NOTIFIED, PHASE_FINISHED };

enum cache {
    CACHE_NONE,   /* not decoded yet */
    CACHE_VALUES, /* `nvalues` values: a single one as it is, several in a list */
    CACHE_ERROR   /* {error, traceback} */
};

struct future { /* there may be millions: it must stay small */
    struct anchor anchor;
    struct core *core;      /* NULL: a manual future */
    struct outcome outcome; /* moved to the box in FUTURE_VALUE if it owns memory */
    uint64_t id;            /* for the label, with `origin` and a label in FUTURE_EXTRAS */
    const struct codec_origin *origin; /* held by the metatable */
    struct task_times times;           /* set when it is done */
    int nvalues;
    uint8_t phase : 3;  /* enum phase, of a manual future */
    uint8_t cache : 2;  /* enum cache */
    uint8_t extras : 2; /* enum extra: what FUTURE_EXTRAS holds */
    bool done : 1;      /* its item was taken back: the Lua thread knows that it has ended */
    bool failed : 1;    /* done, and neither finished nor cancelled */
    bool due : 1;       /* in the queue of due entries, for its callbacks */
    /* Manual: the task was submitted by a task; `id` is its number until it ends (nested.h). */
    bool nested : 1;
    bool boxed : 1;    /* events are in its extras */
    bool listens : 1;  /* it has callbacks for events */
    bool hearing : 1;  /* in the queue of due entries, for its events */
    bool telling : 1;  /* an event is just being told to its callbacks for events */
    bool watched : 1;  /* some wait watches it among others, or has */
    bool forsaken : 1; /* its events were finalized and will never be read */
    bool met : 1;      /* used only while duplicates are removed from a list */
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct future) == 112,
               "with what Lua adds, three lines of the cache");

/* Push a new future of the pool or view at `view`; or a manual one. */
struct future *tine__future_new(lua_State *L, struct view *v, int view);
struct future *tine__future_new_manual(lua_State *L);
/* Mark the table at `meta`, and all copies of it, as metatables of futures. */
void tine__future_mark_meta(lua_State *L, int meta);
/* The function of the future at `idx` was encoded, which may have renewed the metatable
** (tine__core_origin): give the future the one that holds its origin, unless `meta`, which it has,
** is still current. */
void tine__future_hold_origin(lua_State *L, struct core *c, int idx, const void *meta);
/* Push a new metatable for the futures of the core at stack index `core`. */
void tine__future_push_meta(lua_State *L, int core);
/* The name of its task; the texts live as long as the future at `idx`. */
struct task_name tine__future_name(lua_State *L, const struct future *f, int idx);
struct future *tine__check_future(lua_State *L, int arg);
/* The future at `idx`; NULL: the value is no future. */
struct future *tine__to_future(lua_State *L, int idx);
/* The future at `idx` has ended: tell its watches, and make its callbacks due. That fails for want
** of memory, and the end remains untold, unless there was made room for it just before. Making room
** runs no finalizers. */
void tine__future_room(lua_State *L, struct future *f, int idx);
void tine__future_ended(lua_State *L, struct future *f, int idx);
/* The outcome of the future at `idx`. Pushes the box that holds it, or nil. NULL: the box was
** finalized. */
struct outcome *tine__future_outcome(lua_State *L, struct future *f, int idx);
/* Push the error for a future whose box was finalized, which a finalizer of an older object may
** see. */
void tine__future_push_finalized(lua_State *L);
/* Decode the values or the error of a future that is done into its cache. */
void tine__future_decode(lua_State *L, struct future *f, int idx);
bool tine__future_cancelled(const struct future *f);
/* Has the future ended, even if its item was not taken back yet? */
bool tine__future_has_ended(struct future *f);
bool tine__future_is_running(struct future *f);
/* "pending", "running", "cancelled" or "finished". */
const char *tine__future_state(struct future *f);
/* Replace the `n` values, or (-1) the error and traceback, on top by one value, which
** tine__future_keep (it pops that) makes the result of the future at `idx`. Only the first can fail
** for want of memory, or run finalizers. */
void tine__future_pack(lua_State *L, int n);
void tine__future_keep(lua_State *L, struct future *f, int idx, int n);
/* Push error and traceback of a failed and decoded future. */
void tine__future_push_error(lua_State *L, int idx);
/* Push the label of the future at `idx`. */
const char *tine__future_label(lua_State *L, struct future *f, int idx);

extern const luaL_Reg tine__future_methods[];
int tine__future_tostring(lua_State *L);

/* --- manual.c --- */

/* End a manual future with the `n` values, or (-1) the error and traceback, on top of the stack,
** and run callbacks. What needs memory is done by the first of the two calls, which replaces them by
** one value: if it raises nothing has changed. */
void tine__manual_prepare(lua_State *L, struct future *f, int idx, int n);
void tine__manual_end(lua_State *L, struct future *f, int idx, int n, enum phase phase);
int tine__future_manual(lua_State *L); /* tine.future */
int tine__manual_run(lua_State *L);    /* future:set_running_or_notify_cancel */
int tine__manual_set_result(lua_State *L);
int tine__manual_set_exception(lua_State *L);

#endif

/* Futures, those made by hand too. */
#ifndef TINE_BIND_FUTURE_H
#define TINE_BIND_FUTURE_H

#include "bind/anchor.h"
#include "bind/view.h"
#include "pool/item.h"

/* User values of a future. EXTRAS: nil; the label, a string; a watch; or a table of all that
** (extras.c). VALUE: what it ended with, once decoded (enum cache), or before that the box. */
enum { FUTURE_EXTRAS = 1, FUTURE_VALUE, FUTURE_LAST = FUTURE_VALUE };

/* Of a manual future. */
enum phase { PHASE_PENDING, PHASE_RUNNING, PHASE_CANCELLED, PHASE_NOTIFIED, PHASE_FINISHED };

enum cache {
    CACHE_NONE,   /* not decoded yet */
    CACHE_VALUES, /* nvalues of them: one as it is, several in a list */
    CACHE_ERROR   /* {error, traceback} */
};

struct future { /* there may be millions of them: see that it stays small */
    struct anchor anchor;
    struct core *core;      /* NULL: a manual one */
    struct outcome outcome; /* if it owns anything, that is moved to the box in FUTURE_VALUE */
    uint64_t id;            /* these make its name, and a label in FUTURE_EXTRAS */
    const struct codec_origin *origin; /* held by the metatable */
    struct task_times times;           /* once it is done */
    int nvalues;
    uint8_t phase : 3;  /* of a manual one: enum phase */
    uint8_t cache : 2;  /* enum cache */
    uint8_t extras : 2; /* enum extra: what there is in FUTURE_EXTRAS */
    bool done : 1;      /* reaped: the Lua thread knows that it has ended */
    bool failed : 1;    /* done, and neither finished nor cancelled */
    bool due : 1;       /* it is in the list of futures with due callbacks */
    bool nested : 1;    /* manual: a task's task; `id` is its number until it ends (nested.h) */
    bool boxed : 1;     /* there are events in FUTURE_EXTRAS, */
    bool listens : 1;   /* for which there are callbacks; */
    bool hearing : 1;   /* it is in that list for their sake, too, and before */
    bool watched : 1;   /* somebody waits for it among others, or did */
    bool forsaken : 1;  /* its events were finalized: nobody will read any */
    bool met : 1;       /* only while a list is looked through for duplicates */
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct future) == 112,
               "with what Lua adds, three lines of the cache");

/* Push a new future of the pool or view at `view`, or a manual one. */
struct future *tine__future_new(lua_State *L, struct view *v, int view);
struct future *tine__future_new_manual(lua_State *L);
/* The table at `meta` is the metatable of futures, and so are copies of it. */
void tine__future_mark_meta(lua_State *L, int meta);
/* The future at `idx`, which has the metatable of that address, is of a function that was encoded just now. */
void tine__future_hold_origin(lua_State *L, struct core *c, int idx, const void *meta);
/* Push a metatable for the futures of the core at `core`. */
void tine__future_push_meta(lua_State *L, int core);
/* Its texts live as long as the future at `idx`. */
struct task_name tine__future_name(lua_State *L, const struct future *f, int idx);
struct future *tine__check_future(lua_State *L, int arg);
/* The future at `idx`; NULL: it is none. */
struct future *tine__to_future(lua_State *L, int idx);
/* The future at `idx` has ended: who watches it learns of it, and its callbacks are due. */
void tine__future_ended(lua_State *L, struct future *f, int idx);
/* What the future at `idx` ended with; the box that it is in is pushed, or nil. NULL: that was finalized. */
struct outcome *tine__future_outcome(lua_State *L, struct future *f, int idx);
/* Push the error that says so: a finalizer of something that was made before the box has the future still. */
void tine__future_push_finalized(lua_State *L);
/* Decode the values or error of a future that is done, at `idx`, into its cache. */
void tine__future_decode(lua_State *L, struct future *f, int idx);
bool tine__future_cancelled(const struct future *f);
/* Has it ended, whether or not this thread has been told? */
bool tine__future_has_ended(struct future *f);
bool tine__future_is_running(struct future *f);
/* "pending", "running", "cancelled" or "finished". */
const char *tine__future_state(struct future *f);
/* The n values, or error and traceback, on top of the stack (popped) become what the future at `idx` ended with. */
void tine__future_keep_values(lua_State *L, struct future *f, int idx, int n);
void tine__future_keep_error(lua_State *L, struct future *f, int idx);
/* Push error and traceback of the future at `idx`, which has failed and is decoded. */
void tine__future_push_error(lua_State *L, int idx);
/* Push the label of the future at `idx`. */
const char *tine__future_label(lua_State *L, struct future *f, int idx);

extern const luaL_Reg tine__future_methods[];
int tine__future_tostring(lua_State *L);

/* --- manual.c --- */

/* The manual future at 1 has ended with `n` values, or (-1) error and traceback, on top of the stack. */
void tine__manual_end(lua_State *L, struct future *f, int idx, int n);
int tine__future_manual(lua_State *L); /* tine.future */
int tine__manual_run(lua_State *L);    /* future:set_running_or_notify_cancel */
int tine__manual_set_result(lua_State *L);
int tine__manual_set_exception(lua_State *L);

#endif

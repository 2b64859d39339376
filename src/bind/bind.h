/* Bind: the C half of the Lua module (tine.core), on top of the pool.
**
** DESIGN
**
** What a script holds, and what that holds:
**
**     pool, view (userdata) -> core (userdata) -> struct pool
**     future (userdata, its outcome inside) -> metatable -> core
**
** A core is anchored in the state's table of cores until its pool has ended and is joined, so a pool
** that nobody refers to any more finishes its tasks; the pool userdata alone has a __gc that says so.
** While a task is in flight its future has an item of the core's, and is anchored in the state's table of
** anchors, under the number in its `struct anchor`. Both end when the Lua thread takes the item from the
** core's inbox (tine__reap): scripts keep futures by the million, and what is in flight is little and
** stays in the processor's cache.
**
** The futures of a core have a metatable of their own, which holds the core: a user value in each of them
** would cost more. Futures have no __gc, which would cost more than all the rest of a small task. What an
** outcome holds beyond its own bytes goes into a *box*, a userdata with __gc, when the future is reaped.
**
** Every function of the module is a C closure with the same upvalues (enum upvalue): comparing a
** metatable with an upvalue takes a third of luaL_checkudata.
**
** The collector may run a script's finalizers wherever we allocate, and those may call any of this: no
** C structure is left half-changed across a call that allocates.
*/
#ifndef TINE_BIND_BIND_H
#define TINE_BIND_BIND_H

#include <stdbool.h>
#include <stdint.h>
#include <lauxlib.h>
#include <lua.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/list.h"
#include "base/sys.h"
#include "bind/items.h"
#include "codec/codec.h"
#include "pool/inbox.h"
#include "pool/item.h"
#include "pool/pool.h"
#include "pool/wait.h"

/* --- the module in one Lua state --- */

/* Upvalues of every function. */
enum upvalue { UP_STATE = 1, UP_FUTURE, UP_POOL, UP_VIEW, UP_ANCHORS, UP_LAST = UP_ANCHORS };
#define UP(which) lua_upvalueindex(which)

/* User values of the state userdata. */
enum kept {
    KEPT_CORES = 1, /* address -> core, while not joined */
    KEPT_DUE,       /* futures with callbacks to run: [due_first .. due_last] */
    KEPT_GIVES, /* what gives results to tasks that wait for them, and whose: [gives_first .. gives_last] */
    KEPT_BOX, /* metatables */
    KEPT_ROOM,
    KEPT_CORE,
    KEPT_CHUNK,
    KEPT_WATCH,
    KEPT_BYTES,
    KEPT_CLOSER_META,
    KEPT_SWEEPER,
    KEPT_CLOSER,
    KEPT_ADVANCE,   /* map.lua: what a map does when nothing is there at once */
    KEPT_WAITER,    /* tine__wait_ended as a function */
    KEPT_HANDLER,   /* message handler of callbacks */
    KEPT_REPORT,    /* where errors of callbacks go when nobody wants them */
    KEPT_TRACEBACK, /* what it found */
    KEPT_HANDLE,    /* metatable */
    KEPT_FUTURES,   /* tine_future (address) -> the future that follows it, weak */
    KEPT_PUSH_POOL, /* adopt.c: functions */
    KEPT_PUSH_FUTURE,
    KEPT_POOL_OF,
    KEPT_FUTURE_OF,
    KEPT_NESTED, /* number of a task that a task has submitted -> its future, and minus that -> its origin */
    KEPT_FREE,        /* state.free */
    KEPT_WEAK,        /* anchors that are weak */
    KEPT_EVENTS,      /* metatable */
    KEPT_AWAIT_EVENT, /* loop.lua: wait for an event of a future */
    KEPT_LAST = KEPT_AWAIT_EVENT
};

struct state {
    struct list cores; /* not joined yet */
    struct list busy;  /* of them those that have tasks of ours, or were told to end */
    struct list news;  /* items that the pools have released and that are still to be dealt with */
    struct list heard; /* items (by `heard`) that have events */
    struct list limbo; /* items like news, whose futures are just being collected (events.c) */
    struct list questions; /* items (by `question`) whose `when` is to be asked */
    struct list boxes;     /* all there are: those made while lua_close runs get no __gc */
    lua_State *main;
    unsigned generation; /* of the process: in a forked child all pools are dead */
    unsigned ncores;
    lua_Integer due_first, due_last;
    lua_Integer gives_first, gives_last;
    /* Callbacks that are to give something to a task, and have not; those of collected futures, too. */
    uint64_t promised;
    unsigned depth;        /* callbacks running inside each other */
    uint32_t slots;        /* of the anchors, free ones too */
    uint32_t *free;        /* the numbers of those, a stack */
    uint32_t nfree, room;  /* how many there are, and for how many it has room */
    uint32_t serial;       /* last mark given to futures by a look for duplicates */
    bool sweeping;         /* a userdata is there for tine__sweep */
    bool closing;          /* lua_close waits for the pools: what is made now is not finalized */
    bool closed;           /* and nothing works any more */
    struct closer *closer; /* anchored in KEPT_CLOSER */
    unsigned nested;       /* tasks that tasks here have submitted, and that have not ended */
    uint64_t nested_first; /* none of them has a lower number */
    unsigned filenos;      /* cores that have one (fileno.c) */
    const void *known;     /* the view that was checked last, until it is finalized */
    atomic_bool stirred;   /* something else than a task may have ended: inbox.stirred */
    uint64_t changes;      /* news taken, pools opened and joined: has anything happened? */
    /* Bytes of buffers and images made since the last collection for their sake (data.c). */
    uint64_t shared;
};

/* The userdata whose __gc is called first of ours at lua_close: made again for each pool, since
** finalizers run in the opposite order of creation, and those of codecs must come later. */
struct closer {
    bool live;
};
void tine__closer_renew(lua_State *L);
/* Leave a userdata whose __gc, in each of the collector's rounds while there are pools, takes in what has come, in case
** the script never calls us again: pools that were collected are joined when they have ended, and tasks whose futures were
** do not stand for a reader. */
void tine__sweep_later(lua_State *L);
int tine__sweep(lua_State *L);

static inline struct state *state_of(lua_State *L) {
    return lua_touserdata(L, UP(UP_STATE));
}
static inline void push_kept(lua_State *L, enum kept which) {
    lua_getiuservalue(L, UP(UP_STATE), which);
}
/* The upvalues of the function that runs, which each of ours has. */
static inline void push_upvalues(lua_State *L) {
    for (int up = 1; up <= UP_LAST; up++)
        lua_pushvalue(L, UP(up));
}
/* The userdata at `arg` if its metatable is that one; else NULL. */
static inline void *test_kept(lua_State *L, int arg, enum kept meta) {
    void *p = lua_touserdata(L, arg);
    if (!p || !lua_getmetatable(L, arg))
        return NULL;
    push_kept(L, meta);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? p : NULL;
}
/* A field of the table on top. */
static inline void set_count(lua_State *L, const char *name, uint64_t n) {
    lua_pushinteger(L, (lua_Integer)n);
    lua_setfield(L, -2, name);
}

/* Wait for all pools that are left and let them go: at lua_close. */
int tine__state_gc(lua_State *L);
/* A function: wait for the pool of a core (light userdata) to have ended and been joined; nil: for all. With a
** deadline (integer): whether it has. */
int tine__wait_ended(lua_State *L);
/* In a forked child: forget the pools of the parent. */
void tine__state_check(lua_State *L, struct state *S);

/* --- pools --- */

/* Where a call is encoded: taken while in use, so that whoever comes in between makes another. */
#define ROOM_SIZE 2048
struct room {
    struct core *core; /* user value 1 */
    const void *frame; /* of the C function that uses it */
    struct call_buf call;
    char bytes[ROOM_SIZE];
};

/* User values of a core. */
enum {
    CORE_CODEC = 1,
    CORE_ROOM,
    CORE_ON_ERROR,
    CORE_NAME,
    CORE_HANDLE,
    CORE_LOOP,
    CORE_ON_EXIT,
    CORE_LAST = CORE_ON_EXIT
};

struct core {
    struct list node; /* in state.cores */
    struct list busy; /* in state.busy, or in none */
    struct state *state;
    struct pool *p;     /* NULL before it is opened, and after it has ended and was joined */
    struct inbox inbox; /* of this state's tasks in it */
    struct pool
        *held; /* its memory, when that was in the midst of an encoding, or is the program's */
    struct tine_pool
        *program; /* of the C library, whose pool it is (adopt.c); NULL: ours, to be ended by us */
    unsigned encoding;       /* calls, one inside the other */
    unsigned generation;     /* of the process that opened it */
    struct pool_stats stats; /* at the end */
    struct figures_told told;
    uint64_t looks, encoding_ns; /* calls that were encoded; ns that this has taken, about */
    struct failure *reason;      /* why it ended, or NULL */
    struct codec *codec;
    const void *meta;     /* of its futures, in the registry at our address until it is joined */
    uint32_t origins_age; /* how many such there were before */
    uint32_t norigins;    /* in this one */
    struct room *room;    /* the one in CORE_ROOM */
    bool room_free;
    struct items items;
    struct settings *settings; /* the pool's */
    bool joined;
    bool closing; /* it was told to end, from here */
    bool dropped; /* its handle was collected */
    bool far;     /* its workers are on other machines, */
    bool here;    /* or there are none: tasks run in this process */
    unsigned workers;
    uint32_t since_poll; /* submits */
    uint64_t taken;      /* news from its pool */
    int epoll;           /* fileno.c, or -1 */
    int due;             /* readable while callbacks are due, or -1 */
    int alarm;           /* readable when its time has come, or -1 */
    bool rung;           /* readable for some other reason */
    bool polled;         /* a loop may know its number until the pool is collected, */
    bool served;         /* or until it lets it go: CORE_LOOP (loop.c) */
    bool awake;          /* that one watches it, and goes on as long as tasks are unfinished */
    bool turning;        /* it is taking news just now */
    bool loose;          /* a wait lets tasks go on that stand (pool/events.h) */
    unsigned awaiting;   /* coroutines of a loop that wait for ends of its tasks */
    struct root_watch *fileno_watch;
    struct heavy *heavy;                /* functions whose calls carry much (heavy.c) */
    uint64_t messages;                  /* calls whose encoding has begun */
    const struct codec_stored *reading; /* the shared value that is just being decoded here */
};

/* What encoding takes is measured in some calls, for the clock costs as much as a small one. */
#define ENCODINGS_TIMED 16

static inline uint64_t core_begin_look(struct core *c) {
    return c->looks++ % ENCODINGS_TIMED == 0 ? tine__now() : 0;
}

static inline void core_end_look(struct core *c, uint64_t since) {
    if (since)
        c->encoding_ns += (tine__now() - since) * ENCODINGS_TIMED;
}

/* News of tasks may come from it: every wait looks at it, until it has none of ours. */
static inline void core_is_busy(struct core *c) {
    if (c->p && !c->joined && list_empty(&c->busy))
        list_push(&c->state->busy, &c->busy);
}

/* What has `submit` and `map`: a pool, or a view of one (pool:with). User values: the core, and the
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

/* The pool or view at `arg`, usable in this process; else raises. */
struct view *tine__check_view(lua_State *L, int arg);
/* The same for a new task: neither has it been finalized. */
struct view *tine__check_live_view(lua_State *L, int arg);
/* Is this the process that opened the pool? */
bool tine__core_is_ours(const struct core *c);
/* A copy of a function's origin for the labels of futures, which are looked at long after their pool has given
** back its memory. It is held by the metatable of futures of the time; when that has many, the next futures
** get another one, and core->origins_age grows: so origins go with the last future that may have them, and
** futures, which there may be millions of, need no finalizer. NULL: the pool has ended. */
const struct codec_origin *tine__core_origin(void *core, lua_State *L,
                                             const struct codec_origin *origin);
/* Push the metatable of futures that holds the origins of functions encoded last, and the core; nil: joined. */
void tine__core_push_meta(lua_State *L, const struct core *c);
/* Opening has failed, or it was joined: the state holds it no more. */
void tine__core_unanchor(lua_State *L, struct core *c);
/* The same, a pool only. */
struct core *tine__check_pool(lua_State *L, int arg);
/* NULL when the value at idx is none. */
struct view *tine__to_pool(lua_State *L, int idx);
/* No check of the process. */
struct core *tine__raw_pool(lua_State *L, int arg);
/* Raises `forked`. */
void tine__check_process(lua_State *L, const struct core *c);
/* No more submits; never raises. */
void tine__core_close(struct core *c, bool cancel);
/* After its pool has ended: join it and give back its memory, keep what is asked for later. */
void tine__core_join(lua_State *L, struct core *c);
void tine__core_retire(struct state *S, struct core *c);

/* Give the core at stack index `core` its room. False: its pool has ended, and needs none. */
bool tine__room_make(lua_State *L, struct core *c, int core);
/* Take the room of the core of the pool or view at `view`, its buffer empty, or while it is taken another
** one (pushed); give it back. */
struct room *tine__room_take(lua_State *L, struct core *c, int view);
void tine__room_put(struct core *c, struct room *r);

struct anchor;
/* Around the encoding of a call: a finalizer that runs meanwhile may end the pool, whose memory must stay as
** long as the buffer may grow in it. (If an error leaves the encoding it stays as long as the core.) */
static inline void core_begin_encoding(struct core *c) {
    c->encoding++;
}
void tine__core_end_encoding(struct core *c);

/* What an item will be; the rest of it is the pool's. */
struct draft {
    struct task_name name; /* the id is given when it is sent */
    uint32_t count;
    uint64_t serial;           /* of the map, of which it is */
    bool mute;                 /* nobody wants its events */
    bool everywhere;           /* each worker is to run it once */
    struct settings *settings; /* the view's */
    struct outcome *outcomes;
    struct needs **needs;  /* or NULL; taken over when it is sent, */
    int futures;           /* of those in this table */
    struct anchor *anchor; /* of the userdata that they are in, */
    int idx;               /* which is here */
};
/* Hand over what is in `cb`, or a failure to encode it; waits while max_pending are unfinished. From now on
** the userdata is anchored. Raises what the pool refuses. */
void tine__send(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb,
                uint32_t function);
/* The same without waiting: false, and nothing has happened, when it would have to. */
bool tine__try_send(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb,
                    uint32_t function);
COLD void tine__send_failed(lua_State *L, struct core *c, struct draft *d, int code,
                            const char *text, size_t len);
/* What comes before the arguments. */
struct head {
    struct task_name *name;
    const struct settings *settings;
    uint64_t serial;
};
/* Append what is said of a task with these settings, the label, and the function segment (the function at `fn`);
** *function: bytes of the segment. `serial`: of the map; 0: it is none. 0, or a code with the message pushed. */
int tine__encode_head(lua_State *L, struct core *c, const struct head *h, int fn, struct buf *b,
                      uint32_t *function);
/* The function that was encoded just now carries so many bytes beside its arguments: Lua's `warn` says so when that is much
** and the tenth time. */
void tine__heavy_note(lua_State *L, struct core *c, const struct codec_origin *origin,
                      size_t bytes);
/* Push a list of texts: what is to be said of such functions. */
void tine__heavy_push(lua_State *L, const struct core *c);
void tine__heavy_free(struct core *c);
/* Let what is drafted end as the program's item `leader` does, which has not been freed: anchored as above. False: the
** pool has ended meanwhile, and so has that. Raises memory errors. */
bool tine__follow(lua_State *L, struct core *c, struct draft *d, struct item *leader);
/* Items that are not in flight: keep one for the next; free all. */
void tine__item_put(struct core *c, struct item *item);
/* May the value at `arg` be a task? */
bool tine__is_task(lua_State *L, int arg);
/* The value at `arg` may be a task: else an argument error of this method, counted as in a method call however it is
** called. */
void tine__check_task(lua_State *L, int arg, const char *method);
/* Raise why a pool that has ended takes nothing. */
COLD void tine__refuse_ended(lua_State *L, struct core *c);
int tine__submit(lua_State *L); /* pool:submit */
/* Give the future that was drafted and sent. */
int tine__submitted(lua_State *L, const struct draft *d);
/* later.c: send what was encoded in `r` when there is room; the loop goes on meanwhile. To be returned. */
COLD int tine__send_later(lua_State *L, struct core *c, const struct draft *d, struct room *r,
                          uint32_t function);

/* --- share.c --- */

int tine__share(lua_State *L); /* pool:share */
extern const luaL_Reg tine__shared_methods[], tine__shared_meta[];

/* --- core_open.c --- */

/* Push a new pool userdata, still without its metatable, whose core is anchored and knows no pool yet; the
** core is pushed after it. */
struct core *tine__core_push(lua_State *L);
/* It knows its pool, but for its inbox: give the core at `core` what it needs to encode, and the options in the
** table at `arg` that are ours. */
void tine__core_equip(lua_State *L, struct core *c, int core, int arg, bool send_globals);
/* Open its inbox: from now on it is one of the state's. Does not raise. */
void tine__core_start(struct state *S, struct core *c, unsigned workers);

/* --- what is in flight --- */

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

/* What was in flight is no more: its item is the core's again. Allocates nothing. */
void tine__landed(lua_State *L, struct anchor *a, struct core *c);

/* Take in what has ended in all pools of the state: no callbacks run. */
void tine__reap(lua_State *L);
/* The same, only what is in its inbox already. */
void tine__reap_core(lua_State *L, struct core *c);

/* Move what the outcome holds into a box (pushed): the outcome is then in the box alone. */
struct outcome *tine__box(lua_State *L, struct outcome *o);
/* The state is closed: what is in boxes goes. */
void tine__boxes_empty(struct state *S);

/* --- futures --- */

/* User values of a future. EXTRAS: nil; the label, a string; a watch; or a table of all that
** (extras.c). VALUE: what it ended with, once decoded (enum cache), or before that the box. */
enum { FUTURE_EXTRAS = 1, FUTURE_VALUE, FUTURE_LAST = FUTURE_VALUE };

enum phase { /* of a manual future */
             PHASE_PENDING,
             PHASE_RUNNING,
             PHASE_CANCELLED,
             PHASE_NOTIFIED,
             PHASE_FINISHED
};

enum cache {
    CACHE_NONE,   /* not decoded yet */
    CACHE_VALUES, /* nvalues of them: one as it is, several in a list */
    CACHE_ERROR   /* {error, traceback} */
};

struct future { /* there may be millions of them: see that it stays small */
    struct anchor anchor;
    const void *meta;    /* its metatable */
    struct core *core;   /* NULL: a manual one */
    struct outcome *box; /* the outcome in the box in FUTURE_VALUE */
    struct outcome outcome;
    uint64_t id;                       /* these make its name */
    const struct codec_origin *origin; /* held by the metatable */
    const char *label;                 /* in FUTURE_EXTRAS */
    uint32_t label_len;
    uint32_t mark;
    struct task_times times; /* once it is done */
    int nvalues;
    uint8_t phase : 3;  /* of a manual one: enum phase */
    uint8_t cache : 2;  /* enum cache */
    uint8_t extras : 2; /* enum extra: what there is in FUTURE_EXTRAS */
    bool done : 1;      /* reaped: the Lua thread knows that it has ended */
    bool failed : 1;    /* done, and neither finished nor cancelled */
    bool due : 1;       /* it is in the list of futures with due callbacks */
    bool
        nested : 1; /* manual: of a task of a task; `id` is its number until it has ended (nested.h) */
    bool boxed : 1;    /* there are events in FUTURE_EXTRAS, */
    bool listens : 1;  /* for which there are callbacks; */
    bool hearing : 1;  /* it is in that list for their sake, too, and before */
    bool watched : 1;  /* somebody waits for it among others, or did */
    bool forsaken : 1; /* its events were finalized: nobody will read any */
};

/* Push a new future of the pool or view at `view`, or a manual one. */
struct future *tine__future_new(lua_State *L, struct view *v, int view);
struct future *tine__future_new_manual(lua_State *L);
/* The future at `idx` is of a function that was encoded just now. */
void tine__future_hold_origin(lua_State *L, struct future *f, int idx);
/* Push a metatable for the futures of the core at `core`. */
void tine__future_push_meta(lua_State *L, int core);
static inline struct task_name future_name(const struct future *f) {
    return (struct task_name){
        .id = f->id, .origin = f->origin, .label = f->label, .label_len = f->label_len};
}
struct future *tine__check_future(lua_State *L, int arg);
/* NULL when the value at idx is none. */
struct future *tine__to_future(lua_State *L, int idx);
/* The future at `idx` has ended: who watches it learns of it, and its callbacks are due. */
void tine__future_ended(lua_State *L, struct future *f, int idx);
/* Wait until the future at `idx` has ended. 0 or TINE_ETIMEOUT. */
int tine__future_await(lua_State *L, struct future *f, uint64_t deadline);
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
/* The manual future at 1 has ended with `n` values, or (-1) error and traceback, on top of the stack. */
void tine__manual_end(lua_State *L, struct future *f, int idx, int n);
/* Push the label of the future at `idx`. */
const char *tine__future_label(lua_State *L, struct future *f, int idx);

/* --- adopt.c: the C library's pools and futures --- */

int tine__program_push_pool(lua_State *L);
int tine__program_push_future(lua_State *L);
int tine__program_pool_of(lua_State *L);
int tine__program_future_of(lua_State *L);
int tine__handle_gc(lua_State *L);

/* --- progress.c --- */

/* Push done, total, text: 3. */
int tine__progress_push(lua_State *L, const struct progress *p);

/* --- extras.c --- */

enum extra { EXTRA_NONE, EXTRA_LABEL, EXTRA_WATCH, EXTRA_TABLE };
/* Push the table of extras of the future at `idx`, made if there is none. */
COLD void tine__extras_push(lua_State *L, struct future *f, int idx);
/* Append the value at `what` to the list `field` of the extras. */
void tine__extras_add(lua_State *L, struct future *f, int idx, const char *field, int what);
/* Would nobody hear of its end who does not hold it? */
bool tine__extras_are_idle(lua_State *L, struct future *f, int idx);
void tine__extras_set_label(lua_State *L, struct future *f, int idx, int label);
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

/* --- needs.c --- */

/* The futures among the `n` arguments from stack index `first` on, as needs; nil is in their place, or their value. They
** are in a table at `futures` (nil before); pushed is what keeps the needs. NULL: none. */
COLD struct needs *tine__needs_collect(lua_State *L, struct core *c, int first, int n, int futures);
struct needs **tine__needs_place(lua_State *L);
/* Just before it is submitted: who gives what. Allocates nothing. */
COLD void tine__needs_resolve(lua_State *L, struct core *c, struct needs *needs, int futures);
/* The dependent (a future or chunk) is on its way: let those in the table at `futures` give it what they end with. */
COLD void tine__needs_await(lua_State *L, int futures, int dependent);
int tine__future_chain(lua_State *L); /* future:chain */

/* --- attempts.c --- */

/* The item of a future that has been released has failed attempts: they are the future's. False: it has been dealt with
** meanwhile. */
COLD bool tine__keep_attempts(lua_State *L, struct future *f, int idx);
/* Its owner is asked whether it is to be tried again: when callbacks may run. Allocates nothing. */
COLD void tine__ask_later(struct state *S, struct item *item);
/* Ask all those. Raises only `interrupted!`. */
void tine__questions_run(lua_State *L);
int tine__future_times(lua_State *L);    /* future:times */
int tine__future_attempts(lua_State *L); /* future:attempts */

/* --- events.c --- */

/* The future at `idx`, whose item has been released, has events that nobody has read: they are its own. False: it has been
** dealt with meanwhile. */
COLD bool tine__events_keep(lua_State *L, struct future *f, int idx);
/* The task of the future at `idx` has emitted something. */
COLD void tine__future_heard(lua_State *L, struct future *f, int idx);
/* Its callbacks for events are called, for those that are there. */
void tine__future_hear(lua_State *L, struct future *f, int idx);
/* Call the function at `fn` with the event of task k of what has this name; errors go where those of what is at `idx` go. The
** outcome is freed. */
void tine__events_call(lua_State *L, struct core *c, struct outcome *o,
                       const struct task_name *name, uint32_t k, int idx, int fn);
int tine__future_events(lua_State *L);
int tine__future_on_event(lua_State *L);
int tine__events_gc(lua_State *L);

/* --- callbacks.c --- */

/* Call the function below the `n` arguments on top (all popped), errors reported as those of what is at `idx`. */
void tine__callback_invoke(lua_State *L, int idx, int n);
/* The error on top (popped), which has no traceback, is reported so. */
void tine__callback_failed(lua_State *L, int idx);
/* What is at `idx` has its turn among what is due. */
void tine__due_push(lua_State *L, int idx);

/* The error on top (popped), of a function that the script gave with the future or chunk at `idx`, goes to whom it
** concerns. */
void tine__callback_error(lua_State *L, int idx);

/* Add the function at `fn` to the callbacks of the future at `idx`. */
void tine__check_callable(lua_State *L, int arg);
void tine__callback_add(lua_State *L, struct future *f, int idx, int fn);
/* The same of a callback of ours that gives the result to a task that waits for it. It runs in every wait, also in one
** that runs no callbacks: what is waited for may hang on that task. */
void tine__give_add(lua_State *L, struct future *f, int idx, int fn);
void tine__gives_run(lua_State *L);
/* The future at `idx` is done: its callbacks, if any, are due. */
void tine__callbacks_due(lua_State *L, struct future *f, int idx);
/* Run what is due. Raises only `interrupted!`. */
void tine__callbacks_run(lua_State *L);
/* Run one function with the future at `idx`, errors reported likewise. */
void tine__callback_call(lua_State *L, int idx, int fn);
static inline bool callbacks_due(const struct state *S) {
    return S->due_first <= S->due_last || S->gives_first <= S->gives_last ||
           !list_empty(&S->questions);
}

/* --- fileno.c --- */

/* The descriptor, made at the first call; or a code. */
int tine__core_fileno(struct state *S, struct core *c);
void tine__core_close_fileno(struct state *S, struct core *c);
/* The pool has ended: close it, or while a loop may watch it let it be readable for good. */
void tine__core_end_fileno(struct state *S, struct core *c);
/* It is to be readable, or not for this reason any more. */
COLD void tine__core_ring(struct state *S, struct core *c, bool on);
/* It is to be readable from this time on (WAIT_FOREVER: not for this reason). 0 or a code. */
int tine__core_alarm(struct core *c, uint64_t deadline);
/* Callbacks have become due, or none are any more. */
void tine__due_changed(struct state *S);

/* --- loop.c: pools that an event loop serves --- */

/* Something is about to be submitted: the loop is to watch, and to go on. May run the script. */
void tine__loop_start(lua_State *L, struct core *c);
static inline void loop_expect(lua_State *L, struct core *c) {
    if (c->served && !c->awake)
        tine__loop_start(L, c);
}
/* Is this coroutine one that the loop of the pool runs, and may it yield? */
bool tine__loop_here(lua_State *L, struct core *c);
/* Push a method of the pool's loop, and the loop. False: it has none, and nothing is pushed. */
bool tine__loop_push(lua_State *L, struct core *c, const char *method);

/* --- await.c --- */

/* What a wait waits for. `met` may not raise or allocate. */
struct aim {
    bool (*met)(const struct aim *aim);
    const void *what;
    const struct future *future; /* what is wanted, if it is one; NULL: those that are watched */
    uint64_t n;
    struct core *core; /* while its pool has not ended, this may still come */
    bool any;          /* it will come in any case */
    /* Nothing that is under way can meet it. True: something was done about that. NULL: the wait is an error. */
    bool (*give_up)(lua_State *L, const struct aim *aim);
    bool quiet; /* run no callbacks */
    /* Does it wait for the end of this? Asked under the pool's lock of tasks that stand because nobody reads what they
    ** emit. NULL: for nothing that another task could be in the way of. */
    bool (*ends)(const struct aim *aim, const struct anchor *a);
};
/* Wait until the aim is met: dispatches. 0 or TINE_ETIMEOUT; raises `interrupted!`, system errors, and
** invalid_state when nothing could ever meet it. */
int tine__await(lua_State *L, const struct aim *aim, uint64_t deadline);
/* As aim.ends: for every one. */
bool tine__all_ends(const struct aim *aim, const struct anchor *a);
/* The deadline that the timeout at `arg` gives; nil: none. Raises argument errors. */
uint64_t tine__check_deadline(lua_State *L, int arg);
/* A number of seconds as ns; what: for the argument error. */
uint64_t tine__check_seconds(lua_State *L, int arg);

/* --- nested.c, nested_futures.c: tasks that tasks submit --- */

/* Push tine.worker.pool. */
void tine__nested_push(lua_State *L);

/* Take in what has ended, without waiting. */
void tine__nested_poll(lua_State *L);
/* Wait for what the aim wants of such tasks, or until something has come of it; run some here. False: it wants none. */
bool tine__nested_await(lua_State *L, const struct aim *aim, uint64_t deadline);
/* Cancel the one whose future is at `idx`. */
void tine__nested_cancel(lua_State *L, struct future *f);
extern const luaL_Reg tine__nested_methods[], tine__nested_meta[];

/* --- errors.c --- */

/* Is the error value at `idx` that of an interrupt (Ctrl-C)? */
bool tine__is_interrupt(lua_State *L, int idx);
/* Push an error object of this code with a message printf-like as lua_pushfstring. */
void tine__error_push(lua_State *L, int code, const char *format, ...);
/* The same, raised. */
int tine__error(lua_State *L, int code, const char *format, ...);
/* Raise what the pool refused (code, errno as it is now). */
COLD int tine__refused(lua_State *L, struct core *c, int code);
/* Push an error object for a failure; TINE_E... of it or of `code`. */
void tine__error_failure(lua_State *L, struct core *c, int code, const struct failure *f);
/* Push the text of the value at `idx`, whatever its __tostring does. */
const char *tine__text_push(lua_State *L, int idx);
/* Set `task` of the error object on top: task k of what has this name. */
void tine__error_set_task(lua_State *L, const struct task_name *name, uint32_t k);
/* Push the label of task k. */
const char *tine__label_push(lua_State *L, const struct task_name *name, uint32_t k);
/* Make the metatable of error objects known to this state; pushed. */
void tine__errors_open(lua_State *L);
bool tine__is_error(lua_State *L, int idx);
int tine__kind(lua_State *L); /* tine.kind */

/* --- values.c: what outcomes hold --- */

/* Push the values of an outcome (VALUES); their number, or -1 with an error object pushed. The outcome is freed. */
int tine__values_push(lua_State *L, struct core *c, struct outcome *o, const struct task_name *name,
                      uint32_t k);
/* The same if they are so few and small that decoding them again costs less than keeping them; else -1. Without
** strings it allocates nothing. */
int tine__scalars_push(lua_State *L, const struct outcome *o, bool strings);
/* Push error and traceback of an outcome that is not VALUES. The outcome is freed. */
void tine__failure_push(lua_State *L, struct core *c, struct outcome *o,
                        const struct task_name *name, uint32_t k);

/* --- watch.c --- */
struct watch;
int tine__watch_next(lua_State *L); /* of what as_completed gives: __call */
int tine__watch_add(lua_State *L);  /* and `add` */
/* The future at `idx` has ended; the watch is at `watch`. */
void tine__watch_tell(lua_State *L, int watch, struct future *f, int idx);

/* --- map_chunk.c --- */
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

/* --- functions by file, for module.c --- */
extern const luaL_Reg tine__future_methods[], tine__pool_methods[], tine__pool_meta[],
    tine__view_methods[], tine__view_meta[], tine__watch_functions[], tine__map_functions[],
    tine__map_methods[], tine__map_meta[], tine__events_functions[], tine__loop_functions[],
    tine__loop_methods[];
int tine__future_tostring(lua_State *L);
int tine__pool_open_lua(lua_State *L); /* core.open */
int tine__future_manual(lua_State *L); /* tine.future */
int tine__manual_run(lua_State *L);    /* future:set_running_or_notify_cancel */
int tine__manual_set_result(lua_State *L);
int tine__manual_set_exception(lua_State *L);
int tine__cpu_count(lua_State *L);
int tine__clock(lua_State *L);      /* tine.clock */
int tine__sleep(lua_State *L);      /* tine.sleep */
int tine__try_submit(lua_State *L); /* pool:try_submit */
int tine__pool_resize_lua(lua_State *L);
/* --- far.c --- */
/* The options in the table at `arg` of a pool on other machines, which stay on the stack; NULL: it is here. */
const struct far_options *tine__far_read(lua_State *L, int arg);
/* --- hosts.c --- */
int tine__pool_workers_lua(lua_State *L);
/* So many workers serve one on other machines, or may. */
unsigned tine__far_workers(lua_State *L, struct core *c);

/* --- workers.c --- */
/* Push the list of them; with `figures` all that is known of each. */
void tine__push_workers(lua_State *L, struct core *c, bool figures);
/* Push the name of this machine. */
void tine__push_machine(lua_State *L);
/* stats.c: pool:stats() */
int tine__pool_stats_lua(lua_State *L);
int tine__pool_told_lua(lua_State *L);
/* --- everywhere.c --- */
int tine__everywhere(lua_State *L); /* pool:everywhere */
/* Errands have failed in workers that nobody waited for: that is to be reported. */
void tine__faults_due(lua_State *L, struct core *c);
/* --- workers.c --- */
/* Push a future that has ended, for the queue of callbacks, of this core: errors go where those of its tasks go. */
struct future *tine__carrier_push(lua_State *L, struct core *c, const char *label);
/* Workers of this core's pool have ended: on_worker_exit is due for each. */
void tine__exits_due(lua_State *L, struct core *c);
int tine__box_gc(lua_State *L);
int tine__room_gc(lua_State *L);
int tine__core_gc(lua_State *L);
int tine__chunk_gc(lua_State *L);
int tine__bytes_gc(lua_State *L);
int tine__callback_handler(lua_State *L);
int tine__callback_report(lua_State *L);

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

/* --- options.c --- */

/* An option table's keys: raises an argument error for one that is not in `known` (NULL ends it). */
void tine__check_options(lua_State *L, int arg, const char *const *known);
/* The same for the table at `idx`, which is the value of an option: messages say `prefix` before the names. */
void tine__check_fields(lua_State *L, int arg, int idx, const char *prefix,
                        const char *const *known);
/* Push option `name` of the table at `arg`; its type. */
int tine__option(lua_State *L, int arg, const char *name);
/* Raise: option `name` (its value on top) must be `wanted`. */
int tine__option_error(lua_State *L, int arg, const char *name, const char *wanted);
/* The option as a string, or `none` when nil; it stays on the stack. */
const char *tine__option_string(lua_State *L, int arg, const char *name, const char *none);
/* The option `label`, which names a task (C programs get it, too, so without zero bytes): pushes it, or nil: NULL. */
const char *tine__option_label(lua_State *L, int arg, size_t *len);
/* The option as a count of 1 or more, up to `max`; `none` when nil. */
uint64_t tine__option_count(lua_State *L, int arg, const char *name, uint64_t max, uint64_t none);
/* As ns; `none` when nil; UINT64_MAX for math.huge. */
uint64_t tine__option_seconds(lua_State *L, int arg, const char *name, uint64_t none);
/* As a run-time limit in ns, 0: none. */
uint64_t tine__option_limit(lua_State *L, int arg, const char *name, uint64_t none);
bool tine__is_callable(lua_State *L, int idx);
bool tine__option_flag(lua_State *L, int arg, const char *name, bool none);
/* As one of `names` (NULL ends it): its number; 0 when nil. */
int tine__option_choice(lua_State *L, int arg, const char *name, const char *const *names);
int tine__nearest(lua_State *L); /* core.nearest(name, list) */

/* --- data.c --- */

int tine__data_buffer(lua_State *L);
/* What tine__data_forked is. */
int tine__data_refuse_forked(lua_State *L);
int tine__data_freeze(lua_State *L);
int tine__data_type(lua_State *L);

#endif

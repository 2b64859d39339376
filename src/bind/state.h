/* Bind: the C half of the Lua module (tine.core), on top of the pool. This header: the module's
** state in one lua_State.
**
** DESIGN
**
** What a script holds, and what that holds:
**
**     pool, view (userdata) -> core (userdata) -> struct pool
**     future (userdata, its outcome inside) -> metatable -> core
**
** A core is anchored in the state's table of cores until its pool has ended and was joined. So a
** pool to which nothing refers any more still finishes its tasks; the __gc of the pool userdata
** only shuts it down. While a task is in flight, its future has an item, which belongs to the core,
** and is anchored in the state's table of anchors, under the number in its `struct anchor`. Both
** end when the Lua thread takes the item from the core's inbox (tine__reap): scripts keep futures
** by the million, while what is in flight is little and stays in the processor's cache.
**
** The futures of a core have a metatable of their own, which holds the core: a user value in each
** future would cost more. Futures have no __gc, which would cost more than all the rest of a small
** task. What an outcome owns beyond its own bytes is moved into a *box*, a userdata with a __gc,
** when the future is reaped.
**
** All functions of the module are C closures with the same upvalues (enum upvalue): comparing a
** metatable with an upvalue takes a third of the time of luaL_checkudata.
**
** The collector may run a script's finalizers wherever memory is allocated, and these may call any
** function of the module. So no C structure is left half-changed across a call that allocates.
*/
#ifndef TINE_BIND_STATE_H
#define TINE_BIND_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <lauxlib.h>
#include <lua.h>
#include "base/list.h"

/* Upvalues of every function. */
enum upvalue { UP_STATE = 1, UP_FUTURE, UP_POOL, UP_VIEW, UP_ANCHORS, UP_LAST = UP_ANCHORS };
#define UP(which) lua_upvalueindex(which)

/* User values of the state userdata. */
enum kept {
    KEPT_CORES = 1, /* table from address to core, until it is joined */
    KEPT_DUE,       /* futures and chunks with callbacks to run: [due_first .. due_last] */
    /* Pairs of an internal callback (tine__give_add) and its future: [gives_first ..
    ** gives_last]. */
    KEPT_GIVES,
    KEPT_BOX, /* metatables, up to KEPT_SWEEPER */
    KEPT_ROOM,
    KEPT_CORE,
    KEPT_CHUNK,
    KEPT_WATCH,
    KEPT_BYTES,
    KEPT_CLOSER_META,
    KEPT_SWEEPER,
    KEPT_CLOSER,
    KEPT_ADVANCE,   /* function of map.lua: what the iterator does when no result is there */
    KEPT_WAITER,    /* tine__wait_ended as a Lua function */
    KEPT_HANDLER,   /* message handler of callbacks */
    KEPT_REPORT,    /* default for errors of callbacks */
    KEPT_TRACEBACK, /* the traceback that the message handler made */
    KEPT_HANDLE,    /* metatable */
    KEPT_FUTURES,   /* weak table from a tine_future's address to the future that follows it */
    KEPT_PUSH_POOL, /* functions of adopt.c */
    KEPT_PUSH_FUTURE,
    KEPT_POOL_OF,
    KEPT_FUTURE_OF,
    /* Number of a nested task -> its future, and the negated number -> its origin. */
    KEPT_NESTED,
    KEPT_FREE,        /* memory of state.free */
    KEPT_WEAK,        /* weak table of anchored values */
    KEPT_EVENTS,      /* metatable */
    KEPT_AWAIT_EVENT, /* function of loop.lua: wait for an event of a future */
    KEPT_LAST = KEPT_AWAIT_EVENT
};

/* Size of the cache of known views, as a power of two. */
#define KNOWN_BITS 7
#define KNOWN (1u << KNOWN_BITS)

struct state {
    struct list cores; /* all that are not joined */
    /* Those of them with unfinished tasks of this state, or that were told to shut down. */
    struct list busy;
    struct list news;      /* released items whose futures or chunks have not been told yet */
    struct list heard;     /* items (by `heard`) with new events */
    struct list limbo;     /* like `news`, but their futures are just being collected (events.c) */
    struct list questions; /* items (by `question`) about which `when` must be asked */
    struct list boxes;     /* all boxes, since those made while lua_close runs are not finalized */
    lua_State *main;
    bool inside;         /* it is the state in which tasks of an in-process pool run */
    unsigned generation; /* of the process: in a forked child all pools are unusable */
    unsigned ncores;
    lua_Integer due_first, due_last;
    lua_Integer gives_first, gives_last;
    /* Number of internal callbacks (tine__give_add) that have not run, those of collected futures
    ** included. */
    uint64_t promised;
    unsigned depth;       /* callbacks running inside each other */
    bool put_off;         /* some due callbacks wait for these to return */
    unsigned asking;      /* how many of these are functions `when`, on which tasks depend */
    uint32_t slots;       /* size of the table of anchors */
    uint32_t *free;       /* stack of free slots in it */
    uint32_t nfree, room; /* its length and capacity */
    bool sweeping;        /* a sweeper userdata exists (tine__sweep_later) */
    /* lua_close waits for the pools; what is made from now on is not finalized. */
    bool closing;
    bool closed;           /* lua_close is done with the pools; nothing works any more */
    unsigned nested;       /* nested tasks of this state that have not ended */
    uint64_t nested_first; /* lower bound of their numbers */
    unsigned filenos;      /* number of cores with a descriptor (fileno.c) */
    /* Cache of views that were checked last, by address, until they are finalized. */
    const void *known[KNOWN];
    atomic_bool stirred; /* inbox.stirred of all its cores */
    uint64_t changes;    /* grows when news is taken and pools are opened or joined */
};

/* Make the closer: a userdata whose __gc must run before all others of the module at lua_close. It
** is made anew for each pool, because finalizers run in reverse order of creation, and those of
** codecs must come later. Older ones may be collected. */
void tine__closer_renew(lua_State *L);
/* Make a userdata whose __gc takes in news in each cycle of the collector while there are pools, in
** case the script never calls the module again: so pools that were collected are joined when they
** have ended, and tasks whose futures were collected do not wait for a reader of their events. */
void tine__sweep_later(lua_State *L);
int tine__sweep(lua_State *L);

static inline struct state *state_of(lua_State *L) {
    return lua_touserdata(L, UP(UP_STATE));
}
static inline void push_kept(lua_State *L, enum kept which) {
    lua_getiuservalue(L, UP(UP_STATE), which);
}
/* Push the upvalues of the running function, to make another one. */
static inline void push_upvalues(lua_State *L) {
    for (int up = 1; up <= UP_LAST; up++)
        lua_pushvalue(L, UP(up));
}
/* The userdata at `arg` if it has this metatable; else NULL. */
static inline void *test_kept(lua_State *L, int arg, enum kept meta) {
    void *p = lua_touserdata(L, arg);
    if (!p || !lua_getmetatable(L, arg))
        return NULL;
    push_kept(L, meta);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? p : NULL;
}
/* Set a field of the table on top. */
static inline void set_count(lua_State *L, const char *name, uint64_t n) {
    lua_pushinteger(L, (lua_Integer)n);
    lua_setfield(L, -2, name);
}

/* The closer's __gc: at lua_close, wait for all pools that are left and free them. */
int tine__state_gc(lua_State *L);
/* Lua function (core, deadline): wait until the core's pool (light userdata; nil: all pools) has
** ended and was joined. Returns whether it has before the deadline (integer, optional). */
int tine__wait_ended(lua_State *L);
/* In a forked child: drop the parent's pools from the lists. */
void tine__state_check(lua_State *L, struct state *S);

#endif

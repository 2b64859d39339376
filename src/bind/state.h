/* Bind: the C half of the Lua module (tine.core), on top of the pool. This header: the module in one Lua state.
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

/* How many views are known by their addresses, and that as bits. */
#define KNOWN_BITS 7
#define KNOWN (1u << KNOWN_BITS)

struct state {
    struct list cores; /* not joined yet */
    struct list busy;  /* of them those that have tasks of ours, or were told to end */
    struct list news;  /* items that the pools have released and that are still to be dealt with */
    struct list heard; /* items (by `heard`) that have events */
    struct list limbo; /* items like news, whose futures are just being collected (events.c) */
    struct list questions; /* items (by `question`) whose `when` is to be asked */
    struct list boxes;     /* all there are: those made while lua_close runs get no __gc */
    lua_State *main;
    bool inside;         /* it is the state of a pool without processes, where tasks run */
    unsigned generation; /* of the process: in a forked child all pools are dead */
    unsigned ncores;
    lua_Integer due_first, due_last;
    lua_Integer gives_first, gives_last;
    /* Callbacks that are to give something to a task, and have not; those of collected futures, too. */
    uint64_t promised;
    unsigned depth;        /* callbacks running inside each other */
    bool put_off;          /* some have waited for these to return */
    unsigned asking;       /* of these, functions `when`, which tasks stand for */
    uint32_t slots;        /* of the anchors, free ones too */
    uint32_t *free;        /* the numbers of those, a stack */
    uint32_t nfree, room;  /* how many there are, and for how many it has room */
    bool sweeping;         /* a userdata is there for tine__sweep */
    bool closing;          /* lua_close waits for the pools: what is made now is not finalized */
    bool closed;           /* and nothing works any more */
    struct closer *closer; /* anchored in KEPT_CLOSER */
    unsigned nested;       /* tasks that tasks here have submitted, and that have not ended */
    uint64_t nested_first; /* none of them has a lower number */
    unsigned filenos;      /* cores that have one (fileno.c) */
    /* By address: views that were checked last, until they are finalized. */
    const void *known[KNOWN];
    atomic_bool stirred; /* something else than a task may have ended: inbox.stirred */
    uint64_t changes;    /* news taken, pools opened and joined: has anything happened? */
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

#endif

/* Core: what one Lua state keeps for one pool, as long as any Lua value of the pool is in use. */
#ifndef TINE_BIND_CORE_H
#define TINE_BIND_CORE_H

#include "base/sys.h"
#include "bind/items.h"
#include "bind/state.h"
#include "codec/codec.h"
#include "pool/inbox.h"
#include "pool/pool.h"

/* A buffer in which calls are encoded. It is taken while in use; nested users get another one. */
#define ROOM_SIZE 2048
struct room {
    struct core *core; /* the core is user value 1 */
    const void *frame; /* the C frame of the function that uses it */
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
    struct list busy; /* in state.busy, or in no list */
    struct state *state;
    struct pool *p;     /* NULL before it is opened, and once it has ended and was joined */
    struct inbox inbox; /* of this Lua state's tasks */
    /* The pool's memory, held beyond its end for an encoding that was under way, or because the
    ** pool is the program's. */
    struct pool *held;
    /* The C library's pool (adopt.c), whose end is up to the program; NULL: a pool made in Lua. */
    struct tine_pool *program;
    unsigned encoding;       /* number of encodings under way, one inside the other */
    unsigned generation;     /* of the process that opened the pool */
    struct pool_stats stats; /* statistics at the end of the pool */
    struct figures_told told;
    uint64_t looks, encoding_ns; /* calls that were encoded, and how many ns that took (samples) */
    struct failure *reason;      /* why the pool was broken or killed; NULL: it was not */
    struct codec *codec;
    /* Current metatable of futures; in the registry, under the core's address, until the core is
    ** joined. */
    const void *meta;
    uint32_t origins_age; /* how many such metatables there were before */
    uint32_t norigins;    /* number of origins in the current one */
    struct room *room;    /* the room in CORE_ROOM */
    bool room_free;
    struct items items;
    struct settings *settings; /* default settings of the pool's tasks */
    bool joined;
    bool closing; /* this state has told it to shut down */
    bool dropped; /* its userdata was collected */
    bool far;     /* its workers are on other machines */
    bool here;    /* in-process: tasks run in program threads */
    unsigned workers;
    uint32_t since_poll; /* submits since results were last taken in */
    uint64_t taken;      /* how many times news was taken from its inbox */
    uint64_t shown;      /* the same when its loop was told last */
    int epoll;           /* the descriptor of pool:fileno (fileno.c), or -1 */
    int due;             /* readable while callbacks are due, or -1 */
    int alarm;           /* a timer descriptor for the loop, or -1 */
    bool rung;           /* `due` must be readable for another reason, too */
    bool polled;         /* an event loop may know the descriptor until the pool is collected */
    /* An event loop uses the descriptor until it releases it: CORE_LOOP (loop.c). */
    bool served;
    /* The loop watches the descriptor and keeps running while tasks are unfinished. */
    bool awake;
    bool turning;      /* the loop is taking news now */
    bool loose;        /* a wait has loosened tasks of the pool that stand (pool/events.h) */
    unsigned awaiting; /* coroutines of a loop that wait for ends of its tasks */
    struct root_watch *fileno_watch;
    struct remote *places; /* at the end of the pool: the workers on other machines */
    unsigned nplaces;
    struct heavy *heavy;                /* functions whose calls carry much data (heavy.c) */
    const struct codec_stored *reading; /* the shared value that is being decoded here */
};

/* So many encodings are timed, and later the last one of as many, which stands for them all, because
** reading the clock costs as much as a small call. */
#define ENCODINGS_TIMED 16

static inline uint64_t core_begin_look(struct core *c) {
    uint64_t n = c->looks++;
    return n < ENCODINGS_TIMED || n % ENCODINGS_TIMED == ENCODINGS_TIMED - 1 ? tine__now() : 0;
}

static inline void core_end_look(struct core *c, uint64_t since) {
    if (since)
        c->encoding_ns +=
            (tine__now() - since) * (c->looks > ENCODINGS_TIMED ? ENCODINGS_TIMED : 1);
}

/* About how many ns all encodings have taken. */
static inline double core_encoding_time(const struct core *c) {
    uint64_t untimed = c->looks > ENCODINGS_TIMED ? c->looks % ENCODINGS_TIMED : 0;
    double each = c->looks > 0 ? (double)c->encoding_ns / (double)(c->looks - untimed) : 0;
    return (double)c->encoding_ns + each * (double)untimed;
}

/* Tasks of the core may have news: waits poll it until it has no unfinished tasks. */
static inline void core_is_busy(struct core *c) {
    if (c->p && !c->joined && list_empty(&c->busy))
        list_push(&c->state->busy, &c->busy);
}

/* Is this the process that opened the pool? */
bool tine__core_is_ours(const struct core *c);
/* A copy of a function's origin, for labels of futures that are read long after the pool has freed
** its memory. The current metatable of futures holds it. When that has many origins, later futures
** get a new metatable, and core->origins_age grows. So origins are freed with the last future that
** may refer to them, and futures, of which there may be millions, need no finalizer. NULL: the pool
** has ended. */
const struct codec_origin *tine__core_origin(void *core, lua_State *L,
                                             const struct codec_origin *origin);
/* Push the current metatable of futures, which also holds the core. nil: the core was joined. */
void tine__core_push_meta(lua_State *L, const struct core *c);
/* Remove the core from the state's tables, when opening failed or the pool was joined. */
void tine__core_unanchor(lua_State *L, struct core *c);
/* Raises `forked` in a child of the process that opened the pool, and an error if the Lua state is
** being closed. */
void tine__check_process(lua_State *L, const struct core *c);
/* Shut the pool down; does not wait and never raises. */
void tine__core_close(struct core *c, bool cancel);
/* The pool has ended: join it, keep its statistics and reason, and free its memory (unless an
** encoding still uses that). tine__core_retire is the part that does not touch Lua. */
void tine__core_join(lua_State *L, struct core *c);
void tine__core_retire(struct state *S, struct core *c);

/* Make the room of the core at stack index `core`. False: the pool has ended. */
bool tine__room_make(lua_State *L, struct core *c, int core);
/* Take an empty room of the core of the pool or view at `view`: the core's own, or, if that is
** taken, a new one, which is pushed. Raises if the pool has ended. Give it back with
** tine__room_put. */
struct room *tine__room_take(lua_State *L, struct core *c, int view);
/* The same without a view. NULL: the pool has ended. May leave values on the stack. */
struct room *tine__room_take_of(lua_State *L, struct core *c);
void tine__room_put(struct core *c, struct room *r);

/* To be called around the encoding of a call. A finalizer that runs meanwhile may end the pool,
** whose memory must stay while the buffer may grow in it. (If an error leaves the encoding, it
** stays as long as the core.) */
static inline void core_begin_encoding(struct core *c) {
    c->encoding++;
}
void tine__core_end_encoding(struct core *c);

/* --- core_open.c --- */

/* Push a new pool userdata, without its metatable, and its core, which is anchored but has no pool
** yet. */
struct core *tine__core_push(lua_State *L);
/* Give the core at stack index `core` its codec, room and callbacks, from the option table at
** `arg`. Its pool is set, its inbox not yet open. */
void tine__core_equip(lua_State *L, struct core *c, int core, int arg, bool send_globals);
/* Open the core's inbox and enter it into the state's list. Does not raise. */
void tine__core_start(struct state *S, struct core *c, unsigned workers);

int tine__room_gc(lua_State *L);
int tine__core_gc(lua_State *L);

#endif

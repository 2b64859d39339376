/* A core: what the module keeps for one pool, for as long as anything of it is in use. */
#ifndef TINE_BIND_CORE_H
#define TINE_BIND_CORE_H

#include "base/sys.h"
#include "bind/items.h"
#include "bind/state.h"
#include "codec/codec.h"
#include "pool/inbox.h"
#include "pool/pool.h"

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
    /* Its memory, when that was in the midst of an encoding, or is the program's. */
    struct pool *held;
    /* Of the C library, whose pool it is (adopt.c); NULL: ours, to be ended by us. */
    struct tine_pool *program;
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
/* Raises `forked` in a child of the process that opened it. */
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
/* The same without a view; NULL: the pool has ended. It may leave values on the stack. */
struct room *tine__room_take_of(lua_State *L, struct core *c);
void tine__room_put(struct core *c, struct room *r);

/* Around the encoding of a call: a finalizer that runs meanwhile may end the pool, whose memory must stay as
** long as the buffer may grow in it. (If an error leaves the encoding it stays as long as the core.) */
static inline void core_begin_encoding(struct core *c) {
    c->encoding++;
}
void tine__core_end_encoding(struct core *c);

/* --- core_open.c --- */

/* Push a new pool userdata, still without its metatable, whose core is anchored and knows no pool yet; the
** core is pushed after it. */
struct core *tine__core_push(lua_State *L);
/* It knows its pool, but for its inbox: give the core at `core` what it needs to encode, and the options in the
** table at `arg` that are ours. */
void tine__core_equip(lua_State *L, struct core *c, int core, int arg, bool send_globals);
/* Open its inbox: from now on it is one of the state's. Does not raise. */
void tine__core_start(struct state *S, struct core *c, unsigned workers);

int tine__room_gc(lua_State *L);
int tine__core_gc(lua_State *L);

#endif

/* pool:map, the half that is done for every item: reading, encoding, sending in chunks, and taking results. How many
** items make a chunk and how far to read ahead is decided above, in lua/tine/map.lua.
**
** A *map* is the iterator that the script holds. Items are encoded as soon as they are read (so each is sent as it
** was then) behind one another in the map's own buffer, of which a chunk is made: a userdata with the item and its
** outcomes, anchored while in flight and queued in the map until its results are taken. The map knows its chunks by a
** C list, and each chunk its map, which may be collected first.
**
**   map.c        the object           map_chunk.c  what is under way, and its end
**   map_fill.c   reading, sending     map_take.c   taking results, waiting for them
**
** In all of it the map is at stack index 1.
*/
#ifndef TINE_BIND_MAP_H
#define TINE_BIND_MAP_H

#include "bind/chunk.h"
#include "bind/submit.h"

enum {               /* user values of a map */
       MAP_CORE = 1, /* or a metatable of futures, which holds the core, and the origin */
       MAP_VIEW,     /* keeps the label */
       MAP_FUNCTION,
       MAP_ITEMS, /* list or iterator */
       MAP_QUEUE, /* serial -> chunk */
       MAP_CONTROL,
       MAP_CHUNK,    /* the current one */
       MAP_ON_EVENT, /* a function, or nil */
       MAP_LAST = MAP_ON_EVENT
};

struct map {
    struct core *core;
    struct task_name name;     /* of the chunks: label and origin */
    struct settings *settings; /* of the view in MAP_VIEW */
    struct call_buf call;
    uint32_t function; /* bytes of the function segment in the buffer */
    uint32_t count;    /* argument segments in it */
    bool begun;        /* label and function segment are in it */
    bool hears;        /* there is a function in MAP_ON_EVENT */
    bool is_list, ordered, return_errors, closed;
    bool patient;       /* reading an item may take any time */
    bool yields;        /* where there is no room it is not for us to wait */
    bool followed;      /* map.lua wants to hear of each step (progress) */
    unsigned filling;   /* calls of tine__map_fill, one inside the other: they own the buffer */
    lua_Integer unsent; /* the newest chunk's serial while it is being sent, or 0 */
    uint64_t message;   /* core->messages when it was begun */
    uint64_t first;     /* index of the first item in the buffer */
    uint64_t read, sent, returned; /* items */
    uint64_t length;               /* of a list */
    uint64_t serial;               /* among the calls of submit and map on its pool */
    lua_Integer head, tail;        /* serials of the oldest and the newest chunk */
    struct list chunks;            /* not collected */
    struct list news;              /* unordered: chunks that have results to take */
    struct chunk *chunk;           /* current */
    uint32_t k;                    /* its next task */
    uint64_t settled;              /* items of chunks that are done */
    uint64_t settled_at;           /* when the last of them was taken in */
    uint64_t ended, failed;        /* items, when it is followed */
    uint64_t tick;                 /* the coarse clock after the last read */
    char bytes[ROOM_SIZE];
};

struct chunk { /* user values: core, view, the map's function for events */
    struct anchor anchor;
    struct core *core;
    struct map *map;   /* NULL: collected, or closed */
    struct list node;  /* in map->chunks */
    struct list fresh; /* in map->news */
    bool collected;    /* its __gc has run: at lua_close that may be before it is done */
    lua_Integer serial;
    uint32_t next; /* the first task that was not taken, when it is not the current one */
    uint32_t count;
    uint32_t told; /* of a map that is followed: those before it are among map->ended */
    struct task_name name;
    struct events *events; /* if somebody hears them; else NULL */
    bool hearing;          /* it is in the queue of what is due */
    struct outcome outcomes[];
};

/* The map at `arg`, in its own process. */
static inline struct map *check_map(lua_State *L, int arg) {
    struct map *m = luaL_checkudata(L, arg, "tine.map");
    tine__check_process(L, m->core);
    return m;
}

/* --- map_chunk.c --- */

/* Push a chunk of `count` items, the first with this index; the draft of its item. */
struct draft tine__chunk_new(lua_State *L, struct map *m, uint32_t count, uint64_t index);
/* The chunk on top is about to be sent. What its results need is made first, so that nothing can fail once it is on
** its way. False: the map has been closed. */
bool tine__chunk_enqueue(lua_State *L, struct map *m);
/* It was not sent. */
void tine__chunk_dequeue(lua_State *L, struct map *m);
/* The chunk that was drafted has been sent so. */
void tine__chunk_sent(lua_State *L, struct map *m, const struct draft *d);
/* What the chunk at `idx` has emitted, and is there, is heard now. */
void tine__chunk_hear_all(lua_State *L, struct chunk *c, int idx);
/* Forget what is in the buffer. */
void tine__map_drop_buffer(struct map *m);
/* Cancel what has not started; what has ended is forgotten. */
void tine__map_end(struct map *m);
/* Items whose tasks have not ended, of `all`. */
uint64_t tine__map_unfinished(const struct map *m, uint64_t all);

/* --- map_take.c --- */

/* Take in what has come of this map's pool. True: a result can be taken at once. */
bool tine__map_look(lua_State *L, struct map *m);
int tine__map_call(lua_State *L); /* __call */
/* ready(map, deadline, more): wait until a result can be taken; true, or false: nothing is under way, though the time
** is not over or there is no `more` to read. */
int tine__map_ready(lua_State *L);
/* peek(map): `ready` would not wait. */
int tine__map_peek(lua_State *L);
/* take(map): the next result if it is there, else nothing. */
int tine__map_take(lua_State *L);
/* doze(map, deadline, seconds): wait until `ready` would not, for so long at most. False: it still would. */
int tine__map_doze(lua_State *L);
/* ended, failed = followed(map): items, as they are taken in. */
int tine__map_followed(lua_State *L);
/* ... = counts(map): see there. */
int tine__map_counts(lua_State *L);

/* --- map_fill.c --- */

/* fill(map, n, size, yields): read up to `n` items more and send them in chunks of `size`. True when the input has
** ended. What the input raises leaves the buffer as it is. A second true (only with `yields`): there is no room for
** what is in the buffer just now, so that nothing more was read; it is to be flushed. */
int tine__map_fill(lua_State *L);
/* flush(map, yields): send what is in the buffer. True: there is no room. */
int tine__map_flush(lua_State *L);

extern const luaL_Reg tine__map_functions[], tine__map_methods[], tine__map_meta[];

#endif

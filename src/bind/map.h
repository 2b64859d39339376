/* pool:map, the part that is done for each item: reading, encoding, sending in chunks, taking
** results. How many items make a chunk and how far to read ahead is decided in lua/tine/map.lua.
**
** A *map* is the iterator that the script holds. Items are encoded as soon as they are read (so
** each is sent as it was then), one behind the other, in the map's own buffer. A chunk is made of
** that buffer: a userdata with the item and its outcomes, anchored while in flight and queued in
** the map until its results are taken. The map knows its chunks by a C list, and each chunk its
** map, which may be collected first. So the struct is allocated apart from the userdata: when the C
** stack is nearly used up, Lua frees a userdata without having called its __gc.
**
**   map.c        the object           map_chunk.c  chunks in flight, and their ends
**   map_fill.c   reading, sending     map_take.c   taking results, waiting for them
**
** In all these functions the map is at stack index 1.
*/
#ifndef TINE_BIND_MAP_H
#define TINE_BIND_MAP_H

#include "bind/chunk.h"
#include "bind/errors.h"
#include "bind/submit.h"

enum { /* user values of a map */
       /* The core; later a metatable of futures, which holds the core and the origin. */
       MAP_CORE = 1,
       MAP_VIEW, /* the view, which holds label and settings */
       MAP_FUNCTION,
       MAP_ITEMS, /* the list or the iterator */
       MAP_QUEUE, /* table from serial to chunk */
       MAP_CONTROL,
       MAP_CHUNK,    /* the current chunk */
       MAP_ON_EVENT, /* the option on_event: a function, or nil */
       MAP_LAST = MAP_ON_EVENT
};

struct map {
    struct core *core;
    struct task_name name;     /* label and origin, for the chunks */
    struct settings *settings; /* of the view in MAP_VIEW */
    struct call_buf call;
    uint32_t function; /* length of the function segment in the buffer */
    uint32_t count;    /* number of argument segments in the buffer */
    bool begun;        /* label and function segment are in the buffer */
    bool hears;        /* MAP_ON_EVENT is a function */
    bool is_list, ordered, return_errors, closed;
    bool patient;       /* reading an item may take any time */
    bool yields;        /* when there is no room, fill and flush return instead of waiting */
    bool followed;      /* map.lua wants to know each step, for a progress display */
    unsigned filling;   /* nested calls of tine__map_fill, which own the buffer */
    lua_Integer unsent; /* serial of the newest chunk while it is being sent, or 0 */
    uint64_t message;   /* number of the function in the buffer (tine__codec_function) */
    uint64_t first;     /* index of the first item in the buffer */
    uint64_t read, sent, returned; /* number of items */
    uint64_t length;               /* of a list of items */
    /* Number of the map among the calls of submit and map on its pool. */
    uint64_t serial;
    lua_Integer head, tail; /* serials of the oldest and the newest chunk */
    struct list chunks;     /* chunks that have not landed, or whose events were not heard */
    struct list news;       /* unordered maps: chunks with results to take */
    struct chunk *chunk;    /* the current chunk */
    uint32_t k;             /* its next task */
    uint64_t settled;       /* number of items in chunks that have ended */
    uint64_t settled_at;    /* when the last such chunk was taken in */
    uint64_t ended, failed; /* number of items, counted if the map is followed */
    uint64_t tick;          /* the coarse clock after the last read */
    char bytes[ROOM_SIZE];
};

struct chunk { /* user values: core, view, MAP_ON_EVENT */
    struct anchor anchor;
    struct core *core;
    struct map *map;   /* NULL: the map was collected or closed */
    struct list node;  /* in map->chunks */
    struct list fresh; /* in map->news */
    bool collected;    /* its __gc has run; at lua_close that may be before it has ended */
    lua_Integer serial;
    uint32_t next; /* first task whose result was not taken, while it is not the current chunk */
    uint32_t count;
    uint32_t told; /* followed maps: tasks before this one are counted in map->ended */
    struct task_name name;
    struct events *events; /* if somebody reads them, else NULL */
    bool hearing;          /* in the queue of due entries */
    struct outcome outcomes[];
};

/* The map at `idx`, which is one; NULL: it was finalized. */
static inline struct map *map_at(lua_State *L, int idx) {
    return *(struct map **)lua_touserdata(L, idx);
}
/* The map at `arg`; raises in a forked child, and if it was finalized. */
static inline struct map *check_map(lua_State *L, int arg) {
    struct map *m = *(struct map **)luaL_checkudata(L, arg, "tine.map");
    if (!m) /* a finalizer of an older object may still have it */
        tine__error(L, TINE_EINVALID, "this map has been finalized");
    tine__check_process(L, m->core);
    return m;
}

/* --- map_chunk.c --- */

/* Push a chunk of `count` items, of which the first has this index; returns the draft of its
** item. */
struct draft tine__chunk_new(lua_State *L, struct map *m, uint32_t count, uint64_t index);
/* Enter the chunk on top into the map's queue before it is sent. Makes all that its results need,
** so that nothing can fail once it is sent. False: the map has been closed. */
bool tine__chunk_enqueue(lua_State *L, struct map *m);
/* Take the unsent chunk out of the queue again. */
void tine__chunk_dequeue(lua_State *L, struct map *m);
/* The chunk was sent. */
void tine__chunk_sent(lua_State *L, struct map *m, const struct draft *d);
/* Call on_event for the events of the chunk at `idx` that are there. */
void tine__chunk_hear_all(lua_State *L, struct chunk *c, int idx);
/* Empty the buffer. */
void tine__map_drop_buffer(struct map *m);
/* End the map: cancel its tasks that have not begun, and forget the others. */
void tine__map_end(struct map *m);
/* How many of `all` items have not ended. */
uint64_t tine__map_unfinished(const struct map *m, uint64_t all);

/* --- map_take.c --- */

/* Take in results of the map's pool. True: a result can be taken at once. */
bool tine__map_look(lua_State *L, struct map *m);
int tine__map_call(lua_State *L); /* the map's __call */
/* ready(map, deadline, more): wait until a result can be taken, and return true; false: nothing is
** in flight. Without `more` to read, the deadline is not checked then. */
int tine__map_ready(lua_State *L);
/* peek(map): would `ready` return at once? */
int tine__map_peek(lua_State *L);
/* take(map): the next result if it is there, else nothing. */
int tine__map_take(lua_State *L);
/* doze(map, deadline, seconds): wait until `ready` would return at once, for `seconds` at most.
** Returns whether it would. */
int tine__map_doze(lua_State *L);
/* ended, failed = followed(map): number of items, after taking in results. */
int tine__map_followed(lua_State *L);
/* ... = counts(map): see map_take.c. */
int tine__map_counts(lua_State *L);

/* --- map_fill.c --- */

/* fill(map, n, size, yields): read up to `n` more items and send them in chunks of `size`. Returns
** true if the input has ended. An error of the input leaves the buffer as it is. With `yields`, a
** second true means that there was no room to send the buffer, so nothing more was read; call flush
** later. */
int tine__map_fill(lua_State *L);
/* flush(map, yields): send the buffer. Returns true if there is no room. */
int tine__map_flush(lua_State *L);

extern const luaL_Reg tine__map_functions[], tine__map_methods[], tine__map_meta[];

#endif

/* A task on its way to the pool. */
#ifndef TINE_BIND_SUBMIT_H
#define TINE_BIND_SUBMIT_H

#include "bind/anchor.h"
#include "bind/view.h"

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
    int idx;               /* which is here, */
    const void *meta;      /* and has this metatable, if it is a future */
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
int tine__try_submit(lua_State *L); /* pool:try_submit */

#endif

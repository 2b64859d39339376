/* Submitting tasks: encoding calls and handing items to the pool. */
#ifndef TINE_BIND_SUBMIT_H
#define TINE_BIND_SUBMIT_H

#include "bind/anchor.h"
#include "bind/view.h"

/* Description of an item that is about to be made. */
struct draft {
    struct task_name name; /* its id is set when it is submitted */
    uint32_t count;
    uint64_t serial;           /* of the map that it belongs to */
    bool mute;                 /* nobody will read its events */
    bool everywhere;           /* it is an errand (pool:everywhere) */
    struct settings *settings; /* of the view */
    struct outcome *outcomes;
    struct needs **needs;  /* what it needs, or NULL; taken over by the submit */
    int futures;           /* stack index of the table of futures that give it */
    struct anchor *anchor; /* of the future or chunk that holds the outcomes */
    int idx;               /* stack index of that */
    const void *meta;      /* the metatable of that, if it is a future */
};

/* Submit the item with the call in `cb`; or (failed) an item whose call could not be encoded. The
** future or chunk is anchored. Waits while max_pending tasks are unfinished. Raises what the pool
** refuses. */
void tine__send(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb,
                uint32_t function);
/* Like tine__send, but does not wait: false, and nothing has changed, if it would have to. */
bool tine__try_send(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb,
                    uint32_t function);
COLD void tine__send_failed(lua_State *L, struct core *c, struct draft *d, int code,
                            const char *text, size_t len);

/* The part of a call that precedes the arguments. */
struct head {
    struct task_name *name;
    const struct settings *settings;
    uint64_t serial;
    uint64_t function; /* set by tine__encode_head: the function's number (tine__codec_function) */
};
/* Append a struct call_extra if the settings need it, the label, and the function segment of the
** function at `fn`, whose length is *function. `serial` is the map's, or 0. 0, or a code with the
** message pushed. */
int tine__encode_head(lua_State *L, struct core *c, struct head *h, int fn, struct buf *b,
                      uint32_t *function);
/* Append the same for the function at 2 and the settings, and the `n` arguments behind it. The
** drafted future holds the function's origin then. Likewise. */
int tine__encode_call(lua_State *L, struct core *c, struct draft *d,
                      const struct settings *settings, int n, struct buf *b, uint32_t *function);

/* Let the drafted item end when the program's item `leader` does, which must not be freed yet; the
** future is anchored. False: the pool has ended, and so has the leader. Raises memory errors. */
bool tine__follow(lua_State *L, struct core *c, struct draft *d, struct item *leader);

/* Put an item that is not in flight back for reuse. */
void tine__item_put(struct core *c, struct item *item);

/* Is the value at `arg` a function, callable, or a name? */
bool tine__is_task(lua_State *L, int arg);
/* Raise an argument error of this method unless it is. The argument is counted as in a method
** call. */
void tine__check_task(lua_State *L, int arg, const char *method);
/* Raise the error for a pool that has ended. */
COLD void tine__refuse_ended(lua_State *L, struct core *c);

int tine__submit(lua_State *L); /* pool:submit */
/* The drafted item was submitted: complete its future and return it, with the stack cut to it. */
int tine__submitted(lua_State *L, const struct draft *d);

/* later.c: send the call in `r` when there is room, while the loop goes on. Its result is to be
** returned by the calling Lua function. */
COLD int tine__send_later(lua_State *L, struct core *c, const struct draft *d, struct room *r,
                          uint32_t function);
int tine__try_submit(lua_State *L); /* pool:try_submit */

#endif

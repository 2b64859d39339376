/* Waiting. tine__await is the only place where a Lua thread blocks. */
#ifndef TINE_BIND_AWAIT_H
#define TINE_BIND_AWAIT_H

#include "bind/future.h"

/* What a wait waits for. `met` must not raise errors or allocate. */
struct aim {
    bool (*met)(const struct aim *aim);
    const void *what;
    const struct future *future; /* the future that is awaited; NULL: all watched futures */
    uint64_t n;
    struct core *core; /* until the core's pool has ended, the aim may still be met */
    bool any;          /* the aim is certain to be met */
    /* Called when nothing in flight can meet the aim. Returns true if it has changed something,
    ** false to go on waiting. NULL: the wait raises an error. */
    bool (*give_up)(lua_State *L, const struct aim *aim);
    bool quiet; /* run no callbacks */
    /* For tine.sleep in a task that runs in an in-process pool: the task's Lua thread. */
    lua_State *inside;
    /* Does the wait need the end of this future or chunk? Called under the pool's lock, for tasks
    ** that stand (pool/events.h). NULL: no task's events can delay what is awaited. */
    bool (*ends)(const struct aim *aim, const struct anchor *a);
};
/* Take in results and run callbacks until the aim is met. 0 or TINE_ETIMEOUT. Raises
** `interrupted!`, system errors, and invalid_state if nothing can ever meet the aim. */
int tine__await(lua_State *L, const struct aim *aim, uint64_t deadline);
/* An aim.ends for waits that need all ends. */
bool tine__all_ends(const struct aim *aim, const struct anchor *a);
/* The deadline for the timeout at `arg`; nil: none. Raises argument errors. */
uint64_t tine__check_deadline(lua_State *L, int arg);
int tine__clock(lua_State *L); /* tine.clock */
int tine__sleep(lua_State *L); /* tine.sleep */

#endif

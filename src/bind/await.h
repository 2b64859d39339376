/* Waiting: the one place where the Lua thread stands still. */
#ifndef TINE_BIND_AWAIT_H
#define TINE_BIND_AWAIT_H

#include "bind/future.h"

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
    bool quiet;        /* run no callbacks */
    lua_State *inside; /* of a sleep of a task in a state inside the program: where it stands */
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
int tine__clock(lua_State *L); /* tine.clock */
int tine__sleep(lua_State *L); /* tine.sleep */

#endif

/* What the files of tine.worker.pool share: tasks that a task submits. Their futures are manual ones, which end when
** the worker hears of it (worker/task/nest.h); until then the state has them by their numbers.
*/
#ifndef TINE_BIND_NESTED_H
#define TINE_BIND_NESTED_H

#include "bind/await.h"
#include "msg/nested.h"
#include "worker/task/nest.h"

/* --- for the rest of the module --- */

/* Push tine.worker.pool. */
void tine__nested_push(lua_State *L);

/* Take in what has ended, without waiting. */
void tine__nested_poll(lua_State *L);
/* Wait for what the aim wants of such tasks, or until something has come of it; run some here. False: it wants none. */
bool tine__nested_await(lua_State *L, const struct aim *aim, uint64_t deadline);
/* Cancel the one whose future is at `idx`. */
void tine__nested_cancel(lua_State *L, struct future *f);
extern const luaL_Reg tine__nested_methods[], tine__nested_meta[];

/* --- for these files --- */

/* The pool, or a view of it. User value: the label. */
struct nested {
    const char *label;
    size_t label_len;
    struct settings *settings; /* NULL: none of its own */
    uint32_t set;              /* enum nested_set: which are */
};

/* The one at 1, which has not been finalized; else raises. */
struct nested *tine__check_nested(lua_State *L);

/* What `id` of such a future is until it has ended: the number, and the level of the task that has submitted it. */
#define NESTED_LEVEL_BIT 48

static inline uint64_t nested_id(uint64_t number, unsigned level) {
    return number | (uint64_t)level << NESTED_LEVEL_BIT;
}

/* pool:submit(fn, ...) */
int tine__nested_submit(lua_State *L);

/* Deal with the letters that have come. Raises what a callback has raised. */
void tine__nested_take_in(lua_State *L, struct loop *l);
/* From now on what a task has submitted is forgotten when it ends. Needs UP_LAST + 1 places on the stack. */
void tine__nested_prepare(lua_State *L);

/* A task that is to run at once. */
struct nested_here {
    const struct nested_call *said;
    const struct settings *settings; /* of which said->set count; NULL: none */
    const char *call;                /* its segments */
    const char *label;
    size_t label_len;
    const struct codec_origin *origin;
};
/* In a pool without processes: run it, all of its attempts. What would be posted of it, to be freed; NULL: no memory.
** Raises memory errors. */
struct posted *tine__nested_run(lua_State *L, struct loop *l, const struct nested_here *h);

#endif

/* tine.worker.pool: tasks that a task submits, shared by its files. Their futures are manual ones;
** they end when the worker receives their results (worker/task/nest.h). Until then the state finds
** them by number.
*/
#ifndef TINE_BIND_NESTED_H
#define TINE_BIND_NESTED_H

#include "bind/await.h"
#include "msg/nested.h"
#include "worker/task/nest.h"

/* --- for other files of the module --- */

/* Push tine.worker.pool. */
void tine__nested_push(lua_State *L);

/* Take in results, without waiting. */
void tine__nested_poll(lua_State *L);
/* Wait for the nested tasks that the aim needs, running some of them here, until the aim is met or
** something has changed. False: the aim needs no nested task. */
bool tine__nested_await(lua_State *L, const struct aim *aim, uint64_t deadline);
/* Cancel the nested task of future `f`. */
void tine__nested_cancel(lua_State *L, struct future *f);
extern const luaL_Reg tine__nested_methods[], tine__nested_meta[];

/* --- for the files of tine.worker.pool --- */

/* The pool, or a view of it. User value 1: the label. */
struct nested {
    const char *label;
    size_t label_len;
    struct settings *settings; /* NULL: no settings of its own */
    uint32_t set;              /* enum nested_set: which settings are set */
};

/* The pool or view at 1; raises if it was finalized. */
struct nested *tine__check_nested(lua_State *L);

/* The `id` of a nested future that has not ended: its number, and the level of the task that
** submitted it. */
#define NESTED_LEVEL_BIT 48

static inline uint64_t nested_id(uint64_t number, unsigned level) {
    return number | (uint64_t)level << NESTED_LEVEL_BIT;
}

/* pool:submit(fn, ...) */
int tine__nested_submit(lua_State *L);

/* Raise an error in an encode function: the buffer is in use that requests to the pool need. */
void tine__nested_check_encoding(lua_State *L, const struct loop *l);
/* Handle the letters that have come. Raises what a callback has raised. */
void tine__nested_take_in(lua_State *L, struct loop *l);
/* Register the function that forgets a task's nested tasks when the task ends. Needs UP_LAST + 1
** stack slots. */
void tine__nested_prepare(lua_State *L);

/* A nested task that is run at once. */
struct nested_here {
    const struct nested_call *said;
    const struct settings *settings; /* those that said->set names; NULL: none */
    const char *call;                /* function and argument segments */
    const char *label;
    size_t label_len;
    const struct codec_origin *origin;
};
/* In a pool without processes: run the task with all its attempts. Returns the letter with its
** result, to be freed; NULL: no memory. Raises memory errors. */
struct posted *tine__nested_run(lua_State *L, struct loop *l, const struct nested_here *h);

#endif

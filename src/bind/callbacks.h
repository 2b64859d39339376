/* Running functions of the script when something has come, and reporting their errors.
**
** The queue of due entries holds futures and chunks. Callbacks run only in the thread that owns the
** Lua state, in waits and where the script dispatches. */
#ifndef TINE_BIND_CALLBACKS_H
#define TINE_BIND_CALLBACKS_H

#include "bind/future.h"

/* Limit of callbacks that run inside each other; further ones wait until these have returned. */
#define NESTED_CALLBACKS 50

/* Raise Lua's error for too many nested C calls if a callback could not even start or have its
** error reported. To be called before a callback is taken from the queue, from which it would be
** lost. */
void tine__callback_room(lua_State *L);
/* Call the function below the `n` arguments on top (all popped). Errors are reported as those of
** callbacks of the future or chunk at `idx`. */
void tine__callback_invoke(lua_State *L, int idx, int n);
/* Report the error on top (popped), which has no traceback, in the same way. */
void tine__callback_failed(lua_State *L, int idx);
/* The same for an error that a protected call with KEPT_HANDLER returned with this status. Raises
** `interrupted!`. */
void tine__callback_raised(lua_State *L, int idx, int status);
/* Append the future or chunk at `idx` to the queue of due entries. */
void tine__due_push(lua_State *L, int idx);

/* Report the error on top (popped), raised by a callback of the future or chunk at `idx`: to the
** pool's on_callback_error, or to stderr. */
void tine__callback_error(lua_State *L, int idx);

void tine__check_callable(lua_State *L, int arg);
/* Add the function at `fn` to the callbacks of the future at `idx`. False: a finalizer that ran
** meanwhile has ended the future, and nothing was added. */
bool tine__callback_add(lua_State *L, struct future *f, int idx, int fn);
/* The same for a future that is done, while too many callbacks run inside each other, or some of
** its events were not told yet: it becomes due. */
void tine__callback_add_due(lua_State *L, struct future *f, int idx, int fn);
/* Add an internal callback that gives the future's result to a task that needs it as an argument.
** Such callbacks run in every wait, also in those that run no callbacks, which may depend on that
** task. False: as above. */
bool tine__give_add(lua_State *L, struct future *f, int idx, int fn);
void tine__gives_run(lua_State *L);
/* The future at `idx` is done: its callbacks, if any, become due. Room for them in the queues is
** made by the first function, before; the future's extras are at `extras`. */
void tine__due_room(lua_State *L, int extras);
/* Make room in the queue on top (popped) for `n` entries behind the last one, so that they can be
** put there without memory. */
void tine__queue_room(lua_State *L, lua_Integer last, lua_Integer n);
void tine__callbacks_due(lua_State *L, struct future *f, int idx);
/* Run all that is due. Raises `interrupted!`, and before anything was taken from the queue an error
** for too many nested C calls. */
void tine__callbacks_run(lua_State *L);
/* Call one function with the future at `idx`; errors are reported as above. */
void tine__callback_call(lua_State *L, int idx, int fn);
/* Outside of callbacks: run those that were put off until the ones that ran had returned. */
void tine__callbacks_run_put_off(lua_State *L);
static inline bool callbacks_due(const struct state *S) {
    return S->due_first <= S->due_last || S->gives_first <= S->gives_last ||
           !list_empty(&S->questions);
}
int tine__callback_handler(lua_State *L);
int tine__callback_report(lua_State *L);

#endif

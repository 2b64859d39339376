/* Functions that are called when something has come, and where their errors go. */
#ifndef TINE_BIND_CALLBACKS_H
#define TINE_BIND_CALLBACKS_H

#include "bind/future.h"

/* Callbacks run inside each other at most so deep; what is due beyond that waits until they have returned. */
#define NESTED_CALLBACKS 50

/* Raise Lua's error when so many C calls run inside each other that a callback could not even begin, nor its failure be
** reported. To be called before one is taken out of what is due, for it would be lost. */
void tine__callback_room(lua_State *L);
/* Call the function below the `n` arguments on top (all popped), errors reported as those of what is at `idx`. */
void tine__callback_invoke(lua_State *L, int idx, int n);
/* The error on top (popped), which has no traceback, is reported so. */
void tine__callback_failed(lua_State *L, int idx);
/* What is at `idx` has its turn among what is due. */
void tine__due_push(lua_State *L, int idx);

/* The error on top (popped), of a function that the script gave with the future or chunk at `idx`, goes to whom it
** concerns. */
void tine__callback_error(lua_State *L, int idx);

void tine__check_callable(lua_State *L, int arg);
/* Add the function at `fn` to the callbacks of the future at `idx`. */
void tine__callback_add(lua_State *L, struct future *f, int idx, int fn);
/* The same of one that is done, where too many callbacks run inside each other: it is due when they have returned. */
void tine__callback_add_due(lua_State *L, struct future *f, int idx, int fn);
/* As tine__callback_add, of a callback of ours that gives the result to a task that waits for it. It runs in every wait, also in one
** that runs no callbacks: what is waited for may hang on that task. */
void tine__give_add(lua_State *L, struct future *f, int idx, int fn);
void tine__gives_run(lua_State *L);
/* The future at `idx` is done: its callbacks, if any, are due. */
void tine__callbacks_due(lua_State *L, struct future *f, int idx);
/* Run what is due. Raises only `interrupted!`, and, when nothing was taken out yet, that there is no room. */
void tine__callbacks_run(lua_State *L);
/* Run one function with the future at `idx`, errors reported likewise. */
void tine__callback_call(lua_State *L, int idx, int fn);
/* The same of a callback that the program has just added; and what had to wait until it has returned. */
void tine__callback_call_now(lua_State *L, int idx, int fn);
static inline bool callbacks_due(const struct state *S) {
    return S->due_first <= S->due_last || S->gives_first <= S->gives_last ||
           !list_empty(&S->questions);
}
int tine__callback_handler(lua_State *L);
int tine__callback_report(lua_State *L);

#endif

/* Done callbacks: each runs once, in order, in the thread that owns the state.
**
** A future that has ended and has callbacks stays in the queue of due entries until its last
** callback was taken. A callback is taken before it is called, so that a wait inside it goes on
** with the next one. A future or chunk with events is in the same queue, at the place of the
** events.
*/
#include <stdio.h>
#include "bind/attempts.h"
#include "bind/callbacks.h"
#include "bind/chunk.h"
#include "bind/errors.h"
#include "bind/events.h"
#include "bind/extras.h"
#include "bind/fileno.h"
#include "bind/options.h"

/* --- one call --- */

/* Message handler: leaves the error unchanged and stores the traceback. */
int tine__callback_handler(lua_State *L) {
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
    luaL_traceback(L, L, text, 1);
    lua_setiuservalue(L, UP(UP_STATE), KEPT_TRACEBACK);
    lua_settop(L, 1);
    return 1;
}

/* Push the on_callback_error of the pool of the future or chunk at `idx`, or nil. */
static int push_reporter(lua_State *L, int idx) {
    const struct future *f = tine__to_future(L, idx);
    if (f && !f->core)
        return lua_pushnil(L), LUA_TNIL;
    if (f)
        lua_getmetatable(L, idx);
    else
        lua_getiuservalue(L, idx, 1);
    if (lua_istable(L, -1)) {
        lua_rawgeti(L, -1, 1);
        lua_remove(L, -2);
    }
    int type = lua_getiuservalue(L, -1, CORE_ON_ERROR);
    lua_remove(L, -2);
    return type;
}

static void report_to_stderr(lua_State *L, int err, int traceback, const char *label) {
    const char *text = tine__text_push(L, err);
    const char *trace = lua_tostring(L, traceback);
    if (trace && *trace && lua_type(L, err) == LUA_TSTRING) /* it begins with the message */
        fprintf(stderr, "tine: error in a callback of %s: %s\n", label, trace);
    else
        fprintf(stderr, "tine: error in a callback of %s: %s\n%s\n", label, text,
                trace ? trace : "");
    fflush(stderr);
}

static int report_default(lua_State *L) { /* err, traceback, label */
    report_to_stderr(L, 1, 2, lua_tostring(L, 3));
    return 0;
}

static void push_label(lua_State *L, int idx) {
    struct future *f = tine__to_future(L, idx);
    if (f)
        tine__future_label(L, f, idx);
    else
        lua_pushliteral(L, "a map");
}

void tine__callback_error(lua_State *L, int idx) {
    int err = lua_gettop(L);
    push_kept(L, KEPT_TRACEBACK);
    if (push_reporter(L, idx) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_getiuservalue(L, UP(UP_STATE), KEPT_REPORT);
    }
    lua_pushvalue(L, err);
    lua_pushvalue(L, err + 1);
    push_label(L, idx);
    if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
        if (tine__is_interrupt(L, -1))
            lua_error(L);
        lua_getiuservalue(L, UP(UP_STATE), KEPT_REPORT);
        lua_insert(L, -2);
        lua_pushnil(L);
        push_label(L, idx);
        if (lua_pcall(L, 3, 0, 0) != LUA_OK)
            lua_pop(L, 1);
    }
    lua_settop(L, err - 1);
}

int tine__callback_report(lua_State *L) {
    return report_default(L);
}

/* A callback, or the report of its error, can make at least this many nested C calls. */
#define ROOM_TO_CALL 8

static int dive(lua_State *L) {
    lua_Integer n = lua_tointeger(L, 1);
    if (n > 0) {
        lua_pushcfunction(L, dive);
        lua_pushinteger(L, n - 1);
        lua_call(L, 1, 0);
    }
    return 0;
}

void tine__callback_room(lua_State *L) {
    luaL_checkstack(L, 12, "callbacks too deep");
    lua_pushcfunction(L, dive);
    lua_pushinteger(L, ROOM_TO_CALL);
    lua_call(L, 1, 0);
}

void tine__callback_invoke(lua_State *L, int idx, int n) {
    struct state *S = state_of(L);
    int handler = lua_gettop(L) - n;
    luaL_checkstack(L, 12, "callbacks too deep");
    idx = lua_absindex(L, idx);
    push_kept(L, KEPT_HANDLER);
    lua_insert(L, handler);
    S->depth++;
    int status = lua_pcall(L, n, 0, handler);
    S->depth--;
    lua_remove(L, handler);
    if (status != LUA_OK)
        tine__callback_raised(L, idx, status);
}

void tine__callback_failed(lua_State *L, int idx) {
    lua_pushliteral(L, "");
    lua_setiuservalue(L, UP(UP_STATE), KEPT_TRACEBACK);
    tine__callback_error(L, idx);
}

/* For want of memory the handler was not called, and the traceback is that of an earlier error. */
void tine__callback_raised(lua_State *L, int idx, int status) {
    if (tine__is_interrupt(L, -1))
        lua_error(L);
    if (status == LUA_ERRRUN)
        tine__callback_error(L, idx);
    else
        tine__callback_failed(L, idx);
}

void tine__callback_call(lua_State *L, int idx, int fn) {
    luaL_checkstack(L, 12, "callbacks too deep");
    idx = lua_absindex(L, idx);
    lua_pushvalue(L, fn);
    lua_pushvalue(L, idx);
    tine__callback_invoke(L, idx, 1);
}

/* --- the queue --- */

void tine__check_callable(lua_State *L, int arg) {
    if (!tine__is_callable(L, arg))
        luaL_typeerror(L, arg, "function");
}

bool tine__callback_add(lua_State *L, struct future *f, int idx, int fn) {
    if (f->anchor.weak)
        tine__anchor_strengthen(L, &f->anchor, idx);
    return tine__extras_add(L, f, idx, "callbacks", fn);
}

void tine__callback_add_due(lua_State *L, struct future *f, int idx, int fn) {
    tine__extras_add(L, f, idx, "callbacks", fn);
    tine__callbacks_due(L, f, idx);
    state_of(L)->put_off |= state_of(L)->depth > 0;
}

void tine__callbacks_run_put_off(lua_State *L) {
    const struct state *S = state_of(L);
    if (S->depth == 0 && S->put_off)
        tine__callbacks_run(L);
}

bool tine__give_add(lua_State *L, struct future *f, int idx, int fn) {
    if (f->anchor.weak)
        tine__anchor_strengthen(L, &f->anchor, idx);
    return tine__extras_add(L, f, idx, "gives", fn);
}

/* Move the internal callbacks of the future at `idx`, whose extras are on top, into their queue. */
static void gives_due(lua_State *L, int idx) {
    struct state *S = state_of(L);
    int extras = lua_gettop(L), list = extras + 1;
    if (lua_getfield(L, extras, "gives") == LUA_TTABLE) {
        push_kept(L, KEPT_GIVES);
        for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
            lua_rawseti(L, list + 1, S->gives_last + 1);
            lua_pushvalue(L, idx);
            lua_rawseti(L, list + 1, S->gives_last + 2);
            S->gives_last += 2;
        }
        lua_pushnil(L);
        lua_setfield(L, extras, "gives");
        tine__due_changed(S);
    }
    lua_settop(L, extras);
}

/* Remove the first pair from the queue at `queue`. */
static void leave_gives(lua_State *L, struct state *S, int queue) {
    for (int i = 0; i < 2; i++) {
        lua_pushnil(L);
        lua_rawseti(L, queue, S->gives_first++);
    }
    if (S->gives_first > S->gives_last) {
        S->gives_first = 1;
        S->gives_last = 0;
        tine__due_changed(S);
    }
}

void tine__gives_run(lua_State *L) {
    struct state *S = state_of(L);
    int top = lua_gettop(L);
    if (S->gives_first <= S->gives_last)
        tine__callback_room(L);
    while (S->gives_first <= S->gives_last) {
        push_kept(L, KEPT_GIVES);
        lua_rawgeti(L, top + 1, S->gives_first);
        lua_rawgeti(L, top + 1, S->gives_first + 1);
        leave_gives(L, S, top + 1);
        tine__callback_call(L, top + 3, top + 2);
        lua_settop(L, top);
    }
}

void tine__due_push(lua_State *L, int idx) {
    struct state *S = state_of(L);
    idx = lua_absindex(L, idx);
    push_kept(L, KEPT_DUE);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, S->due_last + 1);
    if (S->due_first == ++S->due_last)
        tine__due_changed(S);
    lua_pop(L, 1);
}

void tine__queue_room(lua_State *L, lua_Integer last, lua_Integer n) {
    for (lua_Integer i = 1; i <= n; i++) {
        lua_pushboolean(L, false);
        lua_rawseti(L, -2, last + i);
    }
    lua_pop(L, 1);
}

void tine__due_room(lua_State *L, int extras) {
    const struct state *S = state_of(L);
    if (lua_getfield(L, extras, "gives") == LUA_TTABLE) {
        lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
        push_kept(L, KEPT_GIVES);
        tine__queue_room(L, S->gives_last, 2 * n);
    }
    push_kept(L, KEPT_DUE);
    tine__queue_room(L, S->due_last, 2); /* for its events, and for its callbacks */
    lua_settop(L, extras);
}

void tine__callbacks_due(lua_State *L, struct future *f, int idx) {
    idx = lua_absindex(L, idx);
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    gives_due(L, idx);
    if (lua_getfield(L, -1, "callbacks") == LUA_TTABLE) {
        tine__due_push(L, idx);
        f->due = true;
    }
    lua_pop(L, 2);
}

/* Remove the first entry of the queue, which is on top of the stack. */
static void leave_queue(lua_State *L, struct state *S) {
    lua_pushnil(L);
    lua_rawseti(L, -2, S->due_first++);
    if (S->due_first > S->due_last) {
        S->due_first = 1;
        S->due_last = 0;
        tine__due_changed(S);
    }
}

/* Push the next callback of the future at `idx` and take it from the list, whose first entry is
** numbered `next` in the extras. True: it was the last. */
static bool take_callback(lua_State *L, int idx) {
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    lua_getfield(L, -1, "callbacks");
    lua_getfield(L, -2, "next");
    lua_Integer i = lua_isnil(L, -1) ? 1 : lua_tointeger(L, -1);
    lua_pop(L, 1);
    bool last = i >= (lua_Integer)lua_rawlen(L, -1);
    lua_rawgeti(L, -1, i);
    if (last)
        lua_pushnil(L);
    else
        lua_pushinteger(L, i + 1);
    lua_setfield(L, -4, "next");
    if (last) {
        lua_pushnil(L);
        lua_setfield(L, -4, "callbacks");
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
    return last;
}

/* The first entry of the queue at `queue`, a chunk or a future with events, is at queue + 1.
** Removes it before its callbacks are called. */
static void run_events(lua_State *L, struct future *f, int queue) {
    lua_pushvalue(L, queue);
    leave_queue(L, state_of(L));
    lua_pop(L, 1);
    if (f)
        tine__future_hear(L, f, queue + 1);
    else
        tine__chunk_hear(L, queue + 1);
}

/* The same for a future that is done: runs one of its callbacks. */
static void run_callback(lua_State *L, struct future *f, int queue) {
    if (take_callback(L, queue + 1)) { /* [queue + 2] is the last callback */
        f->due = false;
        lua_pushvalue(L, queue);
        leave_queue(L, state_of(L));
        lua_pop(L, 1);
    }
    tine__callback_call(L, queue + 1, queue + 2);
}

void tine__callbacks_run(lua_State *L) {
    struct state *S = state_of(L);
    int top = lua_gettop(L);
    tine__state_check(L, S);
    tine__gives_run(L);
    tine__questions_run(L);
    if (S->due_first <= S->due_last)
        tine__callback_room(L);
    /* a callback may have forked the program */
    while (tine__state_check(L, S), S->due_first <= S->due_last) {
        push_kept(L, KEPT_DUE);
        lua_rawgeti(L, -1, S->due_first);
        struct future *f = tine__to_future(L, top + 2);
        if (!f || f->hearing)
            run_events(L, f, top + 1);
        else
            run_callback(L, f, top + 1);
        lua_settop(L, top);
    }
    S->put_off = false;
}

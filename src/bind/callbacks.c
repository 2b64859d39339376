/* Done callbacks: run in the thread that owns the state, each once, in order.
**
** A future that has ended and has callbacks stands in the queue of due ones until the last of them has
** been taken. One is taken before it is called, so that a wait inside it goes on with the next.
*/
#include "bind/bind.h"

#include <stdio.h>

/* --- one call --- */

/* Message handler: keeps the error as it is and the traceback aside. */
int tine__callback_handler(lua_State *L) {
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
    luaL_traceback(L, L, text, 1);
    lua_setiuservalue(L, UP(UP_STATE), KEPT_TRACEBACK);
    lua_settop(L, 1);
    return 1;
}

/* Push the handler that the pool's user gave, or nil: the pool of the future or chunk at `idx`. */
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
    const char *text = luaL_tolstring(L, err, NULL);
    const char *trace = lua_tostring(L, traceback);
    if (trace && lua_type(L, err) == LUA_TSTRING) /* begins with the message */
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

void tine__callback_call(lua_State *L, int idx, int fn) {
    struct state *S = state_of(L);
    luaL_checkstack(L, 12, "callbacks too deep");
    idx = lua_absindex(L, idx);
    fn = lua_absindex(L, fn);
    push_kept(L, KEPT_HANDLER);
    lua_pushvalue(L, fn);
    lua_pushvalue(L, idx);
    S->depth++;
    int status = lua_pcall(L, 1, 0, -3);
    S->depth--;
    if (status == LUA_OK) {
        lua_pop(L, 1);
        return;
    }
    lua_remove(L, -2);
    if (tine__is_interrupt(L, -1))
        lua_error(L);
    tine__callback_error(L, idx);
}

/* --- the queue --- */

void tine__callback_add(lua_State *L, struct future *f, int idx, int fn) {
    fn = lua_absindex(L, fn);
    tine__extras_push(L, f, idx);
    if (lua_getfield(L, -1, "callbacks") != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 1, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "callbacks");
    }
    lua_pushvalue(L, fn);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 2);
}

void tine__callbacks_due(lua_State *L, struct future *f, int idx) {
    struct state *S = state_of(L);
    idx = lua_absindex(L, idx);
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    if (lua_getfield(L, -1, "callbacks") == LUA_TTABLE) {
        push_kept(L, KEPT_DUE);
        lua_pushvalue(L, idx);
        lua_rawseti(L, -2, S->due_last + 1);
        if (S->due_first == ++S->due_last)
            tine__due_changed(S);
        f->due = true;
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
}

/* The queue is at the top of the stack: take its first future out. */
static void leave_queue(lua_State *L, struct state *S, struct future *f) {
    f->due = false;
    lua_pushnil(L);
    lua_rawseti(L, -2, S->due_first++);
    if (S->due_first > S->due_last) {
        S->due_first = 1;
        S->due_last = 0;
        tine__due_changed(S);
    }
}

/* The next callback of the future at `idx`: pushed; true when it is the last. The list holds what is
** still to run, with its start in `next`. */
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

void tine__callbacks_run(lua_State *L) {
    struct state *S = state_of(L);
    int top = lua_gettop(L);
    luaL_checkstack(L, 12, "callbacks too deep");
    tine__questions_run(L);
    while (S->due_first <= S->due_last) {
        push_kept(L, KEPT_DUE);
        lua_rawgeti(L, -1, S->due_first);
        struct future *f = lua_touserdata(L, -1);
        bool last = take_callback(L, top + 2); /* [top+1] queue, [top+2] future, [top+3] callback */
        if (last) {
            lua_pushvalue(L, top + 1);
            leave_queue(L, S, f);
            lua_pop(L, 1);
        }
        tine__callback_call(L, top + 2, top + 3);
        lua_settop(L, top);
    }
}

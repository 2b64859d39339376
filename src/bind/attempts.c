/* future:times(), future:attempts(), and asking `retry.when` whether a task is to be tried
** again. */
#include "bind/attempts.h"
#include "bind/box.h"
#include "bind/callbacks.h"
#include "bind/chunk.h"
#include "bind/errors.h"
#include "bind/extras.h"
#include "bind/fileno.h"
#include "bind/reap.h"
#include "bind/values.h"
#include "bind/workers.h"
#include "msg/label.h"

/* --- keeping attempts --- */

#define METATABLE "tine.attempts"

static int attempts_gc(lua_State *L) {
    struct attempts **kept = lua_touserdata(L, 1);
    tine__attempts_free(*kept);
    *kept = NULL;
    return 0;
}

/* Push a userdata that will own a list of attempts. */
static struct attempts **push_place(lua_State *L) {
    struct attempts **place = lua_newuserdatauv(L, sizeof *place, 0);
    *place = NULL;
    if (luaL_newmetatable(L, METATABLE)) {
        lua_pushcfunction(L, attempts_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return place;
}

bool tine__keep_attempts(lua_State *L, struct future *f, int idx) {
    struct attempts **place = push_place(L);
    tine__extras_push(L, f, idx);
    if (f->done) /* a finalizer that ran meanwhile has taken the item back */
        return false;
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "attempts");
    lua_pop(L, 2);
    struct item_rare *rare = item_rare(f->anchor.item);
    *place = rare->attempts;
    rare->attempts = NULL;
    return true;
}

/* Push a userdata that owns the failed attempts of the future at `idx` so far, or nil; *times are
** those of the last attempt. */
static struct attempts *look(lua_State *L, struct future *f, int idx, struct task_times *times) {
    *times = f->times;
    if (!f->done && f->anchor.item && f->core->p) {
        struct attempts **place = push_place(L);
        tine__task_times(f->core->p, f->anchor.item, times, place);
        return *place;
    }
    if (f->extras != EXTRA_TABLE)
        return lua_pushnil(L), NULL;
    tine__extras_push(L, f, idx);
    lua_getfield(L, -1, "attempts");
    lua_remove(L, -2);
    struct attempts **place = lua_touserdata(L, -1);
    return place ? *place : NULL;
}

/* --- looking --- */

static void set_seconds(lua_State *L, const char *name, uint64_t ns) {
    lua_pushnumber(L, (lua_Number)ns / 1e9);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer n) {
    lua_pushinteger(L, n);
    lua_setfield(L, -2, name);
}

/* Set fields `worker` and `host` of an attempt. */
static void set_place(lua_State *L, const struct core *c, const struct task_times *t) {
    set_integer(L, "worker", c->here ? 0 : t->worker);
    if (!c->far)
        tine__push_machine(L);
    else
        lua_pushstring(L, tine__text_numbered(t->host)); /* or nil */
    lua_setfield(L, -2, "host");
}

static struct future *check_task(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    lua_settop(L, 1);
    if (f->core && !f->done) /* take in results */
        tine__reap(L);
    return f;
}

/* future:times() */
int tine__future_times(lua_State *L) {
    struct future *f = check_task(L);
    struct task_times t = {0};
    const struct attempts *before = f->core ? look(L, f, 1, &t) : NULL;
    uint64_t ended = f->done ? t.ended : 0;
    /* Not started: the task waits for its next attempt, or was ended while waiting. */
    if (!t.started && before && before->n > 0)
        t = before->list[before->n - 1].times;
    lua_createtable(L, 0, 5);
    if (f->times.submitted || t.submitted)
        set_seconds(L, "submitted", t.submitted);
    if (t.started)
        set_seconds(L, "started", t.started);
    if (ended)
        set_seconds(L, "ended", ended);
    if (t.worker && t.started)
        set_place(L, f->core, &t);
    return 1;
}

/* Push a table for an attempt, whose error, or nil, is on top (popped). */
static void push_attempt(lua_State *L, const struct core *c, const struct task_times *t) {
    lua_createtable(L, 0, 6);
    lua_insert(L, -2);
    lua_setfield(L, -2, "error");
    set_place(L, c, t);
    set_integer(L, "pid", t->pid);
    set_seconds(L, "started", t->started - t->submitted);
    set_seconds(L, "seconds", t->ended - t->started);
}

/* Push the error that an attempt failed with. The outcome stays unchanged. */
static void push_failure(lua_State *L, struct core *c, const struct outcome *error,
                         const struct task_name *name) {
    struct outcome empty = {0};
    struct outcome *copy = tine__box(L, &empty);
    tine__outcome_share(copy, error);
    tine__failure_push(L, c, copy, name, 0);
    lua_pop(L, 1); /* of the traceback */
    lua_remove(L, -2);
}

/* Push the error that the future at 1, which is done, ended with, or nil. */
static void push_end(lua_State *L, struct future *f) {
    tine__future_decode(L, f, 1);
    if (f->cache == CACHE_ERROR) {
        lua_getiuservalue(L, 1, FUTURE_VALUE);
        lua_rawgeti(L, -1, 1);
        lua_remove(L, -2);
    } else {
        lua_pushnil(L);
    }
}

/* future:attempts() */
int tine__future_attempts(lua_State *L) {
    struct future *f = check_task(L);
    const struct task_name name = tine__future_name(L, f, 1);
    struct task_times last = {0};
    luaL_checkstack(L, 20, "attempts");
    lua_settop(L, 1);
    const struct attempts *before = f->core ? look(L, f, 1, &last) : (lua_pushnil(L), NULL);
    lua_Integer n = 0;
    lua_createtable(L, 1, 0);
    for (uint32_t i = 0; before && i < before->n; i++) {
        push_failure(L, f->core, &before->list[i].error, &name);
        push_attempt(L, f->core, &before->list[i].times);
        lua_rawseti(L, 3, ++n);
    }
    if (f->done && last.started && last.worker) {
        push_end(L, f);
        push_attempt(L, f->core, &last);
        lua_rawseti(L, 3, ++n);
    }
    lua_settop(L, 3);
    return 1;
}

/* --- asking `when` --- */

void tine__ask_later(struct state *S, struct item *item) {
    list_push(&S->questions, &item_rare(item)->question);
    tine__due_changed(S);
}

/* Push the function `when` of the future or chunk at `idx`; returns its core and sets its name. */
static struct core *push_when(lua_State *L, struct anchor *a, int idx, struct task_name *name) {
    if (a->kind == ANCHOR_CHUNK)
        return tine__chunk_when(L, idx, name);
    struct future *f = lua_touserdata(L, idx);
    *name = tine__future_name(L, f, idx);
    tine__extras_push(L, f, idx);
    lua_getfield(L, -1, "when");
    lua_remove(L, -2);
    return f->core;
}

/* Call the function at `when` with the error on top (popped) of attempt number `attempt`. Returns
** the status, with the function's result or error on top. */
static int call_when(lua_State *L, int when, uint32_t attempt) {
    struct state *S = state_of(L);
    push_kept(L, KEPT_HANDLER);
    lua_insert(L, -2);
    lua_pushvalue(L, when);
    lua_insert(L, -2);
    lua_pushinteger(L, attempt);
    S->depth++;
    S->asking++;
    int status = lua_pcall(L, 2, 1, -4);
    S->asking--;
    S->depth--;
    lua_remove(L, -2);
    return status;
}

/* Push the function and the error that it is asked about, and take the question from the list. An
** error of memory leaves it in the list. Finalizers that run here may have asked or settled the
** question: returns true only if it was taken and is still open. */
static bool take_question(lua_State *L, struct item *item, struct core **core, uint32_t *attempt) {
    struct state *S = state_of(L);
    struct anchor *a = item->owner;
    struct task_name name;
    struct outcome empty = {0};
    uint64_t changes = S->changes;
    if (a->item != item) {
        list_remove(&item_rare(item)->question);
        return false;
    }
    lua_rawgeti(L, UP(UP_ANCHORS), a->slot);
    struct core *c = *core = push_when(L, a, lua_gettop(L), &name);
    struct outcome *error = tine__box(L, &empty);
    bool open = a->item == item && c->p && tine__item_question(c->p, item, error, attempt);
    if (open) {
        int n = tine__failure_push(L, c, error, &name, 0);
        lua_pop(L, 1);
        if (n == VALUES_SHORT)
            lua_error(L);
    }
    if (S->changes != changes || a->item != item || list_empty(&item_rare(item)->question))
        return false;
    list_remove(&item_rare(item)->question);
    tine__due_changed(S);
    return open;
}

/* When the function has returned, the task may be over and its item reused. */
static void ask(lua_State *L, struct item *item) {
    struct anchor *a = item->owner;
    struct core *c;
    uint32_t attempt;
    int idx = lua_gettop(L) + 1;
    if (!take_question(L, item, &c, &attempt))
        return;
    int status = call_when(L, idx + 1, attempt);
    bool again = status == LUA_OK && lua_toboolean(L, -1);
    /* Answer first: the lines below may raise, or wait for the task. */
    if (a->item == item && c->p)
        tine__item_answer(c->p, item, again);
    if (status != LUA_OK)
        tine__callback_raised(L, idx, status);
}

void tine__questions_run(lua_State *L) {
    struct state *S = state_of(L);
    int top = lua_gettop(L);
    luaL_checkstack(L, 20, "callbacks too deep");
    if (!list_empty(&S->questions))
        tine__callback_room(L);
    while (!list_empty(&S->questions)) {
        ask(L, LIST_ITEM(S->questions.next, struct item_rare, question)->item);
        lua_settop(L, top);
    }
}

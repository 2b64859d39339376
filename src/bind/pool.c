/* Methods of pools and views, except submit. */
#include <stdlib.h>
#include "api/api.h"
#include "base/clock.h"
#include "bind/await.h"
#include "bind/callbacks.h"
#include "bind/errors.h"
#include "bind/fileno.h"
#include "bind/heavy.h"
#include "bind/hosts.h"
#include "bind/options.h"
#include "bind/reap.h"
#include "bind/share.h"
#include "bind/submit.h"
#include "bind/workers.h"
#include "msg/settings.h"

/* --- ending a pool --- */

static bool all_finished(const struct aim *aim) {
    const struct core *c = aim->what;
    return c->joined || c->inbox.open == 0;
}

/* Shut the pool down and wait until it has ended. False: the deadline has passed. An interrupt
** kills the workers. */
static bool close_and_wait(lua_State *L, struct core *c, bool cancel, uint64_t deadline) {
    /* Perhaps joined by a wait that runs no callbacks (tine.sleep): these are due now. */
    if (c->joined) {
        const struct aim aim = {.met = all_finished, .what = c, .core = c};
        return tine__await(L, &aim, deadline) == 0;
    }
    tine__events_await_end(c->p, true);
    tine__core_close(c, cancel);
    push_kept(L, KEPT_WAITER);
    lua_pushlightuserdata(L, c);
    lua_pushinteger(L, (lua_Integer)deadline);
    int status = lua_pcall(L, 2, 1, 0);
    if (c->p)
        tine__events_await_end(c->p, false);
    if (status == LUA_OK) {
        bool ended = lua_toboolean(L, -1);
        lua_pop(L, 1);
        return ended;
    }
    if (tine__is_interrupt(L, -1) && c->p)
        tine__pool_kill(c->p, WHY_INTERRUPTED);
    return lua_error(L);
}

static int pool_shutdown(lua_State *L) {
    static const char *const known[] = {"wait", "cancel_futures", "timeout", NULL};
    struct core *c = tine__check_pool(L, 1);
    bool in_time = true;
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        tine__check_options(L, 2, known);
    bool wait = tine__option_flag(L, 2, "wait", true);
    uint64_t span = tine__option_seconds(L, 2, "timeout", WAIT_FOREVER);
    if (!wait && span != WAIT_FOREVER)
        return luaL_argerror(L, 2, "option 'timeout' says how long to wait, but 'wait' is false");
    bool cancel = tine__option_flag(L, 2, "cancel_futures", false);
    if (wait)
        in_time = close_and_wait(L, c, cancel, clock_deadline(span));
    else
        tine__core_close(c, cancel);
    if (!in_time) { /* kill what is left */
        tine__pool_kill(c->p, WHY_OVERDUE);
        close_and_wait(L, c, false, WAIT_FOREVER);
    }
    lua_pushboolean(L, in_time);
    return 1;
}

/* pool:join([timeout]): wait until no task is unfinished, tasks that callbacks submit meanwhile
** included. Returns whether that is so. The pool stays open. */
static int pool_join(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    struct aim aim = {.met = all_finished, .what = c, .core = c, .ends = tine__all_ends};
    lua_pushboolean(L, tine__await(L, &aim, tine__check_deadline(L, 2)) == 0);
    return 1;
}

/* __close(pool, error) */
static int pool_close(lua_State *L) {
    struct core *c = tine__raw_pool(L, 1);
    lua_settop(L, 2);
    if ((!c->p && !c->joined) || c->program || state_of(L)->closed || !tine__core_is_ours(c))
        return 0;
    if (tine__is_interrupt(L, 2) && !c->joined)
        tine__pool_kill(c->p, WHY_INTERRUPTED);
    close_and_wait(L, c, !lua_isnil(L, 2), WAIT_FOREVER);
    return 0;
}

static int pool_gc(lua_State *L) {
    struct view *v = lua_touserdata(L, 1);
    tine__view_gc(L);
    struct core *c = v->core;
    if (!c || !c->p || c->program || state_of(L)->closed || !tine__core_is_ours(c))
        return 0;
    tine__core_close(c, false);
    c->dropped = true;
    tine__sweep_later(L);
    return 0;
}

int tine__core_gc(lua_State *L) {
    struct core *c = lua_touserdata(L, 1);
    if (tine__core_is_ours(c))
        tine__core_close_fileno(state_of(L), c);
    tine__items_close(&c->items);
    tine__settings_unref(c->settings);
    c->settings = NULL;
    if (c->program)
        tine__api_unref(c->program);
    c->program = NULL;
    tine__pool_unref(c->held);
    c->held = NULL;
    tine__failure_unref(c->reason);
    c->reason = NULL;
    tine__heavy_free(c);
    free(c->places);
    c->places = NULL;
    c->nplaces = 0;
    return 0;
}

static int end_workers(lua_State *L, enum why why) {
    struct core *c = tine__check_pool(L, 1);
    if (c->p)
        tine__pool_kill(c->p, why);
    return 0;
}

static int pool_terminate_workers(lua_State *L) {
    return end_workers(L, WHY_TERMINATED);
}

static int pool_kill_workers(lua_State *L) {
    return end_workers(L, WHY_KILLED);
}

/* --- looking --- */

static int pool_fileno(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    if (!c->p)
        return tine__error(L, TINE_ESHUTDOWN, "the pool has ended");
    int fd = tine__core_fileno(state_of(L), c);
    if (fd < 0)
        return tine__refused(L, c, fd);
    lua_pushinteger(L, fd);
    return 1;
}

static int pool_dispatch(lua_State *L) {
    tine__check_pool(L, 1);
    tine__reap(L);
    tine__callbacks_run(L);
    return 0;
}

static int pool_tostring(lua_State *L) {
    struct core *c = tine__raw_pool(L, 1);
    lua_getiuservalue(L, 1, VIEW_CORE);
    lua_getiuservalue(L, -1, CORE_NAME);
    const char *name = lua_tostring(L, -1);
    const char *state = "open";
    if (!tine__core_is_ours(c))
        state = "of another process";
    else if (!c->p)
        state = "ended";
    else if (!tine__pool_is_open(c->p))
        state = "ending";
    if (c->far)
        lua_pushfstring(L, "tine.pool (%s, workers on other machines, %s)", name, state);
    else
        lua_pushfstring(L, "tine.pool (%s, %d workers, %s)", name, (int)c->workers, state);
    return 1;
}

/* --- views --- */

static int view_with(lua_State *L) {
    static const char *const known[] = {SETTING_NAMES, NULL};
    struct view *from = tine__check_view(L, 1);
    tine__check_options(L, 2, known);
    lua_settop(L, 2);
    struct view *v = lua_newuserdatauv(L, sizeof *v, VIEW_LAST);
    *v = *from;
    v->settings = NULL;
    v->derived = true;
    lua_pushvalue(L, UP(UP_VIEW));
    lua_setmetatable(L, 3);
    lua_getiuservalue(L, 1, VIEW_CORE);
    lua_setiuservalue(L, 3, VIEW_CORE);
    lua_getiuservalue(L, 1, VIEW_META);
    lua_setiuservalue(L, 3, VIEW_META); /* which v->meta refers to */
    /* A view of a view keeps that view, and so its label, alive. */
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 3, VIEW_POOL);
    /* the settings are gone if lua_close has already finalized the pool */
    tine__view_settings(L, 2, 3, from->settings ? from->settings : &tine__settings_none, 1);
    return 1;
}

static int view_tostring(lua_State *L) {
    lua_getiuservalue(L, 1, VIEW_LABEL);
    lua_pushfstring(L, "tine.view (%s)", lua_isnil(L, -1) ? "no label" : lua_tostring(L, -1));
    return 1;
}

const luaL_Reg tine__pool_methods[] = {
    {"submit", tine__submit},
    {"try_submit", tine__try_submit},
    {"join", pool_join},
    {"with", view_with},
    {"share", tine__share},
    {"resize", tine__pool_resize_lua},
    {"everywhere", tine__everywhere},
    {"shutdown", pool_shutdown},
    {"terminate_workers", pool_terminate_workers},
    {"kill_workers", pool_kill_workers},
    {"workers", tine__pool_workers_lua},
    {"stats", tine__pool_stats_lua},
    {"fileno", pool_fileno},
    {"dispatch", pool_dispatch},
    {NULL, NULL},
};

const luaL_Reg tine__pool_meta[] = {
    {"__gc", pool_gc},
    {"__close", pool_close},
    {"__tostring", pool_tostring},
    {NULL, NULL},
};

const luaL_Reg tine__view_methods[] = {
    {"submit", tine__submit},
    {"try_submit", tine__try_submit},
    {"with", view_with},
    {NULL, NULL},
};

const luaL_Reg tine__view_meta[] = {
    {"__gc", tine__view_gc},
    {"__tostring", view_tostring},
    {NULL, NULL},
};

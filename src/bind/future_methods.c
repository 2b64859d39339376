/* The methods of futures. */
#include "base/hot.h"
#include "bind/attempts.h"
#include "bind/callbacks.h"
#include "bind/errors.h"
#include "bind/events.h"
#include "bind/extras.h"
#include "bind/needs.h"
#include "bind/nested.h"
#include "bind/progress.h"
#include "bind/reap.h"
#include "bind/values.h"
#include "msg/label.h"
#include "msg/progress.h"
#include "worker/task/task_error.h"

/* --- state --- */

static int future_state(lua_State *L) {
    lua_pushstring(L, tine__future_state(tine__check_future(L, 1)));
    return 1;
}

static int future_done(lua_State *L) {
    lua_pushboolean(L, tine__future_has_ended(tine__check_future(L, 1)));
    return 1;
}

static int future_running(lua_State *L) {
    lua_pushboolean(L, tine__future_is_running(tine__check_future(L, 1)));
    return 1;
}

static int future_cancelled(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    lua_pushboolean(L, tine__future_has_ended(f) && tine__future_cancelled(f));
    return 1;
}

/* Returns nothing if the task has reported no progress. */
static int future_progress(lua_State *L) {
    struct progress said;
    struct future *f = tine__check_future(L, 1);
    lua_settop(L, 1);
    if (f->done || !f->core)
        return tine__extras_push_progress(L, f, 1);
    if (!f->core->p || !tine__task_progress(f->core->p, f->anchor.item, &said))
        return 0;
    return tine__progress_push(L, &said);
}

/* nil while it is not done, or if its output is not captured. */
static int future_output(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    lua_settop(L, 1);
    if (f->core && !f->done && tine__future_has_ended(f))
        tine__reap(L);
    if (!f->done || !f->core)
        return lua_pushnil(L), 1;
    return tine__extras_push_printed(L, f, 1);
}

/* --- waiting --- */

static bool future_met(const struct aim *aim) {
    return ((const struct future *)aim->what)->done;
}

/* A future made by hand may be settled by what is called when any task has ended. */
static bool future_ends(const struct aim *aim, const struct anchor *a) {
    const struct future *f = aim->what;
    return a == &f->anchor || !f->core;
}

/* Wait until the future has ended. 0 or TINE_ETIMEOUT. */
static HOT int await(lua_State *L, struct future *f, uint64_t deadline) {
    struct state *S = f->core ? f->core->state : state_of(L);
    /* inside a callback, others run only after it has returned */
    if (f->done && (!callbacks_due(S) || S->depth > 0))
        return 0;
    struct aim aim = {
        .met = future_met, .what = f, .future = f, .core = f->core, .ends = future_ends};
    return tine__await(L, &aim, deadline);
}

/* Push a timeout error for the future at `idx`. */
static void push_timeout(lua_State *L, struct future *f, int idx) {
    const char *label = tine__future_label(L, f, idx);
    tine__error_push(L, TINE_ETIMEOUT, "%s has not finished in the time allowed", label);
    if (f->core) {
        const struct task_name name = tine__future_name(L, f, idx);
        tine__error_set_task(L, &name, 0);
    }
    lua_remove(L, -2);
}

/* --- results --- */

/* Push the values and return their number. */
static int push_values(lua_State *L, struct future *f, int idx) {
    if (f->nvalues == 0)
        return 0;
    lua_getiuservalue(L, idx, FUTURE_VALUE);
    if (f->nvalues == 1)
        return 1;
    int list = lua_gettop(L);
    luaL_checkstack(L, f->nvalues, "too many results");
    for (int i = 1; i <= f->nvalues; i++)
        lua_rawgeti(L, list, i);
    lua_remove(L, list);
    return f->nvalues;
}

/* Raise the error of the future at `idx`; note its label and traceback for when it is printed. */
static int raise_error(lua_State *L, struct future *f, int idx) {
    tine__future_label(L, f, idx);
    int label = lua_gettop(L);
    tine__future_push_error(L, idx);
    lua_insert(L, -2); /* [label, traceback, error] */
    tine__task_error_note(L, label, label + 1);
    return lua_error(L);
}

/* Push the values of a future that is done if they need not be cached; their number, or -1. */
static int scalars(lua_State *L, const struct future *f) {
    return f->cache == CACHE_NONE ? tine__scalars_push(L, &f->outcome, true) : -1;
}

static int future_result(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (await(L, f, tine__check_deadline(L, 2)))
        return push_timeout(L, f, 1), lua_error(L);
    int n = scalars(L, f);
    if (n >= 0)
        return n;
    tine__future_decode(L, f, 1);
    return f->cache == CACHE_VALUES ? push_values(L, f, 1) : raise_error(L, f, 1);
}

static int future_pcall(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (await(L, f, tine__check_deadline(L, 2))) {
        lua_pushboolean(L, false);
        push_timeout(L, f, 1);
        lua_pushliteral(L, "");
        return 3;
    }
    tine__future_decode(L, f, 1);
    bool ok = f->cache == CACHE_VALUES;
    lua_settop(L, 1);
    lua_pushboolean(L, ok);
    if (ok)
        return 1 + push_values(L, f, 1);
    tine__future_push_error(L, 1);
    return 3;
}

static int future_exception(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (await(L, f, tine__check_deadline(L, 2)))
        return push_timeout(L, f, 1), lua_error(L);
    tine__future_decode(L, f, 1);
    if (f->cache == CACHE_VALUES)
        return lua_pushnil(L), 1;
    if (tine__future_cancelled(f))
        return raise_error(L, f, 1);
    tine__future_push_error(L, 1);
    return 2;
}

/* --- cancelling --- */

static int manual_cancel(lua_State *L, struct future *f) {
    if (f->nested && !f->done) {
        tine__nested_cancel(L, f);
    } else if (f->phase == PHASE_PENDING) {
        tine__error_push(L, TINE_ECANCELLED, "%s", tine_error_text(TINE_ECANCELLED));
        lua_pushliteral(L, "");
        tine__manual_prepare(L, f, 1, -1);
        if (f->phase == PHASE_PENDING) /* no finalizer has ended it meanwhile */
            tine__manual_end(L, f, 1, -1, PHASE_CANCELLED);
    }
    lua_pushboolean(L, tine__future_cancelled(f));
    return 1;
}

static int future_cancel(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    lua_settop(L, 1);
    if (!f->core)
        return manual_cancel(L, f);
    if (!tine__future_has_ended(f) && f->core->p)
        tine__task_cancel(f->core->p, f->anchor.item, 0);
    lua_pushboolean(L, tine__future_has_ended(f) && tine__future_cancelled(f));
    return 1;
}

static int future_abort(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    lua_settop(L, 1);
    if (!f->core && !f->done)
        return manual_cancel(L, f);
    lua_pushboolean(L, f->core && !tine__future_has_ended(f) && f->core->p &&
                           tine__task_abort(f->core->p, f->anchor.item));
    return 1;
}

/* --- callbacks --- */

static int future_add_done_callback(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    tine__check_callable(L, 2);
    lua_settop(L, 2);
    if (!f->done && tine__future_has_ended(f))
        tine__reap(L);
    /* f->done and not has_ended: else a `result` in the callback would take in news, and run
    ** callbacks inside it */
    if ((!f->done || f->due) && tine__callback_add(L, f, 1, 2))
        return 0;
    if (state_of(L)->depth >= NESTED_CALLBACKS || f->hearing || f->telling) {
        tine__callback_add_due(L, f, 1, 2);
    } else {
        tine__callback_room(L);
        tine__callback_call(L, 1, 2);
        tine__callbacks_run_put_off(L);
    }
    return 0;
}

/* --- looking --- */

/* Push a short description of a value; calls no metamethods but those of error objects. */
static void push_brief(lua_State *L, int idx) {
    if (lua_type(L, idx) == LUA_TSTRING) {
        size_t len;
        const char *s = lua_tolstring(L, idx, &len);
        if (len <= 60)
            lua_pushfstring(L, "\"%s\"", s);
        else
            lua_pushfstring(L, "a string of %I bytes", (LUAI_UACINT)len);
    } else if (tine__is_error(L, idx) || lua_isnumber(L, idx) || lua_isboolean(L, idx) ||
               lua_isnil(L, idx)) {
        luaL_tolstring(L, idx, NULL);
    } else {
        lua_pushfstring(L, "a %s", luaL_typename(L, idx));
    }
}

static void push_ending(lua_State *L, struct future *f) {
    tine__future_decode(L, f, 1);
    if (f->cache == CACHE_ERROR) {
        tine__future_push_error(L, 1);
        lua_pop(L, 1);
        push_brief(L, lua_gettop(L));
        lua_pushfstring(L, ": raised %s", lua_tostring(L, -1));
    } else if (f->nvalues == 1) {
        lua_getiuservalue(L, 1, FUTURE_VALUE);
        push_brief(L, lua_gettop(L));
        lua_pushfstring(L, ": returned %s", lua_tostring(L, -1));
    } else {
        lua_pushfstring(L, ": returned %d values", f->nvalues);
    }
}

int tine__future_tostring(lua_State *L) {
    struct future *f = tine__to_future(L, 1);
    if (!f)
        luaL_typeerror(L, 1, "tine.future");
    lua_settop(L, 1);
    if (f->core && !tine__core_is_ours(f->core)) {
        lua_pushfstring(L, "tine.future: %p (of another process)", (void *)f);
        return 1;
    }
    const char *state = tine__future_state(f);
    const char *label = tine__future_label(L, f, 1);
    if (!f->done || tine__future_cancelled(f))
        lua_pushliteral(L, "");
    else
        push_ending(L, f);
    lua_pushfstring(L, "tine.future (%s, %s%s)", state, label, lua_tostring(L, -1));
    return 1;
}

const luaL_Reg tine__future_methods[] = {
    {"result", future_result},
    {"pcall", future_pcall},
    {"exception", future_exception},
    {"state", future_state},
    {"done", future_done},
    {"running", future_running},
    {"cancelled", future_cancelled},
    {"cancel", future_cancel},
    {"abort", future_abort},
    {"chain", tine__future_chain},
    {"output", future_output},
    {"progress", future_progress},
    {"times", tine__future_times},
    {"attempts", tine__future_attempts},
    {"events", tine__future_events},
    {"on_event", tine__future_on_event},
    {"add_done_callback", future_add_done_callback},
    {"set_running_or_notify_cancel", tine__manual_run},
    {"set_result", tine__manual_set_result},
    {"set_exception", tine__manual_set_exception},
    {NULL, NULL},
};

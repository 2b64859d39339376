/* Futures: their methods, for those of a pool and (where both have one) manual ones. */
#include <string.h>
#include "bind/bind.h"

/* --- making and checking --- */

/* Push a future, still without its metatable. */
static struct future *new_future(lua_State *L, struct core *c) {
    struct future *f = lua_newuserdatauv(L, sizeof *f, FUTURE_LAST);
    memset(f, 0, sizeof *f);
    f->anchor.kind = ANCHOR_FUTURE;
    f->core = c;
    return f;
}

/* The view at `view` has a metatable that is not in use any more. */
static void renew_view(lua_State *L, struct view *v, int view) {
    tine__core_push_meta(L, v->core);
    v->meta = lua_topointer(L, -1);
    lua_setiuservalue(L, view, VIEW_META);
}

struct future *tine__future_new(lua_State *L, struct view *v, int view) {
    struct future *f = new_future(L, v->core);
    if (v->meta != v->core->meta)
        renew_view(L, v, view);
    f->meta = v->meta;
    f->label = v->label;
    f->label_len = (uint32_t)v->label_len;
    lua_getiuservalue(L, view, VIEW_META);
    lua_setmetatable(L, -2);
    return f;
}

void tine__future_hold_origin(lua_State *L, struct future *f, int idx) {
    if (f->meta == f->core->meta)
        return;
    tine__core_push_meta(L, f->core);
    f->meta = lua_topointer(L, -1);
    lua_setmetatable(L, idx);
}

struct future *tine__future_new_manual(lua_State *L) {
    struct future *f = new_future(L, NULL);
    f->meta = lua_topointer(L, UP(UP_FUTURE));
    lua_pushvalue(L, UP(UP_FUTURE));
    lua_setmetatable(L, -2);
    return f;
}

/* All that is in the metatable of manual futures, and at 1 the core. */
void tine__future_push_meta(lua_State *L, int core) {
    lua_createtable(L, 1, 4);
    for (lua_pushnil(L); lua_next(L, UP(UP_FUTURE));) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_pushvalue(L, core);
    lua_rawseti(L, -2, 1);
}

/* The size first: a foreign userdata of this size is looked into, but only for a pointer to compare. */
struct future *tine__to_future(lua_State *L, int idx) {
    struct future *f = lua_touserdata(L, idx);
    if (!f || lua_rawlen(L, idx) != sizeof *f || !lua_getmetatable(L, idx))
        return NULL;
    bool same = lua_topointer(L, -1) == f->meta;
    lua_pop(L, 1);
    return same ? f : NULL;
}

struct future *tine__check_future(lua_State *L, int arg) {
    struct future *f = tine__to_future(L, arg);
    if (!f)
        luaL_typeerror(L, arg, "tine.future");
    if (f->core)
        tine__check_process(L, f->core);
    else if (f->nested && !f->done)
        tine__nested_poll(L);
    if (f->anchor.weak)
        tine__anchor_check(L, &f->anchor, arg);
    return f;
}

const char *tine__future_label(lua_State *L, struct future *f, int idx) {
    (void)idx;
    if (!f->core)
        return f->label ? lua_pushlstring(L, f->label, f->label_len)
                        : lua_pushstring(L, f->nested ? "nested task" : "manual future");
    const struct task_name name = future_name(f);
    return tine__label_push(L, &name, 0);
}

/* --- how it stands --- */

static bool manual_ended(const struct future *f) {
    return f->phase >= PHASE_CANCELLED;
}

/* Has it ended, whether or not this thread has been told? */
static bool has_ended(struct future *f) {
    if (f->done)
        return true;
    if (!f->core)
        return manual_ended(f);
    if (!outcome_settled(&f->outcome) && f->core->p)
        tine__pool_poll(f->core->p);
    return outcome_settled(&f->outcome);
}

bool tine__future_cancelled(const struct future *f) {
    if (!f->core)
        return f->phase == PHASE_CANCELLED || f->phase == PHASE_NOTIFIED;
    return f->outcome.state == OUTCOME_FAILED && f->outcome.code == TINE_ECANCELLED;
}

static bool is_running(struct future *f) {
    if (has_ended(f))
        return false;
    if (!f->core)
        return f->phase == PHASE_RUNNING;
    return f->core->p && tine__task_look(f->core->p, f->anchor.item, 0) == LOOK_RUNNING;
}

static const char *state_name(struct future *f) {
    if (is_running(f))
        return "running";
    if (!has_ended(f)) /* it may have ended just now: looked at last */
        return "pending";
    return tine__future_cancelled(f) ? "cancelled" : "finished";
}

static int future_state(lua_State *L) {
    lua_pushstring(L, state_name(tine__check_future(L, 1)));
    return 1;
}

static int future_done(lua_State *L) {
    lua_pushboolean(L, has_ended(tine__check_future(L, 1)));
    return 1;
}

static int future_running(lua_State *L) {
    lua_pushboolean(L, is_running(tine__check_future(L, 1)));
    return 1;
}

static int future_cancelled(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    lua_pushboolean(L, has_ended(f) && tine__future_cancelled(f));
    return 1;
}

/* Nothing when its task has said nothing. */
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

/* nil while it is not done, or when it is not captured. */
static int future_output(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    lua_settop(L, 1);
    if (f->core && !f->done && has_ended(f))
        tine__reap(L);
    if (!f->done || !f->core)
        return lua_pushnil(L), 1;
    return tine__extras_push_printed(L, f, 1);
}

/* --- waiting --- */

static bool future_met(const struct aim *aim) {
    return ((const struct future *)aim->what)->done;
}

static bool future_ends(const struct aim *aim, const struct anchor *a) {
    return a == &((const struct future *)aim->what)->anchor;
}

int tine__future_await(lua_State *L, struct future *f, uint64_t deadline) {
    struct state *S = f->core ? f->core->state : state_of(L);
    /* inside a callback the rest is run after it, in order, not in the middle of its expressions */
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
        const struct task_name name = future_name(f);
        tine__error_set_task(L, &name, 0);
    }
    lua_remove(L, -2);
}

/* --- what it ended with --- */

/* n values on top of the stack become the cache of the future at `idx`. */
static void keep_values(lua_State *L, struct future *f, int idx, int n) {
    if (n > 1) {
        lua_createtable(L, n, 0);
        lua_insert(L, -n - 1);
        for (int i = n; i >= 1; i--)
            lua_rawseti(L, -i - 1, i);
    }
    if (n > 0)
        lua_setiuservalue(L, idx, FUTURE_VALUE);
    f->nvalues = n;
    f->cache = CACHE_VALUES;
}

/* Error and traceback on top of the stack become it. */
static void keep_error(lua_State *L, struct future *f, int idx) {
    lua_createtable(L, 2, 0);
    lua_insert(L, -3);
    lua_rawseti(L, -3, 2);
    lua_rawseti(L, -2, 1);
    lua_setiuservalue(L, idx, FUTURE_VALUE);
    f->cache = CACHE_ERROR;
}

/* Push error and traceback of what it was to be given, which has failed elsewhere. */
static bool push_given(lua_State *L, struct future *f, int idx) {
    if (f->extras != EXTRA_TABLE)
        return false;
    tine__extras_push(L, f, idx);
    if (lua_getfield(L, -1, "given") != LUA_TTABLE)
        return lua_pop(L, 2), false;
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lua_remove(L, -3);
    lua_remove(L, -3);
    return true;
}

static void decode_outcome(lua_State *L, struct future *f, int idx, struct outcome *o) {
    const struct task_name name = future_name(f);
    int n = -1;
    if (o->state == OUTCOME_FAILED && o->code == TINE_ETASK && push_given(L, f, idx)) {
        keep_error(L, f, idx);
        return;
    }
    if (o->state == OUTCOME_VALUES) {
        if ((n = tine__values_push(L, f->core, o, &name, 0)) < 0)
            lua_pushliteral(L, "");
    } else {
        tine__failure_push(L, f->core, o, &name, 0);
    }
    if (f->cache != CACHE_NONE)
        return; /* a decode function has asked for this very result */
    if (n >= 0)
        keep_values(L, f, idx, n);
    else
        keep_error(L, f, idx);
    f->failed = n < 0 && !tine__future_cancelled(f);
}

void tine__future_decode(lua_State *L, struct future *f, int idx) {
    if (f->cache != CACHE_NONE)
        return;
    int top = lua_gettop(L);
    struct outcome *o = &f->outcome;
    if (f->box) { /* the stack keeps it while its bytes are read */
        lua_getiuservalue(L, idx, FUTURE_VALUE);
        o = f->box;
    }
    if (f->core->program)
        tine__program_keep(L, f, idx, o);
    decode_outcome(L, f, idx, o);
    if (!f->core->program)
        f->box = NULL;
    lua_settop(L, top);
}

/* Push the values; their number. */
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

/* Push error and traceback. */
static void push_error(lua_State *L, int idx) {
    lua_getiuservalue(L, idx, FUTURE_VALUE);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lua_remove(L, -3);
}

/* Raise the error of the future at `idx`; leave a note for who shows it. */
static int raise_error(lua_State *L, struct future *f, int idx) {
    tine__future_label(L, f, idx);
    int label = lua_gettop(L);
    push_error(L, idx);
    lua_insert(L, -2); /* label, traceback, error */
    tine__error_note(L, label, label + 1);
    return lua_error(L);
}

/* Push the values of a future that is done if they need not be kept; their number, or -1. */
static int scalars(lua_State *L, const struct future *f) {
    return f->cache == CACHE_NONE ? tine__scalars_push(L, &f->outcome, true) : -1;
}

static int future_result(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (tine__future_await(L, f, tine__check_deadline(L, 2)))
        return push_timeout(L, f, 1), lua_error(L);
    int n = scalars(L, f);
    if (n >= 0)
        return n;
    tine__future_decode(L, f, 1);
    return f->cache == CACHE_VALUES ? push_values(L, f, 1) : raise_error(L, f, 1);
}

static int future_pcall(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (tine__future_await(L, f, tine__check_deadline(L, 2))) {
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
    push_error(L, 1);
    return 3;
}

static int future_exception(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (tine__future_await(L, f, tine__check_deadline(L, 2)))
        return push_timeout(L, f, 1), lua_error(L);
    tine__future_decode(L, f, 1);
    if (f->cache == CACHE_VALUES)
        return lua_pushnil(L), 1;
    if (tine__future_cancelled(f))
        return raise_error(L, f, 1);
    push_error(L, 1);
    return 2;
}

/* --- ending it --- */

static int manual_cancel(lua_State *L, struct future *f) {
    if (f->nested && !f->done) {
        tine__nested_cancel(L, f);
    } else if (f->phase == PHASE_PENDING) {
        f->phase = PHASE_CANCELLED;
        tine__error_push(L, TINE_ECANCELLED, "%s", tine_error_text(TINE_ECANCELLED));
        lua_pushliteral(L, "");
        tine__manual_end(L, f, 1, -1);
    }
    lua_pushboolean(L, tine__future_cancelled(f));
    return 1;
}

static int future_cancel(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    lua_settop(L, 1);
    if (!f->core)
        return manual_cancel(L, f);
    if (!has_ended(f) && f->core->p)
        tine__task_cancel(f->core->p, f->anchor.item, 0);
    lua_pushboolean(L, has_ended(f) && tine__future_cancelled(f));
    return 1;
}

static int future_abort(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    lua_settop(L, 1);
    if (!f->core)
        return manual_cancel(L, f);
    lua_pushboolean(L, !has_ended(f) && f->core->p && tine__task_abort(f->core->p, f->anchor.item));
    return 1;
}

/* --- callbacks --- */

static int future_add_done_callback(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    tine__check_callable(L, 2);
    lua_settop(L, 2);
    if (!f->done && has_ended(f))
        tine__reap(L);
    /* not what has_ended says: a `result` in the callback would take in the news, and run others inside */
    if (f->done && !f->due)
        tine__callback_call(L, 1, 2);
    else
        tine__callback_add(L, f, 1, 2);
    return 0;
}

/* --- manual futures --- */

/* A manual future at `idx` has ended, with `n` values (-1: error and traceback) on top of the stack. Its
** executor is the script, so its callbacks are run here. */
void tine__manual_end(lua_State *L, struct future *f, int idx, int n) {
    struct state *S = state_of(L);
    if (n >= 0)
        keep_values(L, f, idx, n);
    else
        keep_error(L, f, idx);
    f->done = true;
    f->failed = n < 0 && !tine__future_cancelled(f);
    tine__future_ended(L, f, idx);
    if (callbacks_due(S))
        tine__callbacks_run(L);
}

int tine__future_manual(lua_State *L) {
    tine__future_new_manual(L);
    return 1;
}

static struct future *check_manual(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (f->core || f->nested)
        tine__error(L, TINE_EINVALID, "the future of a task is settled by its pool");
    return f;
}

/* The future at 1, which must not have ended, is given its end. */
static struct future *check_open(lua_State *L) {
    struct future *f = check_manual(L);
    if (f->phase > PHASE_RUNNING)
        tine__error(L, TINE_EINVALID, "the future is %s already", state_name(f));
    f->phase = PHASE_FINISHED;
    return f;
}

static int manual_run(lua_State *L) {
    struct future *f = check_manual(L);
    bool run = f->phase == PHASE_PENDING;
    if (!run && f->phase != PHASE_CANCELLED)
        return tine__error(L, TINE_EINVALID, "the future is %s already", state_name(f));
    f->phase = run ? PHASE_RUNNING : PHASE_NOTIFIED;
    lua_pushboolean(L, run);
    return 1;
}

static int manual_set_result(lua_State *L) {
    int n = lua_gettop(L) - 1;
    tine__manual_end(L, check_open(L), 1, n < 0 ? 0 : n);
    return 0;
}

static int manual_set_exception(lua_State *L) {
    luaL_optstring(L, 3, "");
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_pushliteral(L, "");
        lua_replace(L, 3);
    }
    tine__manual_end(L, check_open(L), 1, -1);
    return 0;
}

/* --- looking --- */

/* A value in a few characters, no metamethod called but an error object's. */
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
        push_error(L, 1);
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
    const char *state = state_name(f);
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
    {"set_running_or_notify_cancel", manual_run},
    {"set_result", manual_set_result},
    {"set_exception", manual_set_exception},
    {NULL, NULL},
};

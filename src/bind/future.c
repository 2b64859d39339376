/* Futures of a pool and manual ones: their making, state and results. Their methods are in
** future_methods.c.
*/
#include <string.h>
#include "base/hot.h"
#include "bind/box.h"
#include "bind/errors.h"
#include "bind/extras.h"
#include "bind/future.h"
#include "bind/nested.h"
#include "bind/values.h"
#include "msg/label.h"

/* --- making and checking --- */

/* Push a future without a metatable. */
static struct future *new_future(lua_State *L, struct core *c) {
    struct future *f = lua_newuserdatauv(L, sizeof *f, FUTURE_LAST);
    memset(f, 0, sizeof *f);
    f->anchor.kind = ANCHOR_FUTURE;
    f->core = c;
    return f;
}

/* The metatable in the view at `view` is no longer current: replace it. */
static void renew_view(lua_State *L, struct view *v, int view) {
    tine__core_push_meta(L, v->core);
    v->meta = lua_topointer(L, -1);
    lua_setiuservalue(L, view, VIEW_META);
}

HOT struct future *tine__future_new(lua_State *L, struct view *v, int view) {
    struct future *f = new_future(L, v->core);
    if (v->meta != v->core->meta)
        renew_view(L, v, view);
    lua_getiuservalue(L, view, VIEW_META);
    lua_setmetatable(L, -2);
    return f;
}

void tine__future_hold_origin(lua_State *L, struct core *c, int idx, const void *meta) {
    if (meta == c->meta)
        return;
    tine__core_push_meta(L, c);
    if (lua_isnil(L, -1)) /* the pool has ended meanwhile and was joined */
        lua_pop(L, 1);
    else
        lua_setmetatable(L, idx);
}

struct future *tine__future_new_manual(lua_State *L) {
    struct future *f = new_future(L, NULL);
    lua_pushvalue(L, UP(UP_FUTURE));
    lua_setmetatable(L, -2);
    return f;
}

/* A copy of the metatable of manual futures, with the core at 1. */
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

static const char mark; /* its address is a key in all metatables of futures, and only in them */

void tine__future_mark_meta(lua_State *L, int meta) {
    lua_pushboolean(L, 1);
    lua_rawsetp(L, meta, &mark);
}

struct future *tine__to_future(lua_State *L, int idx) {
    struct future *f = lua_touserdata(L, idx);
    if (!f || lua_rawlen(L, idx) != sizeof *f || !lua_getmetatable(L, idx))
        return NULL;
    bool ours = lua_rawgetp(L, -1, &mark) != LUA_TNIL;
    lua_pop(L, 2);
    return ours ? f : NULL;
}

HOT struct future *tine__check_future(lua_State *L, int arg) {
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

struct task_name tine__future_name(lua_State *L, const struct future *f, int idx) {
    size_t len = 0;
    const char *label = tine__extras_label(L, f, idx, &len);
    return (struct task_name){
        .id = f->id, .origin = f->origin, .label = label, .label_len = (uint32_t)len};
}

const char *tine__future_label(lua_State *L, struct future *f, int idx) {
    const struct task_name name = tine__future_name(L, f, idx);
    if (!f->core)
        return name.label ? lua_pushlstring(L, name.label, name.label_len)
                          : lua_pushstring(L, f->nested ? "nested task" : "manual future");
    return tine__label_push(L, &name, 0);
}

/* --- state --- */

static bool manual_ended(const struct future *f) {
    return f->phase >= PHASE_CANCELLED;
}

/* Takes in results if it is not known to have ended. */
bool tine__future_has_ended(struct future *f) {
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

bool tine__future_is_running(struct future *f) {
    if (tine__future_has_ended(f))
        return false;
    if (!f->core)
        return f->phase == PHASE_RUNNING;
    return f->core->p && tine__task_look(f->core->p, f->anchor.item, 0) == LOOK_RUNNING;
}

const char *tine__future_state(struct future *f) {
    if (tine__future_is_running(f))
        return "running";
    if (!tine__future_has_ended(f)) /* checked last, since it may just have ended */
        return "pending";
    return tine__future_cancelled(f) ? "cancelled" : "finished";
}

/* --- results --- */

/* As described at enum cache. */
void tine__future_pack(lua_State *L, int n) {
    int all = n < 0 ? 2 : n;
    luaL_checkstack(L, 1, "too many results");
    if (all == 0)
        lua_pushnil(L);
    if (all <= 1)
        return;
    lua_createtable(L, all, 0);
    lua_insert(L, -all - 1);
    for (int i = all; i >= 1; i--)
        lua_rawseti(L, -i - 1, i);
}

void tine__future_keep(lua_State *L, struct future *f, int idx, int n) {
    lua_setiuservalue(L, idx, FUTURE_VALUE);
    f->nvalues = n < 0 ? 0 : n;
    f->cache = n < 0 ? CACHE_ERROR : CACHE_VALUES;
}

/* Push error and traceback of a future that was needed as an argument and has failed elsewhere. */
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

/* Push what the outcome holds: returns the number of values, or -1 for error and traceback; or
** VALUES_SHORT for error and traceback that are not the task's. */
static int push_outcome(lua_State *L, struct future *f, int idx, struct outcome *o) {
    const struct task_name name = tine__future_name(L, f, idx);
    if (o->state == OUTCOME_ERROR && push_given(L, f, idx))
        return -1;
    if (o->state != OUTCOME_VALUES)
        return tine__failure_push(L, f->core, o, &name, 0);
    int n = tine__values_push(L, f->core, o, &name, 0);
    if (n < 0)
        lua_pushliteral(L, "");
    return n;
}

/* The bytes are freed when what they hold is kept. If this raises, as it does when memory is short,
** they can be decoded later: they have a reader that never ends, and are freed with the future. */
static void decode_outcome(lua_State *L, struct future *f, int idx, struct outcome *o) {
    o->readers++;
    int n = push_outcome(L, f, idx, o);
    if (n == VALUES_SHORT) {
        lua_pop(L, 1);
        lua_error(L);
    }
    tine__future_pack(L, n);
    if (--o->readers == 0)
        tine__outcome_free(o);
    if (f->cache != CACHE_NONE)
        return; /* a decode function or finalizer of the script has decoded this very result */
    tine__future_keep(L, f, idx, n);
    f->failed = n < 0 && !tine__future_cancelled(f);
}

struct outcome *tine__future_outcome(lua_State *L, struct future *f, int idx) {
    if (f->outcome.storage != STORE_MOVED) {
        lua_pushnil(L);
        return &f->outcome;
    }
    if (f->cache == CACHE_NONE) {
        lua_getiuservalue(L, idx, FUTURE_VALUE);
    } else {
        tine__extras_push(L, f, idx);
        lua_getfield(L, -1, "box");
        lua_remove(L, -2);
    }
    return tine__box_outcome(L, -1);
}

/* The outcome `o` is about to be decoded, but the C library may still need it: keep it. Its box, if
** it has one, is on top. */
static void keep_for_program(lua_State *L, struct future *f, int idx, struct outcome *o) {
    o->readers++; /* a reader that never ends: it is freed with the future */
    if (o == &f->outcome)
        return;
    tine__extras_push(L, f, idx);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "box");
    lua_pop(L, 1);
}

void tine__future_push_finalized(lua_State *L) {
    tine__error_push(L, TINE_EINVALID, "the result of this future has been finalized");
}

static void keep_finalized(lua_State *L, struct future *f, int idx) {
    tine__future_push_finalized(L);
    lua_pushliteral(L, "");
    tine__future_pack(L, -1);
    tine__future_keep(L, f, idx, -1);
}

void tine__future_decode(lua_State *L, struct future *f, int idx) {
    if (f->cache != CACHE_NONE)
        return;
    int top = lua_gettop(L);
    /* the stack keeps the box alive while its bytes are read */
    struct outcome *o = tine__future_outcome(L, f, idx);
    if (o && f->core->program)
        keep_for_program(L, f, idx, o);
    if (o)
        decode_outcome(L, f, idx, o);
    else
        keep_finalized(L, f, idx);
    if (o != &f->outcome && !f->core->program)
        f->outcome.storage = STORE_NONE;
    lua_settop(L, top);
}

/* Reads them from the cache. */
void tine__future_push_error(lua_State *L, int idx) {
    lua_getiuservalue(L, idx, FUTURE_VALUE);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lua_remove(L, -3);
}

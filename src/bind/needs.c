/* Futures as arguments, and chains: from futures to the needs of an item (pool/needs.h).
**
** A future of the same pool whose result was not decoded here is a need that the pool itself fills
** in, as bytes. If its result was decoded, the value is an argument like any other. A future of
** another pool, or a manual one, is waited for by an internal callback, which gives its result to
** the item.
*/
#include <string.h>
#include "bind/callbacks.h"
#include "bind/chunk.h"
#include "bind/errors.h"
#include "bind/extras.h"
#include "bind/needs.h"
#include "msg/settings.h"

/* The outcome of the future at `i`, if it was not decoded yet; pushes the value that keeps it
** alive. NULL otherwise, with some value pushed. */
static struct outcome *push_bytes(lua_State *L, struct future *f, int i) {
    if (f->core && f->cache == CACHE_NONE)
        return tine__future_outcome(L, f, i);
    lua_pushnil(L);
    return NULL;
}

static bool has_bytes(lua_State *L, struct future *f, int i) {
    bool there = push_bytes(L, f, i) != NULL;
    lua_pop(L, 1);
    return there;
}

static bool is_over(const struct future *f) {
    return f->core ? f->done : f->phase >= PHASE_CANCELLED;
}

static uint32_t count(lua_State *L, int first, int n) {
    uint32_t found = 0;
    for (int i = first; i < first + n; i++)
        found += lua_type(L, i) == LUA_TUSERDATA && tine__to_future(L, i);
    return found;
}

/* Replace the future at `i`, which has ended, by its value. False: it has failed. */
static bool put_value(lua_State *L, struct future *f, int i) {
    if (f->core)
        tine__future_decode(L, f, i);
    if (f->cache != CACHE_VALUES)
        return false;
    if (f->nvalues == 0) {
        lua_pushnil(L);
    } else {
        lua_getiuservalue(L, i, FUTURE_VALUE);
        if (f->nvalues > 1) {
            lua_rawgeti(L, -1, 1);
            lua_remove(L, -2);
        }
    }
    lua_replace(L, i);
    return true;
}

/* Must the future at `i` become a need? False: it has ended and was replaced by its value. */
static bool is_need(lua_State *L, struct core *c, int i) {
    struct future *f = tine__check_future(L, i);
    bool ours = f->core == c && (!f->done || (has_bytes(L, f, i) && !c->program));
    return ours || !is_over(f) || !put_value(L, f, i);
}

static int place_gc(lua_State *L) {
    struct needs **place = lua_touserdata(L, 1);
    tine__needs_free(*place);
    *place = NULL;
    return 0;
}

static struct needs **push_place(lua_State *L) {
    struct needs **place = lua_newuserdatauv(L, sizeof *place, 0);
    *place = NULL;
    if (luaL_newmetatable(L, "tine.needs")) {
        lua_pushcfunction(L, place_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return place;
}

static int await_all(lua_State *L);

/* Key in the table of futures, where no argument is: the function await_all, made while a memory
** error does no harm yet. */
#define AWAIT 0

struct needs *tine__needs_collect(lua_State *L, struct core *c, int first, int n, int futures) {
    uint32_t found = count(L, first, n), used = 0;
    if (found == 0)
        return NULL;
    tine__callback_room(L); /* for the callbacks that will give the results */
    lua_createtable(L, (int)found, (int)found);
    lua_replace(L, futures);
    struct needs **place = push_place(L);
    *place = tine__needs_new(found);
    if (!*place)
        tine__error(L, TINE_ENOMEM, "%s", tine_error_text(TINE_ENOMEM));
    for (int i = first; i < first + n; i++) {
        if (lua_type(L, i) != LUA_TUSERDATA || !tine__to_future(L, i) || !is_need(L, c, i))
            continue;
        (*place)->list[used++].position = (uint32_t)(i - first);
        lua_pushvalue(L, i);
        lua_rawseti(L, futures, i - first + 1);
        lua_pushboolean(L, true);
        lua_rawseti(L, futures, -(i - first + 1)); /* true: a callback must give it */
        lua_pushnil(L);
        lua_replace(L, i);
    }
    (*place)->n = used;
    if (!used)
        return NULL;
    luaL_checkstack(L, UP_LAST + 1, "too many futures");
    push_upvalues(L);
    lua_pushcclosure(L, await_all, UP_LAST);
    lua_rawseti(L, futures, AWAIT);
    return *place;
}

void tine__needs_resolve(lua_State *L, struct core *c, struct needs *needs, int futures) {
    for (uint32_t i = 0; i < needs->n; i++) {
        struct need *need = &needs->list[i];
        lua_rawgeti(L, futures, (lua_Integer)need->position + 1);
        struct future *f = lua_touserdata(L, -1);
        bool ours = f->core == c && c->p;
        need->leader = ours ? f->anchor.item : NULL;
        if (ours && !need->leader && !c->program && !outcome_settled(&need->got)) {
            struct outcome *bytes = push_bytes(L, f, -1);
            if (bytes)
                tine__outcome_share(&need->got, bytes);
            lua_pop(L, 1);
        }
        lua_pushboolean(L, !need->leader && !outcome_settled(&need->got));
        lua_rawseti(L, futures, -((lua_Integer)need->position + 1));
        lua_pop(L, 1);
    }
}

/* --- giving results --- */

/* Give the result encoded in `cb` to the item; or (`err`) fail the item with the message on top. */
static void give_encoded(lua_State *L, struct core *c, struct item *item, uint32_t position,
                         int err, struct call_buf *cb) {
    size_t len;
    if (!c->p)
        return; /* the pool has ended meanwhile, and the item with it */
    if (!err) {
        tine__item_give(c->p, item, position, cb);
        return;
    }
    const char *text = lua_tolstring(L, -1, &len);
    tine__item_fail(c->p, item, err, text, len);
}

/* Encode the value on top and give it to the anchored item. */
static void give_value(lua_State *L, struct core *c, const struct anchor *a, uint32_t position) {
    int value = lua_gettop(L);
    struct room *r = tine__room_take_of(L, c); /* an error of memory leaves it to the collector */
    if (!r)
        return;
    core_begin_encoding(c);
    int err = tine__encode_given(L, c->codec, value, &r->call.b);
    if (a->item)
        give_encoded(L, c, a->item, position, err, &r->call);
    tine__call_buf_drop(&r->call);
    tine__room_put(c, r);
    tine__core_end_encoding(c);
}

/* Encode the error and the traceback at `at`, and for an object its text, as workers do. 0, or a
** code with the message pushed. */
static int encode_error(lua_State *L, struct codec *codec, int at, struct buf *out) {
    if (lua_type(L, at) != LUA_TSTRING && lua_getmetatable(L, at)) {
        lua_pop(L, 1);
        tine__text_push(L, at);
    }
    int err = tine__encode_error(L, codec, at, lua_gettop(L) - at + 1, out);
    if (!err)
        return 0;
    lua_pushfstring(L, "%s\n(the error value arrives as text: %s)", lua_tostring(L, at + 1),
                    lua_tostring(L, -1));
    tine__text_push(L, at);
    lua_replace(L, at);
    lua_replace(L, at + 1);
    return tine__encode_error(L, codec, at, 2, out);
}

/* Let the future at `idx`, which failed by the future at 1, raise the very error of that. */
static void keep_given(lua_State *L, int idx) {
    tine__extras_push(L, lua_touserdata(L, idx), idx);
    lua_getiuservalue(L, 1, FUTURE_VALUE);
    lua_setfield(L, -2, "given");
    lua_pop(L, 1);
}

/* Fail the dependent at `idx` with the error of the future at 1. */
static void give_error(lua_State *L, struct core *c, const struct anchor *a, int idx) {
    int top = lua_gettop(L);
    struct room *r = tine__room_take_of(L, c); /* an error of memory leaves it to the collector */
    if (!r)
        return;
    int at = lua_gettop(L) + 1;
    lua_getiuservalue(L, 1, FUTURE_VALUE);
    lua_rawgeti(L, at, 1);
    lua_rawgeti(L, at, 2);
    lua_remove(L, at);
    core_begin_encoding(c);
    int err = encode_error(L, c->codec, at, &r->call.b);
    bool given = false;
    if (c->p && a->item && err) /* a metamethod may have ended the item */
        tine__item_fail(c->p, a->item, err, "", 0);
    else if (c->p && a->item)
        given = tine__item_give_error(c->p, a->item, &r->call);
    tine__call_buf_drop(&r->call);
    tine__room_put(c, r);
    tine__core_end_encoding(c);
    lua_settop(L, top);
    if (given && a->kind == ANCHOR_FUTURE)
        keep_given(L, idx);
}

/* Function (future); two more upvalues: the dependent, and the position of its argument. */
static int give_end(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    struct anchor *a = lua_touserdata(L, UP(UP_LAST + 1));
    uint32_t position = (uint32_t)lua_tointeger(L, UP(UP_LAST + 2));
    struct core *c = anchor_core(a);
    lua_settop(L, 1);
    lua_pushvalue(L, UP(UP_LAST + 1));
    if (f->core)
        tine__future_decode(L, f, 1);
    if (!a->item || !c->p)
        return 0;
    if (tine__future_cancelled(f)) {
        tine__item_fail(c->p, a->item, TINE_ECANCELLED, "", 0);
    } else if (f->cache == CACHE_VALUES) {
        lua_pushvalue(L, 1);
        put_value(L, f, 3);
        give_value(L, c, a, position);
    } else {
        give_error(L, c, a, 2);
    }
    return 0;
}

/* Callback (future); two more upvalues: the dependent, and the function above, which gives the
** result. If that fails, the item fails, since nobody else would end it. */
static int give(lua_State *L) {
    lua_settop(L, 1);
    lua_pushvalue(L, UP(UP_LAST + 2));
    lua_insert(L, 1);
    int status = lua_pcall(L, 1, 0, 0);
    struct anchor *a = lua_touserdata(L, UP(UP_LAST + 1));
    state_of(L)->promised--;
    if (status == LUA_OK)
        return 0;
    struct core *c = anchor_core(a);
    if (a->item && c->p)
        tine__item_fail(c->p, a->item, tine__is_interrupt(L, -1) ? TINE_ECANCELLED : TINE_ENOMEM,
                        "", 0);
    return lua_error(L);
}

/* Push the callback that gives a future's result to the dependent as the argument at this place. */
static void push_give(lua_State *L, int dependent, lua_Integer position) {
    push_upvalues(L);
    lua_pushvalue(L, dependent);
    push_upvalues(L);
    lua_pushvalue(L, dependent);
    lua_pushinteger(L, position);
    lua_pushcclosure(L, give_end, UP_LAST + 2);
    lua_pushcclosure(L, give, UP_LAST + 2);
}

/* Let the future at `source` give the dependent its argument in this position. */
static void await_one(lua_State *L, int source, int dependent, lua_Integer position) {
    struct future *f = lua_touserdata(L, source);
    luaL_checkstack(L, 2 * UP_LAST + 4, "too many futures");
    /* First, since a finalizer that runs below may wait for the pool, whose task waits already. */
    state_of(L)->promised++;
    push_give(L, dependent, position);
    int fn = lua_gettop(L);
    bool over = is_over(f) || !tine__give_add(L, f, source, fn);
    if (over)
        tine__callback_call(L, source, fn);
}

/* Function (futures, dependent). */
static int await_all(lua_State *L) {
    for (lua_pushnil(L); lua_next(L, 1); lua_settop(L, 3)) {
        lua_Integer argument = lua_tointeger(L, 3);
        if (argument <= 0 || lua_rawgeti(L, 1, -argument) == LUA_TNIL)
            continue;
        if (lua_toboolean(L, -1))
            await_one(L, 4, 2, argument - 1);
    }
    return 0;
}

void tine__needs_await(lua_State *L, const struct draft *d) {
    lua_rawgeti(L, d->futures, AWAIT);
    lua_pushvalue(L, d->futures);
    lua_pushvalue(L, d->idx);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK)
        return;
    struct core *c = anchor_core(d->anchor);
    if (d->anchor->item && c->p) /* nobody else would ever end it */
        tine__item_fail(c->p, d->anchor->item, TINE_ENOMEM, "", 0);
    lua_error(L);
}

/* --- chains --- */

/* Push the view that the future at 1 was submitted through, or one with the settings of its
** pool. */
static void push_view(lua_State *L, struct future *f) {
    lua_getiuservalue(L, 1, FUTURE_EXTRAS);
    if (f->extras == EXTRA_TABLE) {
        lua_getfield(L, -1, "label");
        lua_remove(L, -2);
    }
    if (lua_type(L, -1) == LUA_TUSERDATA && f->extras != EXTRA_WATCH)
        return;
    int label = lua_gettop(L);
    struct view *v = lua_newuserdatauv(L, sizeof *v, VIEW_LAST);
    *v = (struct view){.core = f->core, .derived = true};
    v->label = lua_tolstring(L, label, &v->label_len);
    lua_pushvalue(L, UP(UP_VIEW));
    lua_setmetatable(L, -2);
    v->settings = tine__settings_ref(f->core->settings);
    lua_getmetatable(L, 1);
    lua_rawgeti(L, -1, 1);
    lua_setiuservalue(L, label + 1, VIEW_CORE);
    lua_pop(L, 1);
    lua_pushvalue(L, label);
    lua_setiuservalue(L, label + 1, VIEW_LABEL);
    if (f->extras == EXTRA_TABLE) {
        tine__extras_push(L, f, 1);
        lua_getfield(L, -1, "when");
        lua_setiuservalue(L, label + 1, VIEW_WHEN);
        lua_pop(L, 1);
    }
    lua_remove(L, label);
}

/* future:chain(fn, ...) */
int tine__future_chain(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (!f->core)
        return tine__error(
            L, TINE_EINVALID,
            "a future that %s has no pool to chain it in: %s:submit(fn, future, ...)",
            f->nested ? "a task has submitted" : "was made by hand",
            f->nested ? "tine.worker.pool" : "pool");
    tine__check_task(L, 2, "chain");
    luaL_checkstack(L, 8, "too many arguments");
    lua_pushvalue(L, 1);
    lua_insert(L, 3); /* [future, fn, future, ...] */
    push_view(L, f);
    lua_replace(L, 1);
    return tine__submit(L);
}

/* pool:submit: from Lua values to an item in the pool's hands. */
#include <string.h>
#include "bind/bind.h"

/* --- rooms: where calls are encoded --- */

int tine__room_gc(lua_State *L) {
    struct room *r = lua_touserdata(L, 1);
    if (r->core && r->core->p)
        tine__call_buf_drop(&r->call);
    return 0;
}

static struct room *new_room(lua_State *L, struct core *c, int core) {
    struct room *r = lua_newuserdatauv(L, sizeof *r, 1);
    r->core = NULL;
    push_kept(L, KEPT_ROOM);
    lua_setmetatable(L, -2);
    tine__call_buf_init(&r->call, c->p, r->bytes, sizeof r->bytes);
    r->core = c;
    lua_pushvalue(L, core);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, core, CORE_ROOM);
    c->room = r;
    return r;
}

struct room *tine__room_take(lua_State *L, struct core *c, int core) {
    if (!c->room_free)
        return new_room(L, c, core);
    c->room_free = false;
    lua_getiuservalue(L, core, CORE_ROOM);
    return c->room;
}

void tine__room_put(struct core *c, struct room *r) {
    if (c->room == r)
        c->room_free = true;
}

/* --- handing over --- */

static bool news_came(const struct aim *aim) {
    const struct core *c = aim->what;
    return c->taken != aim->n || c->joined;
}

void tine__refuse_ended(lua_State *L, struct core *c) {
    bool broken = c->reason && c->reason->code == TINE_EBROKEN;
    tine__refused(L, c, broken ? TINE_EBROKEN : TINE_ESHUTDOWN);
}

/* max_pending items are unfinished: wait for one of them. */
static void await_news(lua_State *L, struct core *c) {
    struct aim aim = {.met = news_came, .what = c, .n = c->taken, .any = true, .quiet = true};
    tine__await(L, &aim, WAIT_FOREVER);
}

void tine__send(lua_State *L, struct core *c, struct item *item, int idx, struct call_buf *cb,
                uint32_t label, uint32_t function) {
    for (;;) {
        if (!c->p) /* it has ended while we waited */
            tine__refuse_ended(L, c);
        tine__anchor(L, item->owner, idx);
        int err = tine__pool_submit(c->p, item, cb, label, function);
        if (!err)
            return;
        tine__unanchor(L, item->owner);
        if (err != TINE_EAGAIN) {
            tine__call_buf_drop(cb);
            tine__refused(L, c, err);
        }
        await_news(L, c);
    }
}

void tine__send_failed(lua_State *L, struct core *c, struct item *item, int idx, int code,
                       const char *text, size_t len) {
    tine__anchor(L, item->owner, idx);
    int err = tine__pool_submit_failed(c->p, item, code, text, len);
    if (!err)
        return;
    tine__unanchor(L, item->owner);
    tine__refused(L, c, err);
}

/* Results must not pile up while a script only submits. */
static void take_in(lua_State *L, struct core *c) {
    if (++c->since_poll >= 32) {
        c->since_poll = 0;
        tine__pool_poll(c->p);
    }
    if (tine__pool_has_done(c->p))
        tine__reap_core(L, c);
}

/* --- the call --- */

/* Argument errors of `submit` and `map` count as in a method call, however they are called. */
static int wrong_task(lua_State *L, int arg) {
    return luaL_error(L, "bad argument #%d to 'submit' (function expected, got %s)", arg - 1,
                      luaL_typename(L, arg));
}

void tine__check_task(lua_State *L, int arg) {
    switch (lua_type(L, arg)) {
    case LUA_TFUNCTION:
    case LUA_TSTRING:
        return;
    case LUA_TTABLE:
    case LUA_TUSERDATA:
        if (luaL_getmetafield(L, arg, "__call") != LUA_TNIL) {
            lua_pop(L, 1);
            return;
        }
        /* FALLTHROUGH */
    default:
        wrong_task(L, arg);
    }
}

int tine__encode_head(lua_State *L, struct core *c, struct item *item, int fn, struct buf *b,
                      uint32_t *function) {
    if (item->label && buf_append(b, item->label, item->label_len)) {
        lua_pushstring(L, tine_error_text(TINE_ENOMEM));
        return TINE_ENOMEM;
    }
    size_t from = b->len;
    c->messages++;
    int err = tine__encode_function(L, c->codec, fn, b, &item->origin);
    *function = (uint32_t)(b->len - from);
    return err;
}

/* pool:submit(fn, ...) */
int tine__submit(lua_State *L) {
    struct view *v = tine__check_view(L, 1);
    struct core *c = v->core;
    tine__check_task(L, 2);
    int n = lua_gettop(L) - 2, core = n + 3, future = n + 4;
    uint32_t function = 0;
    luaL_checkstack(L, 12, "too many arguments");
    if (!c->p)
        tine__refuse_ended(L, c);
    take_in(L, c);
    lua_getiuservalue(L, 1, VIEW_CORE);
    struct future *f = tine__future_new(L, v, core);
    if (v->label) { /* the label lives as long as the future */
        lua_getiuservalue(L, 1, VIEW_LABEL);
        tine__extras_set_label(L, f, future, future + 1);
        lua_pop(L, 1);
    }
    struct room *r = tine__room_take(L, c, core);
    struct buf *b = &r->call.b;
    int err = tine__encode_head(L, c, &f->item, 2, b, &function);
    if (!err)
        err = tine__encode_arguments(L, c->codec, 3, n, b);
    if (err) {
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        tine__call_buf_drop(&r->call);
        tine__send_failed(L, c, &f->item, future, err, text, len);
    } else {
        tine__send(L, c, &f->item, future, &r->call, f->item.label_len, function);
    }
    tine__room_put(c, r);
    lua_settop(L, future);
    return 1;
}

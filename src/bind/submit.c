/* pool:submit: from Lua values to a submitted item. */
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/hot.h"
#include "bind/await.h"
#include "bind/errors.h"
#include "bind/extras.h"
#include "bind/fileno.h"
#include "bind/heavy.h"
#include "bind/loop.h"
#include "bind/needs.h"
#include "bind/options.h"
#include "bind/reap.h"
#include "bind/submit.h"
#include "msg/extra.h"

/* --- rooms: where calls are encoded --- */

int tine__room_gc(lua_State *L) {
    struct room *r = lua_touserdata(L, 1);
    if (r->core && r->core->p)
        tine__call_buf_drop(&r->call);
    else if (r->core)
        tine__call_buf_abandon(&r->call);
    return 0;
}

/* Push a new room. NULL, and nothing pushed: the pool has ended, perhaps by a finalizer just
** now. */
static struct room *push_room(lua_State *L, struct core *c, int core) {
    struct room *r = lua_newuserdatauv(L, sizeof *r, 1);
    r->core = NULL;
    if (!c->p)
        return lua_pop(L, 1), NULL;
    push_kept(L, KEPT_ROOM);
    lua_setmetatable(L, -2);
    tine__call_buf_init(&r->call, c->p, r->bytes, sizeof r->bytes);
    r->core = c;
    lua_pushvalue(L, core);
    lua_setiuservalue(L, -2, 1);
    return r;
}

bool tine__room_make(lua_State *L, struct core *c, int core) {
    struct room *r = push_room(L, c, core);
    if (!r)
        return false;
    c->room = r;
    c->room_free = true;
    lua_setiuservalue(L, core, CORE_ROOM);
    return true;
}

/* The core's own room. NULL: it is in use. */
static inline struct room *take_own(struct core *c, const void *frame) {
    struct room *r = c->room;
    if (!c->room_free && (uintptr_t)r->frame <= (uintptr_t)frame) {
        /* the function that took it would have a higher frame on the C stack: an error has left
        ** it */
        if (c->p)
            tine__call_buf_drop(&r->call);
        c->room_free = true;
    }
    if (!c->room_free)
        return NULL;
    c->room_free = false;
    r->frame = frame;
    return r;
}

/* A finalizer may have ended the pool since the caller looked. Its memory, in which the room's buffer
** grows, may be gone then. */
HOT struct room *tine__room_take(lua_State *L, struct core *c, int view) {
    if (unlikely(!c->p))
        tine__refuse_ended(L, c);
    struct room *r = take_own(c, __builtin_frame_address(0));
    if (r)
        return r;
    lua_getiuservalue(L, view, VIEW_CORE);
    r = push_room(L, c, lua_gettop(L));
    if (!r)
        tine__refuse_ended(L, c);
    return r;
}

struct room *tine__room_take_of(lua_State *L, struct core *c) {
    if (!c->p)
        return NULL;
    struct room *r = take_own(c, __builtin_frame_address(0));
    if (r)
        return r;
    tine__core_push_meta(L, c);
    lua_rawgeti(L, -1, 1);
    return push_room(L, c, lua_gettop(L));
}

void tine__room_put(struct core *c, struct room *r) {
    if (c->room == r)
        c->room_free = true;
}

/* --- items --- */

HOT void tine__item_put(struct core *c, struct item *item) {
    if (item_rare(item))
        tine__item_drop_rare(item);
    tine__items_put(&c->items, item);
}

/* An item for this draft. NULL: no memory. */
static struct item *item_make(struct core *c, const struct draft *d) {
    struct item *item = tine__items_take(&c->items);
    if (!item)
        return NULL;
    item->name = d->name;
    item->serial = d->serial;
    item->inbox = &c->inbox;
    item->task.call.count = d->count;
    item->task.mute = d->mute;
    item->settings = d->settings == c->settings ? NULL : d->settings;
    item->watched = false;
    item->answers = true;
    item->needs = d->needs ? *d->needs : NULL;
    item->outcomes = d->outcomes;
    item->owner = d->anchor;
    return item;
}

/* --- submitting --- */

static bool news_came(const struct aim *aim) {
    const struct core *c = aim->what;
    return c->taken != aim->n || c->joined;
}

void tine__refuse_ended(lua_State *L, struct core *c) {
    bool broken = c->reason && c->reason->code == TINE_EBROKEN;
    tine__refused(L, c, broken ? TINE_EBROKEN : TINE_ESHUTDOWN);
}

/* Wait for news, when max_pending items are unfinished. */
static void await_news(lua_State *L, struct core *c) {
    struct aim aim = {.met = news_came,
                      .what = c,
                      .n = c->taken,
                      .core = c,
                      .quiet = true,
                      .ends = tine__all_ends};
    tine__await(L, &aim, WAIT_FOREVER);
}

/* Anchor the drafted future or chunk, and make its item; NULL: no memory. The pool may have ended
** afterwards. */
static struct item *begin_launch(lua_State *L, struct core *c, struct draft *d) {
    loop_expect(L, c);
    tine__anchor(L, c->state, d->anchor, d->idx);
    struct item *item = item_make(c, d);
    core_is_busy(c);
    if (d->needs)
        tine__needs_resolve(L, c, *d->needs, d->futures);
    return item;
}

/* The pool has refused the item with `err`, or has ended. */
COLD static int end_refused(lua_State *L, struct core *c, struct draft *d, struct item *item,
                            int err) {
    if (item)
        tine__item_put(c, item);
    tine__unanchor(L, c->state, d->anchor);
    if (c->awake && c->inbox.open == 0) /* so that the loop may rest again */
        tine__core_ring(c->state, c, true);
    if (!c->p)
        tine__refuse_ended(L, c);
    return err;
}

/* The pool has accepted the item, or (`err`) not. */
static int end_launch(lua_State *L, struct core *c, struct draft *d, struct item *item, int err) {
    if (err)
        return end_refused(L, c, d, item, err);
    d->anchor->item = item;
    d->name.id = item->name.id;
    if (d->needs)
        *d->needs = NULL; /* the item owns them now */
    return 0;
}

/* Submit the draft with the call in `cb`. 0 or a code. */
static int launch(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb,
                  uint32_t function) {
    struct item *item = begin_launch(L, c, d);
    int err = TINE_ENOMEM;
    if (c->p && item)
        err = d->everywhere ? tine__pool_everywhere(c->p, item, cb, function)
                            : tine__pool_submit(c->p, item, cb, d->name.label_len, function);
    return end_launch(L, c, d, item, err);
}

/* The same for a draft whose call could not be encoded. */
static int launch_failed(lua_State *L, struct core *c, struct draft *d, int code, const char *text,
                         size_t len) {
    struct item *item = begin_launch(L, c, d);
    int err = TINE_ENOMEM;
    if (c->p && item)
        err = d->everywhere ? tine__pool_everywhere_failed(c->p, item, code, text, len)
                            : tine__pool_submit_failed(c->p, item, code, text, len);
    return end_launch(L, c, d, item, err);
}

bool tine__follow(lua_State *L, struct core *c, struct draft *d, struct item *leader) {
    loop_expect(L, c);
    tine__anchor(L, c->state, d->anchor, d->idx);
    struct item *item = c->p ? item_make(c, d) : NULL;
    core_is_busy(c);
    int err = item ? tine__item_follow(c->p, item, leader) : TINE_ENOMEM;
    if (!err) {
        d->anchor->item = item;
        return true;
    }
    if (item)
        tine__item_put(c, item);
    tine__unanchor(L, c->state, d->anchor);
    if (c->p)
        tine__refused(L, c, err);
    return false;
}

HOT bool tine__try_send(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb,
                        uint32_t function) {
    int err = launch(L, c, d, cb, function);
    if (err && err != TINE_EAGAIN) {
        tine__call_buf_drop(cb);
        tine__refused(L, c, err);
    }
    return !err;
}

void tine__send(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb,
                uint32_t function) {
    while (!tine__try_send(L, c, d, cb, function))
        await_news(L, c);
}

void tine__send_failed(lua_State *L, struct core *c, struct draft *d, int code, const char *text,
                       size_t len) {
    int err = launch_failed(L, c, d, code, text, len);
    if (err)
        tine__refused(L, c, err);
}

/* Results must be taken in also while a script only submits. */
static void take_in(lua_State *L, struct core *c) {
    if (++c->since_poll >= 32) {
        c->since_poll = 0;
        tine__pool_poll(c->p);
    }
    if (inbox_has_news(&c->inbox))
        tine__reap_core(L, c);
}

/* --- the Lua functions --- */

bool tine__is_task(lua_State *L, int arg) {
    return lua_type(L, arg) == LUA_TSTRING || tine__is_callable(L, arg);
}

void tine__check_task(lua_State *L, int arg, const char *method) {
    if (!tine__is_task(L, arg))
        luaL_error(L, "bad argument #%d to '%s' (function expected, got %s)", arg - 1, method,
                   luaL_typename(L, arg));
}

/* Append the struct call_extra, if the settings need one, and the label. */
static inline int encode_said(const struct head *h, struct buf *b) {
    int err = 0;
    if (settings_need_extra(h->settings)) {
        const struct call_extra extra = extra_of(h->settings, h->serial);
        err = buf_append(b, &extra, sizeof extra);
    }
    if (!err && h->name->label)
        err = buf_append(b, h->name->label, h->name->label_len);
    return err;
}

HOT int tine__encode_head(lua_State *L, struct core *c, struct head *h, int fn, struct buf *b,
                          uint32_t *function) {
    if (encode_said(h, b)) {
        lua_pushstring(L, tine_error_text(TINE_ENOMEM));
        return TINE_ENOMEM;
    }
    size_t from = b->len;
    int err = tine__encode_function(L, c->codec, fn, b, &h->name->origin);
    h->function = tine__codec_function(c->codec);
    *function = (uint32_t)(b->len - from);
    if (!err)
        tine__heavy_note(L, c, h->name->origin, *function);
    return err;
}

HOT int tine__encode_call(lua_State *L, struct core *c, struct draft *d,
                          const struct settings *settings, int n, struct buf *b,
                          uint32_t *function) {
    struct head h = {&d->name, settings, 0, 0};
    size_t from = b->len;
    int err, times = 0;
    do {
        if (unlikely(times > 0)) { /* a finalizer has submitted something in between */
            lua_pop(L, 1);
            b->len = from;
        }
        err = tine__encode_head(L, c, &h, 2, b, function);
        if (d->name.origin)
            tine__future_hold_origin(L, c, d->idx, d->meta);
        if (!err)
            err = tine__encode_arguments(L, c->codec, h.function, 3, n, b);
    } while (unlikely(err == CODEC_AGAIN) && ++times < CODEC_AGAIN_MOST);
    return unlikely(err == CODEC_AGAIN) ? TINE_ESERIALIZE : err;
}

enum sent { SENT, FULL, LATER };

/* Send the encoded call. FULL: there is no room, and `wait` is false; LATER: the coroutine must
** yield to its loop until there is room. */
static enum sent send_encoded(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb,
                              uint32_t function, bool wait) {
    if (tine__try_send(L, c, d, cb, function))
        return SENT;
    if (!wait) {
        tine__call_buf_drop(cb);
        return FULL;
    }
    if (tine__loop_here(L, c))
        return LATER;
    tine__send(L, c, d, cb, function);
    return SENT;
}

static struct future *future_of(const struct draft *d) {
    return LIST_ITEM(d->anchor, struct future, anchor);
}

/* Encode the call at 2 and send it for the drafted future. */
static enum sent send_call(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb,
                           int n, bool wait, uint32_t *function) {
    uint64_t since = core_begin_look(c);
    int err = tine__encode_call(L, c, d, d->settings, n, &cb->b, function);
    core_end_look(c, since);
    if (!err)
        return send_encoded(L, c, d, cb, *function, wait);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    tine__call_buf_drop(cb);
    tine__send_failed(L, c, d, err, text, len);
    return SENT;
}

/* Keep the view's function `when` with the future. */
COLD static void keep_when(lua_State *L, struct future *f, int view, int future) {
    tine__extras_push(L, f, future);
    lua_getiuservalue(L, view, VIEW_WHEN);
    lua_setfield(L, -2, "when");
    lua_pop(L, 1);
}

/* May there be futures among the arguments? */
static bool may_need(lua_State *L, int n) {
    for (int i = 3; i < 3 + n; i++)
        if (lua_type(L, i) == LUA_TUSERDATA)
            return true;
    return false;
}

/* Make the needs of the call; they are kept on the stack. NULL: none. */
COLD static struct needs **collect(lua_State *L, struct core *c, int n, int future) {
    lua_pushnil(L);
    if (!tine__needs_collect(L, c, 3, n, future + 1))
        return NULL;
    return lua_touserdata(L, future + 2);
}

int tine__submitted(lua_State *L, const struct draft *d) {
    struct future *f = future_of(d);
    f->id = d->name.id;
    f->origin = d->name.origin;
    if (d->needs)
        tine__needs_await(L, d);
    if (lua_gettop(L) > d->idx)
        lua_settop(L, d->idx);
    return 1;
}

static int submit(lua_State *L, bool wait) {
    struct view *v = tine__check_live_view(L, 1);
    struct core *c = v->core;
    tine__check_task(L, 2, wait ? "submit" : "try_submit");
    int n = lua_gettop(L) - 2, future = n + 3;
    if (c->p)
        take_in(L, c);
    struct future *f = tine__future_new(L, v, 1);
    const void *meta = v->meta;
    if (!c->p)
        tine__refuse_ended(L, c);
    if (v->label) { /* the label lives as long as the future */
        lua_getiuservalue(L, 1, VIEW_LABEL);
        tine__extras_set_label(L, f, future, future + 1);
        lua_pop(L, 1);
    }
    if (v->derived) /* keep the view for a chain; it holds the label, too */
        tine__extras_set_label(L, f, future, 1);
    if (v->settings->retry.asks)
        keep_when(L, f, 1, future);
    struct needs **needs = may_need(L, n) ? collect(L, c, n, future) : NULL;
    struct draft d = {.needs = needs,
                      .futures = future + 1,
                      .name = {.label = v->label, .label_len = (uint32_t)v->label_len},
                      .count = 1,
                      .settings = v->settings,
                      .outcomes = &f->outcome,
                      .anchor = &f->anchor,
                      .idx = future,
                      .meta = meta};
    core_begin_encoding(c);
    struct room *r = tine__room_take(L, c, 1);
    uint32_t function = 0;
    enum sent sent = send_call(L, c, &d, &r->call, n, wait, &function);
    if (sent == LATER)
        return tine__send_later(L, c, &d, r, function);
    tine__room_put(c, r);
    tine__core_end_encoding(c);
    if (sent == FULL)
        return lua_pushnil(L), lua_pushliteral(L, "full"), 2;
    return tine__submitted(L, &d);
}

/* pool:submit(fn, ...) */
int tine__submit(lua_State *L) {
    return submit(L, true);
}

/* pool:try_submit(fn, ...): returns nil and "full" where submit would wait. */
int tine__try_submit(lua_State *L) {
    return submit(L, false);
}

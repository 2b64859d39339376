/* Events of tasks, as scripts read them: future:events(), future:on_event(fn), and option on_event
** of maps.
**
** A future that has events, or whose events are read, has a *box* in its extras, which holds the
** pool's struct events. While the task runs, only the table of anchors may hold the future; then
** nobody can read its events, and if the task stands for want of a reader (pool/events.h) it would
** stand for ever. So if nobody would notice the end of such a future either, its anchor is made
** weak. When the future is collected, the box is finalized with it: that drops the events and
** anchors the future again (see reap.c).
*/
#include <string.h>
#include "base/clock.h"
#include "bind/await.h"
#include "bind/callbacks.h"
#include "bind/errors.h"
#include "bind/events.h"
#include "bind/extras.h"
#include "bind/reap.h"
#include "bind/values.h"
#include "msg/label.h"

struct box { /* user value 1: the future */
    struct events *events;
};

/* Push the box of the future at `idx`. NULL, and nothing pushed: it has none. */
static struct box *push_box(lua_State *L, struct future *f, int idx) {
    if (!f->boxed)
        return NULL;
    tine__extras_push(L, f, idx);
    lua_getfield(L, -1, "events");
    lua_remove(L, -2);
    return lua_touserdata(L, -1);
}

/* The same, making the box if there are or may come events. NULL: it can have none. */
static struct box *need_box(lua_State *L, struct future *f, int idx) {
    if (f->boxed || f->done || !f->core || !f->core->p)
        return push_box(L, f, idx);
    struct box *box = lua_newuserdatauv(L, sizeof *box, 1);
    box->events = NULL;
    push_kept(L, KEPT_EVENTS);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, idx);
    lua_setiuservalue(L, -2, 1);
    tine__extras_push(L, f, idx);
    lua_pushvalue(L, -2);
    /* A finalizer that ran meanwhile may have made the box or ended the future. */
    if (f->boxed || f->done)
        return lua_pop(L, 3), push_box(L, f, idx);
    lua_setfield(L, -2, "events");
    lua_pop(L, 1);
    box->events = tine__item_events(f->core->p, f->anchor.item);
    if (!box->events)
        tine__error(L, TINE_ENOMEM, "%s", tine_error_text(TINE_ENOMEM));
    f->boxed = true;
    return box;
}

static void free_box(struct box *box) {
    tine__events_unref(box->events);
    box->events = NULL;
}

/* The box is collected with everything that could read the events. */
int tine__events_gc(lua_State *L) {
    struct box *box = lua_touserdata(L, 1);
    if (!box->events)
        return 0;
    lua_getiuservalue(L, 1, 1);
    struct future *f = tine__to_future(L, 2);
    if (f && f->anchor.weak) {
        tine__anchor_strengthen(L, &f->anchor, 2);
        tine__events_drop(box->events);
    }
    if (f) {
        f->boxed = false;
        f->forsaken = true;
    }
    free_box(box);
    return 0;
}

bool tine__events_keep(lua_State *L, struct future *f, int idx) {
    const struct item *item = f->anchor.item;
    if (!f->boxed && !f->forsaken && tine__events_unread(item_events(item)) > 0) {
        need_box(L, f, idx);
        lua_pop(L, 1);
    }
    return !f->done;
}

/* --- one event --- */

/* Push the values of the next event and return their number; -1: there is none. If they cannot be
** decoded, the error is raised. */
static int take(lua_State *L, struct future *f, int idx, struct box *box) {
    struct outcome o;
    uint32_t k;
    if (!box || !box->events || !tine__events_take(box->events, &o, &k))
        return -1;
    const struct task_name name = tine__future_name(L, f, idx);
    int n = tine__values_push(L, f->core, &o, &name, 0);
    return n >= 0 ? n : lua_error(L);
}

/* --- the iterator --- */

#define FUTURE_OF lua_upvalueindex(UP_LAST + 1)
#define BOX_OF lua_upvalueindex(UP_LAST + 2)

static int next_event(lua_State *L);

static int go_on(lua_State *L, int status, lua_KContext ctx) {
    (void)status;
    (void)ctx;
    return next_event(L);
}

/* Look for an event once more before waiting, or letting the loop wait, for it. */
static int next_event(lua_State *L) {
    struct future *f = lua_touserdata(L, FUTURE_OF);
    struct box *box = lua_touserdata(L, BOX_OF);
    lua_settop(L, 0);
    int n = take(L, f, FUTURE_OF, box);
    if (n < 0 && !f->done && f->core && f->core->p) {
        tine__check_process(L, f->core);
        tine__pool_poll(f->core->p);
        n = take(L, f, FUTURE_OF, box);
    }
    if (n >= 0)
        return n;
    if (f->done)
        return lua_pushnil(L), 1;
    push_kept(L, KEPT_AWAIT_EVENT);
    lua_pushvalue(L, FUTURE_OF);
    lua_callk(L, 1, 0, 0, go_on);
    return next_event(L);
}

/* The future at 1; raises if its events cannot be read. */
static struct future *check_heard(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (f->nested)
        tine__error(L, TINE_EINVALID,
                    "what a task of tine.worker.pool emits is heard by nobody: let it return that");
    return f;
}

/* future:events() */
int tine__future_events(lua_State *L) {
    struct future *f = check_heard(L);
    lua_settop(L, 1);
    if (f->core && !f->done)
        tine__reap(L);
    push_upvalues(L);
    lua_pushvalue(L, 1);
    const struct box *box = need_box(L, f, 1);
    if (!box)
        lua_pushnil(L);
    else if (box->events)
        tine__events_read(box->events);
    lua_pushcclosure(L, next_event, UP_LAST + 2);
    return 1;
}

/* --- waiting for an event --- */

struct wanted {
    const struct future *future;
    const struct box *box;
};

static bool event_met(const struct aim *aim) {
    const struct wanted *w = aim->what;
    return w->future->done || (w->box && w->box->events && tine__events_unread(w->box->events) > 0);
}

/* The wait reads the events itself, but another task that stands may delay the emitting one. */
static bool no_end(const struct aim *aim, const struct anchor *a) {
    (void)aim;
    (void)a;
    return false;
}

static struct wanted wanted(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    return (struct wanted){f, push_box(L, f, 1)};
}

/* wait(future): until it has an event, or has ended. */
static int events_wait(lua_State *L) {
    struct wanted w = wanted(L);
    struct aim aim = {.met = event_met, .what = &w, .core = w.future->core, .ends = no_end};
    tine__await(L, &aim, WAIT_FOREVER);
    return 0;
}

/* peek(future): would `wait` return at once? */
static int events_peek(lua_State *L) {
    struct wanted w = wanted(L);
    struct aim aim = {.what = &w};
    lua_pushboolean(L, event_met(&aim));
    return 1;
}

/* awaited(future, whether): a coroutine of a loop waits for the future's end, or no longer. */
static int events_awaited(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    bool on = lua_toboolean(L, 2);
    const struct box *box = on ? need_box(L, f, 1) : push_box(L, f, 1);
    if (box && box->events)
        tine__events_await(box->events, on);
    if (f->core)
        f->core->awaiting += on ? 1u : -1u;
    return 0;
}

/* on_await(function): set what the iterator calls to wait for an event. */
static int events_on_await(lua_State *L) {
    lua_settop(L, 1);
    lua_setiuservalue(L, UP(UP_STATE), KEPT_AWAIT_EVENT);
    return 0;
}

const luaL_Reg tine__events_functions[] = {
    {"wait", events_wait},         {"peek", events_peek}, {"awaited", events_awaited},
    {"on_await", events_on_await}, {NULL, NULL},
};

/* --- callbacks --- */

/* Call the function on top (popped) with the value at `what` and the `n` values of an event at
** `first`. Errors are reported as those of callbacks of the future or chunk at `idx`. */
static void call_one(lua_State *L, int idx, int what, int first, int n) {
    luaL_checkstack(L, n + 4, "too many values");
    lua_pushvalue(L, what);
    for (int i = 0; i < n; i++)
        lua_pushvalue(L, first + i);
    tine__callback_invoke(L, idx, n + 1);
}

/* Push the values of the outcome, which is freed; -1: they cannot be decoded, which was
** reported. */
static int push_values(lua_State *L, struct core *c, struct outcome *o,
                       const struct task_name *name, uint32_t k, int idx) {
    int n = tine__values_push(L, c, o, name, k);
    if (n < 0)
        tine__callback_failed(L, idx);
    return n;
}

/* Call the functions of the list at `list`, as it is now, with one event. */
static void tell(lua_State *L, struct future *f, int idx, int list, struct outcome *o) {
    const struct task_name name = tine__future_name(L, f, idx);
    int top = lua_gettop(L), n = push_values(L, f->core, o, &name, 0, idx);
    lua_Integer functions = (lua_Integer)lua_rawlen(L, list);
    luaL_checkstack(L, 1, "too many values");
    for (lua_Integer i = 1; i <= functions && n >= 0; i++) {
        lua_rawgeti(L, list, i);
        call_one(L, idx, idx, top + 1, n);
    }
    lua_settop(L, top);
}

void tine__future_hear(lua_State *L, struct future *f, int idx) {
    int top = lua_gettop(L);
    struct outcome o;
    uint32_t k;
    luaL_checkstack(L, 20, "callbacks too deep");
    bool outer = f->telling; /* a callback for an event waits */
    f->hearing = false;
    f->telling = true;
    const struct box *box = push_box(L, f, idx);
    uint64_t n = box && box->events ? tine__events_unread(box->events) : 0;
    tine__extras_push(L, f, idx);
    lua_getfield(L, -1, "listeners");
    /* events that come meanwhile make the future due again */
    for (; n > 0 && box->events && tine__events_take(box->events, &o, &k); n--)
        tell(L, f, idx, lua_gettop(L), &o);
    f->telling = outer;
    lua_settop(L, top);
}

void tine__future_heard(lua_State *L, struct future *f, int idx) {
    if (f->listens && !f->hearing) {
        tine__due_push(L, idx);
        f->hearing = true;
    } else if (!f->listens && !f->anchor.weak && !f->forsaken && !state_of(L)->closing &&
               tine__extras_are_idle(L, f, idx)) {
        need_box(L, f, idx);
        lua_pop(L, 1);
        if (!f->done)
            tine__anchor_weaken(L, &f->anchor, idx);
    }
}

/* future:on_event(fn) */
int tine__future_on_event(lua_State *L) {
    struct future *f = check_heard(L);
    tine__check_callable(L, 2);
    lua_settop(L, 2);
    if (f->core && !f->done)
        tine__reap(L);
    const struct box *box = need_box(L, f, 1);
    if (!box)
        return 0; /* there will be no events */
    while (!tine__extras_add(L, f, 1, "listeners", 2))
        ; /* it has just ended: its events are there still */
    if (f->anchor.weak)
        tine__anchor_strengthen(L, &f->anchor, 1);
    if (!f->listens && box->events)
        tine__events_read(box->events);
    f->listens = true;
    if (box->events && tine__events_unread(box->events) > 0 && !f->hearing) {
        tine__future_hear(L, f, 1);
        tine__callbacks_run_put_off(L);
    }
    return 0;
}

/* --- maps --- */

void tine__events_call(lua_State *L, struct core *c, struct outcome *o,
                       const struct task_name *name, uint32_t k, int idx, int fn) {
    int top = lua_gettop(L), n = push_values(L, c, o, name, k, idx);
    if (n >= 0) {
        luaL_checkstack(L, 2, "too many values");
        lua_pushinteger(L, (lua_Integer)(name->index + k));
        lua_pushvalue(L, fn);
        call_one(L, idx, top + n + 1, top + 1, n);
    }
    lua_settop(L, top);
}

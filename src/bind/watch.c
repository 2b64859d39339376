/* Watches: waiting for several futures at once (tine.wait, tine.as_completed).
**
** A watch is attached to each future that has not ended, and is told of each end. So waiting for n
** futures costs n steps, in whatever order they end.
*/
#include <string.h>
#include "base/clock.h"
#include "bind/await.h"
#include "bind/callbacks.h"
#include "bind/errors.h"
#include "bind/extras.h"
#include "bind/options.h"
#include "bind/reap.h"
#include "bind/watch.h"

enum { WATCH_QUEUE = 1, WATCH_KNOWN, WATCH_LAST = WATCH_KNOWN }; /* user values */

struct watch {
    uint64_t deadline;       /* of as_completed */
    uint64_t open;           /* futures that have not ended */
    uint64_t ended;          /* futures that have ended */
    uint64_t failed;         /* those of them that have failed */
    bool by_hand;            /* one of them was made by hand */
    lua_Integer first, last; /* of the queue of ended futures, if `queue` */
    bool queue;
};

static struct watch *new_watch(lua_State *L, bool queue) {
    struct watch *w = lua_newuserdatauv(L, sizeof *w, WATCH_LAST);
    *w = (struct watch){.first = 1, .queue = queue};
    push_kept(L, KEPT_WATCH);
    lua_setmetatable(L, -2);
    if (queue) {
        lua_createtable(L, 4, 0);
        lua_setiuservalue(L, -2, WATCH_QUEUE);
    }
    return w;
}

/* Append the future at `idx` to the queue of the watch at `watch`. */
static void enqueue(lua_State *L, struct watch *w, int watch, int idx) {
    if (!w->queue)
        return;
    lua_getiuservalue(L, watch, WATCH_QUEUE);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, w->last + 1);
    w->last++;
    lua_pop(L, 1);
}

void tine__watch_room(lua_State *L, int watch) {
    const struct watch *w = lua_touserdata(L, watch);
    if (!w->queue)
        return;
    lua_getiuservalue(L, watch, WATCH_QUEUE);
    tine__queue_room(L, w->last, 1);
}

/* Note that the future at `idx` has ended. */
static void note_end(lua_State *L, struct watch *w, int watch, const struct future *f, int idx) {
    enqueue(L, w, watch, idx);
    w->ended++;
    w->failed += f->failed;
}

void tine__watch_tell(lua_State *L, int watch, struct future *f, int idx) {
    struct watch *w = lua_touserdata(L, watch);
    note_end(L, w, watch, f, lua_absindex(L, idx));
    w->open--;
}

/* --- the list of futures --- */

/* The length of the list at `arg`; raises unless every item is a future that can be used here. */
static lua_Integer check_list(lua_State *L, int arg) {
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_Integer n = luaL_len(L, arg);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, arg, i);
        struct future *f = tine__to_future(L, -1);
        if (!f)
            luaL_argerror(L, arg,
                          lua_pushfstring(L, "item %I is no future but a %s", (LUAI_UACINT)i,
                                          luaL_typename(L, -1)));
        if (f->core)
            tine__check_process(L, f->core);
        lua_pop(L, 1);
    }
    return n;
}

/* Push a list of the futures in the list at `arg`. */
static lua_Integer push_futures(lua_State *L, int arg, lua_Integer n) {
    lua_Integer kept = 0;
    lua_createtable(L, n < 1000000 ? (int)n : 1000000, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, arg, i);
        if (tine__to_future(L, -1))
            lua_rawseti(L, -2, ++kept);
        else
            lua_pop(L, 1);
    }
    return kept;
}

/* The same without duplicates. No Lua code runs while futures are marked, and nothing raises. */
static lua_Integer push_distinct(lua_State *L, int arg, lua_Integer n) {
    lua_Integer all = push_futures(L, arg, n), kept = 0;
    for (lua_Integer i = 1; i <= all; i++) {
        lua_rawgeti(L, -1, i);
        struct future *f = lua_touserdata(L, -1);
        bool again = f->met;
        f->met = true;
        if (again)
            lua_pop(L, 1);
        else
            lua_rawseti(L, -2, ++kept);
    }
    for (lua_Integer i = kept + 1; i <= all; i++) {
        lua_pushnil(L);
        lua_rawseti(L, -2, i);
    }
    for (lua_Integer i = 1; i <= kept; i++) {
        lua_rawgeti(L, -1, i);
        ((struct future *)lua_touserdata(L, -1))->met = false;
        lua_pop(L, 1);
    }
    return kept;
}

/* Attach the watch to the future on top (popped); one that has ended is counted at once. */
static void attach_one(lua_State *L, struct watch *w, int watch) {
    struct future *f = lua_touserdata(L, -1);
    if (!f->done && tine__extras_watch(L, f, -1, watch)) {
        w->by_hand |= !f->core;
        w->open++;
    } else {
        note_end(L, w, watch, f, lua_gettop(L));
    }
    lua_pop(L, 1);
}

/* The same for all of a list. */
static void attach(lua_State *L, int list, lua_Integer n, int watch) {
    struct watch *w = lua_touserdata(L, watch);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        attach_one(L, w, watch);
    }
}

static void detach(lua_State *L, int list, lua_Integer n, int watch) {
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        struct future *f = lua_touserdata(L, -1);
        if (!f->done)
            tine__extras_unwatch(L, f, -1, watch);
        lua_pop(L, 1);
    }
}

/* --- tine.wait --- */

enum when { ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION };

static bool wait_met(const struct aim *aim) {
    const struct watch *w = aim->what;
    return w->open == 0 || (aim->n == FIRST_COMPLETED && w->ended > 0) ||
           (aim->n == FIRST_EXCEPTION && w->failed > 0);
}

/* Push two lists of the futures in the list at `list`: those that have ended, and the others. */
static void push_lists(lua_State *L, int list, lua_Integer n) {
    lua_Integer ended = 0, open = 0;
    lua_createtable(L, 0, 0);
    lua_createtable(L, 0, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        if (((struct future *)lua_touserdata(L, -1))->done)
            lua_rawseti(L, -3, ++ended);
        else
            lua_rawseti(L, -2, ++open);
    }
}

/* A future made by hand may be settled by what is called when any task has ended. */
static bool is_watched(const struct aim *aim, const struct anchor *a) {
    const struct watch *w = aim->what;
    return w->by_hand || (a->kind == ANCHOR_FUTURE && ((const struct future *)a)->watched);
}

static int read_wait_options(lua_State *L, int arg, uint64_t *deadline) {
    static const char *const known[] = {"timeout", "return_when", NULL};
    static const char *const when[] = {"all_completed", "first_completed", "first_exception", NULL};
    if (!lua_isnil(L, arg))
        tine__check_options(L, arg, known);
    uint64_t ns = tine__option_seconds(L, arg, "timeout", WAIT_FOREVER);
    *deadline = clock_deadline(ns);
    return tine__option_choice(L, arg, "return_when", when);
}

/* If an error ends the wait, nothing is detached: the futures tell a watch that nobody reads. */
static int watch_wait(lua_State *L) {
    uint64_t deadline;
    lua_settop(L, 2);
    int when = read_wait_options(L, 2, &deadline);
    lua_Integer n = push_distinct(L, 1, check_list(L, 1)); /* 3 */
    struct watch *w = new_watch(L, false);                 /* 4 */
    tine__reap(L);
    attach(L, 3, n, 4);
    struct aim aim = {.met = wait_met, .what = w, .n = (uint64_t)when, .ends = is_watched};
    tine__await(L, &aim, deadline);
    detach(L, 3, n, 4);
    push_lists(L, 3, n);
    return 2;
}

/* --- tine.as_completed --- */

static bool queue_filled(const struct aim *aim) {
    const struct watch *w = aim->what;
    return w->first <= w->last || w->open == 0;
}

static struct watch *check_watch(lua_State *L) {
    struct watch *w = test_kept(L, 1, KEPT_WATCH);
    if (!w)
        luaL_typeerror(L, 1, "tine.completed");
    return w;
}

/* __call: the next future that has ended. */
int tine__watch_next(lua_State *L) {
    struct watch *w = check_watch(L);
    struct aim aim = {.met = queue_filled, .what = w, .ends = is_watched};
    if ((!queue_filled(&aim) || callbacks_due(state_of(L))) && tine__await(L, &aim, w->deadline))
        return tine__error(L, TINE_ETIMEOUT, "%I of %I unfinished in the time allowed",
                           (LUAI_UACINT)w->open, (LUAI_UACINT)(w->open + w->ended));
    if (w->first > w->last)
        return lua_pushnil(L), 1;
    lua_getiuservalue(L, 1, WATCH_QUEUE);
    lua_rawgeti(L, -1, w->first);
    lua_pushnil(L);
    lua_rawseti(L, -3, w->first++);
    return 1;
}

/* Push a weak set of the futures in the list at `list`: a collected future is never added again. */
static void push_set(lua_State *L, int list, lua_Integer n) {
    lua_createtable(L, 0, n < 1000000 ? (int)n : 1000000);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        lua_pushboolean(L, true);
        lua_rawset(L, -3);
    }
}

/* it:add(future, ...): attach the futures that are not known yet. Returns the iterator. */
int tine__watch_add(lua_State *L) {
    struct watch *w = check_watch(L);
    int n = lua_gettop(L);
    for (int i = 2; i <= n; i++)
        tine__check_future(L, i);
    luaL_checkstack(L, 12, "too many futures");
    lua_getiuservalue(L, 1, WATCH_KNOWN); /* n + 1 */
    for (int i = 2; i <= n; i++) {
        lua_pushvalue(L, i);
        if (lua_rawget(L, n + 1) == LUA_TNIL) {
            lua_pushvalue(L, i);
            lua_pushboolean(L, true);
            lua_rawset(L, n + 1);
            lua_pushvalue(L, i);
            attach_one(L, w, 1);
        }
        lua_settop(L, n + 1);
    }
    return lua_settop(L, 1), 1;
}

static int watch_as_completed(lua_State *L) {
    uint64_t deadline = tine__check_deadline(L, 2);
    lua_settop(L, 2);
    lua_Integer n = push_distinct(L, 1, check_list(L, 1)); /* 3 */
    struct watch *w = new_watch(L, true);                  /* 4 */
    w->deadline = deadline;
    push_set(L, 3, n);
    lua_setiuservalue(L, 4, WATCH_KNOWN);
    tine__reap(L);
    attach(L, 3, n, 4);
    return 1;
}

const luaL_Reg tine__watch_functions[] = {
    {"wait", watch_wait},
    {"as_completed", watch_as_completed},
    {NULL, NULL},
};

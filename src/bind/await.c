/* Waiting: the only place where a Lua thread blocks. */
#include <errno.h>
#include "base/clock.h"
#include "base/hot.h"
#include "bind/attempts.h"
#include "bind/await.h"
#include "bind/callbacks.h"
#include "bind/errors.h"
#include "bind/nested.h"
#include "bind/reap.h"
#include "pool/wait.h"
#include "worker/inner/inner.h"
#include "worker/task/ask.h"

/* --- times --- */

/* Seconds as ns; raises argument errors. */
static uint64_t check_seconds(lua_State *L, int arg) {
    lua_Number s = luaL_checknumber(L, arg);
    luaL_argcheck(L, s == s, arg, "a time cannot be NaN");
    return clock_span(s);
}

HOT uint64_t tine__check_deadline(lua_State *L, int arg) {
    if (lua_isnoneornil(L, arg))
        return WAIT_FOREVER;
    return clock_deadline(check_seconds(L, arg));
}

/* --- interrupts --- */

/* On SIGINT, lua.c sets a hook in the main coroutine, which raises at that coroutine's next
** instruction. While another coroutine waits, that would come only after the wait, so move the hook
** to it. */
static void adopt_hook(lua_State *L) {
    const int all = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
    lua_State *from = state_of(L)->main;
    lua_Hook hook = lua_gethook(from);
    if (L == from || !hook || lua_gethookmask(from) != all || lua_gethookcount(from) != 1)
        return;
    lua_sethook(from, NULL, 0, 0);
    lua_sethook(L, hook, all, 1);
}

static int nothing(lua_State *L) {
    (void)L;
    return 0;
}

/* Call a function, so that a hook that a signal handler has set is run. */
static int run_hook(lua_State *L) {
    adopt_hook(L);
    if (!lua_gethook(L))
        return LUA_OK;
    lua_pushcfunction(L, nothing);
    return lua_pcall(L, 0, 0, 0);
}

struct nap {
    lua_State *L;
    struct state *S;
    uint64_t changes; /* S->changes when the aim was last checked */
    uint32_t stood;   /* times_stood when it was last looked which tasks stand */
    int status;       /* if not LUA_OK, the error value is on the stack */
};

/* How many times tasks have begun to stand (pool/events.h) in the pools with tasks of this state. */
static uint32_t times_stood(const struct state *S) {
    uint32_t n = 0;
    for (struct list *l = S->busy.next; l != &S->busy; l = l->next)
        n += tine__events_stood(LIST_ITEM(l, struct core, busy)->p);
    return n;
}

/* Run the hook before the thread sleeps. True: do not sleep, since the hook has failed, or has
** itself waited and may have taken the result that is awaited here. */
static bool before_sleep(void *arg) {
    struct nap *nap = arg;
    nap->status = run_hook(nap->L);
    return nap->status != LUA_OK || nap->S->changes != nap->changes;
}

/* Has another thread learned of a task that stands, when this one was not asleep yet? */
static bool has_stood(void *arg) {
    const struct nap *nap = arg;
    return times_stood(nap->S) != nap->stood;
}

/* --- waiting --- */

/* Do all tasks of this state in the pool wait for something that nobody can provide now: a manual
** future, which nobody can complete while this thread waits, or the answer of a function `when`
** that waits here? */
static bool is_stuck(const struct state *S, const struct core *c) {
    return (S->promised > 0 || S->asking > 0) && tine__pool_is_stuck(c->p) &&
           !inbox_has_news(&c->inbox);
}

/* Can nothing that is in flight ever meet the aim? */
static bool hopeless(const struct state *S, const struct aim *aim) {
    if (aim->any || (aim->core && !aim->core->joined && !is_stuck(S, aim->core)))
        return false;
    for (struct list *n = S->busy.next; n != &S->busy; n = n->next) {
        const struct core *c = LIST_ITEM(n, struct core, busy);
        if (c->inbox.open > 0 && !is_stuck(S, c))
            return false;
    }
    return list_empty(&S->news) && list_empty(&S->questions);
}

/* The inboxes of the `count` pools in an array, `room` or for many pools a userdata. There are more
** pools if a finalizer that ran here has opened one. */
static struct inbox **list_inboxes(lua_State *L, struct state *S, unsigned count,
                                   struct inbox **room, unsigned size) {
    struct inbox **inboxes = room;
    if (count > size)
        inboxes = lua_newuserdatauv(L, count * sizeof *inboxes, 0);
    unsigned i = 0;
    for (struct list *n = S->cores.next; n != &S->cores && i < count; n = n->next)
        inboxes[i++] = &LIST_ITEM(n, struct core, node)->inbox;
    return inboxes;
}

/* Spin for news of the pools that have tasks of this state: these often come soon, and there may be
** a thousand other pools. */
static bool brief(struct state *S, uint64_t deadline, bool *spun) {
    struct inbox *few[8];
    unsigned n = 0;
    for (struct list *l = S->busy.next; l != &S->busy; l = l->next) {
        if (n == sizeof few / sizeof *few)
            return false; /* then all pools are waited for together */
        few[n++] = &LIST_ITEM(l, struct core, busy)->inbox;
    }
    *spun = n > 0 && n < S->ncores;
    return *spun && tine__wait_briefly(few, n, deadline);
}

/* Sleep until something happens. `changes` and `stood` are from before the aim and the tasks that
** stand were looked at. */
static void nap(lua_State *L, struct state *S, uint64_t changes, uint32_t stood,
                uint64_t deadline) {
    struct inbox *room[32];
    struct nap n = {L, S, changes, stood, LUA_OK};
    struct wait_hook hook = {.before_sleep = before_sleep, .ready = has_stood, .arg = &n};
    int top = lua_gettop(L);
    unsigned count = S->ncores;
    if (brief(S, deadline, &hook.spun))
        return;
    luaL_checkstack(L, 4, "wait");
    struct inbox **inboxes = list_inboxes(L, S, count, room, sizeof room / sizeof *room);
    if (S->changes == changes) { /* else a finalizer that ran meanwhile has taken something in */
        int err = tine__wait(inboxes, count, deadline, &hook);
        if (n.status == LUA_OK && err == TINE_EAGAIN)
            n.status = run_hook(L);
        if (n.status != LUA_OK)
            lua_error(L);
    }
    lua_settop(L, top);
}

/* Take in results and run what is due. */
static void dispatch(lua_State *L, struct state *S, const struct aim *aim) {
    tine__reap(L);
    tine__gives_run(L); /* the awaited task may need a result that they give */
    if (S->depth >= NESTED_CALLBACKS)
        return;
    if (aim->quiet)
        tine__questions_run(L); /* it may depend on their answers */
    else if (callbacks_due(S))
        tine__callbacks_run(L);
}

/* --- tasks that stand, because nobody reads their events (pool/events.h) --- */

bool tine__all_ends(const struct aim *aim, const struct anchor *a) {
    (void)aim;
    (void)a;
    return true;
}

struct question {
    const struct aim *aim;
    const struct inbox *inbox;
};

static bool ends(const struct item *item, const void *arg) {
    const struct question *q = arg;
    return item->inbox == q->inbox && q->aim->ends(q->aim, item->owner);
}

/* Loosen the tasks that stand and are awaited, or may delay an awaited task. */
static void loosen(struct state *S, const struct aim *aim) {
    bool stand = false, hold = false;
    for (struct list *n = S->busy.next; aim->ends && n != &S->busy; n = n->next)
        stand |= tine__events_stand(LIST_ITEM(n, struct core, busy)->p);
    if (!stand)
        return;
    for (struct list *n = S->busy.next; n != &S->busy; n = n->next)
        hold |= tine__pool_holds(LIST_ITEM(n, struct core, busy)->p);
    for (struct list *n = S->busy.next; n != &S->busy; n = n->next) {
        struct core *c = LIST_ITEM(n, struct core, busy);
        const struct question q = {aim, &c->inbox};
        if (tine__events_stand(c->p))
            tine__events_loosen(c->p, hold ? NULL : ends, &q, &c->loose);
    }
}

/* The wait is over. (An outer wait loosens again.) */
static void tighten(struct state *S) {
    for (struct list *n = S->busy.next; n != &S->busy; n = n->next) {
        struct core *c = LIST_ITEM(n, struct core, busy);
        if (c->loose)
            tine__events_tighten(c->p, &c->loose);
    }
}

static int never(lua_State *L, const struct state *S) {
    const char *why =
        S->asking > 0 ? "a task is to be decided about first by the function 'when' that waits here"
        : S->promised > 0
            ? "a task waits for a future that is made by hand, and nobody can set it meanwhile"
            : "nothing is under way that could end it";
    return tine__error(L, TINE_EINVALID, "this wait can never end: %s", why);
}

#define LOOK 5000000u /* ns between two checks */

/* No signal reaches a task inside the program, so it checks itself whether it must end. Returns
** when to check again. */
static uint64_t heed(lua_State *L, uint64_t deadline) {
    tine__inner_heed(L);
    uint64_t next = tine__now() + LOOK;
    return next < deadline ? next : deadline;
}

int tine__await(lua_State *L, const struct aim *aim, uint64_t deadline) {
    struct state *S = state_of(L);
    for (;;) {
        dispatch(L, S, aim);
        uint64_t changes = S->changes;
        if (aim->met(aim))
            return tighten(S), 0;
        if (deadline != WAIT_FOREVER && tine__now() >= deadline)
            return tighten(S), TINE_ETIMEOUT;
        if (S->nested && tine__nested_await(L, aim, deadline))
            continue;
        uint32_t stood = times_stood(S);
        loosen(S, aim);
        if (deadline == WAIT_FOREVER && hopeless(S, aim)) {
            if (!aim->give_up)
                return never(L, S);
            if (aim->give_up(L, aim))
                continue;
        }
        nap(L, S, changes, stood, S->inside ? heed(L, deadline) : deadline);
    }
}

/* --- the clock --- */

/* tine.clock(): seconds of a clock that never goes back. */
int tine__clock(lua_State *L) {
    lua_pushnumber(L, (lua_Number)tine__now() / 1e9);
    return 1;
}

/* A task that was asked to end, and has learned of it, sleeps no longer. */
static bool stopping(const struct aim *aim) {
    lua_State *inside = aim->inside;
    return inside ? tine__inner_stopping(inside) : tine__ask_stopping();
}

/* tine.sleep(seconds): wait without running callbacks; Ctrl-C ends it. */
int tine__sleep(lua_State *L) {
    bool inside = state_of(L)->inside;
    struct aim aim = {.met = stopping, .any = true, .quiet = true, .inside = inside ? L : NULL};
    tine__await(L, &aim, clock_deadline(check_seconds(L, 1)));
    if (inside)
        tine__inner_heed(L);
    return 0;
}

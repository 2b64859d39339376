/* The end of the module's state in one lua_State, and waiting for the ends of its pools. */
#include "base/clock.h"
#include "bind/await.h"
#include "bind/box.h"
#include "bind/chunk.h"
#include "bind/preload.h"
#include "bind/state.h"
#include "worker/root/root.h"

/* Are only pools of the program left, without unfinished tasks of this state? */
static bool nothing_left(const struct aim *aim) {
    const struct state *S = aim->what;
    for (struct list *n = S->cores.next; n != &S->cores; n = n->next) {
        const struct core *c = LIST_ITEM(n, struct core, node);
        if (!c->program || c->inbox.open > 0)
            return false;
    }
    return true;
}

static bool core_joined(const struct aim *aim) {
    return ((const struct core *)aim->what)->joined;
}

static void close_core(struct core *c) {
    if (c->program)
        tine__inbox_unfollow(&c->inbox); /* lua_close does not wait for the program's own tasks */
    else
        tine__core_close(c, false);
}

static void kill_core(struct core *c) {
    if (!c->program || c->inbox.open > 0)
        tine__pool_kill(c->p, WHY_KILLED);
}

static void each_core(struct state *S, void (*act)(struct core *c)) {
    for (struct list *n = S->cores.next; n != &S->cores; n = n->next)
        act(LIST_ITEM(n, struct core, node));
}

void tine__closer_renew(lua_State *L) {
    const void *closer = lua_newuserdatauv(L, 0, 0);
    push_kept(L, KEPT_WEAK);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, closer);
    lua_pop(L, 1);
    push_kept(L, KEPT_CLOSER_META);
    lua_setmetatable(L, -2);
    lua_setiuservalue(L, UP(UP_STATE), KEPT_CLOSER);
}

/* Is lua_close finalizing the closer at 1? A closer that is collected has been removed from weak
** tables before. (It cannot be said of a closer that a newer one has taken its place: finalizers
** that run in lua_close may open pools, and closers made then are never finalized.) */
static bool is_closing(lua_State *L) {
    push_kept(L, KEPT_WEAK);
    bool closing = lua_rawgetp(L, -1, lua_touserdata(L, 1)) != LUA_TNIL;
    lua_pop(L, 2);
    return closing;
}

/* --- waiting for the ends of pools --- */

/* Cancel the tasks of the core's pool (NULL: of all pools) that wait for results of manual futures
** or other pools, which will never come; and do not try those again about which a function `when`
** is deciding that is still running here. Returns whether there were any. */
static bool end_undecided(lua_State *L, struct state *S, const struct core *only) {
    bool any = false;
    bool some = S->promised > 0 || S->asking > 0;
    for (uint32_t slot = 1; some && slot <= S->slots; slot++) {
        lua_rawgeti(L, UP(UP_ANCHORS), slot);
        /* An anchor is the first member of all anchored values. */
        struct anchor *a = lua_touserdata(L, -1);
        struct core *c = a ? anchor_core(a) : NULL;
        if (c && (!only || c == only) && a->item && c->p && tine__core_is_ours(c))
            any |= tine__item_ungiven(c->p, a->item) || tine__item_answer(c->p, a->item, false);
        lua_pop(L, 1);
    }
    return any;
}

/* Only callbacks could complete a manual future, and none will run any more; and the answer of a
** running `when` comes only after this wait. */
static bool give_up(lua_State *L, const struct aim *aim) {
    return end_undecided(L, state_of(L), aim->met == core_joined ? aim->what : NULL);
}

int tine__wait_ended(lua_State *L) {
    struct aim aim = {.met = core_joined,
                      .what = lua_touserdata(L, 1),
                      .give_up = give_up,
                      .ends = tine__all_ends};
    if (!aim.what) {
        aim.met = nothing_left;
        aim.what = state_of(L);
    }
    uint64_t deadline = (uint64_t)luaL_optinteger(L, 2, (lua_Integer)WAIT_FOREVER);
    lua_pushboolean(L, tine__await(L, &aim, deadline) == 0);
    return 1;
}

/* lua_close: let all tasks finish, then free everything. An interrupt kills them. */
int tine__state_gc(lua_State *L) {
    struct state *S = state_of(L);
    if (S->closed || !is_closing(L))
        return 0;
    tine__state_check(L, S);
    S->closing = true;
    end_undecided(L, S, NULL);
    each_core(S, close_core);
    while (push_kept(L, KEPT_WAITER), lua_pcall(L, 0, 0, 0) != LUA_OK) {
        each_core(S, kill_core);
        lua_pop(L, 1);
    }
    while (!list_empty(&S->cores))
        tine__core_join(L, LIST_ITEM(S->cores.next, struct core, node));
    tine__boxes_empty(S); /* while finalizers run, the boxes all still exist */
    S->closed = true;
    return 0;
}

/* --- for the host program --- */

void tine__kill_pools(lua_State *L) {
    if (lua_getfield(L, LUA_REGISTRYINDEX, "tine.state") == LUA_TUSERDATA) {
        struct state *S = lua_touserdata(L, -1);
        if (!S->closed && S->generation == tine__root_generation())
            each_core(S, kill_core);
    }
    lua_pop(L, 1);
}

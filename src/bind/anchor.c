/* Anchors: what holds futures and chunks while they are in flight. */
#include <string.h>
#include "base/hot.h"
#include "bind/anchor.h"

COLD static void make_room(lua_State *L, struct state *S) {
    uint32_t room = S->room ? 2 * S->room : 64;
    uint32_t *free = lua_newuserdatauv(L, room * sizeof *free, 0);
    if (room <= S->room) { /* a finalizer has made room meanwhile */
        lua_pop(L, 1);
        return;
    }
    if (S->nfree > 0)
        memcpy(free, S->free, S->nfree * sizeof *free);
    lua_setiuservalue(L, UP(UP_STATE), KEPT_FREE);
    S->free = free;
    S->room = room;
}

HOT void tine__anchor(lua_State *L, struct state *S, struct anchor *a, int idx) {
    lua_pushvalue(L, idx);
    while (S->nfree == 0 && S->slots == S->room)
        make_room(L, S);
    a->slot = S->nfree > 0 ? S->free[--S->nfree] : ++S->slots;
    lua_rawseti(L, UP(UP_ANCHORS), a->slot);
}

void tine__unanchor(lua_State *L, struct state *S, struct anchor *a) {
    if (!a->slot)
        return;
    lua_pushnil(L);
    if (a->weak) {
        push_kept(L, KEPT_WEAK);
        lua_insert(L, -2);
        lua_rawseti(L, -2, a->slot);
        lua_pop(L, 1);
    } else {
        lua_rawseti(L, UP(UP_ANCHORS), a->slot);
    }
    S->free[S->nfree++] = a->slot;
    a->slot = 0;
    a->weak = false;
}

bool tine__anchored_push(lua_State *L, const struct anchor *a) {
    if (!a->weak)
        return lua_rawgeti(L, UP(UP_ANCHORS), a->slot) != LUA_TNIL;
    push_kept(L, KEPT_WEAK);
    bool there = lua_rawgeti(L, -1, a->slot) != LUA_TNIL;
    lua_remove(L, -2);
    return there;
}

void tine__anchor_weaken(lua_State *L, struct anchor *a, int idx) {
    idx = lua_absindex(L, idx);
    push_kept(L, KEPT_WEAK);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, a->slot);
    lua_pop(L, 1);
    if (!a->slot || a->weak)
        return; /* finalizers have released or weakened it meanwhile */
    a->weak = true;
    lua_pushnil(L);
    lua_rawseti(L, UP(UP_ANCHORS), a->slot);
}

/* Items that were released meanwhile were put aside (state.limbo): they have news again. */
void tine__anchor_strengthen(lua_State *L, struct anchor *a, int idx) {
    struct state *S = state_of(L);
    struct list *node;
    lua_pushvalue(L, idx);
    lua_rawseti(L, UP(UP_ANCHORS), a->slot);
    a->weak = false;
    while ((node = list_pop(&S->limbo)) != NULL)
        list_push(&S->news, node);
}

void tine__anchor_check(lua_State *L, struct anchor *a, int idx) {
    if (!tine__anchored_push(L, a))
        tine__anchor_strengthen(L, a, idx);
    lua_pop(L, 1);
}

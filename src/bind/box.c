/* Boxes: outcomes that futures hold on to, which Lua collects. */
#include "bind/bind.h"

struct box {
    struct outcome outcome;
    struct list node; /* in state.boxes */
};

struct outcome *tine__box(lua_State *L, struct outcome *o) {
    struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->outcome = *o;
    push_kept(L, KEPT_BOX);
    lua_setmetatable(L, -2);
    list_push(&state_of(L)->boxes, &box->node);
    return &box->outcome;
}

int tine__box_gc(lua_State *L) {
    struct box *box = lua_touserdata(L, 1);
    list_remove(&box->node);
    tine__outcome_free(&box->outcome);
    return 0;
}

void tine__boxes_empty(struct state *S) {
    struct list *node;
    while ((node = list_pop(&S->boxes)))
        tine__outcome_free(&LIST_ITEM(node, struct box, node)->outcome);
}

/* Boxes: outcomes owned by futures, with a __gc. */
#include <stdlib.h>
#include "bind/box.h"
#include "bind/errors.h"

/* Allocated apart from the userdata: when the C stack is nearly used up, Lua frees a userdata
** without having called its __gc. */
struct box {
    struct outcome outcome;
    struct list node; /* in state.boxes */
};

struct outcome *tine__box(lua_State *L, struct outcome *o) {
    struct box **held = lua_newuserdatauv(L, sizeof(struct box *), 0);
    *held = NULL;
    push_kept(L, KEPT_BOX);
    lua_setmetatable(L, -2);
    struct box *box = sys.malloc(sizeof *box);
    if (!box)
        tine__error(L, TINE_ENOMEM, "%s", tine_error_text(TINE_ENOMEM));
    box->outcome = *o;
    list_push(&state_of(L)->boxes, &box->node);
    *held = box;
    return &box->outcome;
}

struct outcome *tine__box_outcome(lua_State *L, int idx) {
    struct box **held = lua_touserdata(L, idx);
    return held && *held ? &(*held)->outcome : NULL;
}

int tine__box_gc(lua_State *L) {
    struct box **held = lua_touserdata(L, 1), *box = *held;
    *held = NULL;
    if (!box)
        return 0;
    list_remove(&box->node);
    tine__outcome_free(&box->outcome);
    free(box);
    return 0;
}

void tine__boxes_empty(struct state *S) {
    struct list *node;
    while ((node = list_pop(&S->boxes)))
        tine__outcome_free(&LIST_ITEM(node, struct box, node)->outcome);
}

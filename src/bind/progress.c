/* Progress that tasks report, as Lua values. */
#include "bind/progress.h"
#include "msg/progress.h"

static void push_number(lua_State *L, const struct progress_number *n) {
    if (n->is_integer)
        lua_pushinteger(L, (lua_Integer)n->u.i);
    else
        lua_pushnumber(L, n->u.f);
}

int tine__progress_push(lua_State *L, const struct progress *p) {
    push_number(L, &p->done);
    if (p->has_total)
        push_number(L, &p->total);
    else
        lua_pushnil(L);
    if (p->has_text)
        lua_pushlstring(L, p->text, p->length);
    else
        lua_pushnil(L);
    return 3;
}

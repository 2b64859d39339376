/* Decoding of tables that are more than an array or a map. */
#include <lua.h>
#include "base/hot.h"
#include "codec/decode/environment.h"
#include "codec/decode/reader.h"
#include "codec/decode/table.h"
#include "codec/wire.h"

static void table_items(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    lua_Integer n = lua_tointeger(L, -1);
    lua_Integer rest = (lua_Integer)f->n - 3;
    if (unlikely(f->env) && lua_isinteger(L, -1)) {
        f->env = (uint8_t)(n >> ENV_ITEMS_SHIFT);
        n &= (1 << ENV_ITEMS_SHIFT) - 1;
        if (!f->env || !r->envs)
            tine__malformed(r, "a table that is no environment");
    }
    if (!lua_isinteger(L, -1) || n < 0 || n > rest || (rest - n) % 2)
        tine__malformed(r, "a table of a wrong size");
    lua_pop(L, 1);
    if (unlikely(f->env))
        tine__push_env(r, f->env, true);
    else
        lua_createtable(L, (int)n, (int)((rest - n) / 2));
    f->m = (uint32_t)n;
    number_object(r, f - 1);
}

void tine__table_item(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (f->i == 1)
        table_items(r, f);
    else if (f->i == 2 && !lua_istable(L, -1) && !lua_isnil(L, -1))
        tine__malformed(r, "a metatable that is no table");
    else if (f->i >= 3 && f->i < 3 + f->m)
        lua_rawseti(L, f->at, (lua_Integer)f->i - 2);
    else if (f->i >= 3 + f->m && (f->i - f->m) % 2 == 0)
        lua_rawset(L, f->at);
}

/* Is the table on top still being read? */
static bool is_open(lua_State *L, const struct frame *f) {
    const void *p = lua_topointer(L, -1);
    for (; f->kind != FRAME_TOP; f--)
        if (f->kind >= FRAME_ARRAY && f->kind <= FRAME_TABLE && lua_topointer(L, f->at) == p)
            return true;
    return false;
}

/* Table and metatable are on top. Lua looks for __gc when a metatable is set, so a metatable that
** is not complete yet is set again at the end. */
void tine__table_end(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (lua_istable(L, -1) && r->refs && unlikely(is_open(L, f))) {
        lua_rawgeti(L, r->refs, 0);
        lua_createtable(L, 3, 0); /* a linked list: table, metatable, the rest */
        for (int i = 1; i <= 3; i++) {
            lua_pushvalue(L, -5 + i);
            lua_rawseti(L, -2, i);
        }
        lua_rawseti(L, r->refs, 0);
        lua_pop(L, 1);
    }
    if (unlikely(f->env) && lua_isnil(L, -1))
        lua_pop(L, 1); /* it keeps the metatable of an environment */
    else
        lua_setmetatable(L, -2);
}

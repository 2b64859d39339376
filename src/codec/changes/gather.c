/* Gathering changes from tables (gather.h): those in a table, and those in the tables that are
** values of these changes.
*/
#include <lauxlib.h>
#include <lua.h>
#include "codec/changes/changes.h"
#include "codec/changes/company.h"
#include "codec/changes/gather.h"
#include "codec/changes/objects.h"
#include "codec/encode/encoder.h"
#include "codec/files/record.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/state.h"

void tine__gather(struct gathering *g) {
    lua_State *L = g->e->L;
    lua_Integer at = COMPANY_ITEM * (lua_Integer)g->count++;
    for (int i = COMPANY_ITEM; i > 0; i--)
        lua_rawseti(L, g->list, at + i);
}

/* Is this the first time that this gathering meets the table at `t`? */
static bool is_first(struct gathering *g, int t) {
    lua_State *L = g->e->L;
    lua_pushvalue(L, t);
    bool first = lua_rawget(L, g->met) == LUA_TNIL;
    lua_pop(L, 1);
    lua_pushvalue(L, t);
    lua_pushboolean(L, 1);
    lua_rawset(L, g->met);
    return first;
}

int tine__gather_value(struct gathering *g) {
    lua_State *L = g->e->L;
    int value = lua_gettop(L);
    const void *p = lua_topointer(L, value);
    if (!lua_istable(L, value))
        return 0;
    struct name *n = tine__name_find(g->e->c, p);
    int r = n ? tine__name_consider(g->e, value, n) : GOES_BY_VALUE;
    if (r == GOES_BY_NAME)
        return tine__gather_from(g, value, (uint32_t)(n - g->e->c->names.list));
    if (r < 0)
        return r;
    lua_pushboolean(L, 1);
    lua_rawsetp(L, g->met, p);
    return 0;
}

/* Has the program set the metatable, which is below its table on top? It has if the metatable's
** functions are the program's, and if the metatable either has no name, as it came after the index
** was made, or has no functions of the module. Returns 1 or 0, or an error. */
static int is_given_metatable(struct gathering *g, const struct file *f) {
    struct encoder *e = g->e;
    int meta = lua_gettop(e->L) - 1, r = GOES_BY_BOTH;
    struct looker by = {.e = e, .file = f, .reach = g->reach};
    struct name *n = tine__name_find(e->c, lua_topointer(e->L, meta));
    if (n && (!n->meta || (r = tine__name_consider(e, meta, n)) != GOES_BY_BOTH))
        return r < 0 ? r : 0;
    struct makers m = tine__makers_of(&by);
    return m.program && !(n && m.module);
}

int tine__gather_metatable(struct gathering *g, int t, uint32_t id) {
    lua_State *L = g->e->L;
    int top = lua_gettop(L), r = 0;
    const struct file *f = g->e->c->names.list[id].file;
    if (!f || !f->lua || !lua_getmetatable(L, t))
        return 0;
    lua_pushvalue(L, t);
    if ((r = is_given_metatable(g, f)) > 0) {
        lua_pushboolean(L, 1);
        lua_rawsetp(L, g->met, lua_topointer(L, top + 1));
        lua_pushinteger(L, (lua_Integer)id + 1);
        lua_pushvalue(L, t);
        lua_pushboolean(L, true);
        lua_pushvalue(L, top + 1);
        tine__gather(g);
    }
    if (r >= 0)
        lua_settop(L, top);
    return r < 0 ? r : 0;
}

int tine__gather_from(struct gathering *g, int t, uint32_t id) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    luaL_checkstack(L, 20, "changes");
    int list = lua_gettop(L) + 1, err = 0;
    int count = is_first(g, t) ? tine__changes_of(e, t, &e->c->names.list[id], g->reach) : 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_pushinteger(L, (lua_Integer)id + 1);
        lua_pushvalue(L, t);
        lua_rawgeti(L, list, 2 * i - 1);
        lua_rawgeti(L, list, 2 * i);
        tine__gather(g);
    }
    for (lua_Integer i = 1; !err && i <= count; i++) {
        lua_rawgeti(L, list, 2 * i);
        if (!(err = tine__gather_value(g)))
            lua_settop(L, list);
    }
    if (!err) {
        lua_settop(L, list - 1);
        err = tine__gather_metatable(g, t, id);
    }
    return err;
}

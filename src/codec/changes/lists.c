/* Lists of tables into which the program has put some of its own, in front of those that the module's file has put there: the
** other side's are to come behind them, and not to be replaced by them.
*/
#include <lua.h>
#include "codec/changes/scan.h"
#include "codec/encode/encoder.h"

/* The list's index under which number `i` of what was found is; 0: it is somewhere else. */
static lua_Integer index_of(const struct scan *s, int i, int prefix) {
    lua_State *L = s->e->L;
    int top = lua_gettop(L);
    lua_rawgeti(L, s->list, 2 * (lua_Integer)i + 1);
    if (prefix)
        lua_rawgeti(L, -1, 2);
    lua_Integer index = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    lua_settop(L, top);
    return index;
}

/* Push a set of the indices under which something was found. */
static void push_added(const struct scan *s, int prefix, int before) {
    lua_State *L = s->e->L;
    lua_newtable(L);
    for (int i = before; i < s->count; i++) {
        lua_pushboolean(L, 1);
        lua_rawseti(L, -2, index_of(s, i, prefix));
    }
}

static bool is_added(lua_State *L, int added, lua_Integer i) {
    bool is = lua_rawgeti(L, added, i) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

/* The last item of the list at `t` that is not in the set at `added`, if nothing but tables is in the list, else 0. How many
** there are: *own. */
static lua_Integer last_own(lua_State *L, int t, int added, lua_Integer *own) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, t), last = 0;
    bool tables = true;
    *own = 0;
    for (lua_Integer i = 1; tables && i <= n; i++) {
        tables = lua_rawgeti(L, t, i) == LUA_TTABLE;
        lua_pop(L, 1);
        if (is_added(L, added, i))
            continue;
        last = i;
        ++*own;
    }
    return tables ? last : 0;
}

/* Number `i` of what was found is from now on that `index` of the list at `t`, in front of others if the list has `len` items. */
static void insert(const struct scan *s, int i, int prefix, int t, lua_Integer index,
                   lua_Integer len) {
    lua_State *L = s->e->L;
    lua_createtable(L, 3, 0);
    if (prefix)
        lua_pushvalue(L, prefix);
    else
        lua_pushboolean(L, false);
    lua_rawseti(L, -2, 1);
    lua_pushinteger(L, index);
    lua_rawseti(L, -2, 2);
    lua_pushinteger(L, len);
    lua_rawseti(L, -2, 3);
    lua_rawseti(L, s->list, 2 * (lua_Integer)i + 1);
    lua_rawgeti(L, t, index);
    lua_rawseti(L, s->list, 2 * (lua_Integer)i + 2);
}

void tine__scan_inserted(struct scan *s, int t, int prefix, int before) {
    lua_State *L = s->e->L;
    int added = lua_gettop(L) + 1;
    lua_Integer index = 0, own;
    if (s->count == before || lua_rawlen(L, t) > SCAN_ITEMS)
        return;
    push_added(s, prefix, before);
    lua_Integer last = last_own(L, t, added, &own);
    for (int i = before; i < s->count; i++) { /* in whatever order: the first goes first */
        lua_Integer found = index_of(s, i, prefix);
        if (found < 1 || found >= last)
            continue;
        while (!is_added(L, added, ++index))
            ;
        insert(s, i, prefix, t, index, own++);
    }
    lua_settop(L, added - 1);
}

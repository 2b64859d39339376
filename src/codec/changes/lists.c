/* Lists of tables into which the program has put some of its own. The other side need not have all others, of which some may
** be data that does not go along, nor all of the program's, as some cannot travel. So it is told how many others there are:
** what stands in front of others goes in front of them, and is not put in their place; what stands behind them leaves no hole.
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

/* How many of the first `n` items of the list at `t` are not in the set at `added`? -1: there is something else than tables. */
static lua_Integer count_others(lua_State *L, int t, lua_Integer n, int added) {
    lua_Integer others = 0;
    bool tables = true;
    for (lua_Integer i = 1; tables && i <= n; i++) {
        tables = lua_rawgeti(L, t, i) == LUA_TTABLE;
        lua_pop(L, 1);
        others += !is_added(L, added, i);
    }
    return tables ? others : -1;
}

/* Number `i` of what was found is from now on that `index` of the list at `t`, which has `len` items without it and what follows
** of the program's. */
static void place(struct scan *s, int i, int prefix, int t, lua_Integer index, lua_Integer len) {
    lua_State *L = s->e->L;
    lua_pushinteger(L, index);
    tine__scan_push_path(s, prefix);
    lua_pushinteger(L, len);
    lua_rawseti(L, -2, 3);
    lua_rawseti(L, s->list, 2 * (lua_Integer)i + 1);
    lua_rawgeti(L, t, index);
    lua_rawseti(L, s->list, 2 * (lua_Integer)i + 2);
}

void tine__scan_placed(struct scan *s, int t, int prefix, int before) {
    lua_State *L = s->e->L;
    int added = lua_gettop(L) + 1;
    lua_Integer index = 0, n = (lua_Integer)lua_rawlen(L, t), len;
    if (s->count == before || n > SCAN_ITEMS)
        return;
    push_added(s, prefix, before);
    len = count_others(L, t, n, added);
    /* They were found in whatever order: the first goes first. */
    for (int i = before; len >= 0 && i < s->count; i++) {
        lua_Integer found = index_of(s, i, prefix);
        if (found < 1 || found > n)
            continue;
        while (!is_added(L, added, ++index))
            ;
        place(s, i, prefix, t, index, len++);
    }
    lua_settop(L, added - 1);
}

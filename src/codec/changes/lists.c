/* Lists of tables into which the program has put some of its own.
**
** The receiver's list need not have the same items: some of the module's may be data that is not
** sent, and some of the program's cannot be sent. So the path of such an item says how many items
** the list has before it is inserted. An item that is in front of others is inserted in front of
** them and does not replace any; one that is behind them leaves no hole.
*/
#include <lua.h>
#include "codec/changes/scan.h"
#include "codec/encode/encoder.h"

/* The index in the list at which change number `i` is; 0: it is not in the list. */
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

/* Push the set of the indices at which there are changes. */
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

/* How many of the first `n` items of the list at `t` are not in the set at `added`? -1: not all
** items are tables. */
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

/* Make change number `i` the insertion of item `index` of the list at `t`. The list has `len` items
** before that: those without changes, and those inserted before. */
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
    /* Changes may be in any order: use them for the items in the order of the list. */
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

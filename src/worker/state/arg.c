/* Each key or value is a text whose first character gives the type; a float is written as its
** bits. */
#include "worker/state/arg.h"

#include <stdbool.h>
#include <string.h>
#include <lauxlib.h>

/* Push the text of the value at `idx`; NULL, and nothing is pushed: it has none. */
static const char *push_text(lua_State *L, int idx) {
    lua_Integer bits;
    lua_Number x;
    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        if (strlen(lua_tostring(L, idx)) < lua_rawlen(L, idx))
            return NULL;
        return lua_pushfstring(L, "s%s", lua_tostring(L, idx));
    case LUA_TNUMBER:
        if (lua_isinteger(L, idx))
            return lua_pushfstring(L, "i%I", (LUAI_UACINT)lua_tointeger(L, idx));
        x = lua_tonumber(L, idx);
        memcpy(&bits, &x, sizeof bits);
        return lua_pushfstring(L, "f%I", (LUAI_UACINT)bits);
    case LUA_TBOOLEAN:
        return lua_pushstring(L, lua_toboolean(L, idx) ? "b1" : "b");
    default:
        return NULL;
    }
}

static void push_value(lua_State *L, const char *text) {
    if (*text == 's') {
        lua_pushstring(L, text + 1);
    } else if (*text == 'b') {
        lua_pushboolean(L, text[1]);
    } else if (lua_stringtonumber(L, text + 1) && *text == 'f') {
        lua_Integer bits = lua_tointeger(L, -1);
        lua_Number x;
        memcpy(&x, &bits, sizeof x);
        lua_pop(L, 1);
        lua_pushnumber(L, x);
    }
}

/* Append key and value, which are on top, to the table at `texts` as texts. */
static void add(lua_State *L, int texts) {
    int key = lua_gettop(L) - 1;
    lua_Integer n = (lua_Integer)lua_rawlen(L, texts);
    if (push_text(L, key) && push_text(L, key + 1)) {
        lua_rawseti(L, texts, n + 2);
        lua_rawseti(L, texts, n + 1);
    }
    lua_settop(L, key + 1);
}

const char *const *tine__arg_push(lua_State *L) {
    int t = lua_gettop(L), texts = t + 1;
    luaL_checkstack(L, 10, "arg");
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1))
        add(L, texts);
    size_t n = lua_rawlen(L, texts);
    const char **list = lua_newuserdatauv(L, (n + 1) * sizeof *list, 1);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, texts, (lua_Integer)i + 1);
        list[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    list[n] = NULL;
    lua_insert(L, texts);
    lua_setiuservalue(L, texts, 1);
    return list;
}

void tine__arg_set(lua_State *L, const char *const *list) {
    lua_newtable(L);
    for (; list[0] && list[1]; list += 2) {
        push_value(L, list[0]);
        push_value(L, list[1]);
        lua_rawset(L, -3);
    }
    lua_setglobal(L, "arg");
}

/* Functions that are named by a text, "module.field": which part of the text is the module's name
** is found out once. */
#include <lauxlib.h>
#include <string.h>
#include "codec/decode/reader.h"
#include "codec/decode/resolve.h"
#include "codec/state.h"

static bool is_not_found(lua_State *L, const char *module) {
    const char *start = lua_pushfstring(L, "module '%s' not found", module);
    bool is = strstr(lua_tostring(L, -2), start) != NULL;
    lua_pop(L, 1);
    return is;
}

/* Push the module whose name is the first `len` characters of `text`. False, and nothing is pushed:
** there is no such module. Raises if it cannot be loaded. */
static bool push_prefix(lua_State *L, const char *text, size_t len) {
    const char *module = lua_pushlstring(L, text, len);
    int name = lua_gettop(L);
    if (tine__push_module(L, name) == LUA_OK) {
        lua_remove(L, name);
        return true;
    }
    if (!is_not_found(L, module))
        luaL_error(L, "cannot load module '%s': %s", module, lua_tostring(L, -1));
    lua_settop(L, name - 1);
    return false;
}

/* Replace the value on top by what its fields "a.b" lead to. */
static void follow(lua_State *L, const char *fields) {
    while (*fields) {
        size_t n = strcspn(fields, ".");
        lua_pushlstring(L, fields, n);
        lua_insert(L, -2);
        tine__get_field(L, lua_gettop(L) - 1);
        lua_remove(L, -2);
        fields += n + (fields[n] == '.');
    }
}

/* Push the module that the text begins with, and return the length of its name. 0: the text is the
** name of a global, which is pushed instead. Raises. */
static size_t find_module(lua_State *L, const char *text) {
    size_t len = strlen(text);
    bool dotted = strchr(text, '.');
    while (len > 0) {
        if (push_prefix(L, text, len)) {
            if (dotted || lua_isfunction(L, -1))
                return len;
            lua_pop(L, 1);
        }
        while (len > 0 && text[--len] != '.')
            ;
    }
    if (dotted)
        luaL_error(L, "cannot find '%s': there is no module '%s'", text,
                   lua_pushlstring(L, text, strcspn(text, ".")));
    lua_getglobal(L, text);
    return 0;
}

static bool is_callable(lua_State *L) {
    if (lua_isfunction(L, -1))
        return true;
    if (luaL_getmetafield(L, -1, "__call") == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

/* Push the value that the text at stack index `text`, `s`, names. The length of the module's name
** is remembered. */
static void push_named(struct reader *r, int text, const char *s) {
    lua_State *L = r->L;
    size_t len;
    lua_rawgeti(L, r->self, ST_TEXTS);
    lua_pushvalue(L, text);
    int known = lua_rawget(L, -2) == LUA_TNUMBER;
    len = (size_t)lua_tointeger(L, -1);
    lua_settop(L, text);
    if (!known) {
        len = find_module(L, s);
        lua_rawgeti(L, r->self, ST_TEXTS);
        lua_pushvalue(L, text);
        lua_pushinteger(L, (lua_Integer)len);
        lua_rawset(L, -3);
        lua_pop(L, 1);
    } else if (len == 0) {
        lua_getglobal(L, s);
    } else if (!push_prefix(L, s, len)) {
        luaL_error(L, "cannot find '%s'", s);
    }
    if (len && s[len])
        follow(L, s + len + 1);
}

void tine__resolve_text(struct reader *r) {
    lua_State *L = r->L;
    int text = lua_gettop(L);
    size_t len;
    const char *s = lua_tolstring(L, text, &len);
    if (len == 0 || strlen(s) != len)
        luaL_error(L, "cannot find a function whose name is empty or has zeros in it");
    luaL_checkstack(L, 20, "names");
    push_named(r, text, s);
    if (lua_isnil(L, -1))
        luaL_error(L, "cannot find '%s' in this process", s);
    if (!is_callable(L))
        luaL_error(L, "'%s' is a %s in this process, not a function", s, luaL_typename(L, -1));
    lua_replace(L, text);
    lua_settop(L, text);
}

/* Names back to what they name: modules are required, fields looked up. */
#include "codec/reader.h"

#include <string.h>

static int get_index(lua_State *L) {
    lua_gettable(L, 1);
    return 1;
}

bool tine__has_global(lua_State *L, int name) {
    int top = lua_gettop(L);
    lua_pushglobaltable(L);
    lua_pushvalue(L, name);
    bool has = lua_rawget(L, -2) != LUA_TNIL;
    if (!has && lua_getmetatable(L, top + 1)) { /* may have an __index, which may raise */
        lua_pushcfunction(L, get_index);
        lua_pushvalue(L, top + 1);
        lua_pushvalue(L, name);
        has = lua_pcall(L, 2, 1, 0) == LUA_OK && !lua_isnil(L, -1);
    }
    lua_settop(L, top);
    return has;
}

/* The innermost function around the frame. */
static const struct frame *function_around(const struct frame *f) {
    while (f->kind != FRAME_FUNCTION && f->kind != FRAME_TOP)
        f--;
    return f->kind == FRAME_FUNCTION && f->i >= 2 ? f : NULL;
}

/* Is the frame part of a global that this process has itself, and which will be dropped? */
static bool is_spare(struct reader *r, const struct frame *f) {
    for (f--; f->kind != FRAME_TOP; f--)
        if (f->kind == FRAME_FUNCTION && f->i > 2 + f->m && (f->i - f->m) % 2 == 0 &&
            tine__has_global(r->L, f->at + 1))
            return true;
    return false;
}

/* ", which function at report.lua:12 needs," or nothing, pushed. */
static const char *push_needed(struct reader *r, const struct frame *f) {
    const struct frame *fn = function_around(f - 1);
    if (!fn)
        return lua_pushliteral(r->L, "");
    return lua_pushfstring(r->L, " (function at %s needs it)", tine__push_place(r->L, fn->at));
}

/* Push what package.loaded has of the module named at `name`, or what `require` gives. The status
** of lua_pcall, with the error's text pushed. */
static int push_module(lua_State *L, int name) {
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, name);
    if (lua_rawget(L, -2) != LUA_TNIL && lua_toboolean(L, -1)) {
        lua_remove(L, -2);
        return LUA_OK;
    }
    lua_pop(L, 2);
    lua_getglobal(L, "require");
    lua_pushvalue(L, name);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_ERRMEM)
        return lua_error(L);
    if (status != LUA_OK) {
        luaL_tolstring(L, -1, NULL);
        lua_remove(L, -2);
    }
    return status;
}

/* Replace the value on top by its field named at `name`. */
static void get_field(lua_State *L, int name) {
    if (!lua_istable(L, -1)) {
        lua_pushnil(L);
    } else {
        lua_pushvalue(L, name);
        if (lua_rawget(L, -2) == LUA_TNIL && luaL_getmetafield(L, -2, "__index") != LUA_TNIL) {
            lua_pop(L, 2);
            lua_pushvalue(L, name);
            lua_gettable(L, -2);
        }
    }
    lua_remove(L, -2);
}

void tine__resolve_name(struct reader *r, struct frame *f, int first) {
    lua_State *L = r->L;
    int last = lua_gettop(L);
    bool spare = false;
    if (push_module(L, first) != LUA_OK) {
        spare = is_spare(r, f);
        if (!spare)
            luaL_error(L, "cannot load module '%s'%s: %s", lua_tostring(L, first),
                       push_needed(r, f), lua_tostring(L, last + 1));
        lua_settop(L, last);
        lua_pushnil(L);
    }
    for (int i = first + 1; i <= last && !spare; i++) {
        get_field(L, i);
        if (lua_isnil(L, -1) && !(spare = is_spare(r, f)))
            luaL_error(L, "module '%s' has no '%s' in this process%s", lua_tostring(L, first),
                       lua_tostring(L, i), push_needed(r, f));
    }
    lua_replace(L, first);
    lua_settop(L, first);
}

/* ---- text ---- */

static bool is_not_found(lua_State *L, const char *module) {
    const char *start = lua_pushfstring(L, "module '%s' not found", module);
    bool is = strstr(lua_tostring(L, -2), start) != NULL;
    lua_pop(L, 1);
    return is;
}

/* Push the module whose name is the first `len` characters of `text`; false, and nothing, if there is
** no such module. */
static bool push_prefix(lua_State *L, const char *text, size_t len) {
    const char *module = lua_pushlstring(L, text, len);
    int name = lua_gettop(L);
    if (push_module(L, name) == LUA_OK) {
        lua_remove(L, name);
        return true;
    }
    if (!is_not_found(L, module))
        luaL_error(L, "cannot load module '%s': %s", module, lua_tostring(L, -1));
    lua_settop(L, name - 1);
    return false;
}

/* Replace the value on top by what the fields "a.b" of it lead to. */
static void follow(lua_State *L, const char *fields) {
    while (*fields) {
        size_t n = strcspn(fields, ".");
        lua_pushlstring(L, fields, n);
        lua_insert(L, -2);
        get_field(L, lua_gettop(L) - 1);
        lua_remove(L, -2);
        fields += n + (fields[n] == '.');
    }
}

/* How much of the text is the module's name: pushes the module. 0: it is a global, pushed too. */
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

/* The value that the text on top names, pushed: as found before, or found now and remembered. */
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

/* Formats: string.pack and string.unpack do the work, on strings. */
#include <string.h>

#include <lualib.h>

#include "data/internal.h"

/* the largest alignment of a format */
#define ALIGN 16
#define WINDOW 128 /* bytes for the first try; a format that needs more gets more at the next try */

static void push_library(lua_State *L, const char *name) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_STRLIBNAME);
    lua_getfield(L, -1, name);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* Raise the error on top, which is about the format or the values, as an error of this function. */
static int refuse(lua_State *L, int arg) {
    const char *text = lua_tostring(L, -1), *inner = text ? strchr(text, '(') : NULL;
    if (inner && strncmp(text, "bad argument", 12) == 0)
        lua_pushlstring(L, inner + 1, strlen(inner) - 2);
    return luaL_argerror(L, arg, lua_tostring(L, -1));
}

/* Our argument that corresponds to the one in an error of string.pack. */
static int argument_of(const char *text) {
    int n = text && strncmp(text, "bad argument #", 14) == 0 ? text[14] - '0' : 1;
    return n <= 1 || n > 9 ? 2 : n + 2;
}

int tine__data_unpack(lua_State *L, const struct object *o, uint64_t at) {
    uint64_t from = at & ~(uint64_t)(ALIGN - 1), rest = o->size - from;
    lua_settop(L, 2);
    for (uint64_t window = WINDOW;; window *= 16) {
        bool all = window >= rest;
        push_library(L, "unpack");
        lua_pushvalue(L, 2);
        lua_pushlstring(L, o->base + from, all ? rest : window);
        lua_pushinteger(L, (lua_Integer)(at - from) + 1);
        int status = lua_pcall(L, 3, LUA_MULTRET, 0);
        if (status == LUA_OK)
            break;
        if (status == LUA_ERRMEM)
            return lua_error(L);
        const char *text = lua_tostring(L, -1);
        if (all || !text)
            return refuse(L, text && strstr(text, "#1") ? 2 : 3);
        lua_settop(L, 2);
    }
    luaL_checkstack(L, 1, "too many results");
    lua_pushinteger(L, lua_tointeger(L, -1) + (lua_Integer)from);
    lua_replace(L, -2);
    return lua_gettop(L) - 2;
}

/* Push the format at 2, preceded by padding, so that it aligns to addresses in the buffer. */
static void push_format(lua_State *L, size_t before) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < before; i++)
        luaL_addchar(&b, 'x');
    lua_pushvalue(L, 2);
    luaL_addvalue(&b);
    luaL_pushresult(&b);
}

uint64_t tine__data_pack(lua_State *L, const struct object *o, uint64_t at) {
    size_t before = at % ALIGN, len;
    int values = lua_gettop(L) - 3;
    luaL_checkstack(L, values + 10, "too many values");
    push_library(L, "pack");
    push_format(L, before);
    for (int i = 0; i < values; i++)
        lua_pushvalue(L, 4 + i);
    int status = lua_pcall(L, values + 1, 1, 0);
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (status != LUA_OK)
        refuse(L, argument_of(lua_tostring(L, -1)));
    const char *bytes = lua_tolstring(L, -1, &len);
    if (len - before > o->size - at)
        luaL_argerror(L, 3, "what is to be written reaches beyond the end of the buffer");
    memcpy(o->base + at, bytes + before, len - before);
    return at + len - before;
}

#include <lualib.h>
#include <string.h>
#include "bind/errors.h"
#include "bind/preload.h"
#include "bind/sources.h"
#include "tine_lua.h"
#include "worker/root/root.h"
#include "worker/state/state.h"
#include "worker/task/ask.h"

const struct tine__extra_modules *tine__extra;

/* Push the compiled chunk. */
static void compile(lua_State *L, const struct tine__lua_source *source) {
    lua_pushfstring(L, "@%s.lua", source->name);
    if (luaL_loadbufferx(L, source->text, source->len, lua_tostring(L, -1), "t") != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
}

/* Loader of a compiled-in module: (name, ":preload:"). */
static int load_source(lua_State *L) {
    const struct tine__lua_source *source = lua_touserdata(L, lua_upvalueindex(1));
    lua_settop(L, 1);
    compile(L, source);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static void preload_sources(lua_State *L, const struct tine__lua_source *s) {
    for (; s->name; s++) {
        lua_pushlightuserdata(L, (void *)s);
        lua_pushcclosure(L, load_source, 1);
        lua_setfield(L, -2, s->name);
    }
}

static void preload_extra(lua_State *L, const struct tine__extra_modules *extra) {
    preload_sources(L, extra->sources);
    lua_pushcfunction(L, extra->open);
    lua_setfield(L, -2, extra->name);
}

void tine__preload_modules(lua_State *L) {
    luaL_checkstack(L, 5, "tine");
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_tine_core);
    lua_setfield(L, -2, "tine.core");
    preload_sources(L, tine__lua_sources);
    if (tine__extra)
        preload_extra(L, tine__extra);
    lua_pop(L, 1);
}

/* --- for worker states --- */

/* Loader of a precompiled module: (name, ":preload:"). */
static int load_dump(lua_State *L) {
    size_t len;
    const char *dump = lua_tolstring(L, lua_upvalueindex(1), &len);
    lua_settop(L, 1);
    if (luaL_loadbufferx(L, dump, len, "=tine", "b") != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Keep the module as a string, whose memory workers share. A function would be marked by the
** collector of each worker, and its pages copied. */
static void preload_dump(lua_State *L, const struct tine__lua_source *source) {
    lua_getglobal(L, LUA_STRLIBNAME);
    lua_getfield(L, -1, "dump");
    compile(L, source);
    lua_call(L, 1, 1);
    lua_pushcclosure(L, load_dump, 1);
    lua_setfield(L, -3, source->name);
    lua_pop(L, 1);
}

/* Push an error object in a worker, whose task may never have loaded the module. */
static void push_error(lua_State *L, int code, const char *text) {
    luaL_requiref(L, "tine.core", luaopen_tine_core, 0);
    tine__error_push(L, code, "%s", text);
    if (code == TINE_ETIMEOUT) {
        lua_pushliteral(L, "running");
        lua_setfield(L, -2, "phase");
    }
}

/* Repair event loops that were made before the fork. */
static int mend(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_getfield(L, -1, "tine.luv_forked");
    lua_call(L, 0, 1);
    lua_call(L, 0, 0);
    return 0;
}

static void mend_protected(lua_State *L) {
    tine__root_disown();
    lua_pushcfunction(L, mend);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
        lua_pop(L, 1);
}

void tine__preload_worker(lua_State *L) {
    tine__state_mend = mend_protected;
    tine__push_error = push_error;
    tine__preload_modules(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (const struct tine__lua_source *s = tine__lua_sources; s->name; s++)
        preload_dump(L, s);
    lua_pop(L, 1);
}

/* Like `require "tine"`, from what is compiled in. */
TINE_API int luaopen_tine(lua_State *L) {
    tine__preload_modules(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_GNAME);
    lua_getfield(L, -1, "require");
    lua_pushliteral(L, "tine");
    lua_call(L, 1, 1);
    return 1;
}

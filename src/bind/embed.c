/* For programs that embed Lua: worker states with the compiled-in modules, and functions as
** bytes. */
#include <pthread.h>
#include "api/api.h"
#include "base/buf.h"
#include "base/why.h"
#include "bind/embed.h"
#include "bind/errors.h"
#include "bind/preload.h"
#include "tine_lua.h"
#include "worker/root/root.h"
#include "worker/state/state.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void dress(void) {
    tine__state_dress = tine__preload_worker;
}

/* Defined here and not in src/api, because worker states need this folder's modules. */
void tine__api_dress(void) {
    pthread_once(&once, dress);
}

int tine_prepare(void) {
    tine__why_clear();
    tine__api_dress();
    int err = tine__root_take();
    if (err)
        tine__api_explain(err);
    return err;
}

/* --- a codec that belongs to no pool --- */

static const char codec_key, owner_key;

struct codec *tine__embed_codec(lua_State *L) {
    luaL_checkstack(L, 10, "tine");
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &codec_key) == LUA_TNIL) {
        const struct codec_options options = {.send_globals = true};
        lua_pushlightuserdata(L, tine__codec_new(L, &options));
        lua_insert(L, -2);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &owner_key);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &codec_key);
        lua_replace(L, -2);
    }
    struct codec *c = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return c;
}

static int buf_gc(lua_State *L) {
    tine__buf_free(lua_touserdata(L, 1));
    return 0;
}

struct buf *tine__embed_buf(lua_State *L) {
    luaL_checkstack(L, 5, "tine");
    struct buf *b = lua_newuserdatauv(L, sizeof *b, 0);
    tine__buf_init(b);
    if (luaL_newmetatable(L, "tine.embed.bytes")) {
        lua_pushcfunction(L, buf_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return b;
}

/* --- functions as bytes --- */

const char *tine_encode_function(lua_State *L, int index, size_t *length) {
    index = lua_absindex(L, index);
    struct codec *c = tine__embed_codec(L);
    struct buf *b = tine__embed_buf(L);
    int owner = lua_gettop(L);
    bool good = tine__encode_function(L, c, index, b, NULL) == 0;
    if (good)
        lua_pushlstring(L, b->data, b->len);
    if (length)
        *length = good ? b->len : 0;
    tine__buf_free(b);
    lua_replace(L, owner);
    lua_settop(L, owner);
    return good ? lua_tostring(L, -1) : NULL;
}

int tine__encode_lua(lua_State *L) {
    luaL_checkany(L, 1);
    if (!lua_isfunction(L, 1) && luaL_getmetafield(L, 1, "__call") == LUA_TNIL)
        return luaL_typeerror(L, 1, "function");
    lua_settop(L, 1);
    if (!tine_encode_function(L, 1, NULL))
        return tine__error(L, TINE_ESERIALIZE, "%s", lua_tostring(L, -1));
    return 1;
}

#include "worker/task/emit.h"

#include <lauxlib.h>

#include "base/error.h"
#include "worker/task/ask.h"

static int refuse(lua_State *L, int code) {
    tine__error_value(L, code, lua_tostring(L, -1));
    return lua_error(L);
}

/* (values..., loop) Encode the values into the event buffer. Protected, so that an error
** leaves the loop intact. */
static int encode(lua_State *L) {
    struct loop *loop = lua_touserdata(L, -1);
    int n = lua_gettop(L) - 1;
    int err = tine__encode_values(L, loop->run.codec, 1, n, loop->channel->event(loop->channel));
    lua_pushinteger(L, err);
    if (!err)
        lua_pushnil(L);
    else
        lua_pushvalue(L, -2);
    return 2;
}

static void encode_all(lua_State *L, struct loop *loop, int n) {
    if (loop->emitting)
        luaL_error(L, "emit inside of an encode function, for what is just being emitted");
    luaL_checkstack(L, n + 4, "too many values");
    lua_pushcfunction(L, encode);
    for (int i = 1; i <= n; i++)
        lua_pushvalue(L, i);
    lua_pushlightuserdata(L, loop);
    loop->emitting = true;
    int status = lua_pcall(L, n + 1, 2, 0);
    loop->emitting = false;
    if (status != LUA_OK)
        lua_error(L);
    int code = (int)lua_tointeger(L, -2);
    if (code)
        refuse(L, code);
}

int tine__emit(lua_State *L) {
    struct loop *loop = lua_touserdata(L, lua_upvalueindex(1));
    const struct call *call = loop->call;
    struct channel *ch = loop->channel;
    int n = lua_gettop(L);
    if (!call || call->mute || loop_is_forked(loop))
        return 0;
    if (!loop->emitting && !ch->may_emit(ch, call, loop->k))
        return 0;
    if (loop->emitting || !tine__encode_scalars(L, 1, n, ch->event(ch)))
        encode_all(L, loop, n);
    ch->emit(ch, call, loop->k);
    return 0;
}

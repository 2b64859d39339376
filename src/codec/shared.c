/* Shared values (pool:share): sent once, and named by an id in messages.
**
** The receiver decodes such a value where a message names it first, and keeps the result, so that
** all calls get the same object. When the store tells that some value is gone, the results of those
** that it no longer has are dropped.
*/
#include <lauxlib.h>
#include "base/buf.h"
#include "base/error.h"
#include "codec/codec.h"
#include "codec/decode/reader.h"
#include "codec/encode/encoder.h"
#include "codec/pack.h"
#include "codec/shared.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ---- writing ---- */

static const struct codec_shared *shared_of(lua_State *L, int idx) {
    const struct codec_shared *s = NULL;
    if (!lua_getmetatable(L, idx))
        return NULL;
    luaL_getmetatable(L, CODEC_SHARED);
    if (lua_rawequal(L, -1, -2))
        s = lua_touserdata(L, idx);
    lua_pop(L, 2);
    return s;
}

int tine__shared_encode(struct encoder *e, int idx, const struct step *step) {
    const struct codec_shared *s = shared_of(e->L, idx);
    const struct codec_store *store = &e->c->options.store;
    if (!s)
        return 0;
    if (s->codec != e->c)
        return tine__encode_fail(
            e, step,
            "cannot send a value that another pool shares (tine.shared): share "
            "it with this pool, too, or send what its `get` gives");
    if (!s->stored) {
        int err = tine__encode_fail(e, step, "this shared value was closed");
        return err == TINE_ESERIALIZE ? TINE_EINVALID : err;
    }
    if (store->hold(store->ctx, e->out, s->stored) || buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    pack_array(e->out, 2);
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_OP, OP_SHARED}, 3);
    pack_int64(e->out, (int64_t)s->stored->id);
    return 1;
}

/* ---- reading ---- */

bool tine__shared_push(struct reader *r, lua_Integer id, struct codec_code *out) {
    lua_State *L = r->L;
    const struct codec_store *store = &r->c->options.store;
    lua_rawgeti(L, r->self, ST_SHARED);
    int type = lua_rawgeti(L, -1, id);
    lua_remove(L, -2);
    if (type == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_remove(L, -2);
        return true;
    }
    lua_pop(L, 1);
    if (!r->call || id < 1 || !store->get || !store->get(store->ctx, (uint64_t)id, out) ||
        !out->bytes)
        luaL_error(L, "malformed message: no shared value has the number %I", (LUAI_UACINT)id);
    return false;
}

void tine__shared_keep(struct reader *r, lua_Integer id) {
    lua_State *L = r->L;
    struct codec *c = r->c;
    const struct codec_store *store = &c->options.store;
    if (!store->gone)
        return;
    if (c->shared == 0)
        c->gone = store->gone(store->ctx);
    lua_rawgeti(L, r->self, ST_SHARED);
    lua_createtable(L, 1, 0); /* in a list, since the value may be nil */
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, 1);
    lua_rawseti(L, -2, id);
    lua_pop(L, 1);
    c->shared++;
}

void tine__shared_forget(lua_State *L, struct codec *c) {
    const struct codec_store *store = &c->options.store;
    struct codec_code value;
    int top = lua_gettop(L);
    luaL_checkstack(L, 10, "shared values");
    c->gone = store->gone(store->ctx);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_rawgeti(L, -1, ST_SHARED);
    for (lua_pushnil(L); lua_next(L, top + 2);) {
        lua_pop(L, 1);
        if (store->get(store->ctx, (uint64_t)lua_tointeger(L, -1), &value))
            continue;
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, top + 2);
        c->shared--;
    }
    lua_settop(L, top);
}

/* pool:share: values that are sent once.
**
** The userdata holds the value in the pool's store (store/store.h), and so does each call that
** names it, and each shared value that contains it. So it may be closed while tasks that use it are
** waiting.
*/
#include "base/buf.h"
#include "bind/errors.h"
#include "bind/share.h"
#include "bind/submit.h"
#include "msg/origin.h"

/* User values: the core; a weak list with the value that `get` returned. */
struct shared {
    struct codec_shared name; /* first member */
    struct core *core;
    size_t bytes;
};
enum { SHARED_CORE = 1, SHARED_SEEN, SHARED_LAST = SHARED_SEEN };

/* --- making one --- */

static struct shared *new_shared(lua_State *L, struct core *c, int view) {
    struct shared *s = lua_newuserdatauv(L, sizeof *s, SHARED_LAST);
    *s = (struct shared){.name = {.codec = c->codec}, .core = c};
    luaL_setmetatable(L, CODEC_SHARED);
    lua_getiuservalue(L, view, VIEW_CORE);
    lua_setiuservalue(L, -2, SHARED_CORE);
    lua_createtable(L, 1, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_setiuservalue(L, -2, SHARED_SEEN);
    return s;
}

/* The pool takes nothing more: why. */
static int closed(const struct core *c) {
    struct failure *f = c->p ? tine__pool_reason(c->p) : tine__failure_ref(c->reason);
    int code = f ? f->code : TINE_ESHUTDOWN;
    tine__failure_unref(f);
    return code;
}

/* Store the value encoded in `cb`. 0 or a code. */
static int store(struct core *c, struct shared *s, struct call_buf *cb) {
    if (!c->p || !tine__pool_is_open(c->p))
        return closed(c);
    s->bytes = cb->b.len - STORE_VALUE_HEAD;
    s->name.stored =
        tine__store_value(tine__pool_store(c->p), &cb->block, cb->b.data, cb->b.len, &cb->refs);
    if (s->name.stored)
        return 0;
    return tine__pool_is_open(c->p) ? TINE_ENOMEM : closed(c); /* it may have ended just now */
}

/* Encode the value at `idx` behind a head. 0, or a code with the message pushed. */
static int encode(lua_State *L, struct core *c, int idx, struct call_buf *cb) {
    static const char head[STORE_VALUE_HEAD];
    if (buf_append(&cb->b, head, sizeof head)) {
        lua_pushstring(L, tine_error_text(TINE_ENOMEM));
        return TINE_ENOMEM;
    }
    return tine__encode_shared(L, c->codec, idx, &cb->b);
}

/* pool:share(value) */
int tine__share(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    if (lua_isnone(L, 2))
        return luaL_error(L, "bad argument #1 to 'share' (value expected)");
    lua_settop(L, 2);
    if (!c->p)
        tine__refuse_ended(L, c);
    struct shared *s = new_shared(L, c, 1);
    core_begin_encoding(c);
    struct room *r = tine__room_take(L, c, 1);
    int err = encode(L, c, 2, &r->call);
    int refused = err ? 0 : store(c, s, &r->call);
    tine__call_buf_drop(&r->call);
    tine__room_put(c, r);
    tine__core_end_encoding(c);
    if (err)
        return tine__error(L, err, "%s", lua_tostring(L, -1));
    if (refused)
        return tine__refused(L, c, refused);
    lua_settop(L, 3);
    return 1;
}

/* --- using it --- */

static struct shared *check(lua_State *L) {
    return luaL_checkudata(L, 1, CODEC_SHARED);
}

/* The shared value at 1; raises unless its value can be read. */
static struct shared *check_open(lua_State *L) {
    struct shared *s = check(L);
    tine__check_process(L, s->core);
    if (!s->name.stored)
        tine__error(L, TINE_EINVALID, "this shared value was closed");
    if (!s->core->p)
        tine__error(L, TINE_EINVALID, "the pool of this shared value has ended");
    return s;
}

/* Function (core, stored) -> value. */
static int decode(lua_State *L) {
    const struct core *c = lua_touserdata(L, 1);
    const struct codec_stored *stored = lua_touserdata(L, 2);
    tine__decode_shared(L, c->codec, stored->code.bytes, stored->code.len);
    return 1;
}

/* Push the value. What runs meanwhile, such as a finalizer, may close it. */
static void read_value(lua_State *L, struct shared *s) {
    struct core *c = s->core;
    struct store *store = tine__pool_store(c->p);
    const struct codec_stored *before = c->reading;
    struct store_refs held = {0};
    if (tine__store_hold(&held, s->name.stored))
        tine__error(L, TINE_ENOMEM, "out of memory");
    c->reading = s->name.stored;
    core_begin_encoding(c);
    lua_pushcfunction(L, decode);
    lua_pushlightuserdata(L, c);
    lua_pushlightuserdata(L, (void *)c->reading);
    int status = lua_pcall(L, 2, 1, 0);
    c->reading = before;
    tine__store_release(store, &held);
    tine__core_end_encoding(c);
    if (status != LUA_OK)
        lua_error(L);
}

/* shared:get(): the value as workers see it; the same object as long as somebody holds that. */
static int shared_get(lua_State *L) {
    struct shared *s = check_open(L);
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, SHARED_SEEN);
    if (lua_rawgeti(L, 2, 1) != LUA_TNIL)
        return 1;
    read_value(L, s);
    lua_pushvalue(L, -1);
    lua_rawseti(L, 2, 1);
    return 1;
}

/* shared:bytes(): its size in shared memory. */
static int shared_bytes(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_open(L)->bytes);
    return 1;
}

static void drop(struct shared *s) {
    const struct codec_stored *stored = s->name.stored;
    s->name.stored = NULL;
    if (!stored || !s->core->p || !tine__core_is_ours(s->core))
        return;
    uint64_t id = stored->id;
    tine__store_drop(tine__pool_store(s->core->p), stored);
    tine__pool_forget(s->core->p, id);
}

/* shared:close(), __close, __gc */
static int shared_close(lua_State *L) {
    drop(check(L));
    return 0;
}

static int shared_tostring(lua_State *L) {
    const struct shared *s = check(L);
    if (s->name.stored && s->core->p)
        lua_pushfstring(L, "tine.shared (%I bytes)", (LUAI_UACINT)s->bytes);
    else
        lua_pushliteral(L, "tine.shared (closed)");
    return 1;
}

const luaL_Reg tine__shared_methods[] = {
    {"get", shared_get},
    {"bytes", shared_bytes},
    {"close", shared_close},
    {NULL, NULL},
};

const luaL_Reg tine__shared_meta[] = {
    {"__gc", shared_close},
    {"__close", shared_close},
    {"__tostring", shared_tostring},
    {NULL, NULL},
};

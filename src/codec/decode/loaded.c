/* A cache of loaded code: found by the id that a message names it by, checked, and loaded.
**
** The cache has a maker of closures (lua/maker.h) for each code, within CODES_LOADED bytes. Code
** that was forgotten is fetched from the store again, which has it as long as a message names it.
*/
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/hot.h"
#include "base/list.h"
#include "base/sys.h"
#include "codec/cache.h"
#include "codec/codec.h"
#include "codec/decode/loaded.h"
#include "codec/encode/code.h"
#include "codec/lua/maker.h"
#include "codec/simple.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ---- memory ---- */

static struct loaded **bucket_of(struct codec *c, uint64_t id) {
    return &c->loaded_buckets[(id * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & (LOADED_BUCKETS - 1)];
}

static void unlink_loaded(lua_State *L, struct codec *c, struct loaded *l) {
    struct loaded **at = bucket_of(c, l->id);
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    cache_leave(&c->loaded, &l->cached);
    if (l->closure)
        luaL_unref(L, LUA_REGISTRYINDEX, l->closure);
    if (c->latest == l)
        c->latest = NULL;
    c->callee = NULL;
}

static struct loaded *loaded_of(struct cached *cached) {
    return (struct loaded *)((char *)cached - offsetof(struct loaded, cached));
}

void tine__loaded_free(lua_State *L, struct codec *c) {
    while (c->loaded.count > 0) {
        struct loaded *l = loaded_of(LIST_ITEM(c->loaded.order.next, struct cached, node));
        unlink_loaded(L, c, l);
        free(l);
    }
    free(c->loading);
    free(c->loaded_buckets);
    c->loading = NULL;
    c->loaded_buckets = NULL;
}

/* Forget code until there is room for `more` bytes. */
static void make_room(lua_State *L, struct codec *c, int self, size_t more) {
    struct cached *old;
    lua_rawgeti(L, self, ST_MAKERS);
    while ((old = cache_victim(&c->loaded, more, CODES_LOADED))) {
        struct loaded *l = loaded_of(old);
        unlink_loaded(L, c, l);
        lua_pushnil(L);
        lua_rawsetp(L, -2, l);
        free(l);
    }
    lua_pop(L, 1);
}

/* ---- loading ---- */

struct reading {
    const char *p;
    size_t len;
};

static const char *read_all(lua_State *L, void *ud, size_t *len) {
    struct reading *r = ud;
    const char *p = r->p;
    (void)L;
    *len = r->len;
    r->p = NULL;
    r->len = 0;
    return p;
}

/* Push the function of a dump, whose hash was compared. */
static void load_dump(lua_State *L, const char *p, size_t len) {
    struct reading r = {p, len};
    if (lua_load(L, read_all, &r, "=(task)", "b") != LUA_OK)
        luaL_error(L, "cannot load the code of a function: %s", lua_tostring(L, -1));
}

static struct codec_code fetch(lua_State *L, const struct codec *c, lua_Integer id) {
    const struct codec_store *store = &c->options.store;
    struct codec_code code = {0};
    errno = 0;
    bool found = id >= 1 && store->get && store->get(store->ctx, (uint64_t)id, &code);
    if (!found && errno)
        luaL_error(L, "the code of a function cannot be read: %s", strerror(errno));
    if (!found || !code.bytes)
        luaL_error(L, "malformed message: no code has the number %I", (LUAI_UACINT)id);
    if (tine__hash(code.bytes, code.len) != code.hash)
        luaL_error(L, "the code of a function was damaged on its way");
    return code;
}

/* Push a maker (false: there is none), and then a function of the code. */
static void push_both(lua_State *L, const struct codec_code *code) {
    if (tine__push_maker(L, code->bytes, code->len)) {
        lua_pushvalue(L, -1);
        lua_call(L, 0, 1);
    } else {
        lua_pushboolean(L, 0);
        load_dump(L, code->bytes, code->len);
    }
}

/* A new struct loaded. If an error passes through before it is entered, the next call uses it. */
static struct loaded *begin(lua_State *L, struct codec *c) {
    if (!c->loaded_buckets)
        c->loaded_buckets = sys.calloc(LOADED_BUCKETS, sizeof(struct loaded *));
    if (!c->loading)
        c->loading = sys.malloc(sizeof *c->loading);
    if (!c->loaded_buckets || !c->loading)
        luaL_error(L, "not enough memory to load a function");
    return c->loading;
}

/* Enter it into the cache. */
static struct loaded *enter(struct codec *c, struct loaded *l, size_t bytes) {
    struct loaded **bucket = bucket_of(c, l->id);
    c->loading = NULL;
    l->next = *bucket;
    *bucket = l;
    cache_enter(&c->loaded, &l->cached, bytes);
    c->callee = NULL;
    return c->latest = l;
}

static struct loaded *load(lua_State *L, struct codec *c, int self, lua_Integer id) {
    struct codec_code code = fetch(L, c, id);
    lua_Debug ar;
    push_both(L, &code); /* may run finalizers, which may load code, too */
    struct loaded *l = begin(L, c);
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">u", &ar);
    int env = tine__find_env(L, lua_gettop(L), ar.nups, NULL);
    *l = (struct loaded){.id = (uint64_t)id, .nups = ar.nups, .env = (uint8_t)env};
    l->stateless = tine__stateless(l, code.bytes, code.len);
    lua_pop(L, 1);
    make_room(L, c, self, code.len);
    lua_rawgeti(L, self, ST_MAKERS);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, l);
    lua_pop(L, 1);
    return enter(c, l, code.len);
}

struct loaded *tine__loaded_find(struct codec *c, uint64_t id) {
    struct loaded *l = c->latest;
    if (likely(l && l->id == id))
        return l;
    if (!c->loaded_buckets)
        return NULL;
    for (l = *bucket_of(c, id); l && l->id != id;)
        l = l->next;
    if (l) {
        l->cached.used = true;
        c->latest = l;
        c->callee = NULL;
    }
    return l;
}

struct loaded *tine__loaded(lua_State *L, struct codec *c, int self, lua_Integer id) {
    struct loaded *l = id > 0 ? tine__loaded_find(c, (uint64_t)id) : NULL;
    return likely(l) ? l : load(L, c, self, id);
}

void tine__loaded_push(lua_State *L, struct codec *c, int self, const struct loaded *l) {
    lua_rawgeti(L, self, ST_MAKERS);
    if (likely(lua_rawgetp(L, -1, l) == LUA_TFUNCTION)) {
        lua_call(L, 0, 1);
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 2);
    struct codec_code code = fetch(L, c, (lua_Integer)l->id);
    load_dump(L, code.bytes, code.len);
}

int tine__code_push_inline(lua_State *L, const char *p, size_t len) {
    lua_Debug ar;
    if (len < 8)
        luaL_error(L, "malformed message: code of %d bytes", (int)len);
    uint64_t hash = get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
    if (tine__hash(p + 8, len - 8) != hash)
        luaL_error(L, "the code of a function was damaged on its way");
    load_dump(L, p + 8, len - 8);
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">u", &ar);
    return ar.nups;
}

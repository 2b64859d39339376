/* libFuzzer target: the decoder is fed with anything.
**
** The first byte says how the rest is taken: its lowest bit, as a result or as a call (whose
** function segment ends where its head says, or else in the middle); the second bit, with heads that
** fit, so that the fuzzer need not find out lengths. Functions that come are not called, but what is
** decoded is encoded again. The memory of the Lua state is limited, and the state is made anew now
** and then.
**
** Run: fuzz_codec tests/fuzz/corpus; regressions: fuzz_codec tests/fuzz/regressions/<files>
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "codec/codec.h"
#include "codec/segment.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_LIMIT (64u << 20)

static size_t used;

static void *allocate(void *ud, void *p, size_t old, size_t size) {
    (void)ud;
    if (!p)
        old = 0;
    if (size == 0) {
        used -= old;
        free(p);
        return NULL;
    }
    if (size > old && used + size - old > MEMORY_LIMIT)
        return NULL;
    void *q = realloc(p, size);
    if (q)
        used += size - old;
    return q;
}

/* One stored code, so that ids lead somewhere. */
static char bytes[4096];
static struct codec_code code;
static struct codec_stored numbered = {.id = 1, .origin = {"f", "", 0}};
static const struct codec_stored without = {.origin = {"f", "", 0}};

static const struct codec_stored *put(void *ctx, const struct codec_code *given,
                                      const struct codec_origin *origin) {
    (void)ctx, (void)origin;
    if (code.bytes || !given->bytes || given->len > sizeof bytes)
        return &without;
    code = *given;
    code.bytes = memcpy(bytes, given->bytes, given->len);
    numbered.code = code;
    return &numbered;
}

static bool get(void *ctx, uint64_t id, struct codec_code *out) {
    (void)ctx;
    *out = code;
    return id == 1 && code.bytes;
}

struct input {
    struct codec *c;
    const char *fn, *args;
    size_t fn_len, args_len;
};

static int decode(lua_State *L) {
    struct input *in = lua_touserdata(L, 1);
    struct buf out;
    lua_settop(L, 0);
    if (!in->fn)
        tine__decode_values(L, in->c, in->args, in->args_len);
    else
        tine__decode_call(L, in->c, in->fn, in->fn_len, in->args, in->args_len);
    tine__buf_init(&out);
    /* a metatable's __gc or a deep structure may make this fail, but not harm */
    tine__encode_values(L, in->c, 1, lua_gettop(L) > 200 ? 200 : lua_gettop(L), &out);
    tine__buf_free(&out);
    return 0;
}

static int setup(lua_State *L) {
    static const char source[] =
        "local a, b = 1, {}\n"
        "return function(x) a = a + x; b[x] = a; return function() return a, b, print end end";
    struct codec_options o = {.store = {.put = put, .get = get}, .send_globals = true};
    struct buf out;
    luaL_requiref(L, "_G", luaopen_base, 1);
    luaL_requiref(L, "string", luaopen_string, 1);
    luaL_requiref(L, "package", luaopen_package, 1);
    luaL_dostring(L, "package.path = '' package.cpath = '' dofile = nil loadfile = nil");
    struct codec *c = tine__codec_new(L, &o);
    lua_setfield(L, LUA_REGISTRYINDEX, "codec");
    luaL_dostring(L, source);
    tine__buf_init(&out);
    tine__encode_function(L, c, lua_gettop(L), &out, NULL);
    tine__buf_free(&out);
    lua_settop(L, 0);
    lua_pushlightuserdata(L, c);
    return 1;
}

static lua_State *L;
static struct codec *codec;

static void renew(void) {
    if (L)
        lua_close(L);
    L = lua_newstate(allocate, NULL);
    lua_pushcfunction(L, setup);
    if (lua_pcall(L, 0, 1, 0) != LUA_OK)
        abort();
    codec = lua_touserdata(L, -1);
    lua_settop(L, 0);
}

/* A whole segment made of any bytes: head, body, no marks unless the bytes say so. */
static char *with_head(const char *p, size_t n, size_t *len) {
    uint32_t marks = n ? (uint8_t)p[n - 1] % 4 : 0;
    uint32_t globals = n > 1 && p[n - 2] & 1 ? SEGMENT_GLOBALS : 0;
    if (marks * 4 > n)
        marks = 0;
    uint32_t head[2] = {(uint32_t)(n - marks * 4), marks | globals};
    char *s = malloc(n + sizeof head);
    memcpy(s, head, sizeof head);
    if (n)
        memcpy(s + sizeof head, p, n);
    *len = n + sizeof head;
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned runs;
    if (size < 2)
        return 0;
    if (!L || ++runs % 20000 == 0)
        renew();
    struct input in = {.c = codec};
    const char *p = (const char *)data + 1;
    char *made[2] = {NULL, NULL};
    size_t n = size - 1, first = segment_length(p, n);
    if (!first || first > n)
        first = n / 2;
    if (!(*data & 1))
        first = 0;
    in.args = p + first;
    in.args_len = n - first;
    if (*data & 1) {
        in.fn = p;
        in.fn_len = first;
    }
    if (*data & 2) {
        made[0] = with_head(in.args, in.args_len, &in.args_len);
        in.args = made[0];
        if (in.fn)
            in.fn = made[1] = with_head(in.fn, in.fn_len, &in.fn_len);
    }
    lua_pushcfunction(L, decode);
    lua_pushlightuserdata(L, &in);
    lua_pcall(L, 1, 0, 0);
    lua_settop(L, 0);
    free(made[0]);
    free(made[1]);
    return 0;
}

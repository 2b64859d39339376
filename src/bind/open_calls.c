/* What workers run before and after their tasks: encoding preload, initializer and finalizer
** (open.h). */
#include <lualib.h>
#include "base/buf.h"
#include "bind/errors.h"
#include "bind/open.h"
#include "bind/options.h"
#include "msg/errand.h"
#include "msg/origin.h"

/* --- bytes that are freed after an error --- */

/* Encoded calls, and the regions that they name. */
struct bytes {
    struct buf b;
    struct carried carried;
};

int tine__bytes_gc(lua_State *L) {
    struct bytes *bytes = lua_touserdata(L, 1);
    tine__buf_free(&bytes->b);
    tine__carried_drop(&bytes->carried);
    return 0;
}

/* Push a userdata that owns such bytes. Regions that they name are added to `carried`. */
static struct bytes *push_bytes(lua_State *L, struct carried *carried) {
    struct bytes *bytes = lua_newuserdatauv(L, sizeof *bytes, 0);
    *bytes = (struct bytes){.carried = {0}};
    tine__buf_init(&bytes->b);
    bytes->b.carried = carried;
    push_kept(L, KEPT_BYTES);
    lua_setmetatable(L, -2);
    return bytes;
}

/* --- encoding --- */

/* If `code` is not 0, raise the error whose message is on top. */
static void cannot_send(lua_State *L, int code, const char *option) {
    if (code)
        tine__error(L, code, "option '%s': %s", option, lua_tostring(L, -1));
}

/* Encode the function on top (popped); *len is the length of its segment. Nobody else has the codec
** yet, so no finalizer can encode anything before the function's arguments. */
static void encode_function(lua_State *L, struct codec *c, struct buf *b, size_t *len,
                            const char *option) {
    const struct codec_origin *origin = NULL;
    cannot_send(L, tine__encode_function(L, c, lua_gettop(L), b, &origin), option);
    *len = b->len;
    lua_pop(L, 1);
}

/* Encode the `n` values on top (popped) as arguments of one call. */
static void encode_arguments(lua_State *L, struct codec *c, struct buf *b, int n,
                             const char *option) {
    cannot_send(L,
                tine__encode_arguments(L, c, tine__codec_function(c), lua_gettop(L) - n + 1, n, b),
                option);
    lua_pop(L, n);
}

#define MOST_INITARGS 900000 /* the Lua stack has room for a million values */

/* The number of values in the list on top. */
static int count_initargs(lua_State *L, int arg) {
    int exact = 1, type = lua_getfield(L, -1, "n");
    lua_Integer n = type == LUA_TNIL ? luaL_len(L, -2) : lua_tointegerx(L, -1, &exact);
    bool right = exact && (type == LUA_TNIL || type == LUA_TNUMBER) && n >= 0;
    luaL_argcheck(L, right, arg, "option 'initargs': field 'n' must be an integer of 0 or more");
    luaL_argcheck(L, n <= MOST_INITARGS, arg, "option 'initargs' has too many values");
    lua_pop(L, 1);
    return (int)n;
}

/* Push the values of option `initargs`; returns their number. */
static int push_initargs(lua_State *L, int arg) {
    if (tine__option(L, arg, "initargs") == LUA_TNIL)
        return lua_pop(L, 1), 0;
    int list = lua_gettop(L), n = count_initargs(L, arg);
    luaL_checkstack(L, n + 5, "too many initargs");
    for (lua_Integer i = 1; i <= n; i++)
        lua_geti(L, list, i);
    lua_remove(L, list);
    return n;
}

static void check_initargs(lua_State *L, int arg) {
    int type = tine__option(L, arg, "initargs");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        tine__option_error(L, arg, "initargs", "a list");
    if (type == LUA_TTABLE)
        (void)count_initargs(L, arg);
    lua_pop(L, 1);
}

/* Push option `initializer`. False: it is not set. */
static bool push_initializer(lua_State *L, int arg) {
    check_initargs(L, arg);
    int type = tine__option(L, arg, "initializer");
    if (type == LUA_TNIL)
        return lua_pop(L, 1), false;
    if (type != LUA_TSTRING && !tine__is_callable(L, lua_gettop(L)))
        tine__option_error(L, arg, "initializer", "a function");
    return true;
}

static void encode_initializer(lua_State *L, int arg, struct codec *c, struct pool_options *o) {
    struct boot *boot = &o->boot;
    if (!push_initializer(L, arg))
        return;
    struct buf *b = &push_bytes(L, o->carried)->b;
    lua_insert(L, -2);
    encode_function(L, c, b, &boot->initializer_function, "initializer");
    encode_arguments(L, c, b, push_initargs(L, arg), "initargs");
    boot->initializer = b->data;
    boot->initializer_len = b->len;
}

static void encode_finalizer(lua_State *L, int arg, struct codec *c, struct pool_options *o) {
    struct boot *boot = &o->boot;
    int type = tine__option(L, arg, "finalizer");
    if (type == LUA_TNIL)
        return lua_pop(L, 1);
    if (type != LUA_TSTRING && !tine__is_callable(L, lua_gettop(L)))
        tine__option_error(L, arg, "finalizer", "a function");
    struct buf *b = &push_bytes(L, o->carried)->b;
    lua_insert(L, -2);
    encode_function(L, c, b, &boot->finalizer_function, "finalizer");
    encode_arguments(L, c, b, 0, "finalizer");
    boot->finalizer = b->data;
    boot->finalizer_len = b->len;
}

/* Push the original `require`. */
static void push_require(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_GNAME);
    lua_getfield(L, -1, "require");
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* Encode one call of `require` for each module name in the list on top, or for the single name
** (popped). Returns their number. */
static uint32_t encode_names(lua_State *L, int arg, struct codec *c, struct buf *b) {
    int list = lua_gettop(L);
    uint32_t n = 0;
    if (lua_type(L, list) == LUA_TSTRING) {
        encode_arguments(L, c, b, 1, "preload");
        return 1;
    }
    for (lua_Integer i = 1; lua_geti(L, list, i) != LUA_TNIL; i++, n++) {
        if (lua_type(L, -1) != LUA_TSTRING)
            tine__option_error(L, arg, "preload", "a list of module names");
        encode_arguments(L, c, b, 1, "preload");
    }
    lua_pop(L, 2);
    return n;
}

static void encode_preload(lua_State *L, int arg, struct codec *c, struct pool_options *o) {
    struct boot *boot = &o->boot;
    int type = tine__option(L, arg, "preload");
    if (type == LUA_TNIL)
        return lua_pop(L, 1);
    struct buf *b = &push_bytes(L, o->carried)->b;
    lua_insert(L, -2);
    if (tine__is_callable(L, lua_gettop(L))) {
        encode_function(L, c, b, &boot->preload_function, "preload");
        encode_arguments(L, c, b, 0, "preload");
        boot->preload_count = 1;
    } else if (type == LUA_TSTRING || type == LUA_TTABLE) {
        push_require(L);
        encode_function(L, c, b, &boot->preload_function, "preload");
        boot->preload_count = encode_names(L, arg, c, b);
    } else {
        tine__option_error(L, arg, "preload", "module names or a function");
    }
    if (boot->preload_count == 0)
        return;
    boot->preload = b->data;
    boot->preload_len = b->len;
}

void tine__open_encode(lua_State *L, int arg, struct pool_options *o) {
    bool any = tine__option(L, arg, "preload") != LUA_TNIL;
    any |= tine__option(L, arg, "initializer") != LUA_TNIL;
    any |= tine__option(L, arg, "initargs") != LUA_TNIL;
    any |= tine__option(L, arg, "finalizer") != LUA_TNIL;
    lua_pop(L, 4);
    if (o->far && push_initializer(L, arg)) /* tine__open_initialize encodes it */
        lua_pop(L, 1);
    if (!any || o->far)
        return;
    /* code travels inline: the pool has no store yet */
    struct codec_options co = {.send_globals = o->boot.send_globals};
    struct codec *c = tine__codec_new(L, &co);
    o->carried = &push_bytes(L, NULL)->carried;
    encode_preload(L, arg, c, o);
    encode_initializer(L, arg, c, o);
    encode_finalizer(L, arg, c, o);
}

/* --- initializers of workers on other machines --- */

/* Encode the function on top (popped) and its arguments behind a head. 0, or a code with the
** message pushed. */
static int encode_far(lua_State *L, struct core *c, int arg, struct buf *b, size_t *function) {
    const struct errand_head head = {.function = 0};
    const struct codec_origin *origin = NULL;
    if (buf_append(b, &head, sizeof head)) {
        lua_pushstring(L, tine_error_text(TINE_ENOMEM));
        return TINE_ENOMEM;
    }
    int err = tine__encode_function(L, c->codec, lua_gettop(L), b, &origin);
    *function = b->len - sizeof head;
    if (err)
        return err;
    lua_pop(L, 1);
    int n = push_initargs(L, arg);
    /* the pool is being made, and nobody else has its codec yet */
    err = tine__encode_arguments(L, c->codec, tine__codec_function(c->codec), lua_gettop(L) - n + 1,
                                 n, b);
    if (!err)
        lua_pop(L, n);
    return err;
}

/* The code of its functions is sent to each host once, through the store. */
void tine__open_initialize(lua_State *L, struct core *c, int view, int arg) {
    size_t function = 0;
    if (!push_initializer(L, arg))
        return;
    core_begin_encoding(c);
    struct room *r = tine__room_take(L, c, view);
    int err = encode_far(L, c, arg, &r->call.b, &function);
    if (!err) {
        err = c->p ? tine__pool_initialize(c->p, &r->call, (uint32_t)function) : TINE_ESHUTDOWN;
        if (err)
            lua_pushstring(L, tine_error_text(err));
    }
    if (err)
        tine__call_buf_drop(&r->call);
    tine__room_put(c, r);
    tine__core_end_encoding(c);
    if (err && c->p)
        tine__pool_kill(c->p, WHY_KILLED);
    cannot_send(L, err, "initializer");
}

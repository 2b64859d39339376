/* tine_codec_test: the codec for specs, benchmarks and nothing else.
**
** A *codec* is paired with a store that is shared with another codec, of this Lua state or of a
** second one in the same process (the "worker").
**
**     c = t.codec{store=false, globals=false}   both sides: an encoder here, a decoder in this state
**     w = t.codec{other=true}                   the decoder in a Lua state of its own
**     c:fn(f) -> bytes | nil, message           c:args(...) c:values(...) -> bytes | nil, message
**     c:size(...) -> the length of c:values(...)
**     c:decode(bytes) -> values...              in this state
**     c:call(fnbytes, argsbytes...) -> f, args... of the last, in this state
**     c:run(fnbytes, argsbytes) -> true, bytes of the results | false, message   in the other state
**     c:eval(source) -> string                  run source in the other state
**     c:codes() -> how many codes are stored    c:origin(f) -> name, source, line
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "codec/codec.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/sys.h"

int luaopen_tine_codec_test(lua_State *L);

/* ---- the store ---- */

struct entry {
    struct codec_stored stored; /* first member */
    uint32_t refs;
    char text[];
};

struct store {
    struct entry **entries; /* all there ever were */
    uint32_t n;
    uint32_t codes, limit; /* those with an id */
    uint32_t held;         /* references */
};

static struct entry *new_entry(const struct codec_code *code, const struct codec_origin *o) {
    size_t name = strlen(o->name) + 1, source = strlen(o->source) + 1;
    struct entry *e = malloc(sizeof *e + name + source + code->len);
    if (!e)
        return NULL;
    char *p = e->text;
    *e = (struct entry){.refs = 1};
    e->stored.origin = (struct codec_origin){memcpy(p, o->name, name),
                                             memcpy(p + name, o->source, source), o->line};
    e->stored.code = *code;
    if (code->len)
        e->stored.code.bytes = memcpy(p + name + source, code->bytes, code->len);
    return e;
}

static const struct codec_stored *store_put(void *ctx, const struct codec_code *code,
                                            const struct codec_origin *origin) {
    struct store *s = ctx;
    struct entry **entries = realloc(s->entries, (s->n + 1) * sizeof *entries);
    if (entries)
        s->entries = entries;
    struct entry *e = entries ? new_entry(code, origin) : NULL;
    if (!e)
        return NULL;
    s->entries[s->n++] = e;
    s->held++;
    if (code->bytes && s->codes < s->limit)
        e->stored.id = ++s->codes;
    return &e->stored;
}

static void store_drop(void *ctx, const struct codec_stored *stored) {
    struct entry *e = (struct entry *)stored;
    struct store *s = ctx;
    if (e->refs-- == 0)
        abort();
    s->held--;
}

static struct entry *store_find(struct store *s, uint64_t id) {
    for (uint32_t i = s->n; i > 0; i--)
        if (id && s->entries[i - 1]->stored.id == id)
            return s->entries[i - 1];
    return NULL;
}

static bool store_get(void *ctx, uint64_t id, struct codec_code *out) {
    const struct entry *e = store_find(ctx, id);
    if (e)
        *out = e->stored.code;
    return e;
}

static void store_free(struct store *s) {
    for (uint32_t i = 0; i < s->n; i++)
        free(s->entries[i]);
    free(s->entries);
    *s = (struct store){0};
}

/* ---- the pair ---- */

struct pair {
    struct store store;
    struct codec *here;   /* submitter, in this state */
    struct codec *worker; /* in `other`, or in this state */
    lua_State *other;
    struct buf out;
    bool busy;
    size_t left; /* allocations that `other` may make; SIZE_MAX: any number */
};

static void *limited(void *ud, void *ptr, size_t osize, size_t nsize) {
    struct pair *p = ud;
    (void)osize;
    if (nsize == 0) {
        free(ptr);
        return NULL;
    }
    if (p->left != SIZE_MAX && (!ptr || nsize > osize)) {
        if (p->left == 0)
            return NULL;
        p->left--;
    }
    return realloc(ptr, nsize);
}

static struct pair *check(lua_State *L) {
    return luaL_checkudata(L, 1, "tine.test");
}

static int pair_gc(lua_State *L) {
    struct pair *p = check(L);
    if (p->other)
        lua_close(p->other);
    p->other = NULL;
    tine__buf_free(&p->out);
    store_free(&p->store); /* the codecs are younger, and had their __gc before */
    return 0;
}

static bool flag(lua_State *L, const char *name, bool otherwise) {
    bool value = otherwise;
    if (lua_getfield(L, 1, name) != LUA_TNIL)
        value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static int open_other(lua_State *L) {
    const struct codec_options *o = lua_touserdata(L, 1);
    struct pair *p = lua_touserdata(L, 2);
    luaL_openlibs(L);
    p->worker = tine__codec_new(L, o);
    lua_setfield(L, LUA_REGISTRYINDEX, "test.codec");
    lua_pushcfunction(L, tine__codec_register);
    lua_setglobal(L, "register");
    return 0;
}

static void copy_paths(lua_State *L, lua_State *other) {
    const char *const names[] = {"path", "cpath"};
    for (int i = 0; i < 2; i++) {
        lua_getglobal(L, "package");
        lua_getfield(L, -1, names[i]);
        lua_getglobal(other, "package");
        lua_pushstring(other, lua_tostring(L, -1));
        lua_setfield(other, -2, names[i]);
        lua_pop(other, 1);
        lua_pop(L, 2);
    }
}

static int test_codec(lua_State *L) {
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    struct pair *p = lua_newuserdatauv(L, sizeof *p, 2);
    *p = (struct pair){.left = SIZE_MAX};
    tine__buf_init(&p->out);
    luaL_setmetatable(L, "tine.test");
    struct codec_options o = {
        .store = {.put = store_put, .drop = store_drop, .get = store_get, .ctx = &p->store},
        .send_globals = flag(L, "globals", true)};
    p->store.limit = flag(L, "store", true) ? UINT32_MAX : 0;
    p->here = tine__codec_new(L, &o);
    lua_setiuservalue(L, 2, 1);
    o.store.put = NULL;
    o.store.drop = NULL;
    if (!flag(L, "other", false)) {
        p->worker = tine__codec_new(L, &o);
        lua_setiuservalue(L, 2, 2);
        return 1;
    }
    if (!(p->other = lua_newstate(limited, p)))
        return luaL_error(L, "no memory");
    lua_pushcfunction(p->other, open_other);
    lua_pushlightuserdata(p->other, &o);
    lua_pushlightuserdata(p->other, p);
    if (lua_pcall(p->other, 2, 0, 0) != LUA_OK)
        return luaL_error(L, "%s", lua_tostring(p->other, -1));
    copy_paths(L, p->other);
    return 1;
}

/* ---- encoding ---- */

/* Each message begins in small memory, as a pool's does: then it has to grow anywhere in any of them. */
static struct buf *fresh(struct pair *p) {
    tine__buf_free(&p->out);
    return &p->out;
}

static int give(lua_State *L, struct pair *p, int err) {
    if (err) {
        lua_pushnil(L);
        lua_insert(L, -2);
        lua_pushinteger(L, err);
        return 3;
    }
    lua_pushlstring(L, p->out.data, p->out.len);
    return 1;
}

static int pair_fn(lua_State *L) {
    struct pair *p = check(L);
    const struct codec_origin *origin;
    p->busy = true;
    int err = tine__encode_function(L, p->here, 2, fresh(p), &origin);
    p->busy = false;
    return give(L, p, err);
}

static int pair_args(lua_State *L) {
    struct pair *p = check(L);
    return give(L, p,
                tine__encode_arguments(L, p->here, tine__codec_function(p->here), 2,
                                       lua_gettop(L) - 1, fresh(p)));
}

/* An encode function may come here again: then into a buffer of its own. */
static int values_again(lua_State *L, struct pair *p) {
    struct pair inner = {0};
    tine__buf_init(&inner.out);
    int err = tine__encode_values(L, p->here, 2, lua_gettop(L) - 1, &inner.out);
    int n = give(L, &inner, err);
    tine__buf_free(&inner.out);
    return n;
}

static int pair_values(lua_State *L) {
    struct pair *p = lua_touserdata(L, 1); /* unchecked: for the benchmark */
    if (p->busy)
        return values_again(L, p);
    p->busy = true;
    int err = tine__encode_values(L, p->here, 2, lua_gettop(L) - 1, fresh(p));
    p->busy = false;
    return give(L, p, err);
}

/* As values, but only the length: a pool writes messages into shared memory, never into a string. */
static int pair_size(lua_State *L) {
    struct pair *p = lua_touserdata(L, 1);
    p->out.len = 0;
    if (tine__encode_values(L, p->here, 2, lua_gettop(L) - 1, &p->out))
        return lua_error(L);
    lua_pushinteger(L, (lua_Integer)p->out.len);
    return 1;
}

static int pair_origin(lua_State *L) {
    struct pair *p = check(L);
    const struct codec_origin *origin;
    p->out.len = 0;
    if (tine__encode_function(L, p->here, 2, &p->out, &origin))
        lua_pop(L, 1);
    if (!origin)
        return 0;
    lua_pushstring(L, origin->name);
    lua_pushstring(L, origin->source);
    lua_pushinteger(L, origin->line);
    lua_pushlightuserdata(L, (void *)origin);
    return 4;
}

/* ---- decoding ---- */

static int pair_decode(lua_State *L) {
    struct pair *p = lua_touserdata(L, 1);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    return tine__decode_values(L, p->here, bytes, len);
}

static int pair_call(lua_State *L) {
    struct pair *p = check(L);
    size_t fn_len, len;
    const char *fn = luaL_checklstring(L, 2, &fn_len);
    const char *args = luaL_checklstring(L, 3, &len);
    luaL_argcheck(L, !p->other, 1, "the worker is another state");
    return tine__decode_call(L, p->worker, fn, fn_len, args, len) + 1;
}

struct task {
    struct pair *p;
    const char *fn, *args;
    size_t fn_len, args_len;
    struct buf *out;
    struct codec *fresh;
    int err;
};

static int explain(lua_State *L) {
    struct task *t = lua_touserdata(L, lua_upvalueindex(1));
    const char *message = lua_tostring(L, 1);
    luaL_traceback(L, L, message, 1);
    tine__codec_explain(L, t->p->worker, message);
    return 1;
}

static int run_task(lua_State *L) {
    struct task *t = lua_touserdata(L, 1);
    int n = tine__decode_call(L, t->p->worker, t->fn, t->fn_len, t->args, t->args_len);
    lua_pushlightuserdata(L, t);
    lua_pushcclosure(L, explain, 1);
    lua_insert(L, 2);
    if (lua_pcall(L, n, LUA_MULTRET, 2) != LUA_OK)
        return lua_error(L);
    t->err = tine__encode_values(L, t->p->worker, 3, lua_gettop(L) - 2, t->out);
    return t->err ? lua_error(L) : 0;
}

static int pair_run(lua_State *L) {
    struct pair *p = check(L);
    struct task t = {.p = p, .out = fresh(p)};
    t.fn = luaL_checklstring(L, 2, &t.fn_len);
    t.args = luaL_checklstring(L, 3, &t.args_len);
    lua_State *other = p->other ? p->other : L;
    lua_pushcfunction(other, run_task);
    lua_pushlightuserdata(other, &t);
    int status = lua_pcall(other, 1, 0, 0);
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK) {
        lua_pushlstring(L, p->out.data, p->out.len);
        return 2;
    }
    size_t len;
    const char *s = luaL_tolstring(other, -1, &len);
    lua_pushlstring(L, s, len);
    lua_settop(other, other == L ? lua_gettop(L) : 0);
    return 2;
}

static int pair_eval(lua_State *L) {
    struct pair *p = check(L);
    lua_State *other = p->other;
    luaL_argcheck(L, other, 1, "no other state");
    if (luaL_dostring(other, luaL_checkstring(L, 2)))
        return luaL_error(L, "%s", lua_tostring(other, -1));
    if (lua_gettop(other))
        lua_pushstring(L, luaL_tolstring(other, -1, NULL));
    else
        lua_pushnil(L);
    lua_settop(other, 0);
    return 1;
}

/* How many codes were stored, and how many things are held there now. */
static int pair_codes(lua_State *L) {
    const struct store *s = &check(L)->store;
    lua_pushinteger(L, s->codes);
    lua_pushinteger(L, s->held);
    return 2;
}

/* Change a byte of stored code: c:damage(id, at) */
static int pair_damage(lua_State *L) {
    struct pair *p = check(L);
    struct entry *e = store_find(&p->store, (uint64_t)luaL_checkinteger(L, 2));
    luaL_argcheck(L, e, 2, "no such code");
    ((char *)e->stored.code.bytes)[luaL_checkinteger(L, 3)] ^= 1;
    return 0;
}

/* ---- allocations that fail ---- */

/* Of the Lua state, or (in builds with TINE_FAULTS) of the codec itself. */
enum starving { STARVE_LUA, STARVE_MALLOC, STARVE_KINDS };

static void starve_from(struct pair *p, enum starving kind, size_t n) {
    if (kind == STARVE_LUA)
        p->left = n;
#ifdef TINE_FAULTS
    char spec[64];
    snprintf(spec, sizeof spec, "all:%zu:ENOMEM:1", n + 1);
    if (kind == STARVE_MALLOC)
        tine__fault_set(spec);
#endif
}

static bool feed(struct pair *p, enum starving kind) {
    p->left = SIZE_MAX;
#ifdef TINE_FAULTS
    bool struck = kind == STARVE_MALLOC && tine__fault_struck() > 0;
    tine__fault_set(NULL);
    return struck;
#else
    return kind == STARVE_MALLOC && false;
#endif
}

static bool is_memory(lua_State *other, int status, int err) {
    const char *s = lua_tostring(other, -1);
    return status == LUA_ERRMEM || err == TINE_ENOMEM ||
           (s && (strstr(s, "memory") || strstr(s, "Lua stack") || strstr(s, "stack overflow")));
}

/* Let allocation 1, 2 ... of `body` fail until it passes. Gives how often it failed. */
static lua_Integer starve(lua_State *L, struct pair *p, enum starving kind, lua_CFunction prepare,
                          lua_CFunction body, struct task *t) {
    lua_State *other = p->other;
    for (size_t n = 0; n < 100000; n++) {
        lua_settop(other, 0);
        lua_gc(other, LUA_GCCOLLECT);
        if (prepare) {
            lua_pushcfunction(other, prepare);
            lua_pushlightuserdata(other, t);
            if (lua_pcall(other, 1, LUA_MULTRET, 0) != LUA_OK)
                return luaL_error(L, "preparing: %s", lua_tostring(other, -1));
        }
        lua_pushcfunction(other, body);
        lua_insert(other, 1);
        lua_pushlightuserdata(other, t);
        lua_insert(other, 2);
        p->out.len = 0;
        t->err = 0;
        starve_from(p, kind, n);
        int status = lua_pcall(other, lua_gettop(other) - 1, 0, 0);
        bool struck = feed(p, kind);
        if (status == LUA_OK && (!struck || kind == STARVE_LUA))
            return (lua_Integer)n;
        if (status != LUA_OK && !is_memory(other, status, t->err))
            return luaL_error(L, "after %d: %s", (int)n, lua_tostring(other, -1));
    }
    return luaL_error(L, "never passes");
}

static lua_Integer starve_both(lua_State *L, struct pair *p, lua_CFunction prepare,
                               lua_CFunction body, struct task *t) {
    lua_Integer n = starve(L, p, STARVE_LUA, prepare, body, t);
#ifdef TINE_FAULTS
    starve(L, p, STARVE_MALLOC, prepare, body, t);
#endif
    lua_settop(p->other, 0);
    return n;
}

/* c:starve(fnbytes, argsbytes): decoding, running and encoding the results */
static int pair_starve(lua_State *L) {
    struct pair *p = check(L);
    struct task t = {.p = p, .out = &p->out};
    t.fn = luaL_checklstring(L, 2, &t.fn_len);
    t.args = luaL_checklstring(L, 3, &t.args_len);
    lua_pushinteger(L, starve_both(L, p, NULL, run_task, &t));
    return 1;
}

/* A codec that knows nothing yet, and what the source returns: a function and arguments. */
static int prepare_encoding(lua_State *L) {
    struct task *t = lua_touserdata(L, 1);
    struct codec_options o = {.store = {.put = store_put, .get = store_get, .ctx = &t->p->store},
                              .send_globals = true};
    lua_settop(L, 0);
    t->fresh = tine__codec_new(L, &o);
    if (luaL_loadbuffer(L, t->fn, t->fn_len, "=source"))
        return lua_error(L);
    lua_call(L, 0, LUA_MULTRET);
    return lua_gettop(L);
}

/* task, codec, function, arguments */
static int encode_all(lua_State *L) {
    struct task *t = lua_touserdata(L, 1);
    for (int i = 0; i < 2; i++) {
        t->err = tine__encode_function(L, t->fresh, 3, t->out, NULL);
        if (!t->err)
            t->err = tine__encode_arguments(L, t->fresh, tine__codec_function(t->fresh), 4,
                                            lua_gettop(L) - 3, t->out);
        if (t->err)
            return lua_error(L);
    }
    return 0;
}

/* c:starve_encoding(source) */
static int pair_starve_encoding(lua_State *L) {
    struct pair *p = check(L);
    struct task t = {.p = p, .out = &p->out};
    t.fn = luaL_checklstring(L, 2, &t.fn_len);
    lua_pushinteger(L, starve_both(L, p, prepare_encoding, encode_all, &t));
    return 1;
}

/* ---- time ---- */

/* c:time(what, n, ...) -> nanoseconds for each of n repetitions; without the cost of Lua calls */
static int pair_time(lua_State *L) {
    struct pair *p = check(L);
    const char *what = luaL_checkstring(L, 2);
    lua_Integer n = luaL_checkinteger(L, 3);
    int top = lua_gettop(L);
    const struct codec_origin *origin;
    size_t fn_len = 0, len = 0;
    const char *fn = NULL, *bytes = NULL;
    if (*what == 'd' || *what == 'c') {
        fn = luaL_checklstring(L, 4, &fn_len);
        bytes = luaL_optlstring(L, 5, "", &len);
    }
    unsigned long long start = tine__now();
    for (lua_Integer i = 0; i < n; i++) {
        p->out.len = 0;
        switch (*what) {
        case 'f': /* a function and its arguments */
            tine__encode_function(L, p->here, 4, &p->out, &origin);
            tine__encode_arguments(L, p->here, tine__codec_function(p->here), 5, top - 4, &p->out);
            break;
        case 'a':
            tine__encode_arguments(L, p->here, tine__codec_function(p->here), 4, top - 3, &p->out);
            break;
        case 'v':
            tine__encode_values(L, p->here, 4, top - 3, &p->out);
            break;
        case 'd':
            tine__decode_values(L, p->here, fn, fn_len);
            break;
        case 'c':
            tine__decode_call(L, p->worker, fn, fn_len, bytes, len);
            break;
        }
        lua_settop(L, top);
    }
    lua_pushnumber(L, (double)(tine__now() - start) / (double)n);
    return 1;
}

static const luaL_Reg methods[] = {
    {"fn", pair_fn},         {"args", pair_args},
    {"values", pair_values}, {"size", pair_size},
    {"origin", pair_origin}, {"decode", pair_decode},
    {"call", pair_call},     {"run", pair_run},
    {"eval", pair_eval},     {"codes", pair_codes},
    {"damage", pair_damage}, {"starve", pair_starve},
    {"time", pair_time},     {"starve_encoding", pair_starve_encoding},
    {"__gc", pair_gc},       {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"codec", test_codec},
    {"register", tine__codec_register},
    {NULL, NULL},
};

int luaopen_tine_codec_test(lua_State *L) {
    if (luaL_newmetatable(L, "tine.test")) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    luaL_newlib(L, functions);
    return 1;
}

#include "worker/task/run.h"

#include <string.h>
#include <lauxlib.h>

#include "base/error.h"
#include "base/sys.h"
#include "codec/segment.h"
#include "worker/state/memory.h"
#include "worker/task/task_error.h"

/* Registry keys: the codec's userdata; the traceback of the last error. */
static const char codec_key, traceback_key;

#define HANDLER 1 /* stack index of the message handler, which stays at the bottom */

/* The argument of the protected functions below. */
struct piece {
    struct run *run;
    const struct run_call *call;
    struct buf *out;
};

/* --- protected functions --- */

/* The message handler. It keeps the traceback aside and leaves the error value alone. (A handler
** that changed the value would also change what `load` with a reader returns inside a task.) */
static int keep_traceback(lua_State *L) {
    tine__memory_pause(L, true);
    luaL_traceback(L, L, NULL, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    tine__memory_pause(L, false);
    lua_settop(L, 1);
    return 1;
}

static void forget_traceback(lua_State *L) {
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
}

/* Replace arguments, which begin at stack index `first`, by the first values of the given
** results. */
static void put_given(lua_State *L, struct codec *codec, const struct run_call *c, int first,
                      int n) {
    const char *p = c->given;
    size_t left = c->given_len;
    while (left > 0) {
        uint32_t position;
        size_t length = left > sizeof position
                            ? segment_length(p + sizeof position, left - sizeof position)
                            : 0;
        if (length == 0)
            luaL_error(L, "the call is damaged");
        memcpy(&position, p, sizeof position);
        int top = lua_gettop(L);
        tine__decode_given(L, codec, p + sizeof position, length);
        lua_settop(L, top + 1); /* the first value, or nil */
        if (position >= (uint32_t)n)
            luaL_error(L, "the call is damaged");
        lua_replace(L, first + (int)position);
        p += sizeof position + length;
        left -= sizeof position + length;
    }
}

/* (piece) -> function, arguments... */
static int decode(lua_State *L) {
    const struct piece *p = lua_touserdata(L, 1);
    const struct run_call *c = p->call;
    tine__decode_prepares(p->run->codec, c->quiet);
    int n = tine__decode_call(L, p->run->codec, c->function, c->function_len, c->arguments,
                              c->arguments_len);
    if (c->given_len)
        put_given(L, p->run->codec, c, lua_gettop(L) - n + 1, n);
    return 1 + n;
}

/* (values..., piece) -> nothing, or the reason why they cannot be serialized */
static int encode_values(lua_State *L) {
    int n = lua_gettop(L) - 1;
    const struct piece *p = lua_touserdata(L, -1);
    return tine__encode_values(L, p->run->codec, 1, n, p->out) ? 1 : 0;
}

/* (error) -> the error as text, whatever it is */
static int as_text(lua_State *L) {
    luaL_tolstring(L, 1, NULL);
    return 1;
}

/* Replace the error value at `index`, which cannot be serialized, by its text. */
static void replace_by_text(lua_State *L, int index) {
    lua_pushcfunction(L, as_text);
    lua_pushvalue(L, index);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        lua_pop(L, 1);
        lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
    }
    lua_replace(L, index);
}

/* (error, traceback or nil, piece) -> nothing, or the reason why not even the text can be sent. An
** object of a class is sent with its text, for a receiver without that class; and with the task
** whose error it is, if this task has got it from another one. The text is made once: a __tostring
** of the task's is code that may be asked to end, and that is done once. */
static int encode_error(lua_State *L) {
    const struct piece *p = lua_touserdata(L, 3);
    struct codec *codec = p->run->codec;
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_pushliteral(L, "");
        lua_replace(L, 2);
    }
    if (tine__task_error_push(L, 1))
        lua_concat(L, 2);
    tine__codec_explain(L, codec, lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL);
    if (lua_getmetatable(L, 1) && lua_type(L, 1) != LUA_TSTRING) {
        lua_pop(L, 1);
        lua_pushvalue(L, 1);
        replace_by_text(L, 3);
    }
    int top = lua_type(L, 3) == LUA_TSTRING ? 3 : 2;
    lua_settop(L, top);
    if (tine__encode_error(L, codec, 1, top, p->out) == 0)
        return 0;
    lua_pushfstring(L, "%s\n(the error value arrives as text: %s)", lua_tostring(L, 2),
                    lua_tostring(L, -1));
    lua_replace(L, 2);
    if (top == 2)
        replace_by_text(L, 1);
    else
        lua_copy(L, 3, 1);
    lua_settop(L, 2);
    return tine__encode_error(L, codec, 1, 2, p->out) ? 1 : 0;
}

/* --- results --- */

static enum record_kind refuse_for(const char *text, size_t len, struct buf *out) {
    out->len = 0;
    if (buf_append(out, text, len))
        out->len = 0;
    return RECORD_REFUSED;
}

/* Refuse: the reason is the text at the top of the stack. */
static enum record_kind refuse(lua_State *L, struct buf *out) {
    static const char none[] = "it raised an error that is no text";
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    return text ? refuse_for(text, len, out) : refuse_for(none, sizeof none - 1, out);
}

/* Encode the `n` values at the top of the stack by `encoder`. */
static enum record_kind encode(struct run *r, lua_CFunction encoder, int n, enum record_kind kind,
                               struct buf *out) {
    lua_State *L = r->L;
    struct piece piece = {.run = r, .out = out};
    out->len = 0;
    /* two more slots: a task may return as many values as the stack holds */
    static const char too_many[] = "too many results";
    if (!lua_checkstack(L, 2))
        return refuse_for(too_many, sizeof too_many - 1, out);
    lua_pushcfunction(L, encoder);
    lua_insert(L, -n - 1);
    lua_pushlightuserdata(L, &piece);
    r->encoding = true;
    int status = lua_pcall(L, n + 1, 1, 0);
    r->encoding = false;
    return status == LUA_OK && lua_isnil(L, -1) ? kind : refuse(L, out);
}

/* The task hit its memory limit. */
static enum record_kind out_of_memory(const struct report_memory *m, struct buf *out) {
    out->len = 0;
    if (buf_append(out, m, sizeof *m))
        out->len = 0;
    return RECORD_MEMORY;
}

/* The task failed: the error value is at the top of the stack, `status` is lua_pcall's. */
static enum record_kind failed(struct run *r, int status, struct buf *out) {
    lua_State *L = r->L;
    /* no handler runs when memory is out: a traceback would be of an earlier error */
    if (status == LUA_ERRMEM || lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key) != LUA_TSTRING) {
        lua_settop(L, HANDLER + 1);
        lua_pushnil(L); /* a text would be an unprotected allocation */
    }
    return encode(r, encode_error, 2, RECORD_ERROR, out);
}

/* --- running --- */

/* A module finds out by its caller whether it is run as the program. So `require` as a task gets a
** caller: the one exception to the rule that nothing is around a task. */
static void give_caller(lua_State *L) {
    static const char caller[] =
        "local require = ... local module, found = require(select(2, ...)) return module, found";
    if (tine__is_require(L, HANDLER + 1) &&
        luaL_loadbufferx(L, caller, sizeof caller - 1, "=(require)", "t") == LUA_OK)
        lua_insert(L, HANDLER + 1);
}

/* Push the function and its arguments. False: the reason is at the top instead. */
static bool decode_any(struct run *r, const struct run_call *c) {
    lua_State *L = r->L;
    struct piece piece = {.run = r, .call = c};
    lua_pushcfunction(L, decode);
    lua_pushlightuserdata(L, &piece);
    if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK)
        return false;
    give_caller(L);
    return true;
}

/* Likewise; first tries the quick way, for a Lua function with scalars. */
static inline bool decode_call(struct run *r, const struct run_call *c) {
    return (!c->given_len &&
            tine__decode_plain_call(r->L, r->codec, c->function, c->function_len, c->again,
                                    c->arguments, c->arguments_len) >= 0) ||
           decode_any(r, c);
}

static inline enum record_kind run(struct run *r, const struct run_call *call, struct buf *out) {
    lua_State *L = r->L;
    lua_Hook hook = lua_gethook(L);
    int mask = hook ? lua_gethookmask(L) : 0, count = hook ? lua_gethookcount(L) : 0;
    KILL_POINT("decoding");
    if (!decode_call(r, call))
        return refuse(L, out);
    KILL_POINT("running");
    struct memory_limit limit;
    if (call->memory)
        tine__memory_limit(&limit, L, call->memory);
    int status = lua_pcall(L, lua_gettop(L) - HANDLER - 1, LUA_MULTRET, HANDLER);
    if (call->memory)
        tine__memory_free(&limit, L);
    /* the task's hook goes; a debugger's stays, which was there before, or is set by a preparation */
    if (!call->quiet && lua_gethook(L) != hook)
        lua_sethook(L, hook, mask, count);
    KILL_POINT("encoding");
    struct report_memory memory;
    if (status != LUA_OK && call->memory && tine__memory_was_short(&limit, L, status, &memory))
        return out_of_memory(&memory, out);
    if (status != LUA_OK)
        return failed(r, status, out);
    if (call->quiet)
        lua_settop(L, HANDLER);
    int n = lua_gettop(L) - HANDLER;
    out->len = 0;
    if (tine__encode_scalars(L, HANDLER + 1, n, out))
        return RECORD_VALUES;
    return encode(r, encode_values, n, RECORD_VALUES, out);
}

void tine__run_on(struct run *r, lua_State *L, const struct run *below) {
    *r = *below;
    r->L = L;
    lua_settop(L, 0);
    lua_pushcfunction(L, keep_traceback);
}

enum record_kind tine__run(struct run *r, const struct run_call *call, struct buf *out) {
    if (r->code) {
        r->code->names = call->names;
        r->code->nnames = call->nnames;
    }
    enum record_kind kind = run(r, call, out);
    tine__codec_restore(r->L, r->codec);
    lua_settop(r->L, HANDLER);
    if (kind != RECORD_VALUES)
        forget_traceback(r->L);
    return kind;
}

int tine__run_c(struct run *r, lua_CFunction f, void *arg, struct buf *out) {
    lua_pushcfunction(r->L, f);
    lua_pushlightuserdata(r->L, arg);
    int status = lua_pcall(r->L, 1, 0, HANDLER);
    if (status != LUA_OK)
        failed(r, status, out);
    lua_settop(r->L, HANDLER);
    return status == LUA_OK ? 0 : TINE_ETASK;
}

/* --- error segments of another kind --- */

/* Make `out` an error segment of the two texts that the function `texts` returns for (piece,
** most). */
static void rewrite(struct run *r, lua_CFunction texts, size_t most, struct buf *out) {
    struct piece piece = {.run = r, .out = out};
    lua_pushcfunction(r->L, texts);
    lua_pushlightuserdata(r->L, &piece);
    lua_pushinteger(r->L, (lua_Integer)most);
    int status = lua_pcall(r->L, 2, 2, 0);
    if (status != LUA_OK && status != LUA_ERRMEM) {
        lua_settop(r->L, HANDLER);
        lua_pushliteral(r->L, "the error is too long to be told");
    }
    if (status != LUA_OK)
        lua_pushnil(r->L);
    if (encode(r, encode_error, 2, RECORD_ERROR, out) == RECORD_REFUSED)
        out->len = 0;
    lua_settop(r->L, HANDLER);
}

/* (piece, most) -> error, traceback */
static int plain(lua_State *L) {
    const struct piece *p = lua_touserdata(L, 1);
    lua_pushlstring(L, p->out->data, p->out->len);
    lua_pushliteral(L, "");
    return 2;
}

void tine__run_text(struct run *r, struct buf *out) {
    rewrite(r, plain, 0, out);
}

/* (piece, most) -> error, traceback: both as text, cut to `most` bytes */
static int shorten(lua_State *L) {
    const struct piece *p = lua_touserdata(L, 1);
    size_t most = (size_t)lua_tointeger(L, 2);
    lua_settop(L, 0);
    tine__decode_error(L, p->run->codec, p->out->data, p->out->len);
    lua_settop(L, 2);
    for (int i = 1; i <= 2; i++) {
        size_t len;
        const char *text = luaL_tolstring(L, i, &len);
        lua_pushlstring(L, text, len < most ? len : most);
        lua_replace(L, i);
        lua_settop(L, 2);
    }
    return 2;
}

void tine__run_shorten(struct run *r, struct buf *out, size_t most) {
    rewrite(r, shorten, most, out);
}

/* (run, options) */
static int open_codec(lua_State *L) {
    struct run *r = lua_touserdata(L, 1);
    r->codec = tine__codec_new(L, lua_touserdata(L, 2));
    lua_rawsetp(L, LUA_REGISTRYINDEX, &codec_key);
    forget_traceback(L); /* makes the key, so that later calls allocate nothing */
    return 0;
}

int tine__run_open(struct run *r, lua_State *L, const struct codec_options *options) {
    *r = (struct run){.L = L};
    lua_settop(L, 0);
    lua_pushcfunction(L, keep_traceback);
    lua_pushcfunction(L, open_codec);
    lua_pushlightuserdata(L, r);
    lua_pushlightuserdata(L, (void *)options);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK)
        return 0;
    lua_settop(L, HANDLER);
    return TINE_ENOMEM;
}

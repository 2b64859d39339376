/* Encoding of segments: the entry points of the encoder (codec.h). A segment is encoded again when
** a module was loaded meanwhile.
*/
#include <lauxlib.h>
#include <stdlib.h>
#include "base/buf.h"
#include "base/error.h"
#include "base/hot.h"
#include "codec/codec.h"
#include "codec/encode/callee.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/encode/seen.h"
#include "codec/encode/value.h"
#include "codec/lua/class.h"
#include "codec/names/index.h"
#include "codec/pack.h"
#include "codec/registry.h"
#include "codec/segment.h"
#include "codec/simple.h"
#include "codec/state.h"
#include "codec/wire.h"

/* How often a segment may be encoded again: a metamethod that is run to read a global may load a
** module each time. */
#define MAX_AGAIN 100

struct job {
    struct codec *c;
    struct buf *out;
    enum { JOB_FUNCTION, JOB_ARGUMENTS, JOB_GIVEN, JOB_SHARED, JOB_VALUES, JOB_ERROR } kind;
    int first, n;      /* stack index of the first value, number of values */
    uint64_t function; /* of arguments: the number of their function */
    const struct codec_origin **origin;
    int err;
    bool classes; /* classes are registered: their encode functions may run */
};

/* ---- taking the encoder ---- */

static int encoder_gc(lua_State *L) {
    struct encoder *e = lua_touserdata(L, 1);
    tine__seen_free(&e->seen);
    free(e->marks);
    e->marks = NULL;
    if (e->busy) /* an error has passed through */
        e->c->encoding--;
    e->busy = false;
    return 0;
}

static struct encoder *encoder_new(lua_State *L, int self) {
    struct encoder *e = lua_newuserdatauv(L, sizeof *e, 1);
    *e = (struct encoder){0};
    tine__set_class(L, "tine.encoder", encoder_gc);
    lua_pushvalue(L, -1);
    lua_rawseti(L, self, ST_ENCODER);
    return e;
}

/* Push an encoder that is not in use: the codec's, or a new one. */
static struct encoder *encoder_take(lua_State *L, struct codec *c, int self) {
    if (likely(c->encoder && !c->encoder->busy))
        lua_rawgeti(L, self, ST_ENCODER);
    else
        c->encoder = encoder_new(L, self);
    c->encoder->busy = true;
    c->encoder->c = c;
    c->encoding++;
    return c->encoder;
}

/* Free the entries of a huge message to which no arguments will refer. */
static void forget_huge(struct encoder *e) {
    if (unlikely(e->seen.cap > 65536))
        tine__seen_free(&e->seen);
}

static void encoder_put_back(lua_State *L, struct codec *c, struct encoder *e, int self) {
    if (unlikely(c->encoder != e)) { /* an encode function has made another encoder meanwhile */
        lua_pushvalue(L, self + 1);
        lua_rawseti(L, self, ST_ENCODER);
        c->encoder = e;
    }
    if (!e->has_function)
        forget_huge(e);
    c->last = NULL; /* this encoder has the function now, or there is none */
    e->busy = false;
    c->encoding--;
}

/* Push the encoder's weak table, making it if need be. Its values are weak, so that no object lives
** longer because it was sent. It is replaced when the last one was large. */
static void push_weak(lua_State *L, struct encoder *e) {
    if (encode_push_weak(e) == LUA_TTABLE && e->fn_ordinals < 1000)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, e->self + 1, 1);
}

/* ---- one segment ---- */

/* The body of the segment: the callee, or an array of values. */
static int encode_body(struct encoder *e, const struct job *j) {
    if (j->kind == JOB_FUNCTION)
        return tine__encode_callee(e, j->first, j->origin);
    struct step step = {.kind = j->kind == JOB_ARGUMENTS ? STEP_ARGUMENT
                                : j->kind == JOB_SHARED  ? STEP_SHARED
                                                         : STEP_RESULT};
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    pack_array(e->out, (size_t)j->n);
    for (int i = 0; i < j->n; i++) {
        step.n = i + 1;
        if (j->kind == JOB_ERROR)
            step.kind = i == 0 ? STEP_ERROR : STEP_RESULT;
        int err = tine__encode_value(e, j->first + i, &step);
        if (err)
            return err;
    }
    return 0;
}

static int compare_marks(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Sort the marks and drop duplicates. */
static void tidy_marks(struct encoder *e) {
    uint32_t n = 0;
    qsort(e->marks, e->nmarks, sizeof *e->marks, compare_marks);
    for (uint32_t i = 0; i < e->nmarks; i++)
        if (i == 0 || e->marks[i] != e->marks[i - 1])
            e->marks[n++] = e->marks[i];
    e->nmarks = n;
}

/* Append the marks and fill in the segment's head. */
static int finish_segment(struct encoder *e, size_t start) {
    size_t body = e->out->len - start - SEGMENT_HEAD;
    if (body > UINT32_MAX)
        return tine__encode_fail(e, NULL, "cannot send more than 4 GiB at once");
    if (e->nmarks) {
        tidy_marks(e);
        if (buf_reserve(e->out, (size_t)e->nmarks * 4))
            return tine__encode_nomem(e);
        for (uint32_t i = 0; i < e->nmarks; i++)
            put_le32(buf_take(e->out, 4), e->marks[i]);
    }
    put_le32(e->out->data + start, (uint32_t)body);
    put_le32(e->out->data + start + 4, e->nmarks | (e->globals ? SEGMENT_GLOBALS : 0));
    return 0;
}

/* Drop what earlier segments left. An argument segment keeps what the function segment has. */
static void forget(struct encoder *e, const struct job *j) {
    bool arguments = j->kind == JOB_ARGUMENTS;
    seen_cut(&e->seen, arguments ? e->fn_seen : 0);
    for (uint32_t i = 0; i < e->seen.len; i++)
        e->seen.entries[i].marked = false;
    e->ordinals = arguments ? e->fn_ordinals : 0;
    e->nenvs = arguments ? e->fn_envs : 0;
    e->own_envs = arguments && e->own_envs;
    e->nmarks = 0;
    e->levels = 0;
    e->globals = false;
    e->reach = 0;
    e->arguments = arguments;
}

static int encode_once(struct encoder *e, const struct job *j) {
    size_t start = e->out->len;
    forget(e, j);
    if (buf_reserve(e->out, SEGMENT_HEAD))
        return tine__encode_nomem(e);
    buf_take(e->out, SEGMENT_HEAD);
    int err = encode_body(e, j);
    if (likely(!err))
        err = finish_segment(e, start);
    if (unlikely(err))
        e->out->len = start;
    return err;
}

static void prepare(lua_State *L, struct encoder *e, const struct job *j, int self) {
    e->L = L;
    e->c = j->c;
    e->out = j->out;
    e->self = self;
    e->weak = e->classes = e->anchors = e->callee = 0;
    e->checked = e->kept_known = false;
    e->results = j->kind >= JOB_VALUES;
    e->changes = j->kind < JOB_SHARED; /* a shared value belongs to no call */
    e->memo_fn = NULL;
    if (j->kind != JOB_ARGUMENTS) {
        e->has_function = false;
        e->c->last = NULL;
        forget_huge(e);
        e->message = ++e->c->message;
    }
    if (j->kind == JOB_FUNCTION) {
        push_weak(L, e);
        e->weak = lua_gettop(L);
        lua_pushnil(L);
        e->callee = lua_gettop(L);
    }
    if (unlikely(j->classes)) {
        tine__classes_push(L);
        e->classes = lua_gettop(L);
        lua_newtable(L);
        e->anchors = lua_gettop(L);
    }
}

/* The function segment is complete: argument segments start from this state. */
static void end_function(struct encoder *e) {
    e->has_function = true;
    e->fn_seen = e->seen.len;
    e->fn_ordinals = e->ordinals;
    e->fn_envs = e->nenvs;
}

/* The function segment was written without the encoder (simple.c), and arguments may refer to the
** function: enter what the encoder would have entered. The weak table is on top. */
static int meet_last(struct encoder *e) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    e->has_function = false;
    seen_cut(&e->seen, 0);
    e->ordinals = e->nenvs = 0;
    e->message = e->c->last_message;
    e->weak = top;
    tine__simple_push_last(L, e->c);
    int err = tine__simple_meet(e, top + 1);
    e->weak = 0;
    if (err)
        return err;
    end_function(e);
    e->c->last = NULL;
    lua_settop(L, top);
    return 0;
}

/* Arguments can be encoded only after their function, by the encoder that has its entries. The
** encoder may have got another function since, up to the moment when it was taken; and codec.last
** another one even later, up to here. */
static int check_function(struct encoder *e, const struct job *j) {
    if (j->kind != JOB_ARGUMENTS)
        return 0;
    push_weak(e->L, e); /* first, as it may run finalizers */
    if (e->c->last && e->c->last_message == j->function)
        return meet_last(e);
    if (likely(e->has_function && e->message == j->function))
        return 0;
    (void)tine__encode_fail(e, NULL, "no function was encoded just before these arguments");
    return CODEC_AGAIN;
}

/* Encode the segment. On failure the message is pushed; else the stack is as before. */
static int run(lua_State *L, const struct job *j) {
    int base = lua_gettop(L), err;
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->c->ref);
    struct encoder *e = encoder_take(L, j->c, base + 1);
    prepare(L, e, j, base + 1);
    int top = lua_gettop(L);
    if (unlikely(*e->c->loads != e->c->names.loads) && e->c->names.built)
        (void)tine__name_missing(e);
    lua_settop(L, top);
    if (!(err = check_function(e, j)))
        for (int i = 0; (err = encode_once(e, j)) == ENCODE_AGAIN && i < MAX_AGAIN; i++)
            lua_settop(L, top);
    if (unlikely(err == ENCODE_ENDLESS))
        err = TINE_ESERIALIZE;
    if (unlikely(err == ENCODE_AGAIN))
        err = tine__encode_fail(e, NULL,
                                "cannot send it: looking at it loads new modules again and again");
    if (j->kind == JOB_FUNCTION && !err)
        end_function(e);
    /* last: no code runs between this and the caller */
    if (j->origin && lua_isuserdata(L, e->callee))
        *j->origin = tine__known_origin(L, lua_touserdata(L, e->callee));
    encoder_put_back(L, j->c, e, base + 1);
    if (err)
        lua_replace(L, base + 1);
    lua_settop(L, base + (err ? 1 : 0));
    return err;
}

/* Encode functions of classes are Lua code, which may change a table that lua_next is in: then
** lua_next raises an error. */
static int run_protected(lua_State *L) {
    struct job *j = lua_touserdata(L, 1);
    luaL_checkstack(L, STACK_ROOM + 20, "encoding");
    j->first = 2;
    j->err = run(L, j);
    return j->err ? 1 : 0;
}

static int start(lua_State *L, struct job *j) {
    if (unlikely(j->c->ref == LUA_NOREF)) { /* lua_close is running */
        lua_pushliteral(L, "cannot send anything while the Lua state is being closed");
        return TINE_ESERIALIZE;
    }
    luaL_checkstack(L, j->n + STACK_ROOM + 20, "encoding");
    if (likely(!tine__classes_push(L)))
        return run(L, j);
    size_t len = j->out->len;
    j->classes = true;
    lua_pop(L, 1);
    lua_pushcfunction(L, run_protected);
    lua_pushlightuserdata(L, j);
    for (int i = 0; i < j->n; i++)
        lua_pushvalue(L, j->first + i);
    int status = lua_pcall(L, j->n + 1, 1, 0);
    if (status != LUA_OK)
        j->out->len = len;
    if (status == LUA_ERRMEM)
        return lua_error(L);
    if (status != LUA_OK)
        return TINE_ESERIALIZE;
    if (!j->err)
        lua_pop(L, 1);
    return j->err;
}

HOT int tine__encode_function(lua_State *L, struct codec *c, int fn, struct buf *out,
                              const struct codec_origin **origin) {
    fn = lua_absindex(L, fn);
    struct job j = {c, out, JOB_FUNCTION, fn, 1, 0, origin, 0, false};
    size_t at = out->len;
    c->load.bytes = 0;
    struct code *code = tine__simple_encode(L, c, fn, out);
    uint64_t function = c->last_message;
    if (origin)
        *origin = code ? tine__known_origin(L, &code->known) : NULL;
    if (unlikely(!code)) {
        int err = start(L, &j);
        if (err)
            return err;
        function = c->encoder->message;
        code = tine__code_memo(c->encoder, lua_topointer(L, fn));
        if (code && get_le32(out->data + at + 4) == 0)
            tine__simple_note(L, c, fn, code);
    }
    c->function = function; /* last: finalizers may have encoded other functions meanwhile */
    return 0;
}

uint64_t tine__codec_function(const struct codec *c) {
    return c->function;
}

bool tine__codec_has(const struct codec *c, uint64_t function) {
    const struct encoder *e = c->encoder;
    return (c->last && c->last_message == function) ||
           (e && !e->busy && e->has_function && e->message == function);
}

const struct codec_load *tine__codec_load(const struct codec *c) {
    return &c->load;
}

HOT int tine__encode_arguments(lua_State *L, struct codec *c, uint64_t function, int first, int n,
                               struct buf *out) {
    if (likely(tine__encode_scalars(L, first, n, out)))
        return 0;
    struct job j = {.c = c,
                    .out = out,
                    .kind = JOB_ARGUMENTS,
                    .first = lua_absindex(L, first),
                    .n = n,
                    .function = function};
    return start(L, &j);
}

int tine__encode_values(lua_State *L, struct codec *c, int first, int n, struct buf *out) {
    struct job j = {c, out, JOB_VALUES, lua_absindex(L, first), n, 0, NULL, 0, false};
    return start(L, &j);
}

int tine__encode_given(lua_State *L, struct codec *c, int idx, struct buf *out) {
    struct job j = {c, out, JOB_GIVEN, lua_absindex(L, idx), 1, 0, NULL, 0, false};
    return start(L, &j);
}

int tine__encode_shared(lua_State *L, struct codec *c, int idx, struct buf *out) {
    struct job j = {c, out, JOB_SHARED, lua_absindex(L, idx), 1, 0, NULL, 0, false};
    return start(L, &j);
}

int tine__encode_error(lua_State *L, struct codec *c, int first, int n, struct buf *out) {
    struct job j = {c, out, JOB_ERROR, lua_absindex(L, first), n, 0, NULL, 0, false};
    return start(L, &j);
}

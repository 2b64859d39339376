/* Bytes to Lua values: msgpack-c's parser, instantiated with callbacks that push onto the Lua stack.
**
** No tree is built and nothing recurses. An array is not made into a table before its first item has
** come, for that may say that the array is an operation (operation.c). Errors are Lua errors that
** jump out of the parser; it owns nothing.
*/
#include <assert.h>
#include <lauxlib.h>
#include <limits.h>
#include "base/hot.h"
#include "codec/base.h"
#include "codec/codec.h"
#include "codec/decode/apply.h"
#include "codec/decode/environment.h"
#include "codec/decode/function.h"
#include "codec/decode/keys.h"
#include "codec/decode/reader.h"
#include "codec/segment.h"
#include "codec/shared.h"
#include "codec/simple.h"
#include "codec/state.h"
#include "codec/wire.h"
#include "data/data.h"

/* ---- the parser ---- */

/* Levels of values, the root array around them, and a leaf that is an operation. */
#define MSGPACK_EMBED_STACK_SIZE (MAX_LEVELS + 2)
#define MSGPACK_UNPACK_PARSE_ERROR (-1)
#define MSGPACK_UNPACK_NOMEM_ERROR (-2)

#include <msgpack/unpack_define.h>

static void open_array(struct reader *r) {
    struct frame *f = r->frame;
    lua_createtable(r->L, (int)f->n, 0);
    f->kind = FRAME_ARRAY;
    f->at = lua_gettop(r->L);
    number_object(r, f - 1);
}

/* Before anything is pushed: the array that waited for its first item is a plain one. */
static inline void ready(struct reader *r) {
    if (unlikely(r->frame->kind == FRAME_PENDING))
        open_array(r);
}

static inline int push_integer(struct reader *r, lua_Integer i) {
    ready(r);
    lua_pushinteger(r->L, i);
    return 0;
}

#define ON_INTEGER(name, type) \
    static inline int on_##name(struct reader *r, type d, char *o) { \
        (void)o; \
        return push_integer(r, (lua_Integer)d); \
    }
ON_INTEGER(uint8, uint8_t)
ON_INTEGER(uint16, uint16_t)
ON_INTEGER(uint32, uint32_t)
ON_INTEGER(int8, int8_t)
ON_INTEGER(int16, int16_t)
ON_INTEGER(int32, int32_t)
ON_INTEGER(int64, int64_t)
#undef ON_INTEGER

static inline int on_double(struct reader *r, double d, char *o) {
    (void)o;
    ready(r);
    lua_pushnumber(r->L, d);
    return 0;
}

static inline int on_float(struct reader *r, float d, char *o) {
    return on_double(r, (double)d, o);
}

/* Only other writers send integers that Lua has not; a float would be another value. */
static inline int on_uint64(struct reader *r, uint64_t d, char *o) {
    (void)o;
    if (d > LUA_MAXINTEGER)
        tine__malformed(r, "an integer of 2^63 or more");
    return push_integer(r, (lua_Integer)d);
}

static inline int on_nil(struct reader *r, char *o) {
    (void)o;
    ready(r);
    lua_pushnil(r->L);
    return 0;
}

static inline int on_true(struct reader *r, char *o) {
    (void)o;
    ready(r);
    lua_pushboolean(r->L, 1);
    return 0;
}

static inline int on_false(struct reader *r, char *o) {
    (void)o;
    ready(r);
    lua_pushboolean(r->L, 0);
    return 0;
}

/* Is a key to come, of a map that is no dictionary? That is but a guess after one that is no string. */
static inline bool is_key(struct reader *r) {
    bool key = r->frame->key;
    r->frame->key = false;
    return key && r->keys.at;
}

static inline int on_str(struct reader *r, const char *b, const char *p, size_t n, char *o) {
    (void)b, (void)o;
    ready(r);
    if (n - 1 < KEYS_LENGTH && is_key(r))
        keys_push(&r->keys, r->L, p, n);
    else
        lua_pushlstring(r->L, p, n);
    return 0;
}

static inline int on_bin(struct reader *r, const char *b, const char *p, size_t n, char *o) {
    return on_str(r, b, p, n, o);
}

/* ---- objects that something points back to ---- */

static void push_ref(struct reader *r, uint32_t ordinal) {
    if (!r->refs || lua_rawgeti(r->L, r->refs, (lua_Integer)ordinal + 1) == LUA_TNIL)
        tine__malformed(r, "a reference to nowhere");
}

/* ---- extensions ---- */

static void check_len(struct reader *r, size_t len, size_t expected) {
    if (len != expected)
        tine__malformed(r, "an extension of a wrong size");
}

static void push_data(struct reader *r, const unsigned char *p) {
    struct data_name name;
    tine__data_read(&name, p);
    tine__data_push(r->L, &name);
}

static int on_ext(struct reader *r, const char *b, const char *bytes, size_t len, char *o) {
    const unsigned char *p = (const unsigned char *)bytes + 1;
    (void)b, (void)o;
    if (len < 1 || len > UINT32_MAX) /* the parser's sum of length and type has wrapped */
        return tine__malformed(r, "an extension of a wrong size");
    int type = (signed char)bytes[0];
    if (type == EXT_OP) {
        check_len(r, len, 2);
        if (r->frame->kind != FRAME_PENDING)
            return tine__malformed(r, "an operation that is not the first item of an array");
        tine__op_begin(r, r->frame, p[0]);
        return 0;
    }
    ready(r);
    switch (type) {
    case EXT_REF:
        check_len(r, len, 5);
        push_ref(r, get_be32(p));
        return 0;
    case EXT_UPREF:
        check_len(r, len, 6);
        tine__op_upref(r, p);
        return 0;
    case EXT_ENV:
        check_len(r, len, 2);
        tine__op_env(r, p[0]);
        return 0;
    case EXT_ENV_OF:
        check_len(r, len, 6);
        push_ref(r, get_be32(p));
        tine__op_env_of(r, p[4]);
        return 0;
    case EXT_NULL:
        check_len(r, len, 2);
        lua_pushlightuserdata(r->L, NULL);
        return 0;
    case EXT_HELD:
        check_len(r, len, 2);
        tine__op_held(r, p[0]);
        return 0;
    case EXT_DATA:
        check_len(r, len, 1 + DATA_NAME_SIZE);
        push_data(r, p);
        return 0;
    default:
        return luaL_error(r->L, "malformed message: unknown extension type %d", type);
    }
}

/* ---- containers ---- */

/* Every item takes a byte at least, so a container cannot hold more than the bytes there are. */
static void spend(struct reader *r, size_t n) {
    if (n > r->budget || n > INT_MAX)
        tine__malformed(r, "more items declared than there are bytes");
    r->budget -= n;
    if (unlikely(!lua_checkstack(r->L, 16)))
        luaL_error(r->L, "no room on the Lua stack to decode a message");
}

static inline struct frame *enter(struct reader *r, uint32_t n, uint8_t kind) {
    struct frame *f = ++r->frame; /* the parser has seen to it that there is one more */
    f->n = n;
    f->i = 0;
    f->kind = kind;
    f->key = false;
    return f;
}

static void open_root(struct reader *r, uint32_t n) {
    r->rooted = true;
    r->nvalues = n;
    if (!lua_checkstack(r->L, (int)n + 20))
        luaL_error(r->L, "too many values for the Lua stack: %d", (int)n);
    if (n)
        enter(r, n, FRAME_ROOT);
}

static inline int on_array(struct reader *r, uint32_t n, char *o) {
    (void)o;
    ready(r);
    spend(r, n);
    if (unlikely(r->frame->kind == FRAME_TOP && r->values)) {
        open_root(r, n);
    } else if (n) {
        enter(r, n, FRAME_PENDING);
    } else {
        lua_newtable(r->L);
        number_object(r, r->frame);
    }
    return 0;
}

static inline int on_map(struct reader *r, uint32_t n, char *o) {
    (void)o;
    ready(r);
    spend(r, (size_t)n * 2);
    lua_createtable(r->L, 0, (int)n);
    number_object(r, r->frame);
    if (n) {
        struct frame *f = enter(r, n, FRAME_MAP);
        f->at = lua_gettop(r->L);
        f->key = n <= KEYS_PLACES;
    }
    return 0;
}

static inline int on_array_item(struct reader *r, char *o, char item) {
    struct frame *f = r->frame;
    (void)o, (void)item;
    if (likely(f->kind == FRAME_ARRAY))
        lua_rawseti(r->L, -2, (lua_Integer)f->i + 1);
    else if (f->kind > FRAME_MAP)
        tine__op_item(r, f);
    if (++f->i == f->n) {
        if (f->kind > FRAME_MAP)
            tine__op_end(r, f);
        r->frame = f - 1;
    }
    return 0;
}

static inline int on_map_item(struct reader *r, char *o, char key, char value) {
    struct frame *f = r->frame;
    (void)o, (void)key, (void)value;
    lua_rawset(r->L, -3);
    f->key = f->n <= KEYS_PLACES;
    if (++f->i == f->n)
        r->frame = f - 1;
    return 0;
}

static inline char on_root(struct reader *r) {
    (void)r;
    return 0;
}

/* The parser keeps a value for each container; ours are on the Lua stack and in the frames. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wcast-qual"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define msgpack_unpack_func(result, name) static inline result unpack##name
#define msgpack_unpack_callback(name) on##name
#define msgpack_unpack_struct(name) struct unpack##name
#define msgpack_unpack_object char
#define msgpack_unpack_user struct reader
#include <msgpack/unpack_template.h>
#pragma GCC diagnostic pop

/* ---- the decoder: taken and put back ---- */

struct decoder {
    bool busy;
    struct unpack_context parser;
    struct frame frames[MSGPACK_EMBED_STACK_SIZE + 1];
};

static struct decoder *decoder_take(lua_State *L, struct codec *c, int self) {
    if (likely(c->decoder && !c->decoder->busy)) {
        lua_rawgeti(L, self, ST_DECODER);
    } else {
        c->decoder = lua_newuserdatauv(L, sizeof *c->decoder, 0);
        c->decoder->busy = false;
        lua_pushvalue(L, -1);
        lua_rawseti(L, self, ST_DECODER);
    }
    c->decoder->busy = true;
    return c->decoder;
}

static void decoder_put_back(lua_State *L, struct codec *c, struct decoder *d, int self) {
    if (unlikely(c->decoder != d)) {
        lua_pushvalue(L, self + 1);
        lua_rawseti(L, self, ST_DECODER);
        c->decoder = d;
    }
    d->busy = false;
}

/* ---- segments ---- */

/* Read a segment of exactly `len` bytes. They may lie in memory that a worker can still write: each number is read once, and judged by what was
** read. */
static void read_segment(lua_State *L, const char *p, size_t len, struct segment *out) {
    uint32_t body = len >= SEGMENT_HEAD ? get_le32(p) : 0;
    uint32_t n = len >= SEGMENT_HEAD ? get_le32(p + 4) : 0;
    uint32_t nmarks = n & ~SEGMENT_GLOBALS;
    if (len < SEGMENT_HEAD || SEGMENT_HEAD + (uint64_t)body + 4 * (uint64_t)nmarks != len)
        luaL_error(L, "malformed message: not a whole segment");
    *out = (struct segment){.body = p + SEGMENT_HEAD,
                            .len = body,
                            .marks = (const unsigned char *)p + SEGMENT_HEAD + body,
                            .nmarks = nmarks,
                            .globals = n & SEGMENT_GLOBALS};
    for (size_t i = 1; i < nmarks; i++)
        if (get_le32(out->marks + 4 * i) <= get_le32(out->marks + 4 * i - 4))
            luaL_error(L, "malformed message: marks out of order");
}

/* Below what is decoded lie on the stack the state table, the decoder, and as far as there are such, a
** table of marked objects, one of call environments, and places for keys. */

static void push_slots(lua_State *L, struct codec *c, struct reader *r, bool refs, bool globals,
                       size_t len) {
    r->L = L;
    r->c = c;
    r->pending = 0;
    r->refs = r->envs = 0;
    r->globals = globals;
    r->ordinal = 0;
    if (refs) {
        lua_newtable(L);
        r->refs = lua_gettop(L);
    }
    if (globals) {
        lua_newtable(L);
        r->envs = lua_gettop(L);
    }
    r->places = len >= KEYS_MESSAGE ? KEYS_PLACES : 0;
    if (r->places)
        keys_open(&r->keys, L);
    else
        keys_none(&r->keys);
}

static void drop_slots(const struct reader *r) {
    int n = 2 + (r->refs != 0) + (r->envs != 0) + r->places;
    lua_rotate(r->L, r->self, -n);
    lua_pop(r->L, n);
}

static struct mark_list mark_list(const struct segment *s) {
    return (struct mark_list){s->marks, s->marks + (size_t)s->nmarks * 4};
}

static void read_body(struct decoder *d, const struct segment *s, bool values) {
    struct reader *r = &d->parser.user;
    size_t at = 0;
    r->frame = d->frames;
    *r->frame = (struct frame){.kind = FRAME_TOP, .n = 1};
    r->budget = s->len;
    r->values = values;
    r->rooted = r->handled = r->note = r->held = false;
    r->nvalues = 0;
    unpack_init(&d->parser);
    int done = s->len ? unpack_execute(&d->parser, s->body, s->len, &at) : 0;
    if (done == MSGPACK_UNPACK_NOMEM_ERROR)
        tine__malformed(r, "nested too deeply");
    if (done < 0)
        tine__malformed(r, "not msgpack");
    if (done == 0)
        tine__malformed(r, "it ends too early");
    if (at != s->len)
        tine__malformed(r, "something follows it");
    if (values && !r->rooted)
        tine__malformed(r, "not an array of values");
}

/* Set `next` for ordinals from r->ordinal on. */
static void start_marks(struct reader *r, struct mark_list a, struct mark_list b) {
    r->marks[0] = a;
    r->marks[1] = b;
    r->next = UINT32_MAX;
    for (int i = 0; i < 2; i++)
        if (r->marks[i].p < r->marks[i].end && get_le32(r->marks[i].p) < r->next)
            r->next = get_le32(r->marks[i].p);
}

/* Metatables that had to wait (see table.c). */
static void set_late_metatables(struct reader *r) {
    lua_State *L = r->L;
    while (lua_rawgeti(L, r->refs, 0) == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        lua_setmetatable(L, -2);
        lua_rawgeti(L, -2, 3);
        lua_rawseti(L, r->refs, 0);
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

static void finish_objects(struct reader *r) {
    if (r->next != UINT32_MAX)
        tine__malformed(r, "marks beyond its objects");
    if (r->refs)
        set_late_metatables(r);
    if (unlikely(r->pending))
        tine__apply_changes(r);
}

static void open_codec(lua_State *L, const struct codec *c) {
    luaL_checkstack(L, 20 + KEYS_PLACES, "decoding");
    if (unlikely(c->ref == LUA_NOREF)) /* lua_close is under way */
        luaL_error(L, "cannot decode anything while the Lua state is being closed");
}

enum reading { READ_RESULT, READ_ERROR, READ_ARGUMENTS, READ_SHARED };

static int decode_values(lua_State *L, struct codec *c, const char *p, size_t len,
                         enum reading what) {
    struct segment s;
    int base = lua_gettop(L);
    int n = tine__decode_scalars(L, p, len, true);
    if (n >= 0)
        return n;
    open_codec(L, c);
    read_segment(L, p, len, &s);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    struct decoder *d = decoder_take(L, c, base + 1);
    struct reader *r = &d->parser.user;
    r->self = base + 1;
    r->call = what == READ_ARGUMENTS || what == READ_SHARED;
    r->lasts = what != READ_ARGUMENTS;
    r->lenient = what == READ_ERROR;
    push_slots(L, c, r, s.nmarks, s.globals, s.len);
    start_marks(r, mark_list(&s), (struct mark_list){0});
    read_body(d, &s, true);
    finish_objects(r);
    decoder_put_back(L, c, d, r->self);
    drop_slots(r);
    return (int)r->nvalues;
}

int tine__decode_call(lua_State *L, struct codec *c, const char *fn, size_t fn_len,
                      const char *args, size_t args_len) {
    struct segment f, a;
    int base = lua_gettop(L);
    /* no marks and no call environments: the arguments have nothing to do with the function */
    tine__codec_restore(L, c); /* of a call that did not come to its end */
    if (unlikely(shared_are_gone(c)))
        tine__shared_forget(L, c);
    if (args_len >= SEGMENT_HEAD && get_le32(args + 4) == 0 && !c->held &&
        tine__simple_push(L, c, fn, fn_len, true))
        return decode_values(L, c, args, args_len, READ_ARGUMENTS);
    open_codec(L, c);
    read_segment(L, fn, fn_len, &f);
    read_segment(L, args, args_len, &a);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    struct decoder *d = decoder_take(L, c, base + 1);
    struct reader *r = &d->parser.user;
    r->self = base + 1;
    push_slots(L, c, r, f.nmarks || a.nmarks, f.globals || a.globals, f.len + a.len);
    tine__forget_held(L, c, r->self);
    r->call = true;
    r->lasts = false;
    r->lenient = false;
    start_marks(r, mark_list(&f), mark_list(&a));
    read_body(d, &f, false);
    read_body(d, &a, true);
    finish_objects(r);
    decoder_put_back(L, c, d, r->self);
    drop_slots(r);
    return (int)r->nvalues;
}

HOT void tine__decode_begin(struct codec *c) {
    c->callee = NULL;
}

HOT int tine__decode_plain_call(lua_State *L, struct codec *c, const char *fn, size_t fn_len,
                                bool again, const char *args, size_t args_len) {
    if (c->held || c->changed || shared_are_gone(c))
        return -1;
    if (!(again && tine__simple_push_again(L, c, fn)) &&
        !tine__simple_push(L, c, fn, fn_len, false))
        return -1;
    int n = tine__decode_scalars(L, args, args_len, false);
    if (n < 0)
        lua_pop(L, 1);
    return n;
}

void tine__decode_shared(lua_State *L, struct codec *c, const char *p, size_t len) {
    int top = lua_gettop(L);
    decode_values(L, c, p, len, READ_SHARED);
    lua_settop(L, top + 1);
}

int tine__decode_values(lua_State *L, struct codec *c, const char *p, size_t len) {
    return decode_values(L, c, p, len, READ_RESULT);
}

int tine__decode_given(lua_State *L, struct codec *c, const char *p, size_t len) {
    return decode_values(L, c, p, len, READ_ARGUMENTS);
}

int tine__decode_error(lua_State *L, struct codec *c, const char *p, size_t len) {
    return decode_values(L, c, p, len, READ_ERROR);
}

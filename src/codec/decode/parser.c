/* The parser: msgpack-c's, instantiated with callbacks that push values onto the Lua stack.
**
** It builds no tree and does not recurse. An array is not made into a table before its first item
** has come, since that may say that the array is an operation (operation.c). Errors are Lua errors,
** which jump out of the parser; it owns no resources.
*/
#include <lauxlib.h>
#include <limits.h>
#include "base/hot.h"
#include "codec/decode/environment.h"
#include "codec/decode/function.h"
#include "codec/decode/keys.h"
#include "codec/decode/reader.h"
#include "codec/shared.h"
#include "codec/state.h"
#include "codec/wire.h"
#include "data/data.h"

/* ---- the parser ---- */

/* Levels of values, the root array around them, and an operation without containers in it. */
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

/* Called before anything is pushed: if an array waits for its first item, it is a plain array. */
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

/* Only other writers send integers that Lua does not have. A float would be another value, so these
** are errors. */
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

/* Is the next item a key of a small map? After a key that is no string this may be wrong, which
** does no harm. */
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

/* ---- references ---- */

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
    if (len < 1 || len > UINT32_MAX) /* the parser's sum of length and type has overflowed */
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

/* Each item takes at least a byte, so a container cannot have more items than there are bytes. */
static void spend(struct reader *r, size_t n) {
    if (n > r->budget || n > INT_MAX)
        tine__malformed(r, "more items declared than there are bytes");
    r->budget -= n;
    if (unlikely(!lua_checkstack(r->L, 16)))
        luaL_error(r->L, "no room on the Lua stack to decode a message");
}

static inline struct frame *enter(struct reader *r, uint32_t n, uint8_t kind) {
    struct frame *f = ++r->frame; /* the parser has checked that there is room */
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

/* The parser keeps a value for each container. Here it is of no use: values are on the Lua stack
** and in the frames. */
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

/* ---- the codec's reader ---- */

struct decoder {
    bool busy;
    struct unpack_context parser;
    struct frame frames[MSGPACK_EMBED_STACK_SIZE + 1];
};

struct reader *tine__reader_take(lua_State *L, struct codec *c, int self) {
    if (likely(c->decoder && !c->decoder->busy)) {
        lua_rawgeti(L, self, ST_DECODER);
    } else {
        c->decoder = lua_newuserdatauv(L, sizeof *c->decoder, 1);
        c->decoder->busy = false;
        lua_pushvalue(L, -1);
        lua_rawseti(L, self, ST_DECODER);
    }
    c->decoder->busy = true;
    struct reader *r = &c->decoder->parser.user;
    r->L = L;
    r->c = c;
    r->self = self;
    return r;
}

static struct decoder *decoder_of(struct reader *r) {
    return (struct decoder *)((char *)r - offsetof(struct decoder, parser.user));
}

void tine__reader_put_back(struct reader *r) {
    struct decoder *d = decoder_of(r);
    struct codec *c = r->c;
    if (unlikely(c->decoder != d)) {
        lua_pushvalue(r->L, r->self + 1);
        lua_rawseti(r->L, r->self, ST_DECODER);
        c->decoder = d;
    }
    d->busy = false;
}

/* ---- the body of a segment ---- */

void tine__reader_read(struct reader *r, const struct segment *s, bool values) {
    struct decoder *d = decoder_of(r);
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

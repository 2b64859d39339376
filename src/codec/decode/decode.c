/* Decoding of segments: what is done before and after the parser (parser.c) reads their bodies. */
#include <assert.h>
#include <lauxlib.h>
#include "base/hot.h"
#include "codec/codec.h"
#include "codec/decode/apply.h"
#include "codec/decode/environment.h"
#include "codec/decode/keys.h"
#include "codec/decode/reader.h"
#include "codec/segment.h"
#include "codec/shared.h"
#include "codec/simple.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ---- segments ---- */

/* Take a segment of exactly `len` bytes apart. A worker may still be able to write to these bytes,
** so each number is read only once, and checked as read. */
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

/* Below the values being decoded the stack has: the state table, the decoder, and, if needed, a
** table of marked objects, a table of call environments, and the places of the cache of keys. */

static void push_slots(struct reader *r, bool refs, bool globals, size_t len) {
    lua_State *L = r->L;
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

/* Set the metatables that could not be set earlier (see table.c). */
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
    if (unlikely(c->ref == LUA_NOREF)) /* lua_close is running */
        luaL_error(L, "cannot decode anything while the Lua state is being closed");
}

enum reading { READ_RESULT, READ_ERROR, READ_ARGUMENTS, READ_SHARED };

/* `around`: see struct reader. */
static int decode_inside(lua_State *L, struct codec *c, const char *p, size_t len,
                         enum reading what, uint32_t around) {
    struct segment s;
    int base = lua_gettop(L);
    int n = tine__decode_scalars(L, p, len, true);
    if (n >= 0)
        return n;
    open_codec(L, c);
    read_segment(L, p, len, &s);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    struct reader *r = tine__reader_take(L, c, base + 1);
    r->call = what == READ_ARGUMENTS || what == READ_SHARED;
    r->lasts = what != READ_ARGUMENTS;
    r->lenient = what == READ_ERROR;
    r->around = around;
    push_slots(r, s.nmarks, s.globals, s.len);
    tine__start_marks(r, mark_list(&s), (struct mark_list){0});
    tine__reader_read(r, &s, true);
    finish_objects(r);
    tine__reader_put_back(r);
    drop_slots(r);
    return (int)r->nvalues;
}

static int decode_values(lua_State *L, struct codec *c, const char *p, size_t len,
                         enum reading what) {
    return decode_inside(L, c, p, len, what, 0);
}

int tine__decode_call(lua_State *L, struct codec *c, const char *fn, size_t fn_len,
                      const char *args, size_t args_len) {
    struct segment f, a;
    int base = lua_gettop(L);
    /* The fast path needs arguments without marks and call environments: they do not refer to the
    ** function. */
    tine__codec_restore(L, c); /* of an earlier call that has not ended as usual */
    if (unlikely(shared_are_gone(c)))
        tine__shared_forget(L, c);
    if (args_len >= SEGMENT_HEAD && get_le32(args + 4) == 0 && !c->held &&
        tine__simple_push(L, c, fn, fn_len, true))
        return decode_values(L, c, args, args_len, READ_ARGUMENTS);
    open_codec(L, c);
    read_segment(L, fn, fn_len, &f);
    read_segment(L, args, args_len, &a);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    struct reader *r = tine__reader_take(L, c, base + 1);
    push_slots(r, f.nmarks || a.nmarks, f.globals || a.globals, f.len + a.len);
    tine__forget_held(L, c, r->self);
    r->call = true;
    r->lasts = false;
    r->lenient = false;
    r->around = 0;
    tine__start_marks(r, mark_list(&f), mark_list(&a));
    tine__reader_read(r, &f, false);
    tine__reader_read(r, &a, true);
    finish_objects(r);
    tine__reader_put_back(r);
    drop_slots(r);
    return (int)r->nvalues;
}

void tine__decode_prepares(struct codec *c, bool prepares) {
    c->prepares = prepares;
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

/* This recurses on the C stack, and each level has a decoder of its own. */
void tine__reader_shared(struct reader *r, const char *p, size_t len) {
    int top = lua_gettop(r->L);
    if (r->around >= MAX_LEVELS)
        luaL_error(r->L, "shared values are nested more than %d levels deep", MAX_LEVELS);
    decode_inside(r->L, r->c, p, len, READ_SHARED, r->around + 1);
    lua_settop(r->L, top + 1);
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

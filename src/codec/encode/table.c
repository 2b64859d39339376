/* Encoding of tables.
**
** A table is written in one pass over lua_next. Keys that come as 1, 2, 3 ... become the items of a
** msgpack array; at the first other key that ends. If there were no items the table is a plain map,
** else its header is widened in place to the operation TABLE. Access is raw throughout, and nothing
** here allocates Lua objects in the usual case, so neither metamethods nor finalizers run.
*/
#include <lua.h>
#include <string.h>
#include "base/buf.h"
#include "base/hot.h"
#include "codec/encode/encoder.h"
#include "codec/encode/environment.h"
#include "codec/encode/kept.h"
#include "codec/encode/name.h"
#include "codec/encode/object.h"
#include "codec/encode/seen.h"
#include "codec/encode/table.h"
#include "codec/encode/value.h"
#include "codec/names/names.h"
#include "codec/pack.h"
#include "codec/registry.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ---- layout ---- */

/* The longest head of the operation TABLE: array 32, the operation, uint 32 items. */
#define OP_HEAD 13

/* Bodies up to this size are moved so that the head can be shorter. The limit keeps the cost of
** deep nesting linear. */
#define SHORTEN_MAX 4096

struct layout {
    size_t head;       /* offset of the header */
    unsigned head_len; /* of a plain array or map: 1, 3 or 5 */
    enum { LAYOUT_ARRAY, LAYOUT_MAP, LAYOUT_OP } kind;
    lua_Integer items; /* array items written */
    /* the array has the items up to this one, in whatever order lua_next gives their keys */
    lua_Integer skip;
    uint64_t pairs;
    unsigned env; /* number of the call environment that this table is, too; 0: none */
};

static unsigned head_len(uint64_t n) {
    return n < 16 ? 1 : n < 65536 ? 3 : 5;
}

/* Write the header of an array or a map into the bytes reserved for it. */
static void put_head(unsigned char *p, unsigned len, uint64_t n, unsigned char fix,
                     unsigned char wide) {
    if (len == 1) {
        p[0] = (unsigned char)(fix | n);
    } else if (len == 3) {
        p[0] = wide;
        p[1] = (unsigned char)(n >> 8);
        p[2] = (unsigned char)n;
    } else {
        p[0] = (unsigned char)(wide + 1);
        put_be32(p + 1, (uint32_t)n);
    }
}

static inline unsigned char *bytes_at(struct encoder *e, size_t at) {
    return (unsigned char *)e->out->data + at;
}

/* Move what follows offset `at` by `by` bytes. */
static int shift(struct encoder *e, size_t at, size_t by) {
    int err = encode_room(e, by);
    if (err)
        return err;
    size_t n = e->out->len - at;
    buf_take(e->out, by);
    memmove(bytes_at(e, at + by), bytes_at(e, at), n);
    return 0;
}

static int begin_plain(struct encoder *e, struct layout *o, size_t len) {
    if (unlikely(buf_reserve(e->out, PACK_MAX)))
        return tine__encode_nomem(e);
    o->kind = len ? LAYOUT_ARRAY : LAYOUT_MAP;
    o->head_len = head_len(len);
    buf_take(e->out, o->head_len);
    return 0;
}

/* The array turns out to have no items. */
static void turn_into_map(struct encoder *e, struct layout *o) {
    o->kind = LAYOUT_MAP;
    o->head_len = head_len(0);
    e->out->len = o->head + o->head_len;
}

static int widen_to_op(struct encoder *e, struct layout *o) {
    int err = shift(e, o->head + o->head_len, OP_HEAD + 1 - o->head_len);
    if (err)
        return err;
    *bytes_at(e, o->head + OP_HEAD) = 0xc0; /* nil: no metatable */
    o->kind = LAYOUT_OP;
    return 0;
}

static int widen_map(struct encoder *e, struct layout *o) {
    unsigned len = head_len(o->pairs);
    int err = shift(e, o->head + o->head_len, len - o->head_len);
    o->head_len = len;
    return err;
}

static void finish_op(struct encoder *e, struct layout *o) {
    uint64_t count = 3 + (uint64_t)o->items + 2 * o->pairs;
    unsigned char op = o->env ? OP_ENVIRONMENT : OP_TABLE;
    uint32_t items = (uint32_t)o->items | o->env << ENV_ITEMS_SHIFT;
    char head[OP_HEAD + PACK_MAX];
    struct buf b = {.data = head, .cap = sizeof head};
    unsigned char *at = bytes_at(e, o->head);
    size_t body = e->out->len - o->head - OP_HEAD;
    if (body > SHORTEN_MAX) {
        put_head(at, 5, count, 0x90, 0xdc);
        memcpy(at + 5, (unsigned char[]){0xd4, EXT_OP, op, 0xce}, 4);
        put_be32(at + 9, items);
        return;
    }
    (void)buf_reserve(&b, sizeof head); /* which it has: nothing grows */
    pack_array(&b, (size_t)count);
    pack_bytes(&b, (unsigned char[]){0xd4, EXT_OP, op}, 3);
    pack_uint32(&b, items);
    memcpy(at, head, b.len);
    memmove(at + b.len, at + OP_HEAD, body);
    e->out->len -= OP_HEAD - b.len;
}

static void finish(struct encoder *e, struct layout *o) {
    if (o->kind == LAYOUT_OP)
        finish_op(e, o);
    else if (o->kind == LAYOUT_ARRAY)
        put_head(bytes_at(e, o->head), o->head_len, (uint64_t)o->items, 0x90, 0xdc);
    else if (o->pairs == 0)
        *bytes_at(e, o->head) = 0x90;
    else
        put_head(bytes_at(e, o->head), o->head_len, o->pairs, 0x80, 0xde);
}

/* ---- content ---- */

/* Are the items from `i` to before `k` nil? Or do they only come later in the traversal? */
static bool is_gap(lua_State *L, int t, lua_Integer i, lua_Integer k) {
    for (; i < k; i++) {
        int type = lua_rawgeti(L, t, i);
        lua_pop(L, 1);
        if (type != LUA_TNIL)
            return false;
    }
    return true;
}

static int put_nils(struct encoder *e, lua_Integer n) {
    int err = encode_room(e, (size_t)n);
    if (err)
        return err;
    memset(buf_take(e->out, (size_t)n), 0xc0, (size_t)n);
    return 0;
}

/* Append items from the first key on as long as keys come in order, with few holes. Returns 0: that
** was the whole table; 1: the pair on the stack is another key; or an error. `len` is the table's
** raw length. */
static int encode_items(struct encoder *e, int t, lua_Integer len, struct layout *o,
                        const struct step *up) {
    lua_State *L = e->L;
    struct step step = {.up = up, .kind = STEP_INDEX};
    lua_Integer i = 0, holes = 0;
    int err;
    while (lua_next(L, t)) {
        lua_Integer k = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (unlikely(k != i + 1)) {
            lua_Integer gap = k - i - 1;
            if (k <= i || k > len || holes + gap > i - holes + 8 || !is_gap(L, t, i + 1, k)) {
                o->items = i;
                return 1;
            }
            if ((err = put_nils(e, gap)))
                return err;
            holes += gap;
        }
        step.n = i = k;
        err = encode_room(e, PACK_MAX + 32);
        if (lua_isinteger(L, -1) && likely(!err)) /* lists of numbers are the longest */
            pack_int64(e->out, lua_tointeger(L, -1));
        else if (lua_type(L, -1) == LUA_TNUMBER && likely(!err))
            pack_double(e->out, lua_tonumber(L, -1));
        else if (unlikely(err || (err = encode_value(e, -1, &step))))
            return err;
        lua_pop(L, 1);
    }
    o->items = i;
    return 0;
}

static lua_Integer count_keys(lua_State *L, int t) {
    lua_Integer n = 0;
    for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1))
        n++;
    return n;
}

/* Append the rest of a sequence whose keys lua_next gives out of order (they are in the hash
** part). */
static int encode_rest(struct encoder *e, int t, lua_Integer len, struct layout *o,
                       const struct step *up) {
    struct step step = {.up = up, .kind = STEP_INDEX};
    for (lua_Integer i = o->items + 1; i <= len; i++) {
        lua_rawgeti(e->L, t, i);
        step.n = i;
        int err = encode_value(e, -1, &step);
        if (err)
            return err;
        lua_pop(e->L, 1);
    }
    o->items = o->skip = len;
    return 0;
}

/* Is the key on the stack among the items that encode_rest has written? */
static bool skipped(lua_State *L, const struct layout *o) {
    if (!lua_isinteger(L, -2))
        return false;
    lua_Integer k = lua_tointeger(L, -2);
    return k >= 1 && k <= o->skip;
}

static inline int encode_pair(struct encoder *e, struct layout *o, struct step *step) {
    step->kind = STEP_KEY_SELF;
    int err = encode_value(e, -2, step);
    if (unlikely(err))
        return err;
    step->kind = STEP_KEY;
    if (unlikely((err = encode_value(e, -1, step))))
        return err;
    o->pairs++;
    if (o->kind == LAYOUT_MAP && unlikely(head_len(o->pairs) != o->head_len))
        return widen_map(e, o);
    return 0;
}

/* Append all pairs from the one that is on the stack. */
static int encode_pairs(struct encoder *e, int t, struct layout *o, const struct step *up) {
    lua_State *L = e->L;
    struct step step = {.up = up, .at = lua_gettop(L) - 1};
    int err = 0;
    if (o->kind == LAYOUT_ARRAY && o->items == 0)
        turn_into_map(e, o);
    do {
        if (unlikely(o->skip) && skipped(L, o))
            goto next;
        if (unlikely(o->kind == LAYOUT_ARRAY) && (err = widen_to_op(e, o)))
            return err;
        if (unlikely((err = encode_pair(e, o, &step))))
            return err;
    next:
        lua_pop(L, 1);
    } while (lua_next(L, t));
    return 0;
}

/* The array has ended before the pair on the stack: is that an item out of order, of a table most
** of whose items up to `len` exist? */
static bool out_of_turn(lua_State *L, int t, lua_Integer len) {
    if (!lua_isinteger(L, -2))
        return false;
    lua_Integer k = lua_tointeger(L, -2);
    return k >= 1 && k <= len && len / 2 <= count_keys(L, t) + 4;
}

/* Append everything behind the header. */
static int encode_content(struct encoder *e, int t, lua_Integer len, struct layout *o,
                          const struct step *up) {
    lua_State *L = e->L;
    lua_pushnil(L);
    int err = len ? encode_items(e, t, len, o, up) : lua_next(L, t);
    if (err == 1 && len && out_of_turn(L, t, len)) {
        lua_pop(L, 2);
        if ((err = encode_rest(e, t, len, o, up)))
            return err;
        lua_pushnil(L);
        err = lua_next(L, t);
    }
    if (err == 1)
        err = encode_pairs(e, t, o, up);
    if (err == 0)
        finish(e, o);
    return err;
}

/* ---- tables ---- */

static int begin_op(struct encoder *e, struct layout *o, int meta, const struct step *up) {
    struct step step = {.up = up, .kind = STEP_METATABLE};
    int err = encode_room(e, OP_HEAD + PACK_MAX);
    if (err)
        return err;
    o->kind = LAYOUT_OP;
    buf_take(e->out, OP_HEAD);
    if (meta)
        return tine__encode_metatable(e, meta, &step);
    pack_nil(e->out);
    return 0;
}

int tine__encode_contents(struct encoder *e, int t, int meta, const struct step *up) {
    struct layout o = {.head = e->out->len};
    lua_Integer len = (lua_Integer)lua_rawlen(e->L, t);
    int err = 0;
    if (unlikely(e->own_envs && len < 1 << ENV_ITEMS_SHIFT))
        o.env = tine__env_of(e, t);
    if (unlikely(++e->levels > MAX_LEVELS))
        return tine__encode_fail(e, up, "nested more than %d levels deep", MAX_LEVELS);
    if (meta || unlikely(o.env))
        err = begin_op(e, &o, meta, up);
    else
        err = begin_plain(e, &o, (size_t)len);
    if (likely(!err))
        err = encode_content(e, t, len, &o, up);
    e->levels--;
    return err;
}

/* Append a table with a metatable (at `meta`; 0: none), or one that may be a registered
** metatable. */
static int encode_special(struct encoder *e, int t, int meta, const struct step *step) {
    lua_State *L = e->L;
    tine__encode_number(e, encode_newest(e), t);
    if (tine__class_of(e, t))
        return tine__encode_class(e, t, step);
    if (meta && tine__class_of(e, meta)) {
        if (lua_rawgeti(L, -1, CLASS_ENCODE) != LUA_TNIL) {
            encode_newest(e)->kind = SEEN_OPEN;
            lua_pop(L, 1);
            return tine__encode_object(e, t, step);
        }
        lua_pop(L, 2);
    }
    return tine__encode_contents(e, t, meta, step);
}

static inline __attribute__((always_inline)) int encode_by_value(struct encoder *e, int t,
                                                                 const struct step *step) {
    lua_State *L = e->L;
    int err, meta = lua_getmetatable(L, t) ? lua_gettop(L) : 0;
    if (unlikely(meta || e->classes)) {
        int top = lua_gettop(L) - (meta != 0);
        if (!lua_checkstack(L, STACK_ROOM))
            return tine__encode_nomem(e);
        err = encode_special(e, t, meta, step);
        if (likely(!err))
            lua_settop(L, top);
        return err;
    }
    tine__encode_number(e, encode_newest(e), t);
    return tine__encode_contents(e, t, 0, step); /* leaves the stack as it was */
}

int tine__encode_by_value(struct encoder *e, int t, const struct step *step) {
    return encode_by_value(e, t, step);
}

int tine__encode_table(struct encoder *e, int t, const struct step *step) {
    lua_State *L = e->L;
    const void *p = lua_topointer(L, t);
    int err;
    bool found, same = false;
    if (unlikely(p == e->c->globals))
        return tine__encode_ext(e, EXT_ENV, 0);
    if (unlikely((err = encode_meet(e, t, p, step, &found)) || found))
        return err;
    if (name_possible(&e->c->names, p)) {
        err = tine__name_encode(e, t, p, step);
        if (err < 0 || err == NAME_DONE)
            return err < 0 ? err : 0;
        same = err == NAME_SAME;
    }
    if (unlikely(e->levels % STACK_LEVELS == STACK_LEVELS - 1 && !lua_checkstack(L, STACK_ROOM)))
        return tine__encode_nomem(e);
    if (kept_possible(e) && !same && (err = tine__kept_encode(e, t, step)))
        return err < 0 ? err : 0;
    return encode_by_value(e, t, step);
}

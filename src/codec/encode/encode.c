/* Lua values to bytes.
**
** A table is written in one pass over lua_next. Keys that come as 1, 2, 3 ... become items of a
** msgpack array; the first other key ends that: if there were no items yet the table is a plain map,
** else its header is widened in place to the operation OP_TABLE. Access is raw throughout, and
** nothing here allocates Lua objects in the usual case, so neither metamethods nor finalizers run.
*/
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/sys.h"
#include "codec/base.h"
#include "codec/encode/encoder.h"
#include "codec/encode/function.h"
#include "codec/encode/name.h"
#include "codec/encode/seen.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/pack.h"
#include "codec/registry.h"
#include "codec/shared.h"
#include "codec/state.h"
#include "codec/wire.h"
#include "data/data.h"

/* ---- errors, marks, points ---- */

static inline int room(struct encoder *e, size_t n) {
    return likely(buf_reserve(e->out, n) == 0) ? 0 : tine__encode_nomem(e);
}

static int add_mark(struct encoder *e, uint32_t ordinal) {
    if (e->nmarks == e->marks_cap) {
        uint32_t cap = e->marks_cap ? e->marks_cap * 2 : 32;
        uint32_t *marks = sys.realloc(e->marks, cap * sizeof *marks);
        if (!marks)
            return tine__encode_nomem(e);
        e->marks = marks;
        e->marks_cap = cap;
    }
    e->marks[e->nmarks++] = ordinal;
    return 0;
}

struct encode_point tine__encode_mark(const struct encoder *e) {
    return (struct encode_point){e->out->len, e->seen.len, e->nmarks,
                                 e->ordinals, e->nenvs,    e->levels};
}

void tine__encode_rewind(struct encoder *e, const struct encode_point *p) {
    e->out->len = p->len;
    seen_cut(&e->seen, p->seen);
    e->nmarks = p->nmarks;
    e->ordinals = p->ordinals;
    e->nenvs = p->nenvs;
    e->levels = p->levels;
    /* Marks set since are gone; an object that is marked twice does no harm. */
    for (uint32_t i = 0; i < e->seen.len; i++)
        e->seen.entries[i].marked = false;
}

/* ---- identity ---- */

int tine__encode_ref(struct encoder *e, struct seen_entry *s) {
    int err = room(e, PACK_MAX);
    if (err)
        return err;
    if (!s->marked) {
        if ((err = add_mark(e, s->ordinal)))
            return err;
        s->marked = true;
    }
    char bytes[5];
    put_be32(bytes, s->ordinal);
    bytes[4] = (char)s->upvalue;
    if (s->upvalue) {
        pack_ext(e->out, 5, EXT_UPREF);
        pack_ext_body(e->out, bytes, 5);
    } else {
        pack_ext(e->out, 4, EXT_REF);
        pack_ext_body(e->out, bytes, 4);
    }
    return 0;
}

int tine__encode_env_ref(struct encoder *e, struct seen_entry *s, unsigned number) {
    int err = room(e, PACK_MAX);
    if (err || (!s->marked && (err = add_mark(e, s->ordinal))))
        return err;
    s->marked = true;
    char bytes[5];
    put_be32(bytes, s->ordinal);
    bytes[4] = (char)number;
    pack_ext(e->out, 5, EXT_ENV_OF);
    pack_ext_body(e->out, bytes, 5);
    return 0;
}

/* Between two segments of a call any code may run and the collector with it, so an address seen in
** the function segment may belong to another object by now. The weak table knows. */
bool tine__encode_same(struct encoder *e, const struct seen_entry *s, int idx) {
    lua_State *L = e->L;
    if (!e->arguments || s >= e->seen.entries + e->fn_seen)
        return true;
    lua_rawgeti(L, e->self, ST_WEAK);
    lua_rawgeti(L, -1, (lua_Integer)s->ordinal + 1);
    bool same = s->upvalue ? lua_isfunction(L, -1) && lua_upvalueid(L, -1, s->upvalue) == s->key
                           : lua_rawequal(L, -1, idx);
    lua_pop(L, 2);
    return same;
}

void tine__encode_number(struct encoder *e, struct seen_entry *s, int idx) {
    s->ordinal = e->ordinals++;
    if (e->weak) {
        lua_pushvalue(e->L, idx);
        lua_rawseti(e->L, e->weak, (lua_Integer)s->ordinal + 1);
    }
}

/* ---- strings and numbers ---- */

/* Up to 31 bytes, into a place with room for 32: cheaper than a call of memcpy. */
static inline void copy_short(char *to, const char *from, size_t n) {
    if (n >= 8) {
        for (size_t i = 0; i + 8 <= n; i += 8)
            memcpy(to + i, from + i, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
    }
}

static int encode_long(struct encoder *e, const char *s, size_t len, const struct step *step) {
    if (unlikely(len > UINT32_MAX))
        return tine__encode_fail(e, step, "cannot send a string of 4 GiB or more");
    int err = room(e, len + PACK_MAX);
    if (unlikely(err))
        return err;
    pack_str(e->out, len);
    pack_bytes(e->out, s, len);
    return 0;
}

static inline int encode_string(struct encoder *e, int idx, const struct step *step) {
    size_t len;
    const char *s = lua_tolstring(e->L, idx, &len);
    if (len >= 32)
        return encode_long(e, s, len, step);
    char *to = e->out->data + e->out->len;
    *to = (char)(0xa0 | len);
    copy_short(to + 1, s, len);
    e->out->len += len + 1;
    return 0;
}

static int encode_other(struct encoder *e, int idx, int type, const struct step *step);

/* The most frequent types first. Inlined where there are many values: for most of them the call would
** cost as much as what is done. */
static inline __attribute__((always_inline)) int encode_value(struct encoder *e, int idx,
                                                              const struct step *step) {
    lua_State *L = e->L;
    int err = room(e, PACK_MAX + 32);
    if (unlikely(err))
        return err;
    int type = lua_type(L, idx);
    if (type == LUA_TSTRING)
        return encode_string(e, idx, step);
    if (type != LUA_TNUMBER)
        return encode_other(e, idx, type, step);
    if (lua_isinteger(L, idx))
        pack_int64(e->out, lua_tointeger(L, idx));
    else
        pack_double(e->out, lua_tonumber(L, idx));
    return 0;
}

/* ---- tables: layout ---- */

/* OP_TABLE's head before it is shortened: array 32, the operation, uint 32 items. */
#define OP_HEAD 13
/* Bodies up to this are moved to shorten their head; this keeps deep nesting linear. */
#define SHORTEN_MAX 4096

struct layout {
    size_t head;       /* offset of the header */
    unsigned head_len; /* of a plain array's or map's: 1, 3 or 5 */
    enum { LAYOUT_ARRAY, LAYOUT_MAP, LAYOUT_OP } kind;
    lua_Integer items; /* array items written */
    lua_Integer skip;  /* integer keys up to this are among them, out of turn */
    uint64_t pairs;
    unsigned env; /* number of the call environment that the table is, too; or 0 */
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
    int err = room(e, by + PACK_MAX);
    if (err)
        return err;
    memmove(e->out->data + at + by, e->out->data + at, e->out->len - at);
    e->out->len += by;
    return 0;
}

static void begin_plain(struct encoder *e, struct layout *o, size_t len) {
    o->kind = len ? LAYOUT_ARRAY : LAYOUT_MAP;
    o->head_len = head_len(len);
    e->out->len = o->head + o->head_len;
}

static int widen_to_op(struct encoder *e, struct layout *o) {
    int err = shift(e, o->head + o->head_len, OP_HEAD + 1 - o->head_len);
    if (err)
        return err;
    *bytes_at(e, o->head + OP_HEAD) = 0xc0; /* no metatable */
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
    unsigned char head[OP_HEAD + PACK_MAX];
    struct buf b = {.data = (char *)head, .cap = sizeof head};
    unsigned char *at = bytes_at(e, o->head);
    size_t body = e->out->len - o->head - OP_HEAD;
    if (body > SHORTEN_MAX) {
        put_head(at, 5, count, 0x90, 0xdc);
        memcpy(at + 5, (unsigned char[]){0xd4, EXT_OP, op, 0xce}, 4);
        put_be32(at + 9, items);
        return;
    }
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

/* ---- tables: content ---- */

/* Are there really no items from `i` to before `k`, or do they only come later? */
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
    int err = room(e, (size_t)n + PACK_MAX);
    if (err)
        return err;
    memset(e->out->data + e->out->len, 0xc0, (size_t)n);
    e->out->len += (size_t)n;
    return 0;
}

/* Items from the key nil on, as long as the keys come in order, with few holes. 1: the pair on the
** stack is none; 0: that was all. */
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
        err = room(e, PACK_MAX + 32);
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

/* The rest of a sequence whose items do not come in order (they lie in the hash part). */
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

/* All pairs from the one that lies on the stack. */
static int encode_pairs(struct encoder *e, int t, struct layout *o, const struct step *up) {
    lua_State *L = e->L;
    struct step step = {.up = up, .at = lua_gettop(L) - 1};
    int err = 0;
    if (o->kind == LAYOUT_ARRAY && o->items == 0)
        begin_plain(e, o, 0);
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

/* Does the array stop at an integer key out of turn, in a table that is dense all the same? */
static bool out_of_turn(lua_State *L, int t, lua_Integer len) {
    if (!lua_isinteger(L, -2))
        return false;
    lua_Integer k = lua_tointeger(L, -2);
    return k >= 1 && k <= len && len / 2 <= count_keys(L, t) + 4;
}

/* Everything after the header. */
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

static int begin_op(struct encoder *e, struct layout *o, int meta, const struct step *up) {
    struct step step = {.up = up, .kind = STEP_METATABLE};
    int err = room(e, OP_HEAD + PACK_MAX);
    if (err)
        return err;
    o->kind = LAYOUT_OP;
    e->out->len += OP_HEAD;
    if (meta)
        return tine__encode_metatable(e, meta, &step);
    pack_nil(e->out);
    return 0;
}

/* A table by value; `meta` is the index of its metatable, or 0. */
static int encode_by_value(struct encoder *e, int t, int meta, const struct step *up) {
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
        begin_plain(e, &o, (size_t)len);
    if (likely(!err))
        err = encode_content(e, t, len, &o, up);
    e->levels--;
    return err;
}

/* ---- registered classes ---- */

/* Push the record of the metatable at `meta`; false, and nothing, when it is not registered. */
static bool class_of(struct encoder *e, int meta) {
    if (!e->classes)
        return false;
    lua_pushvalue(e->L, meta);
    if (lua_rawget(e->L, e->classes) == LUA_TTABLE)
        return true;
    lua_pop(e->L, 1);
    return false;
}

static int put_op(struct encoder *e, unsigned count, enum wire_op op) {
    int err = room(e, PACK_MAX);
    if (err)
        return err;
    pack_array(e->out, count);
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_OP, (unsigned char)op}, 3);
    return 0;
}

int tine__encode_held(struct encoder *e, enum wire_held why) {
    int err = room(e, PACK_MAX);
    if (!err)
        pack_bytes(e->out, (unsigned char[]){0xd4, EXT_HELD, (unsigned char)why}, 3);
    return err;
}

int tine__encode_note(struct encoder *e, int text) {
    int err = put_op(e, 2, OP_NOTE);
    return err ? err : tine__encode_value(e, text, NULL);
}

/* Keep a value that only the message refers to, so that its address stays its own. */
static void anchor(struct encoder *e, int idx) {
    lua_State *L = e->L;
    lua_pushvalue(L, idx);
    lua_rawseti(L, e->anchors, (lua_Integer)lua_rawlen(L, e->anchors) + 1);
}

/* What the class's encode function makes of the value at `idx`, pushed. */
static int call_encode(struct encoder *e, int idx, int class, const struct step *up) {
    lua_State *L = e->L;
    lua_rawgeti(L, class, CLASS_ENCODE);
    lua_pushvalue(L, idx);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_ERRMEM)
        return lua_error(L);
    if (status == LUA_OK) {
        anchor(e, lua_gettop(L));
        return 0;
    }
    tine__push_text(L);
    lua_rawgeti(L, class, CLASS_NAME);
    return tine__encode_fail(e, up, "the encode function of class '%s' failed: %s",
                             lua_tostring(L, -1), lua_tostring(L, -2));
}

/* A value of a registered class; its record is on top of the stack. */
static int encode_object(struct encoder *e, int idx, const struct step *up) {
    lua_State *L = e->L;
    int class = lua_gettop(L), err;
    bool found;
    if (++e->levels > MAX_LEVELS)
        return tine__encode_fail(e, up, "nested more than %d levels deep", MAX_LEVELS);
    lua_rawgeti(L, class, CLASS_NAME);
    struct step step = {.up = up, .kind = STEP_DECODE, .at = lua_gettop(L)};
    if ((err = put_op(e, 4, OP_OBJECT)) || (err = tine__encode_value(e, -1, &step)))
        return err;
    lua_rawgeti(L, class, CLASS_DECODE);
    if ((err = tine__encode_value(e, lua_gettop(L), &step)))
        return err;
    step.kind = STEP_ENCODED;
    if ((err = call_encode(e, idx, class, up)) ||
        (err = tine__encode_value(e, lua_gettop(L), &step)))
        return err;
    struct seen_entry *s = tine__seen_put(&e->seen, lua_topointer(L, idx), &found);
    if (!s)
        return tine__encode_nomem(e);
    s->kind = SEEN_OBJECT;
    e->levels--;
    lua_settop(L, class - 1);
    return 0;
}

/* A registered metatable as a value or as a metatable: its name, and itself by value for a process
** where nobody registered it. The record is on top of the stack. */
static int encode_class(struct encoder *e, int t, const struct step *up) {
    lua_State *L = e->L;
    int err, top = lua_gettop(L);
    lua_rawgeti(L, top, CLASS_NAME);
    if ((err = put_op(e, 3, OP_CLASS)) || (err = tine__encode_value(e, -1, up)))
        return err;
    struct encode_point point = tine__encode_mark(e);
    int meta = lua_getmetatable(L, t) ? lua_gettop(L) : 0;
    err = encode_by_value(e, t, meta, up);
    if (err == TINE_ESERIALIZE) {
        int text = lua_gettop(L);
        tine__encode_rewind(e, &point);
        /* The entry of `t` itself lies before the point and keeps its ordinal. */
        err = tine__encode_note(e, text);
    }
    if (!err)
        lua_settop(L, top - 1);
    return err;
}

int tine__encode_metatable(struct encoder *e, int meta, const struct step *up) {
    const void *p = lua_topointer(e->L, meta);
    int err;
    if (!class_of(e, meta)) {
        if ((err = tine__name_missing_table(e, p)))
            return err;
    } else {
        lua_pop(e->L, 1);
    }
    return tine__encode_value(e, meta, up);
}

/* ---- values ---- */

/* Find or make the entry of the object at `idx`. *found: a reference to it has been written. */
static int meet(struct encoder *e, int idx, const void *p, const struct step *step, bool *found) {
    struct seen_entry *s = tine__seen_put(&e->seen, p, found);
    if (unlikely(!s))
        return tine__encode_nomem(e);
    if (likely(!*found))
        return 0;
    if (likely(tine__encode_same(e, s, idx))) {
        if (s->kind == SEEN_OPEN)
            return tine__encode_fail(
                e, step, "cannot send a value whose encoded form holds the value itself");
        return tine__encode_ref(e, s);
    }
    s->key = e; /* the old one is dead: nothing has this address any more */
    return tine__seen_put(&e->seen, p, found) ? 0 : tine__encode_nomem(e);
}

int tine__encode_meet(struct encoder *e, int idx, const void *p, const struct step *step,
                      bool *found) {
    return meet(e, idx, p, step, found);
}

/* The entry that `meet` made. */
static inline struct seen_entry *newest(struct encoder *e) {
    return &e->seen.entries[e->seen.len - 1];
}

/* A table with a metatable (on top of the stack), or one that may be a registered metatable. */
static int encode_special(struct encoder *e, int t, int meta, const struct step *step) {
    lua_State *L = e->L;
    tine__encode_number(e, newest(e), t);
    if (class_of(e, t))
        return encode_class(e, t, step);
    if (meta && class_of(e, meta)) {
        if (lua_rawgeti(L, -1, CLASS_ENCODE) != LUA_TNIL) {
            newest(e)->kind = SEEN_OPEN;
            lua_pop(L, 1);
            return encode_object(e, t, step);
        }
        lua_pop(L, 2);
    }
    return encode_by_value(e, t, meta, step);
}

static int encode_table(struct encoder *e, int t, const struct step *step) {
    lua_State *L = e->L;
    const void *p = lua_topointer(L, t);
    int err;
    bool found;
    if (unlikely(p == e->c->globals)) {
        pack_bytes(e->out, (unsigned char[]){0xd4, EXT_ENV, 0}, 3);
        return 0;
    }
    if (unlikely((err = meet(e, t, p, step, &found)) || found))
        return err;
    if (name_possible(&e->c->names, p)) {
        err = tine__name_encode(e, t, p, step);
        if (err < 0 || err == NAME_DONE)
            return err < 0 ? err : 0;
    }
    if (unlikely(e->levels % STACK_LEVELS == STACK_LEVELS - 1 && !lua_checkstack(L, STACK_ROOM)))
        return tine__encode_nomem(e);
    int meta = lua_getmetatable(L, t) ? lua_gettop(L) : 0;
    if (unlikely(meta || e->classes)) {
        int top = lua_gettop(L) - (meta != 0);
        if (!lua_checkstack(L, STACK_ROOM))
            return tine__encode_nomem(e);
        err = encode_special(e, t, meta, step);
        if (likely(!err))
            lua_settop(L, top);
        return err;
    }
    tine__encode_number(e, newest(e), t);
    return encode_by_value(e, t, 0, step); /* leaves the stack as it was */
}

/* "tine.pool" and the like stay where they were made. */
static int refuse_own(struct encoder *e, const char *type, const struct step *step) {
    bool pool = strcmp(type, "tine.pool") == 0;
    if (strcmp(type, "tine.future") == 0)
        return tine__encode_fail(
            e, step,
            "cannot send a future (%s): only one that is an argument itself stands "
            "for its result, not one inside a table or an upvalue",
            type);
    return tine__encode_fail(
        e, step,
        pool ? "cannot send a pool (%s): it stays in the process that made it; make one in the "
               "task, or submit from here and pass on the results"
             : "cannot send a userdata (%s): it stays in the process that made it; pass on its "
               "results",
        type);
}

static int refuse_userdata(struct encoder *e, int idx, const struct step *step) {
    lua_State *L = e->L;
    const char *type = "userdata";
    if (lua_getmetatable(L, idx)) {
        lua_pushliteral(L, "__name");
        if (lua_rawget(L, -2) == LUA_TSTRING)
            type = lua_tostring(L, -1);
    }
    if (strncmp(type, "tine.", 5) == 0 && strcmp(type, "tine.test") != 0)
        return refuse_own(e, type, step);
    return tine__encode_fail(
        e, step, "cannot send a userdata (%s); %s tell tine.register how its class travels", type,
        e->results ? "give back what was read from it, or" : "create it in the task, or");
}

/* Push the record of the class of the object at `idx` when that says how its values travel. */
static bool class_encodes(struct encoder *e, int idx) {
    lua_State *L = e->L;
    if (!lua_getmetatable(L, idx) || !class_of(e, lua_gettop(L)) ||
        lua_rawgeti(L, -1, CLASS_ENCODE) == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

/* The object at `idx` is of the class whose record is on top. Its entry is new. */
static int encode_new_object(struct encoder *e, int idx, const struct step *step) {
    tine__encode_number(e, newest(e), idx);
    newest(e)->kind = SEEN_OPEN;
    return encode_object(e, idx, step);
}

/* A userdata of a registered class, or none that can travel. Its entry is new. */
static int encode_full(struct encoder *e, int idx, const struct step *step) {
    if (class_encodes(e, idx))
        return encode_new_object(e, idx, step);
    int err = tine__name_missing(e);
    return err ? err : refuse_userdata(e, idx, step);
}

/* Pools and futures, and what else is Tine's own: never by name, whoever holds them. */
static bool is_own(lua_State *L, int idx) {
    bool is = false;
    int top = lua_gettop(L);
    if (lua_getmetatable(L, idx)) {
        lua_pushliteral(L, "__name");
        is = lua_rawget(L, -2) == LUA_TSTRING && strncmp(lua_tostring(L, -1), "tine.", 5) == 0;
    }
    lua_settop(L, top);
    return is;
}

/* Memory that all processes see goes by its name. */
static int encode_data(struct encoder *e, const struct data_name *name, struct region *r,
                       const struct step *step) {
    unsigned char bytes[DATA_NAME_SIZE];
    if (!e->out->carried)
        return tine__encode_fail(e, step, "cannot send a buffer or a frozen table from here");
    int err = tine__carry(e->out->carried, r) ? tine__encode_nomem(e)
                                              : room(e, DATA_NAME_SIZE + PACK_MAX);
    if (err)
        return err;
    tine__data_write(bytes, name);
    pack_ext(e->out, DATA_NAME_SIZE, EXT_DATA);
    pack_ext_body(e->out, bytes, DATA_NAME_SIZE);
    return 0;
}

static int encode_userdata(struct encoder *e, int idx, const struct step *step) {
    lua_State *L = e->L;
    struct data_name name;
    struct region *r = tine__data_of(L, idx, &name);
    if (r)
        return encode_data(e, &name, r, step);
    const void *p = lua_topointer(L, idx);
    const char *file = tine__standard_file(L, idx);
    int top = lua_gettop(L);
    bool found;
    if (file)
        return tine__standard_put(e->out, file) ? tine__encode_nomem(e) : 0;
    int shared = tine__shared_encode(e, idx, step);
    if (shared)
        return shared < 0 ? shared : 0;
    int err = meet(e, idx, p, step, &found);
    if (err || found)
        return err;
    if (!lua_checkstack(L, STACK_ROOM))
        return tine__encode_nomem(e);
    if (!is_own(L, idx) && (err = tine__name_encode(e, idx, p, step)))
        return err < 0 ? err : 0;
    err = encode_full(e, idx, step);
    if (!err)
        lua_settop(L, top);
    return err;
}

static int encode_light(struct encoder *e, int idx, const struct step *step) {
    const void *p = lua_touserdata(e->L, idx);
    if (!p) {
        pack_bytes(e->out, (unsigned char[]){0xd4, EXT_NULL, 0}, 3);
        return 0;
    }
    int err = tine__name_encode(e, idx, p, step);
    if (err)
        return err < 0 ? err : 0;
    err = tine__name_missing(e);
    return err ? err
               : tine__encode_fail(e, step,
                                   "cannot send a light userdata: an address means nothing "
                                   "in another process");
}

/* All coroutines have one metatable, which debug.setmetatable sets: that may be a registered class. */
static int encode_thread(struct encoder *e, int idx, const struct step *step) {
    lua_State *L = e->L;
    int top = lua_gettop(L), err;
    bool found;
    if (unlikely(!lua_checkstack(L, STACK_ROOM)))
        return tine__encode_nomem(e);
    if (!class_encodes(e, idx))
        return tine__encode_fail(e, step, "cannot send a coroutine%s",
                                 e->results ? "; give back what it makes"
                                            : "; create it in the task");
    if (!(err = meet(e, idx, lua_topointer(L, idx), step, &found)) && !found)
        err = encode_new_object(e, idx, step);
    if (!err)
        lua_settop(L, top);
    return err;
}

/* What is neither number nor string. */
static int encode_other(struct encoder *e, int idx, int type, const struct step *step) {
    lua_State *L = e->L;
    switch (type) {
    case LUA_TNIL:
        pack_nil(e->out);
        return 0;
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, idx))
            pack_true(e->out);
        else
            pack_false(e->out);
        return 0;
    case LUA_TTABLE:
        return encode_table(e, lua_absindex(L, idx), step);
    case LUA_TFUNCTION:
        return tine__encode_fn_value(e, lua_absindex(L, idx), step);
    case LUA_TUSERDATA:
        return encode_userdata(e, lua_absindex(L, idx), step);
    case LUA_TLIGHTUSERDATA:
        return encode_light(e, idx, step);
    default:
        return encode_thread(e, lua_absindex(L, idx), step);
    }
}

int tine__encode_value(struct encoder *e, int idx, const struct step *step) {
    return encode_value(e, idx, step);
}

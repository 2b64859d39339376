/* A fast path for what most tasks take and return: a few scalars (nil, booleans, numbers,
** strings). */
#include <endian.h>
#include <lua.h>
#include <string.h>
#include "base/buf.h"
#include "base/hot.h"
#include "codec/codec.h"
#include "codec/pack.h"
#include "codec/scalars.h"
#include "codec/segment.h"
#include "codec/wire.h"

/* Append a scalar that is no integer. */
static bool encode_other(lua_State *L, int idx, struct buf *out) {
    const char *text = NULL;
    size_t len = 0;
    int type = lua_type(L, idx);
    if (type == LUA_TSTRING)
        text = lua_tolstring(L, idx, &len);
    if (len > UINT32_MAX || buf_reserve(out, PACK_MAX + len))
        return false;
    switch (type) {
    case LUA_TNIL:
        pack_nil(out);
        return true;
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, idx))
            pack_true(out);
        else
            pack_false(out);
        return true;
    case LUA_TNUMBER:
        pack_double(out, lua_tonumber(L, idx));
        return true;
    case LUA_TSTRING:
        pack_str(out, len);
        pack_text(out, text, len);
        return true;
    default:
        return false;
    }
}

/* Integers are tried first: they need only two calls of the Lua API. */
HOT bool tine__encode_scalar(lua_State *L, int idx, struct buf *out) {
    if (!lua_isinteger(L, idx))
        return encode_other(L, idx, out);
    if (buf_reserve(out, PACK_MAX))
        return false;
    pack_int64(out, lua_tointeger(L, idx));
    return true;
}

static bool encode_several(lua_State *L, int first, int n, struct buf *out) {
    size_t start = out->len;
    if (buf_reserve(out, SEGMENT_HEAD + PACK_MAX))
        return false;
    buf_take(out, SEGMENT_HEAD);
    pack_array(out, (size_t)n);
    for (int end = first + n; first < end; first++)
        if (!tine__encode_scalar(L, first, out)) {
            out->len = start;
            return false;
        }
    segment_set_head(out->data + start, out->len - start - SEGMENT_HEAD);
    return true;
}

/* Append the segment of one integer. */
static inline bool encode_one(lua_Integer i, struct buf *out) {
    size_t start = out->len;
    if (buf_reserve(out, SEGMENT_HEAD + 2 * PACK_MAX))
        return false;
    buf_take(out, SEGMENT_HEAD);
    pack_array(out, 1);
    pack_int64(out, i);
    segment_set_head(out->data + start, out->len - start - SEGMENT_HEAD);
    return true;
}

HOT bool tine__encode_scalars(lua_State *L, int first, int n, struct buf *out) {
    return n == 1 && lua_isinteger(L, first) ? encode_one(lua_tointeger(L, first), out)
                                             : encode_several(L, first, n, out);
}

/* ---- decoding ---- */

static inline uint16_t get_be16(const unsigned char *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint64_t get_be64(const unsigned char *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return be64toh(x);
}

static inline double get_double(const unsigned char *p) {
    uint64_t bits = get_be64(p);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* Push the string of `len` bytes at `p`. Returns what follows it; NULL: there are not so many
** bytes. */
static const unsigned char *push_string(lua_State *L, const unsigned char *p,
                                        const unsigned char *end, size_t len) {
    if (len > (size_t)(end - p))
        return NULL;
    lua_pushlstring(L, (const char *)p, len);
    return p + len;
}

/* Push a string; `type` is its first byte, and `p` follows that. Returns what follows it; NULL: it
** is no string. */
static const unsigned char *push_text(lua_State *L, unsigned char type, const unsigned char *p,
                                      const unsigned char *end) {
    if (type >= 0xa0 && type < 0xc0)
        return push_string(L, p, end, type & 31);
    switch (type) {
    case 0xd9:
        return p < end ? push_string(L, p + 1, end, *p) : NULL;
    case 0xda:
        return end - p >= 2 ? push_string(L, p + 2, end, get_be16(p)) : NULL;
    case 0xdb:
        return end - p >= 4 ? push_string(L, p + 4, end, get_be32(p)) : NULL;
    default:
        return NULL;
    }
}

/* Read an integer of more than one byte; `type` is its first byte, and `p` follows that. Returns
** what follows it; NULL: it is no such integer. */
static inline const unsigned char *read_integer(unsigned char type, const unsigned char *p,
                                                const unsigned char *end, lua_Integer *out) {
    static const unsigned char widths[] = {1, 2, 4, 8, 1, 2, 4, 8}; /* of types cc to d3 */
    if (type < 0xcc || type > 0xd3 || end - p < widths[type - 0xcc])
        return NULL;
    switch (type) {
    case 0xcc:
        *out = p[0];
        break;
    case 0xcd:
        *out = get_be16(p);
        break;
    case 0xce:
        *out = get_be32(p);
        break;
    case 0xcf:
        if (*p >= 0x80) /* above Lua's integers */
            return NULL;
        /* FALLTHROUGH */
    case 0xd3:
        *out = (lua_Integer)get_be64(p);
        break;
    case 0xd0:
        *out = (lua_Integer)(int8_t)p[0];
        break;
    case 0xd1:
        *out = (int16_t)get_be16(p);
        break;
    case 0xd2:
        *out = (int32_t)get_be32(p);
        break;
    }
    return p + widths[type - 0xcc];
}

HOT const unsigned char *tine__decode_scalar(lua_State *L, const unsigned char *p,
                                             const unsigned char *end, bool strings) {
    unsigned char type = *p++;
    lua_Integer i = 0;
    if (type < 0x80 || type >= 0xe0) {
        lua_pushinteger(L, (signed char)type);
        return p;
    }
    switch (type) {
    case 0xc0:
        lua_pushnil(L);
        return p;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(L, type & 1);
        return p;
    case 0xcb:
        if (end - p < 8)
            return NULL;
        lua_pushnumber(L, get_double(p));
        return p + 8;
    default:
        break;
    }
    const unsigned char *next = read_integer(type, p, end, &i);
    if (!next)
        return strings ? push_text(L, type, p, end) : NULL;
    lua_pushinteger(L, i);
    return next;
}

static int decode_several(lua_State *L, int n, const unsigned char *p, const unsigned char *end,
                          bool strings) {
    int i = 0;
    if (n > SCALARS_FIT && !lua_checkstack(L, n))
        return -1;
    for (; i < n && p < end; i++) {
        const unsigned char *next = tine__decode_scalar(L, p, end, strings);
        if (!next)
            break;
        p = next;
    }
    if (i == n && p == end)
        return n;
    lua_pop(L, i);
    return -1;
}

static inline int decode_one(lua_State *L, const unsigned char *p, const unsigned char *end,
                             bool strings) {
    const unsigned char *next = tine__decode_scalar(L, p, end, strings);
    if (next == end)
        return 1;
    if (next)
        lua_pop(L, 1);
    return -1;
}

HOT int tine__decode_scalars(lua_State *L, const char *segment, size_t len, bool strings) {
    const unsigned char *p = (const unsigned char *)segment + SEGMENT_HEAD;
    const unsigned char *end = (const unsigned char *)segment + len;
    if (!segment_is_plain(segment, len) || p == end || (*p & 0xf0) != 0x90)
        return -1;
    int n = *p++ & 15;
    if (p < end && (*p & 0xe0) == 0x80) /* the first item is an array or a map */
        return -1;
    return n == 1 && p < end ? decode_one(L, p, end, strings)
                             : decode_several(L, n, p, end, strings);
}

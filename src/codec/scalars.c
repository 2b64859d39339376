/* The quick way for what most tasks take and return: a few numbers, strings, booleans or nil. */
#include "base/hot.h"
#include "codec/internal.h"

#include <endian.h>

#include "codec/pack.h"

bool tine__encode_scalar(lua_State *L, int idx, struct buf *out) {
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
        if (lua_isinteger(L, idx))
            pack_int64(out, lua_tointeger(L, idx));
        else
            pack_double(out, lua_tonumber(L, idx));
        return true;
    case LUA_TSTRING:
        pack_str(out, len);
        pack_bytes(out, text, len);
        return true;
    default:
        return false;
    }
}

HOT bool tine__encode_scalars(lua_State *L, int first, int n, struct buf *out) {
    size_t start = out->len;
    if (buf_reserve(out, SEGMENT_HEAD + PACK_MAX))
        return false;
    out->len += SEGMENT_HEAD;
    pack_array(out, (size_t)n);
    for (int i = 0; i < n; i++)
        if (!tine__encode_scalar(L, first + i, out)) {
            out->len = start;
            return false;
        }
    segment_set_head(out->data + start, out->len - start - SEGMENT_HEAD);
    return true;
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

/* Push the string of `len` bytes at `p`; what follows it, NULL if there are not so many. */
static const unsigned char *push_string(lua_State *L, const unsigned char *p,
                                        const unsigned char *end, size_t len) {
    if (len > (size_t)(end - p))
        return NULL;
    lua_pushlstring(L, (const char *)p, len);
    return p + len;
}

/* A number behind its first byte, in the forms that an encoder writes; NULL: it is none. */
static const unsigned char *push_number(lua_State *L, unsigned char type, const unsigned char *p,
                                        const unsigned char *end) {
    static const unsigned char widths[] = {8, 1, 2, 4, 8, 1, 2, 4, 8}; /* cb to d3 */
    if (type < 0xcb || type > 0xd3 || end - p < widths[type - 0xcb])
        return NULL;
    switch (type) {
    case 0xcb:
        lua_pushnumber(L, get_double(p));
        break;
    case 0xcc:
        lua_pushinteger(L, p[0]);
        break;
    case 0xcd:
        lua_pushinteger(L, get_be16(p));
        break;
    case 0xce:
        lua_pushinteger(L, get_be32(p));
        break;
    case 0xcf:
        if (*p >= 0x80) /* Lua has no such integers */
            return NULL;
        /* FALLTHROUGH */
    case 0xd3:
        lua_pushinteger(L, (lua_Integer)get_be64(p));
        break;
    case 0xd0:
        lua_pushinteger(L, (int8_t)p[0]);
        break;
    case 0xd1:
        lua_pushinteger(L, (int16_t)get_be16(p));
        break;
    case 0xd2:
        lua_pushinteger(L, (int32_t)get_be32(p));
        break;
    }
    return p + widths[type - 0xcb];
}

/* Push a string behind its first byte; what follows it, or NULL: it is none. */
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

const unsigned char *tine__decode_scalar(lua_State *L, const unsigned char *p,
                                         const unsigned char *end, bool strings) {
    unsigned char type = *p++;
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
    default:
        break;
    }
    const unsigned char *next = push_number(L, type, p, end);
    return next || !strings ? next : push_text(L, type, p, end);
}

HOT int tine__decode_scalars(lua_State *L, const char *segment, size_t len, bool strings) {
    const unsigned char *p = (const unsigned char *)segment + SEGMENT_HEAD;
    const unsigned char *end = (const unsigned char *)segment + len;
    if (len <= SEGMENT_HEAD || get_le32(segment) != len - SEGMENT_HEAD ||
        get_le32(segment + 4) != 0 || (*p & 0xf0) != 0x90)
        return -1;
    int n = *p++ & 15;
    if ((p < end && (*p & 0xe0) == 0x80) || !lua_checkstack(L, 20)) /* an array or a map */
        return -1;
    int base = lua_gettop(L);
    for (int i = 0; i < n && p && p < end; i++)
        p = tine__decode_scalar(L, p, end, strings);
    if (p == end && lua_gettop(L) == base + n)
        return n;
    lua_settop(L, base);
    return -1;
}

/* The quick way for what most tasks return: a few numbers, strings, booleans or nil. */
#include <lua.h>

#include "codec/codec.h"
#include "codec/pack.h"
#include "codec/segment.h"

/* One value; false: it is no scalar, or there is no room for it. */
static bool scalar(lua_State *L, int idx, struct buf *out) {
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

bool tine__encode_scalars(lua_State *L, int first, int n, struct buf *out) {
    size_t start = out->len;
    if (buf_reserve(out, SEGMENT_HEAD + PACK_MAX))
        return false;
    out->len += SEGMENT_HEAD;
    pack_array(out, (size_t)n);
    for (int i = 0; i < n; i++)
        if (!scalar(L, first + i, out)) {
            out->len = start;
            return false;
        }
    segment_set_head(out->data + start, out->len - start - SEGMENT_HEAD);
    return true;
}

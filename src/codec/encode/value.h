/* Encoding of a Lua value of any type. Numbers and short strings, which are the most frequent, are
** encoded inline: for them a call would cost as much as the work itself.
*/
#ifndef TINE_CODEC_ENCODE_VALUE_H
#define TINE_CODEC_ENCODE_VALUE_H

#include <lua.h>
#include <stddef.h>
#include <string.h>
#include "base/hot.h"
#include "codec/encode/encoder.h"
#include "codec/pack.h"

/* Append the value at `idx`. `step` says where it is, for error messages. */
int tine__encode_value(struct encoder *e, int idx, const struct step *step);
/* Append a note: the text at stack index `text`, which says why a value could not be sent. */
int tine__encode_note(struct encoder *e, int text);
/* Append a string of any length. */
int tine__encode_long(struct encoder *e, const char *s, size_t len, const struct step *step);
/* Append a value that is neither a number nor a string. The caller has made room for PACK_MAX
** bytes. */
int tine__encode_other(struct encoder *e, int idx, int type, const struct step *step);

/* Copy up to 31 bytes to a place that has room for 32. Cheaper than a call of memcpy. */
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

/* Append the string at `idx`. The caller has made room for 32 bytes. */
static inline int encode_string(struct encoder *e, int idx, const struct step *step) {
    size_t len;
    const char *s = lua_tolstring(e->L, idx, &len);
    if (len >= 32)
        return tine__encode_long(e, s, len, step);
    char *to = buf_take(e->out, len + 1);
    *to = (char)(0xa0 | len);
    copy_short(to + 1, s, len);
    return 0;
}

/* As tine__encode_value. */
static inline __attribute__((always_inline)) int encode_value(struct encoder *e, int idx,
                                                              const struct step *step) {
    lua_State *L = e->L;
    int err = encode_room(e, PACK_MAX + 32);
    if (unlikely(err))
        return err;
    int type = lua_type(L, idx);
    if (type == LUA_TSTRING)
        return encode_string(e, idx, step);
    if (type != LUA_TNUMBER)
        return tine__encode_other(e, idx, type, step);
    if (lua_isinteger(L, idx))
        pack_int64(e->out, lua_tointeger(L, idx));
    else
        pack_double(e->out, lua_tonumber(L, idx));
    return 0;
}

#endif

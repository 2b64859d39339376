/* Encoding of a value by its type. */
#include <lua.h>
#include "base/hot.h"
#include "codec/encode/encoder.h"
#include "codec/encode/function.h"
#include "codec/encode/table.h"
#include "codec/encode/userdata.h"
#include "codec/encode/value.h"
#include "codec/pack.h"
#include "codec/wire.h"

int tine__encode_long(struct encoder *e, const char *s, size_t len, const struct step *step) {
    if (unlikely(len > UINT32_MAX))
        return tine__encode_fail(e, step, "cannot send a string of 4 GiB or more");
    int err = encode_room(e, len + PACK_MAX);
    if (unlikely(err))
        return err;
    pack_str(e->out, len);
    pack_text(e->out, s, len);
    return 0;
}

int tine__encode_other(struct encoder *e, int idx, int type, const struct step *step) {
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
        return tine__encode_table(e, lua_absindex(L, idx), step);
    case LUA_TFUNCTION:
        return tine__encode_fn_value(e, lua_absindex(L, idx), step);
    case LUA_TUSERDATA:
        return tine__encode_userdata(e, lua_absindex(L, idx), step);
    case LUA_TLIGHTUSERDATA:
        return tine__encode_light(e, idx, step);
    default:
        return tine__encode_thread(e, lua_absindex(L, idx), step);
    }
}

int tine__encode_value(struct encoder *e, int idx, const struct step *step) {
    return encode_value(e, idx, step);
}

int tine__encode_note(struct encoder *e, int text) {
    int err = tine__encode_op(e, 2, OP_NOTE);
    return err ? err : tine__encode_value(e, text, NULL);
}

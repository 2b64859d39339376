/* Encoding of a change: its path, and the value that is there now. */
#include <lua.h>
#include "base/buf.h"
#include "base/error.h"
#include "codec/encode/change.h"
#include "codec/encode/encoder.h"
#include "codec/encode/value.h"
#include "codec/pack.h"
#include "codec/scalars.h"
#include "codec/wire.h"

/* Append the step of a path that is on top, and pop it. */
static int put_step(struct encoder *e, const struct step *up) {
    lua_State *L = e->L;
    int err = 0;
    if (lua_type(L, -1) == LUA_TBOOLEAN || lua_type(L, -1) == LUA_TSTRING || lua_isinteger(L, -1))
        err = tine__encode_scalar(L, -1, e->out) ? 0 : tine__encode_nomem(e);
    else
        err = tine__encode_value(e, lua_gettop(L), up);
    if (!err)
        lua_pop(L, 1);
    return err;
}

/* Append the path. If it is a list, it counts as an object, as for the decoder; but it has no
** entry, as it is no object of the program. */
static int put_path(struct encoder *e, int path, const struct step *up) {
    lua_State *L = e->L;
    int err = 0;
    if (!lua_istable(L, path)) {
        lua_pushvalue(L, path);
        return put_step(e, up);
    }
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    int n = (int)lua_rawlen(L, path);
    pack_array(e->out, (unsigned)n);
    e->ordinals++;
    for (int i = 1; !err && i <= n; i++) {
        lua_rawgeti(L, path, i);
        err = put_step(e, up);
    }
    return err;
}

/* The path cannot be sent: append false in its place, and a placeholder for the value. `start` is
** the point before the path. */
static int put_nowhere(struct encoder *e, const struct encode_point *start) {
    tine__encode_rewind(e, start);
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    pack_false(e->out);
    return tine__encode_held(e, HELD_ADDED);
}

int tine__change_put(struct encoder *e, int module, int path, const struct step *up,
                     enum wire_held stays) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    struct step step = {.up = up, .kind = STEP_CHANGE, .at = path, .n = module};
    struct encode_point start = tine__encode_mark(e);
    int err = put_path(e, path, &step);
    if (err == TINE_ESERIALIZE) { /* the receiver cannot have such a key */
        err = put_nowhere(e, &start);
        lua_settop(L, err ? lua_gettop(L) : top);
        return err;
    }
    if (err)
        return err;
    const void *outer = e->added;
    if (lua_istable(L, path + 1))
        e->added = lua_topointer(L, path + 1);
    struct encode_point point = tine__encode_mark(e);
    err = tine__encode_value(e, path + 1, &step);
    e->added = outer;
    if (err == TINE_ESERIALIZE && stays != HELD_NONE) {
        tine__encode_rewind(e, &point);
        err = tine__encode_held(e, stays);
    }
    if (!err)
        lua_settop(L, top);
    return err;
}

int tine__changes_put(struct encoder *e, int list, int count, const struct step *step) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    for (int i = 0; i < count; i++) {
        for (int k = 1; k <= 3; k++)
            lua_rawgeti(L, list, 3 * i + k);
        int err = tine__encode_value(e, top + 1, step);
        if (err || (err = tine__change_put(e, top + 1, top + 2, step, HELD_REPLACED)))
            return err;
        lua_settop(L, top);
    }
    return 0;
}

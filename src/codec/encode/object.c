/* Encoding of values of registered classes and of their metatables. */
#include <lua.h>
#include "base/error.h"
#include "codec/encode/encoder.h"
#include "codec/encode/object.h"
#include "codec/encode/seen.h"
#include "codec/encode/table.h"
#include "codec/encode/value.h"
#include "codec/names/index.h"
#include "codec/registry.h"
#include "codec/wire.h"

bool tine__class_of(struct encoder *e, int meta) {
    if (!e->classes)
        return false;
    lua_pushvalue(e->L, meta);
    if (lua_rawget(e->L, e->classes) == LUA_TTABLE)
        return true;
    lua_pop(e->L, 1);
    return false;
}

/* Keep alive a value that only the message refers to: else another object might get its address,
** and be taken for it. */
static void anchor(struct encoder *e, int idx) {
    lua_State *L = e->L;
    lua_pushvalue(L, idx);
    lua_rawseti(L, e->anchors, (lua_Integer)lua_rawlen(L, e->anchors) + 1);
}

/* Encode functions may send something, for which encode functions may run. `depth` is how many of
** them run inside each other in this thread. At the limit `endless` is set: then all of them fail,
** even if one catches the error of an inner one. */
#define MAX_NESTED 64
static _Thread_local struct {
    unsigned depth;
    bool endless;
} running;

static int fail_endless(struct encoder *e, int class, const struct step *up) {
    lua_rawgeti(e->L, class, CLASS_NAME);
    int err = tine__encode_fail(
        e, up,
        "the encode function of class '%s' calls itself without end: it sends what it is needed for",
        lua_tostring(e->L, -1));
    return err == TINE_ESERIALIZE ? ENCODE_ENDLESS : err;
}

/* Push what the class's encode function returns for the value at `idx`. */
static int call_encode(struct encoder *e, int idx, int class, const struct step *up) {
    lua_State *L = e->L;
    lua_rawgeti(L, class, CLASS_ENCODE);
    lua_pushvalue(L, idx);
    if (running.endless || running.depth >= MAX_NESTED) {
        running.endless = true;
        return fail_endless(e, class, up);
    }
    running.depth++;
    int status = lua_pcall(L, 1, 1, 0);
    running.depth--;
    if (running.endless) {
        /* first: making the message may raise a memory error */
        running.endless = running.depth > 0;
        return fail_endless(e, class, up);
    }
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

int tine__encode_object(struct encoder *e, int idx, const struct step *up) {
    lua_State *L = e->L;
    int class = lua_gettop(L), err;
    bool found;
    if (++e->levels > MAX_LEVELS)
        return tine__encode_fail(e, up, "nested more than %d levels deep", MAX_LEVELS);
    lua_rawgeti(L, class, CLASS_NAME);
    struct step step = {.up = up, .kind = STEP_DECODE, .at = lua_gettop(L)};
    if ((err = tine__encode_op(e, 4, OP_OBJECT)) || (err = tine__encode_value(e, -1, &step)))
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

int tine__encode_class(struct encoder *e, int t, const struct step *up) {
    lua_State *L = e->L;
    int err, top = lua_gettop(L);
    lua_rawgeti(L, top, CLASS_NAME);
    if ((err = tine__encode_op(e, 3, OP_CLASS)) || (err = tine__encode_value(e, -1, up)))
        return err;
    struct encode_point point = tine__encode_mark(e);
    int meta = lua_getmetatable(L, t) ? lua_gettop(L) : 0;
    err = tine__encode_contents(e, t, meta, up);
    if (err == TINE_ESERIALIZE) {
        int text = lua_gettop(L);
        tine__encode_rewind(e, &point);
        /* The entry of `t` lies before the point, so it keeps its ordinal. */
        err = tine__encode_note(e, text);
    }
    if (!err)
        lua_settop(L, top - 1);
    return err;
}

int tine__encode_metatable(struct encoder *e, int meta, const struct step *up) {
    const void *p = lua_topointer(e->L, meta);
    int err;
    if (!tine__class_of(e, meta)) {
        if ((err = tine__name_missing_table(e, p)))
            return err;
    } else {
        lua_pop(e->L, 1);
    }
    return tine__encode_value(e, meta, up);
}

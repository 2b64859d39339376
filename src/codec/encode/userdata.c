/* Encoding of userdata and coroutines. */
#include <lua.h>
#include <string.h>
#include "base/hot.h"
#include "codec/encode/encoder.h"
#include "codec/encode/name.h"
#include "codec/encode/object.h"
#include "codec/encode/seen.h"
#include "codec/encode/userdata.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/pack.h"
#include "codec/registry.h"
#include "codec/shared.h"
#include "codec/wire.h"
#include "data/data.h"

/* ---- refusals ---- */

/* For Tine's own userdata: pools, futures and so on. */
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

/* ---- registered classes ---- */

/* If the object at `idx` is of a registered class that has an encode function: push the class's
** record. False: other values may be left on the stack. */
static bool class_encodes(struct encoder *e, int idx) {
    lua_State *L = e->L;
    if (!lua_getmetatable(L, idx) || !tine__class_of(e, lua_gettop(L)) ||
        lua_rawgeti(L, -1, CLASS_ENCODE) == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

/* Append the object at `idx`, of the class whose record is on top. Its entry is the newest. */
static int encode_new_object(struct encoder *e, int idx, const struct step *step) {
    tine__encode_number(e, encode_newest(e), idx);
    encode_newest(e)->kind = SEEN_OPEN;
    return tine__encode_object(e, idx, step);
}

/* Append a userdata that has no name. Its entry is the newest. */
static int encode_full(struct encoder *e, int idx, const struct step *step) {
    if (class_encodes(e, idx))
        return encode_new_object(e, idx, step);
    int err = tine__name_missing(e);
    return err ? err : refuse_userdata(e, idx, step);
}

/* ---- all userdata ---- */

/* Tine's own userdata (pools, futures ...) are never sent by name, even if a module holds them. */
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

/* Append the id of a buffer or frozen table: its memory is mapped by all processes. */
static int encode_data(struct encoder *e, const struct data_name *name, struct region *r,
                       const struct step *step) {
    unsigned char bytes[DATA_NAME_SIZE];
    if (!e->out->carried)
        return tine__encode_fail(e, step, "cannot send a buffer or a frozen table from here");
    int err = tine__carry(e->out->carried, r) ? tine__encode_nomem(e)
                                              : encode_room(e, DATA_NAME_SIZE + PACK_MAX);
    if (err)
        return err;
    tine__data_write(bytes, name);
    pack_ext(e->out, DATA_NAME_SIZE, EXT_DATA);
    pack_ext_body(e->out, bytes, DATA_NAME_SIZE);
    return 0;
}

int tine__encode_userdata(struct encoder *e, int idx, const struct step *step) {
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
    int err = encode_meet(e, idx, p, step, &found);
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

int tine__encode_light(struct encoder *e, int idx, const struct step *step) {
    const void *p = lua_touserdata(e->L, idx);
    if (!p)
        return tine__encode_ext(e, EXT_NULL, 0);
    int err = tine__name_encode(e, idx, p, step);
    if (err)
        return err < 0 ? err : 0;
    err = tine__name_missing(e);
    return err ? err
               : tine__encode_fail(e, step,
                                   "cannot send a light userdata: an address means nothing "
                                   "in another process");
}

/* All coroutines share one metatable, which debug.setmetatable sets: it may be registered. */
int tine__encode_thread(struct encoder *e, int idx, const struct step *step) {
    lua_State *L = e->L;
    int top = lua_gettop(L), err;
    bool found;
    if (unlikely(!lua_checkstack(L, STACK_ROOM)))
        return tine__encode_nomem(e);
    if (!class_encodes(e, idx))
        return tine__encode_fail(e, step, "cannot send a coroutine%s",
                                 e->results ? "; give back what it makes"
                                            : "; create it in the task");
    if (!(err = encode_meet(e, idx, lua_topointer(L, idx), step, &found)) && !found)
        err = encode_new_object(e, idx, step);
    if (!err)
        lua_settop(L, top);
    return err;
}

/* Encoding of the callee of a task: a function, a text or a callable table; and finding its origin
** (where it was defined), for labels.
*/
#include <lauxlib.h>
#include <lua.h>
#include "base/buf.h"
#include "codec/codec.h"
#include "codec/encode/callee.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/encode/function.h"
#include "codec/encode/name.h"
#include "codec/encode/value.h"
#include "codec/lua/standard.h"
#include "codec/names/names.h"
#include "codec/pack.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ST_ORIGINS has a struct known for each callee that is sent by name or as a text. When there are
** more than this, all are dropped. */
#define MOST_ORIGINS 1000

static void forget_origins(struct encoder *e) {
    lua_State *L = e->L;
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawseti(L, e->self, ST_ORIGINS);
    e->c->origins = 1;
}

/* The struct known on top is that of the called function. */
static void set_callee(struct encoder *e) {
    lua_pushvalue(e->L, -1);
    lua_replace(e->L, e->callee);
}

/* The callee is known by the name in `o`. `key` is its key in ST_ORIGINS: the function, or a
** text. */
static int name_origin(struct encoder *e, int key, const struct codec_origin *o) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    lua_rawgeti(L, e->self, ST_ORIGINS);
    lua_pushvalue(L, key);
    struct known *k = lua_rawget(L, -2) == LUA_TNIL ? NULL : lua_touserdata(L, -1);
    if (!k) {
        if (e->c->origins++ >= MOST_ORIGINS)
            forget_origins(e);
        k = tine__known_new(L, e->c);
        tine__known_put(k, &(struct codec_code){0}, o);
        lua_rawgeti(L, e->self, ST_ORIGINS);
        lua_pushvalue(L, key);
        lua_pushvalue(L, -3);
        lua_rawset(L, -3);
        lua_pop(L, 1);
    }
    set_callee(e);
    int err = tine__known_name(e, k);
    if (!err)
        lua_settop(L, top);
    return err;
}

static int encode_text(struct encoder *e, int fn, bool origin) {
    lua_State *L = e->L;
    struct codec_origin o = {.name = lua_tostring(L, fn), .source = ""};
    int err = origin ? name_origin(e, fn, &o) : 0;
    if (err)
        return err;
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    pack_array(e->out, 2);
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_OP, OP_TEXT}, 3);
    return tine__encode_value(e, fn, NULL);
}

static int encode_callable(struct encoder *e, int fn, bool origin) {
    lua_State *L = e->L;
    struct codec_origin o = {.name = "callable table", .source = ""};
    bool callable = false;
    if (lua_getmetatable(L, fn)) {
        lua_pushliteral(L, "__call");
        callable = lua_rawget(L, -2) != LUA_TNIL;
        lua_pop(L, 2);
    }
    if (!callable)
        return tine__encode_fail(e, NULL, "cannot call a %s in a task", luaL_typename(L, fn));
    lua_pushstring(L, o.name);
    int err = origin ? name_origin(e, lua_gettop(L), &o) : 0;
    if (err)
        return err;
    lua_pop(L, 1);
    return tine__encode_value(e, fn, NULL);
}

/* The callee is a Lua function that is sent by name. */
static int name_lua_function(struct encoder *e, int fn, const char *name) {
    lua_Debug ar;
    lua_pushvalue(e->L, fn);
    lua_getinfo(e->L, ">S", &ar);
    struct codec_origin o = {name, ar.short_src, ar.linedefined};
    return name_origin(e, fn, &o);
}

/* If the function at `fn` is sent by name, take that name for its origin, and return 1. 0: it is
** not, or its name cannot be made, which its encoding will report; negative: an error. */
static int named_origin(struct encoder *e, int fn) {
    lua_State *L = e->L;
    struct name *name = NULL;
    const struct standard *s =
        lua_iscfunction(L, fn) ? tine__standard_of(lua_tocfunction(L, fn)) : NULL;
    int top = lua_gettop(L), r = 1;
    if (!s)
        r = name_possible(&e->c->names, lua_topointer(L, fn)) ? tine__name_of(e, fn, &name) : 0;
    if (r <= 0) {
        lua_settop(L, top);
        return 0;
    }
    const char *text = s ? s->name : tine__name_push(e, name);
    struct codec_origin o = {.name = text, .source = "[C]"};
    int err = lua_iscfunction(L, fn) ? name_origin(e, fn, &o) : name_lua_function(e, fn, text);
    if (err)
        return err;
    lua_settop(L, top);
    return 1;
}

/* Find the origin before the function is encoded, so that a function that cannot be sent has a
** label, too. */
static int find_origin(struct encoder *e, int fn) {
    struct code *code;
    int err = named_origin(e, fn);
    if (err || lua_iscfunction(e->L, fn))
        return err < 0 ? err : 0;
    err = tine__code_of(e, fn, &code);
    if (err)
        return err;
    set_callee(e);
    lua_pop(e->L, 1);
    return 0;
}

int tine__encode_callee(struct encoder *e, int fn, bool origin) {
    lua_State *L = e->L;
    int err;
    switch (lua_type(L, fn)) {
    case LUA_TFUNCTION:
        if (origin && (err = find_origin(e, fn)))
            return err;
        return tine__encode_fn_value(e, fn, NULL);
    case LUA_TSTRING:
        return encode_text(e, fn, origin);
    default:
        return encode_callable(e, fn, origin);
    }
}

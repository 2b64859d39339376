/* Operations: arrays whose first item, the marker, says what they mean (codec.h). */
#include <lauxlib.h>
#include <lua.h>
#include "codec/codec.h"
#include "codec/decode/apply.h"
#include "codec/decode/environment.h"
#include "codec/decode/function.h"
#include "codec/decode/object.h"
#include "codec/decode/reader.h"
#include "codec/decode/resolve.h"
#include "codec/decode/table.h"
#include "codec/names/names.h"
#include "codec/shared.h"
#include "codec/wire.h"

static const struct {
    uint8_t kind;
    uint32_t min, max; /* items, including the marker */
} ops[] = {
    [OP_TABLE] = {FRAME_TABLE, 3, INT_MAX},
    [OP_FUNCTION] = {FRAME_FUNCTION, 2, INT_MAX},
    [OP_NAME] = {FRAME_NAME, 4, 4 + WAY_STEPS},
    [OP_OBJECT] = {FRAME_OBJECT, 4, 4},
    [OP_TEXT] = {FRAME_TEXT, 2, 2},
    [OP_CLASS] = {FRAME_CLASS, 3, 3},
    [OP_NOTE] = {FRAME_NOTE, 2, 2},
    [OP_SOURCE] = {FRAME_SOURCE, 2, 2},
    [OP_SAME] = {FRAME_SAME, 3, 3},
    [OP_CHANGED] = {FRAME_CHANGED, 2, INT_MAX},
    [OP_STANDARD] = {FRAME_STANDARD, 2, 2},
    [OP_SHARED] = {FRAME_SHARED, 2, 2},
    [OP_ENVIRONMENT] = {FRAME_TABLE, 3, INT_MAX},
    [OP_KEPT] = {FRAME_KEPT, 4, 2 + 2 * KEPT_TABLES},
};

void tine__op_begin(struct reader *r, struct frame *f, unsigned op) {
    if (op < OP_TABLE || op > OP_KEPT)
        luaL_error(r->L, "malformed message: unknown operation %d", (int)op);
    if (f->n < ops[op].min || f->n > ops[op].max)
        tine__malformed(r, "an operation of a wrong size");
    f->kind = ops[op].kind;
    f->m = 0;
    f->env = op == OP_ENVIRONMENT; /* set with the next item, which has the number */
    f->marked = false;
    f->at = lua_gettop(r->L) + 1;
    if (f->kind == FRAME_OBJECT) { /* its ordinal comes before those of its parts */
        f->m = r->ordinal;
        f->marked = r->ordinal == r->next;
        if (f->marked)
            tine__next_mark(r);
        r->ordinal++;
    }
}

/* ---- SAME, CHANGED, KEPT, NAME ---- */

static void same_item(struct reader *r, struct frame *f) {
    if (f->i == 1)
        f->m = r->ordinal;
    else if (lua_gettop(r->L) != f->at + 1)
        tine__malformed(r, "nothing to compare");
}

/* The change whose path is on top has not travelled. Note its key as text; of a variable, its name
** (paths: see apply.c). */
static void note_path(struct reader *r) {
    lua_State *L = r->L;
    int path = lua_gettop(L);
    if (lua_istable(L, path)) {
        lua_rawgeti(L, path, 2);
        if (lua_isinteger(L, -1) && lua_tointeger(L, -1) < 0)
            lua_rawgeti(L, path, 1);
    }
    if (lua_isinteger(L, -1))
        lua_pushfstring(L, "[%I]", (LUAI_UACINT)lua_tointeger(L, -1));
    if (lua_type(L, -1) == LUA_TSTRING)
        tine__note_held(r, lua_gettop(L));
}

/* Items behind the first: a table or the name of a library, a path, a value. */
static void changed_item(struct reader *r, struct frame *f) {
    if (f->i == 1 || (f->i - 1) % 3 != 0)
        return;
    bool held = r->held, note = r->note;
    r->held = r->note = false;
    if (note)
        tine__malformed(r, "a note in a wrong place");
    if (held) {
        lua_pop(r->L, 1);
        note_path(r);
        lua_settop(r->L, f->at);
    } else {
        tine__await_change(r);
    }
}

/* For KEPT inside of SAME: the value on top, or (`held`) one that has stayed with the sender, is
** kept about the table at f->at, which is being compared with an own table. If this process does
** not keep an equal value about its own table, replace the own table by nil, so that the two are
** not the same. */
static void compare_kept(struct reader *r, const struct frame *f, bool held) {
    lua_State *L = r->L;
    int own = f[-1].at, value = lua_gettop(L);
    if (!lua_istable(L, own))
        return;
    lua_pushnil(L);
    if (!held && lua_istable(L, value - 1)) {
        lua_pushvalue(L, own);
        lua_rawget(L, value - 1);
    }
    bool same = !held && tine__is_same(r, value, lua_gettop(L), f->at, own);
    lua_settop(L, value);
    if (!same) {
        lua_pushnil(L);
        lua_replace(L, own);
    }
}

/* Items: a table, then pairs: a table in which something is kept about it, and that value. The
** table in a pair is nil if this process does not have it, or a text if the value has stayed with
** the sender. */
static void kept_item(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    int keeper = f->at + 1;
    bool held = r->held, thing = f->i >= 3 && f->i % 2 == 1;
    if (!lua_istable(L, f->at))
        tine__malformed(r, "something is kept about what is no table");
    if (held && (!thing || lua_type(L, keeper) != LUA_TSTRING))
        tine__malformed(r, "something is kept in what is no table");
    if (!thing)
        return;
    r->held = false;
    if (f[-1].kind == FRAME_SAME)
        compare_kept(r, f, held);
    if (held) {
        if (r->call)
            tine__note_held(r, keeper);
    } else if (lua_istable(L, keeper)) {
        lua_pushvalue(L, f->at);
        lua_insert(L, -2);
        lua_rawset(L, keeper);
    } else if (!lua_isnil(L, keeper)) {
        tine__malformed(r, "something is kept in what is no table");
    }
    lua_settop(L, f->at);
}

static void name_item(struct reader *r, const struct frame *f) {
    lua_State *L = r->L;
    bool good = f->i == 2 ? lua_isinteger(L, -1)
                : f->i > 3
                    ? lua_isinteger(L, -1) || lua_isboolean(L, -1) || lua_type(L, -1) == LUA_TSTRING
                    : lua_type(L, -1) == LUA_TSTRING;
    if (!good)
        tine__malformed(r, "a name of a wrong form");
}

/* ---- shared values ---- */

/* Replace the id on top by the shared value. */
static void shared_end(struct reader *r) {
    lua_State *L = r->L;
    lua_Integer id = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    struct codec_code value;
    lua_pop(L, 1);
    luaL_checkstack(L, 10, "shared value");
    if (tine__shared_push(r, id, &value))
        return;
    tine__reader_shared(r, value.bytes, value.len);
    tine__shared_keep(r, id);
}

/* ---- all operations ---- */

void tine__op_item(struct reader *r, struct frame *f) {
    if (f->i == 0) /* the marker */
        return;
    switch (f->kind) {
    case FRAME_TABLE:
        tine__table_item(r, f);
        break;
    case FRAME_FUNCTION:
        tine__function_item(r, f);
        break;
    case FRAME_NAME:
        name_item(r, f);
        break;
    case FRAME_TEXT:
    case FRAME_SOURCE:
    case FRAME_STANDARD:
        string_item(r);
        break;
    case FRAME_SAME:
        same_item(r, f);
        break;
    case FRAME_CHANGED:
        changed_item(r, f);
        break;
    case FRAME_KEPT:
        kept_item(r, f);
        break;
    case FRAME_OBJECT:
        if (f->i == 1)
            string_item(r);
        break;
    case FRAME_CLASS:
        tine__class_item(r, f);
        break;
    }
}

void tine__op_end(struct reader *r, struct frame *f) {
    switch (f->kind) {
    case FRAME_TABLE:
        tine__table_end(r, f);
        break;
    case FRAME_NAME:
        tine__resolve_name(r, f, f->at);
        break;
    case FRAME_TEXT:
        tine__resolve_text(r);
        break;
    case FRAME_SOURCE:
        tine__load_source(r);
        break;
    case FRAME_OBJECT:
        tine__object_end(r, f);
        break;
    case FRAME_CLASS:
        tine__class_end(r, f);
        break;
    case FRAME_NOTE:
        tine__note_end(r, f);
        break;
    case FRAME_SAME:
        tine__take_same(r, f->at, f->at + 1, f->m);
        break;
    case FRAME_CHANGED:
        if ((f->n - 2) % 3 != 0)
            tine__malformed(r, "an operation of a wrong size");
        break;
    case FRAME_KEPT:
        if (f->n % 2 != 0)
            tine__malformed(r, "an operation of a wrong size");
        break;
    case FRAME_STANDARD:
        tine__resolve_standard(r);
        break;
    case FRAME_SHARED:
        shared_end(r);
        break;
    }
}

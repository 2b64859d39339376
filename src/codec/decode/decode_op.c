/* Operations: arrays whose first item says that they are more than an array. */
#include <lauxlib.h>
#include <limits.h>

#include "codec/base.h"
#include "codec/changes/changes.h"
#include "codec/codec.h"
#include "codec/decode/apply.h"
#include "codec/decode/loaded.h"
#include "codec/decode/reader.h"
#include "codec/decode/resolve.h"
#include "codec/lua/standard.h"
#include "codec/names/names.h"
#include "codec/registry.h"
#include "codec/shared.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ---- begin ---- */

static const struct {
    uint8_t kind;
    uint32_t min, max; /* items, the marker included */
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
};

void tine__op_begin(struct reader *r, struct frame *f, unsigned op) {
    if (op < OP_TABLE || op > OP_ENVIRONMENT)
        luaL_error(r->L, "malformed message: unknown operation %d", (int)op);
    if (f->n < ops[op].min || f->n > ops[op].max)
        tine__malformed(r, "an operation of a wrong size");
    f->kind = ops[op].kind;
    f->m = 0;
    f->env = op == OP_ENVIRONMENT; /* its number is known with the next item */
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

/* ---- tables ---- */

static void push_env(struct reader *r, unsigned number, bool keeps);

static void table_items(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    lua_Integer n = lua_tointeger(L, -1);
    lua_Integer rest = (lua_Integer)f->n - 3;
    if (unlikely(f->env) && lua_isinteger(L, -1)) {
        f->env = (uint8_t)(n >> ENV_ITEMS_SHIFT);
        n &= (1 << ENV_ITEMS_SHIFT) - 1;
        if (!f->env || !r->envs)
            tine__malformed(r, "a table that is no environment");
    }
    if (!lua_isinteger(L, -1) || n < 0 || n > rest || (rest - n) % 2)
        tine__malformed(r, "a table of a wrong size");
    lua_pop(L, 1);
    if (unlikely(f->env))
        push_env(r, f->env, true);
    else
        lua_createtable(L, (int)n, (int)((rest - n) / 2));
    f->m = (uint32_t)n;
    number_object(r, f - 1);
}

static void table_item(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (f->i == 1)
        table_items(r, f);
    else if (f->i == 2 && !lua_istable(L, -1) && !lua_isnil(L, -1))
        tine__malformed(r, "a metatable that is no table");
    else if (f->i >= 3 && f->i < 3 + f->m)
        lua_rawseti(L, f->at, (lua_Integer)f->i - 2);
    else if (f->i >= 3 + f->m && (f->i - f->m) % 2 == 0)
        lua_rawset(L, f->at);
}

/* Is the table on top still being read? */
static bool is_open(lua_State *L, const struct frame *f) {
    const void *p = lua_topointer(L, -1);
    for (; f->kind != FRAME_TOP; f--)
        if (f->kind >= FRAME_ARRAY && f->kind <= FRAME_TABLE && lua_topointer(L, f->at) == p)
            return true;
    return false;
}

/* Table and metatable are on top. Lua looks for __gc when a metatable is set, so one that is not
** finished is set again at the end. */
static void table_end(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (lua_istable(L, -1) && r->refs && unlikely(is_open(L, f))) {
        lua_rawgeti(L, r->refs, 0);
        lua_createtable(L, 3, 0); /* a linked list: table, metatable, the rest */
        for (int i = 1; i <= 3; i++) {
            lua_pushvalue(L, -5 + i);
            lua_rawseti(L, -2, i);
        }
        lua_rawseti(L, r->refs, 0);
        lua_pop(L, 1);
    }
    if (unlikely(f->env) && lua_isnil(L, -1))
        lua_pop(L, 1); /* it has the one that makes it an environment */
    else
        lua_setmetatable(L, -2);
}

/* ---- functions ---- */

static void function_code(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    size_t len;
    if (lua_isinteger(L, -1)) {
        const struct loaded *code = tine__loaded(L, r->c, r->self, lua_tointeger(L, -1));
        f->m = code->nups;
        tine__loaded_push(L, r->c, r->self, code);
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        const char *bytes = lua_tolstring(L, -1, &len);
        f->m = (uint32_t)tine__code_push_inline(L, bytes, len);
    } else {
        tine__malformed(r, "a function without code");
    }
    lua_replace(L, f->at);
    number_object(r, f - 1);
    uint32_t rest = f->n - 2 - f->m;
    if (f->n < 2 + f->m || (rest && rest % 2 == 0))
        tine__malformed(r, "a function with a wrong number of upvalues");
}

static bool in_upvalues(const struct frame *f) {
    return f->kind == FRAME_FUNCTION && f->i >= 2 && f->i < 2 + f->m;
}

/* Are we at the value of a global? */
static bool in_global(const struct frame *f) {
    return f->kind == FRAME_FUNCTION && f->i > 2 + f->m && (f->i - f->m) % 2 == 0;
}

void tine__op_upref(struct reader *r, const unsigned char *p) {
    lua_State *L = r->L;
    struct frame *f = r->frame;
    int box = p[4];
    if (!in_upvalues(f) || !r->refs)
        tine__malformed(r, "an upvalue outside of a function");
    lua_rawgeti(L, r->refs, (lua_Integer)get_be32(p) + 1);
    if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1) || !lua_upvalueid(L, -1, box))
        tine__malformed(r, "a reference to an upvalue that is not there");
    lua_upvaluejoin(L, f->at, (int)f->i - 1, -1, box);
    lua_pop(L, 1);
    r->handled = true;
}

static void set_upvalue(struct reader *r, struct frame *f) {
    if (!lua_setupvalue(r->L, f->at, (int)f->i - 1))
        tine__malformed(r, "an upvalue too many");
}

/* ---- call environments ---- */

/* Keep (function, upvalue) in the list envs[-number]: when the environment comes to be, it goes
** there. */
static void await_env(struct reader *r, const struct frame *f, unsigned number) {
    lua_State *L = r->L;
    if (lua_rawgeti(L, r->envs, -(lua_Integer)number) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawseti(L, r->envs, -(lua_Integer)number);
    }
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    lua_pushvalue(L, f->at);
    lua_rawseti(L, -2, n + 1);
    lua_pushinteger(L, (lua_Integer)f->i - 1);
    lua_rawseti(L, -2, n + 2);
    lua_pop(L, 1);
}

void tine__op_env(struct reader *r, unsigned number) {
    lua_State *L = r->L;
    struct frame *f = r->frame;
    if (number == 0) {
        lua_pushglobaltable(L);
        return;
    }
    if (!in_upvalues(f))
        tine__malformed(r, "an environment outside of a function");
    if (!r->envs || lua_rawgeti(L, r->envs, number) != LUA_TTABLE) {
        if (r->envs) {
            lua_pop(L, 1);
            await_env(r, f, number);
        }
        lua_pushglobaltable(L);
    }
    set_upvalue(r, f);
    r->handled = true;
}

/* Push a table whose other reads go to the globals, and its other writes too unless it keeps them. */
static void new_env(lua_State *L, bool keeps) {
    lua_newtable(L);
    lua_createtable(L, 0, 2);
    lua_pushglobaltable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    if (keeps)
        lua_pop(L, 1);
    else
        lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
}

/* The table on top is the call environment of that number: so it is for those that wait for it. */
static void enter_env(struct reader *r, unsigned number) {
    lua_State *L = r->L;
    lua_pushvalue(L, -1);
    lua_rawseti(L, r->envs, number);
    if (lua_rawgeti(L, r->envs, -(lua_Integer)number) == LUA_TTABLE) {
        lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
        for (lua_Integer i = 1; i < n; i += 2) {
            lua_rawgeti(L, -1, i);
            lua_rawgeti(L, -2, i + 1);
            int box = (int)lua_tointeger(L, -1);
            lua_pushvalue(L, -4);
            lua_setupvalue(L, -3, box);
            lua_pop(L, 2);
        }
    }
    lua_pop(L, 1);
}

/* Push the call environment of that number, made now if there was no need for it before. */
static void push_env(struct reader *r, unsigned number, bool keeps) {
    lua_State *L = r->L;
    if (lua_rawgeti(L, r->envs, number) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    new_env(L, keeps);
    enter_env(r, number);
}

void tine__op_env_of(struct reader *r, unsigned number) {
    lua_State *L = r->L;
    struct frame *f = r->frame;
    if (!in_upvalues(f) || !r->envs || !number || !lua_istable(L, -1))
        tine__malformed(r, "an environment outside of a function");
    if (lua_rawgeti(L, r->envs, number) == LUA_TTABLE) {
        lua_replace(L, -2);
    } else {
        lua_pop(L, 1);
        enter_env(r, number);
    }
    set_upvalue(r, f);
    r->handled = true;
}

/* Set the global whose name and value are on top where it is read as _G.name: in the environment's own _G, which
** hides it from whoever looks into that table. */
static void set_by_g(struct reader *r, unsigned number) {
    lua_State *L = r->L;
    int name = lua_gettop(L) - 1;
    push_env(r, number, false);
    lua_pushliteral(L, "_G");
    if (lua_rawget(L, -2) != LUA_TTABLE) {
        new_env(L, false); /* what is hidden, */
        new_env(L, false); /* behind this one */
        lua_getmetatable(L, -1);
        lua_pushvalue(L, -3);
        lua_setfield(L, -2, "__index");
        lua_pop(L, 1);
        lua_pushliteral(L, "_G");
        lua_pushvalue(L, -2);
        lua_rawset(L, name + 2);
    }
    luaL_getmetafield(L, -1, "__index");
    lua_pushvalue(L, name);
    lua_pushvalue(L, name + 1);
    lua_rawset(L, -3);
    lua_settop(L, name + 1);
}

void tine__op_held(struct reader *r, unsigned why) {
    if (!in_global(r->frame) && r->frame->kind != FRAME_CHANGED)
        tine__malformed(r, "a global outside of a function");
    r->held = true;
    r->why = (uint8_t)why;
    lua_pushnil(r->L);
}

static void note_held(struct reader *r, int name) {
    lua_State *L = r->L;
    lua_rawgeti(L, r->self, ST_HELD);
    lua_pushvalue(L, name);
    lua_pushinteger(L, r->why);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    r->c->held = true;
}

/* Has this process such a global of its own? One of Lua's own it has only if it is no longer what Lua put there. */
static bool has_own(lua_State *L, int name) {
    const char *s = lua_tostring(L, name);
    if (!tine__standard_global(s))
        return tine__has_global(L, name);
    lua_pushglobaltable(L);
    lua_pushvalue(L, name);
    lua_rawget(L, -2);
    bool own = !tine__is_standard_value(L, s);
    lua_pop(L, 2);
    return own;
}

/* Name and value of a global are on top. This process's own comes first, but not before what the environment itself
** holds. */
static void set_global(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    int name = lua_gettop(L) - 1;
    uint32_t pair = (f->i - f->m) / 2 - 2;
    bool note = r->note, held = r->held, own = pair < f->own,
         by_g = !own && pair < f->own + f->by_g;
    r->note = r->held = false;
    if (held) {
        note_held(r, name);
    } else if (own || !has_own(L, name)) {
        if (note)
            luaL_error(L, "%s", lua_tostring(L, name + 1));
        if (by_g)
            set_by_g(r, f->env);
        push_env(r, f->env, false);
        lua_pushvalue(L, name);
        if (lua_rawget(L, -2) == LUA_TNIL && !by_g) {
            lua_pushvalue(L, name);
            lua_pushvalue(L, name + 1);
            lua_rawset(L, -4);
        }
    }
    lua_settop(L, name - 1);
}

/* The number on top says which environment, whether that keeps what is written, and how many pairs of what kind. */
static void env_item(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    lua_Integer env = lua_tointeger(L, -1);
    if (!lua_isinteger(L, -1) || env < 0 || (env & ENV_NUMBER) == 0)
        tine__malformed(r, "globals of no environment");
    f->env = (uint8_t)(env & ENV_NUMBER);
    f->own = (uint32_t)(env >> ENV_OWN_SHIFT) & ENV_COUNT;
    f->by_g = (uint32_t)(env >> ENV_BY_G_SHIFT) & ENV_COUNT;
    lua_pop(L, 1);
    if (!(env & ENV_KEEPS))
        return;
    if (!r->envs)
        tine__malformed(r, "globals in a message that announces none");
    push_env(r, f->env, true);
    lua_pop(L, 1);
}

static void global_item(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (f->i == 2 + f->m) {
        env_item(r, f);
    } else if (!in_global(f)) {
        if (lua_type(L, -1) != LUA_TSTRING)
            tine__malformed(r, "the name of a global is no string");
    } else {
        if (!r->envs && !r->held)
            tine__malformed(r, "globals in a message that announces none");
        set_global(r, f);
    }
}

static void function_item(struct reader *r, struct frame *f) {
    if (f->i == 1) {
        function_code(r, f);
    } else if (!in_upvalues(f)) {
        global_item(r, f);
    } else if (r->handled) {
        r->handled = false;
    } else {
        set_upvalue(r, f);
    }
}

/* ---- objects, classes, notes ---- */

static void string_item(struct reader *r) {
    if (lua_type(r->L, -1) != LUA_TSTRING)
        tine__malformed(r, "a name that is no string");
}

/* Replace the name on top by the record of the class that this process has, or nil. */
static bool find_class(lua_State *L, int name) {
    if (!tine__classes_push(L))
        return false;
    lua_pushvalue(L, name);
    if (lua_rawget(L, -2) == LUA_TTABLE) {
        lua_remove(L, -2);
        return true;
    }
    lua_pop(L, 2);
    return false;
}

/* On the stack: name, decode function, plain value. */
static void object_end(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (find_class(L, f->at)) { /* the class as it is here, with its own identity */
        if (lua_rawgeti(L, -1, CLASS_DECODE) == LUA_TFUNCTION)
            lua_replace(L, f->at + 1);
        lua_settop(L, f->at + 2);
    }
    lua_pushvalue(L, f->at + 1);
    lua_pushvalue(L, f->at + 2);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (status != LUA_OK)
        luaL_error(L, "the decode function of class '%s' failed: %s", lua_tostring(L, f->at),
                   tine__push_text(L));
    lua_replace(L, f->at);
    lua_settop(L, f->at);
    if (f->marked) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, r->refs, (lua_Integer)f->m + 1);
    }
}

static void class_item(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (f->i == 1) {
        string_item(r);
        f->m = find_class(L, f->at);
        if (f->m) {
            lua_rawgeti(L, -1, CLASS_METATABLE);
            lua_replace(L, f->at);
            lua_settop(L, f->at);
        }
    } else if (!r->note && !lua_istable(L, -1)) {
        tine__malformed(r, "a class that is no table");
    } else if (r->note && !f->m) {
        luaL_error(L, "class '%s' is not registered in this process, and it cannot travel: %s",
                   lua_tostring(L, f->at), lua_tostring(L, -1));
    }
}

/* On the stack: this process's metatable or the class's name, and the table that came. */
static void class_end(struct reader *r, struct frame *f) {
    r->note = false;
    if (!f->m)
        lua_replace(r->L, f->at);
    lua_settop(r->L, f->at);
}

static void note_end(struct reader *r, struct frame *f) {
    string_item(r);
    if (f[-1].kind == FRAME_CLASS)
        number_object(r, f - 1);
    else if (!in_global(f - 1))
        tine__malformed(r, "a note in a wrong place");
    r->note = true;
}

/* ---- names ---- */

static void same_item(struct reader *r, struct frame *f) {
    if (f->i == 1)
        f->m = r->ordinal;
    else if (lua_gettop(r->L) != f->at + 1)
        tine__malformed(r, "nothing to compare");
}

/* Note the last key of the path on top, a key or a list of two, as text; of a variable its name. */
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
        note_held(r, lua_gettop(L));
}

/* Behind the first item: a table or a library's name, a path, a value. */
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

/* Replace the id on top by the value. */
static void shared_end(struct reader *r) {
    lua_State *L = r->L;
    lua_Integer id = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    struct codec_code value;
    lua_pop(L, 1);
    luaL_checkstack(L, 10, "shared value");
    if (tine__shared_push(r, id, &value))
        return;
    tine__decode_shared(L, r->c, value.bytes, value.len);
    tine__shared_keep(r, id);
}

/* ---- all ---- */

void tine__op_item(struct reader *r, struct frame *f) {
    if (f->i == 0) /* the marker */
        return;
    switch (f->kind) {
    case FRAME_TABLE:
        table_item(r, f);
        break;
    case FRAME_FUNCTION:
        function_item(r, f);
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
    case FRAME_OBJECT:
        if (f->i == 1)
            string_item(r);
        break;
    case FRAME_CLASS:
        class_item(r, f);
        break;
    }
}

void tine__op_end(struct reader *r, struct frame *f) {
    switch (f->kind) {
    case FRAME_TABLE:
        table_end(r, f);
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
        object_end(r, f);
        break;
    case FRAME_CLASS:
        class_end(r, f);
        break;
    case FRAME_NOTE:
        note_end(r, f);
        break;
    case FRAME_SAME:
        tine__take_same(r, f->at, f->at + 1, f->m);
        break;
    case FRAME_CHANGED:
        if ((f->n - 2) % 3 != 0)
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

/* Resolving names: modules are required, steps are followed, and what is found is compared with
** what the sender has. */
#include <lauxlib.h>
#include <string.h>
#include "codec/changes/changes.h"
#include "codec/codec.h"
#include "codec/decode/reader.h"
#include "codec/decode/resolve.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/names/step.h"
#include "codec/names/witness.h"
#include "codec/registry.h"
#include "codec/state.h"
#include "codec/wire.h"

#define SEARCHED 256 /* fields of a table in a module that `search` looks at */

static int get_index(lua_State *L) {
    lua_gettable(L, 1);
    return 1;
}

bool tine__has_global(lua_State *L, int name) {
    int top = lua_gettop(L);
    lua_pushglobaltable(L);
    lua_pushvalue(L, name);
    bool has = lua_rawget(L, -2) != LUA_TNIL;
    if (!has && lua_getmetatable(L, top + 1)) { /* it may have an __index, which may raise */
        lua_pushcfunction(L, get_index);
        lua_pushvalue(L, top + 1);
        lua_pushvalue(L, name);
        has = lua_pcall(L, 2, 1, 0) == LUA_OK && !lua_isnil(L, -1);
    }
    lua_settop(L, top);
    return has;
}

/* The innermost function that the frame is in; NULL: none. */
static const struct frame *function_around(const struct frame *f) {
    while (f->kind != FRAME_FUNCTION && f->kind != FRAME_TOP)
        f--;
    return f->kind == FRAME_FUNCTION && f->i >= 2 ? f : NULL;
}

/* Is the frame part of the value of a global that this process has itself, so that the value will
** be dropped? */
static bool is_spare(struct reader *r, const struct frame *f) {
    for (f--; f->kind != FRAME_TOP; f--)
        if (f->kind == FRAME_FUNCTION && f->i > 2 + f->m && (f->i - f->m) % 2 == 0 &&
            tine__has_global(r->L, f->at + 1))
            return true;
    return false;
}

/* Push " (function at report.lua:12 needs it)", or "" if the frame is in no function. */
static const char *push_needed(struct reader *r, const struct frame *f) {
    const struct frame *fn = function_around(f - 1);
    if (!fn)
        return lua_pushliteral(r->L, "");
    return lua_pushfstring(r->L, " (function at %s needs it)", tine__push_place(r->L, fn->at));
}

int tine__push_module(lua_State *L, int name) {
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, name);
    if (lua_rawget(L, -2) != LUA_TNIL && lua_toboolean(L, -1)) {
        lua_remove(L, -2);
        return LUA_OK;
    }
    lua_pop(L, 2);
    lua_getglobal(L, "require");
    lua_pushvalue(L, name);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_ERRMEM)
        return lua_error(L);
    if (status != LUA_OK) {
        tine__push_text(L);
        lua_remove(L, -2);
    }
    return status;
}

void tine__get_field(lua_State *L, int name) {
    if (!lua_istable(L, -1)) {
        lua_pushnil(L);
    } else {
        lua_pushvalue(L, name);
        if (lua_rawget(L, -2) == LUA_TNIL && luaL_getmetafield(L, -2, "__index") != LUA_TNIL) {
            lua_pop(L, 2);
            lua_pushvalue(L, name);
            lua_gettable(L, -2);
        }
    }
    lua_remove(L, -2);
}

/* ---- what a name stands for ---- */

/* A name that is being resolved. The stack has, from `module` on: the module's name, kind, check,
** steps. */
struct naming {
    struct reader *r;
    int module, first, last; /* stack indices: the module's name, the first and the last step */
    enum name_kind kind;
    const char *check; /* hash, witness, end of the path (codec.h); "": nothing can be compared */
    size_t check_len;
    uint64_t hash;
    uint64_t witness; /* see witness.h; 0: none */
};

/* Push the steps as text, "a.b.c". */
static const char *push_way(const struct naming *n) {
    lua_State *L = n->r->L;
    lua_pushliteral(L, "");
    for (int i = n->first; i <= n->last; i++) {
        lua_pushvalue(L, i);
        tine__push_step(L, i == n->first);
        lua_concat(L, 2);
    }
    const char *s = lua_tostring(L, -1);
    return *s == '.' ? s + 1 : s;
}

/* Replace the module on top by what the steps lead to; nil: they lead nowhere. */
static void take_way(const struct naming *n) {
    lua_State *L = n->r->L;
    int at = lua_gettop(L);
    for (int i = n->first; i <= n->last; i++) {
        if (lua_type(L, i) == LUA_TSTRING) {
            tine__get_field(L, i);
        } else {
            lua_pushvalue(L, i);
            if (!tine__take_step(L, at)) {
                lua_pushnil(L);
                lua_replace(L, at);
            }
        }
        if (lua_isnil(L, at))
            return;
    }
}

/* The hash that the module's file had when it was loaded, if the table on top holds functions from
** it; else 0. */
static uint64_t hash_of_table(const struct naming *n) {
    lua_State *L = n->r->L;
    int t = lua_gettop(L);
    uint64_t hash = 0;
    lua_rawgeti(L, n->r->self, ST_CHECKED);
    lua_pushvalue(L, t);
    if (lua_rawget(L, t + 1) == LUA_TNUMBER) {
        hash = (uint64_t)lua_tointeger(L, -1);
    } else {
        hash = tine__hash_of_file(L, n->r->c, n->r->self, lua_tostring(L, n->module), t);
        lua_pushvalue(L, t);
        lua_pushinteger(L, (lua_Integer)hash);
        lua_rawset(L, t + 1);
    }
    lua_settop(L, t);
    return hash;
}

/* Does the table on top have the name's witness? */
static enum witnessed look_at_witness(const struct naming *n) {
    lua_State *L = n->r->L;
    int t = lua_gettop(L);
    enum witnessed is = WITNESS_HERE;
    lua_rawgeti(L, n->r->self, ST_WITNESSES);
    lua_pushvalue(L, t);
    if (lua_rawget(L, t + 1) != LUA_TNUMBER || (uint64_t)lua_tointeger(L, -1) != n->witness) {
        const struct file *f = tine__file_of(L, n->r->c, n->r->self, lua_tostring(L, n->module));
        is = tine__has_witness(L, n->r->self, f, t, n->witness);
        if (is == WITNESS_HERE) {
            lua_pushvalue(L, t);
            lua_pushinteger(L, (lua_Integer)n->witness);
            lua_rawset(L, t + 1);
        }
    }
    lua_settop(L, t);
    return is;
}

static bool is_table_it(const struct naming *n) {
    return !n->check_len ||
           (hash_of_table(n) == n->hash && (!n->witness || look_at_witness(n) != WITNESS_MISSING));
}

/* Is the userdata on top what was sent? Not one of Lua's own files: these travel by other names. */
static bool is_userdata_it(const struct naming *n) {
    lua_State *L = n->r->L;
    int top = lua_gettop(L);
    return lua_isuserdata(L, top) && !tine__standard_file(L, top) &&
           (!n->check_len || tine__userdata_hash(L, top) == n->hash);
}

/* Is the value on top what was sent, as far as can be compared? */
static bool is_it(const struct naming *n) {
    lua_State *L = n->r->L;
    int top = lua_gettop(L);
    switch (n->kind) {
    case NAME_MODULE:
    case NAME_HELD:
        return lua_istable(L, top) && is_table_it(n);
    case NAME_FUNCTION:
        return lua_isfunction(L, top) && !lua_iscfunction(L, top) &&
               (!n->check_len || tine__hash_function(L, n->r->self, top) == n->hash);
    case NAME_CFUNCTION:
        return lua_iscfunction(L, top) &&
               (!n->check_len || tine__library_hash(lua_tocfunction(L, top), NULL) == n->hash);
    default:
        return is_userdata_it(n);
    }
}

/* Is the value on top what was sent, for certain? */
static bool is_surely(const struct naming *n) {
    lua_State *L = n->r->L;
    switch (n->kind) {
    case NAME_HELD:
        return lua_istable(L, -1) && n->witness && look_at_witness(n) == WITNESS_HERE && is_it(n);
    case NAME_USERDATA:
        return lua_islightuserdata(L, -1) && is_it(n);
    case NAME_MODULE:
        return false;
    default:
        return lua_isfunction(L, -1) && is_it(n);
    }
}

/* Is the Lua function on top from the module's own file? */
static bool is_own(const struct naming *n) {
    lua_State *L = n->r->L;
    int top = lua_gettop(L);
    bool own = tine__push_owner(L, n->r->self, tine__source_of(L, top), SIZE_MAX) &&
               lua_rawequal(L, -1, n->module);
    lua_settop(L, top);
    return own;
}

/* If the value on top is what is searched for, copy it to `found` (nil before). False: another such
** value was found before. */
static bool take(const struct naming *n, int found, bool own) {
    lua_State *L = n->r->L;
    if (!is_surely(n) || (own && !is_own(n)))
        return true;
    if (!lua_isnil(L, found) && !lua_rawequal(L, found, -1) && n->kind != NAME_CFUNCTION)
        return false;
    lua_copy(L, -1, found);
    return true;
}

/* Search the upvalues of the function on top; see search_in. */
static bool search_upvalues(const struct naming *n, int found, bool own) {
    lua_State *L = n->r->L;
    int fn = lua_gettop(L);
    bool one = true;
    for (int i = 1; one && !lua_iscfunction(L, fn) && lua_getupvalue(L, fn, i);
         lua_settop(L, fn), i++)
        one = take(n, found, own);
    lua_settop(L, fn);
    return one;
}

/* Search the table at `t`, tables in it (`deeper`), and upvalues of functions in it; with `own`,
** only for functions from the module's own file. What is found is copied to `found`, which is nil
** before. False: there are several. */
static bool search_in(const struct naming *n, int t, int found, bool deeper, bool own) {
    lua_State *L = n->r->L;
    int top = lua_gettop(L), left = deeper ? MODULE_FIELDS : SEARCHED;
    for (lua_pushnil(L); left > 0 && lua_next(L, t); lua_settop(L, top + 1), left--) {
        if (!take(n, found, own))
            return false;
        if (lua_isfunction(L, -1) && n->kind == NAME_FUNCTION && !search_upvalues(n, found, own))
            return false;
        if (deeper && lua_istable(L, -1) && !search_in(n, lua_gettop(L), found, false, own))
            return false;
    }
    lua_settop(L, top); /* the traversal may have left a key */
    return true;
}

/* Push the only such object in the module. False, and nothing is pushed: there is none, or there
** are several. */
static bool push_only_one(const struct naming *n, int module, bool own) {
    lua_State *L = n->r->L;
    lua_pushnil(L);
    int found = lua_gettop(L);
    bool one = search_in(n, module, found, true, own) && !lua_isnil(L, found);
    lua_settop(L, one ? found : found - 1);
    return one;
}

/* The object is not where the steps lead. If the module holds just one such object, push that: the
** program may have given it another name. For functions the module's own file comes first, since
** another module, of which this one holds something, may have a function with the same code. */
static bool search(const struct naming *n, int module) {
    if (!lua_istable(n->r->L, module) || !n->check_len)
        return false;
    return (n->kind == NAME_FUNCTION && push_only_one(n, module, true)) ||
           push_only_one(n, module, false);
}

/* Is the value on top from the same file as what was sent, but something else, as the program has
** made a change there, or a function of the module? */
static bool is_mixed_up(const struct naming *n) {
    lua_State *L = n->r->L;
    const char *module = lua_tostring(L, n->module);
    if (n->kind != NAME_HELD || !n->check_len)
        return n->kind == NAME_USERDATA;
    if (lua_istable(L, -1))
        return hash_of_table(n) == n->hash;
    const struct file *f = tine__file_of(L, n->r->c, n->r->self, module);
    return f && f->lua && tine__version(L, n->r->self, module, f) == n->hash;
}

/* Raise an error: what this process has instead is on top. */
static int another(const struct naming *n) {
    lua_State *L = n->r->L;
    bool mixed_up = is_mixed_up(n);
    const char *module = lua_tostring(L, n->module), *way = n->last >= n->first ? push_way(n) : "";
    const struct file *f = tine__file_of(L, n->r->c, n->r->self, module);
    size_t head = check_head(n->kind);
    const char *theirs = n->check_len > head
                             ? lua_pushlstring(L, n->check + head, n->check_len - head)
                             : "elsewhere";
    if (lua_isnil(L, n->last + 2))
        return luaL_error(L, "module '%s' has no '%s' in this process%s", module, way,
                          push_needed(n->r, n->r->frame));
    if (mixed_up)
        return luaL_error(L, "module '%s' has something else as '%s' in this process%s", module,
                          way, push_needed(n->r, n->r->frame));
    bool edited = f && f->lua && tine__version(L, n->r->self, module, f) != f->hash;
    return luaL_error(L,
                      "module '%s' is another one in this process%s: %s%s%s was sent from ...%s, "
                      "and here it is %s%s%s",
                      module, push_needed(n->r, n->r->frame), *way ? "'" : "it", way,
                      *way ? "'" : "", theirs, f ? "from " : "from no file that can be found",
                      f ? f->path : "", edited ? " as that was before it was edited" : "");
}

/* Is it a table in which the message changes something? The module may have made it at run time,
** and if this process does not have it, nothing here uses it. */
static bool is_target(const struct frame *f, const struct naming *n) {
    return f[-1].kind == FRAME_CHANGED && (f[-1].i - 1) % 3 == 1 && n->kind == NAME_HELD;
}

/* Is it a table in which a module keeps something about other objects? The module may have made it
** only when there was something to keep. */
static bool is_keeper(const struct frame *f) {
    return f[-1].kind == FRAME_KEPT && f[-1].i % 2 == 0;
}

/* Is the module of such a table not loaded here? Decoding a result does not load modules for it. */
static bool is_elsewhere(const struct naming *n) {
    lua_State *L = n->r->L;
    int top = lua_gettop(L);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, n->module);
    bool missing = !n->r->call && lua_rawget(L, top + 1) == LUA_TNIL;
    lua_settop(L, top);
    return missing;
}

/* Push what the name stands for here. If there is nothing, or something else, an error is raised;
** or nil is pushed, if the value is not needed (`spare`), or if there is nothing and `nothing`
** allows that. */
static void push_named_thing(const struct naming *n, bool spare, bool nothing) {
    lua_State *L = n->r->L;
    int module = n->last + 1;
    if (tine__push_module(L, n->module) != LUA_OK) {
        if (!spare)
            luaL_error(L, "cannot load module '%s'%s: %s", lua_tostring(L, n->module),
                       push_needed(n->r, n->r->frame), lua_tostring(L, module));
        lua_pushnil(L);
        return;
    }
    lua_pushvalue(L, module);
    take_way(n);
    if (is_it(n) || search(n, module))
        return;
    if (!spare && !(nothing && lua_isnil(L, -1)))
        another(n);
    lua_pushnil(L);
}

static uint64_t get_hash(const char *p) {
    return get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}

/* Is it a function that the program has put into a field of a module? If it is not found here, the
** module did that at run time, and does it here, too. */
static bool is_field(struct reader *r, const struct frame *f, const struct naming *n) {
    return f[-1].kind == FRAME_CHANGED && f[-1].i > 1 && (f[-1].i - 1) % 3 == 0 &&
           n->kind == NAME_FUNCTION && change_is_field(r->L, n->module - 1);
}

void tine__resolve_name(struct reader *r, struct frame *f, int first) {
    lua_State *L = r->L;
    struct naming n = {.r = r, .module = first, .first = first + 3, .last = lua_gettop(L)};
    luaL_checkstack(L, 30, "names");
    n.kind = (enum name_kind)lua_tointeger(L, first + 1);
    n.check = lua_tolstring(L, first + 2, &n.check_len);
    if (n.check_len >= check_head(n.kind)) {
        n.hash = get_hash(n.check);
        n.witness = n.kind == NAME_HELD ? get_hash(n.check + 8) : 0;
    } else {
        n.check_len = 0;
    }
    bool field = is_field(r, f, &n), keeper = is_keeper(f);
    if (keeper && is_elsewhere(&n))
        lua_pushnil(L);
    else
        push_named_thing(
            &n, f[-1].kind == FRAME_SAME || field || keeper || r->lenient || is_spare(r, f),
            is_target(f, &n));
    if (field && lua_isnil(L, -1)) {
        r->held = true;
        r->why = HELD_REPLACED;
    }
    lua_replace(L, first);
    lua_settop(L, first);
}

bool tine__is_require(lua_State *L, int idx) {
    lua_CFunction f = lua_tocfunction(L, idx);
    const struct standard *s = f ? tine__standard_named("_G", "require") : NULL;
    return s && s->f == f;
}

/* Push this state's replacement of Lua's own function with the name at `name`, or Lua's function.
** False, and nil is pushed: there is none. */
static bool push_standard(lua_State *L, int name) {
    if (lua_getfield(L, LUA_REGISTRYINDEX, CODEC_INSTEAD) == LUA_TTABLE) {
        lua_pushvalue(L, name);
        if (lua_rawget(L, -2) != LUA_TNIL) {
            lua_remove(L, -2);
            return true;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return tine__push_standard(L, lua_tostring(L, name));
}

void tine__resolve_standard(struct reader *r) {
    lua_State *L = r->L;
    int name = lua_gettop(L);
    lua_rawgeti(L, r->self, ST_LIBRARIES);
    lua_pushvalue(L, name);
    if (lua_rawget(L, -2) == LUA_TNIL && push_standard(L, name)) {
        lua_pushvalue(L, name);
        lua_pushvalue(L, -2);
        lua_rawset(L, name + 1);
    }
    if (lua_isnil(L, -1))
        luaL_error(L, "this Lua has no '%s'", lua_tostring(L, name));
    lua_replace(L, name);
    lua_settop(L, name);
}

/* Proofs: does an object that a module holds travel by name, by name and value, or by value?
**
** By name travels what can be shown, here and now, to be what the other side gets, or what the
** other side can compare:
**
**     tables of a module that hold functions which its file defines (module tables, classes): the
**         file's hash travels along, and for a table in a module a witness (witness.h); the way to it
**         has to be constant, too (ways.c)
**     functions that the file makes once, neither inside of another function nor in a loop: the
**         function's hash travels along
**     private tables in which the module keeps data about other objects (encode/kept.c)
**     C functions: library and offset travel along
**     userdata: the name of the class travels along
**
** By name and value travels what may be the same there: tables of data, sentinels, closures that
** another function has made. The other side compares, and takes its own object if it is the same
** (decode/same.c). Everything else travels by value.
*/
#include <lauxlib.h>
#include <limits.h>
#include <string.h>
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/state.h"

/* ---- the file that a function is from ---- */

const char *tine__source_of(lua_State *L, int fn) {
    lua_Debug ar;
    lua_pushvalue(L, fn);
    lua_getinfo(L, ">S", &ar);
    return ar.source; /* valid as long as the function */
}

bool tine__is_of_text(lua_State *L) {
    const char *source = tine__source_of(L, -1);
    return *source != '@' && *source != '=';
}

/* What the Lua function at `fn` is to the file `f`. */
static enum origin origin_in(struct encoder *e, const struct file *f, int fn) {
    if (!f->lua || (*tine__source_of(e->L, fn) != '@' && !f->dumped))
        return ORIGIN_OTHER;
    const struct file_hash *h = tine__file_function(f, tine__hash_function(e->L, e->self, fn));
    if (!h || h->level == 0)
        return ORIGIN_OTHER;
    return h->level > 1 ? ORIGIN_AGAIN : h->again ? ORIGIN_MANY : ORIGIN_ONCE;
}

/* What the Lua function at `fn` is to the file of its own module, if the code of `f` names that
** module. */
static enum origin origin_in_mentioned(struct encoder *e, const struct file *f, int fn) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    enum origin origin = ORIGIN_OTHER;
    if (f->lua && tine__push_owner(L, e->self, tine__source_of(L, fn), SIZE_MAX)) {
        const char *owner = lua_tostring(L, -1);
        const struct file *its =
            tine__file_mentions(f, owner) ? tine__file_of(L, e->c, e->self, owner) : NULL;
        origin = its ? origin_in(e, its, fn) : ORIGIN_OTHER;
    }
    lua_settop(L, top);
    return origin;
}

/* Does the code of `f` name a loaded module whose file is the C library at `path`? */
static bool mentions_library(struct encoder *e, const struct file *f, const char *path) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool does = false;
    lua_rawgeti(L, e->self, ST_LOADED);
    for (lua_pushnil(L); !does && lua_next(L, top + 1); lua_settop(L, top + 2)) {
        const struct file *its =
            lua_type(L, top + 2) == LUA_TSTRING && tine__file_mentions(f, lua_tostring(L, top + 2))
                ? tine__file_of(L, e->c, e->self, lua_tostring(L, top + 2))
                : NULL;
        does = its && !its->lua && tine__file_is_of(its, path);
    }
    lua_settop(L, top);
    return does;
}

/* Is the C function at `fn` from the module's library `f`, or from the library of a module that the
** code of `f` names? */
static bool is_from_library(struct encoder *e, const struct file *f, int fn) {
    const char *path = NULL;
    if (!tine__library_hash(lua_tocfunction(e->L, fn), &path) || !path)
        return false;
    if (!f->lua)
        return tine__file_is_of(f, path);
    const struct name *name = tine__name_find(e->c, lua_topointer(e->L, fn));
    return (name && tine__file_mentions(f, tine__name_root(e, name))) ||
           mentions_library(e, f, path);
}

enum origin tine__origin(struct encoder *e, const struct file *f, int value) {
    lua_State *L = e->L;
    if (lua_iscfunction(L, value)) {
        if (tine__standard_of(lua_tocfunction(L, value)))
            return ORIGIN_OTHER;
        return is_from_library(e, f, value) ? ORIGIN_ONCE : ORIGIN_OTHER;
    }
    enum origin origin = origin_in(e, f, value);
    return origin == ORIGIN_OTHER ? origin_in_mentioned(e, f, value) : origin;
}

bool tine__push_wrapped(lua_State *L, int value) {
    lua_Debug ar;
    int top = lua_gettop(L), level = 0;
    lua_State *co = lua_iscfunction(L, value) && lua_getupvalue(L, value, 1) && lua_isthread(L, -1)
                        ? lua_tothread(L, -1)
                        : NULL;
    if (co && co != L && lua_checkstack(co, 2)) {
        while (lua_getstack(co, level, &ar))
            level++;
        if (level && lua_getstack(co, level - 1, &ar))
            lua_getinfo(co, "f", &ar);
        else if (lua_gettop(co)) /* the coroutine has not begun */
            lua_pushvalue(co, 1);
        else
            lua_pushnil(co);
        lua_xmove(co, L, 1);
        lua_replace(L, top + 1);
    }
    lua_settop(L, top + (co && lua_isfunction(L, top + 1)));
    return lua_gettop(L) > top;
}

bool tine__is_from_file(struct encoder *e, const struct file *f, int value) {
    return lua_iscfunction(e->L, value) || origin_in(e, f, value) != ORIGIN_OTHER;
}

bool tine__is_programs(struct encoder *e, const struct file *f, int value) {
    return lua_isfunction(e->L, value) && !lua_iscfunction(e->L, value) &&
           tine__origin(e, f, value) == ORIGIN_OTHER;
}

bool tine__is_from_reach(struct encoder *e, int reach, int fn) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool from = false;
    if (reach && !lua_iscfunction(L, fn) &&
        tine__push_owner(L, e->self, tine__source_of(L, fn), SIZE_MAX)) {
        const char *owner = lua_tostring(L, -1);
        const struct file *its =
            lua_rawget(L, reach) != LUA_TNIL ? tine__file_of(L, e->c, e->self, owner) : NULL;
        from = its && origin_in(e, its, fn) != ORIGIN_OTHER;
    }
    lua_settop(L, top);
    return from;
}

bool tine__is_foreign_key(struct encoder *e, const struct file *f, int reach, int key) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    if (!key || lua_type(L, key) != LUA_TSTRING || tine__file_mentions(f, lua_tostring(L, key)))
        return false;
    bool foreign = true;
    for (lua_Integer i = 1; reach && foreign && lua_rawgeti(L, reach, i) == LUA_TSTRING; i++) {
        const struct file *other = tine__file_of(L, e->c, e->self, lua_tostring(L, -1));
        foreign = !(other && other->lua && tine__file_mentions(other, lua_tostring(L, key)));
        lua_settop(L, top);
    }
    lua_settop(L, top);
    return foreign;
}

bool tine__is_misplaced(struct encoder *e, const struct file *f, int fn, const char *key) {
    return f->lua && f->ndefinitions && !lua_iscfunction(e->L, fn) &&
           tine__file_defines_another(f, key, tine__hash_function(e->L, e->self, fn));
}

/* ---- tables ---- */

/* Is the function on top one that the file defines? `module`: in the module's own table, functions
** made by other functions of the file count, too. */
static bool is_own(struct encoder *e, const struct file *f, bool module) {
    enum origin o = tine__origin(e, f, lua_gettop(e->L));
    return o == ORIGIN_ONCE || o == ORIGIN_MANY || (o == ORIGIN_AGAIN && module);
}

/* Do functions of the file put the function on top under the key below it, and its main function
** does not, as in `function M.new(v) return { v = v, get = get } end`? Such a table is an object,
** made when the program asks for it; where this process has it, another one may have another. */
static bool is_put_later(struct encoder *e, const struct file *f) {
    lua_State *L = e->L;
    if (lua_type(L, -2) != LUA_TSTRING || !f->lua ||
        tine__file_key_rank(f, lua_tostring(L, -2)) != STORE_VARIES)
        return false;
    return lua_iscfunction(L, -1) ||
           !tine__file_defines(f, lua_tostring(L, -2),
                               tine__hash_function(L, e->self, lua_gettop(L)));
}

/* Does the table at `t` hold a function that its module's file defines, and puts there when it is
** loaded? `depth`: tables in it are searched, too; so for a module's own table, since the program
** may have replaced all functions in that itself. */
static bool has_own(struct encoder *e, const struct file *f, int t, bool module, int depth) {
    lua_State *L = e->L;
    int left = module && depth == 0 ? MODULE_FIELDS : INT_MAX, top = lua_gettop(L);
    bool found = false;
    if (!lua_checkstack(L, 30))
        return false;
    for (lua_pushnil(L); !found && --left >= 0 && lua_next(L, t); lua_pop(L, 1)) {
        if (lua_type(L, -1) == LUA_TFUNCTION)
            found = is_own(e, f, module) && (module || !is_put_later(e, f));
        else if (depth > 0 && lua_type(L, -1) == LUA_TTABLE)
            found = has_own(e, f, lua_gettop(L), module, depth - 1);
    }
    lua_settop(L, top);
    return found;
}

/* Does the table at `t` hold one of Lua's own functions of the library `module`, under its own
** name? Then it is that library. */
static bool is_standard(lua_State *L, int t, const char *module) {
    for (const struct standard *s = tine__standard_list(); s->f; s++) {
        if (strcmp(s->module, module) != 0)
            continue;
        lua_pushstring(L, s->field);
        lua_rawget(L, t);
        bool same = lua_tocfunction(L, -1) == s->f;
        lua_pop(L, 1);
        if (same)
            return true;
    }
    return false;
}

/* Is the table at `t` a class that keeps its methods in tables of its own (middleclass)? It must
** have a metatable, unlike a record of data; and the tables in it must have their names there,
** unlike those that a stub of the program's holds. */
static bool is_class(struct encoder *e, int t, const struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    uint32_t id = (uint32_t)(n - e->c->names.list);
    bool is = false;
    if (!lua_checkstack(L, 30) || !lua_getmetatable(L, t))
        return false;
    for (lua_pushnil(L); !is && lua_next(L, t); lua_settop(L, top + 2)) {
        const struct name *inner =
            lua_istable(L, -1) ? tine__name_find(e->c, lua_topointer(L, -1)) : NULL;
        is = inner && inner->depth > 0 &&
             tine__name_parent(e, (uint32_t)(inner - e->c->names.list)) == id &&
             has_own(e, n->file, top + 3, false, 0);
    }
    lua_settop(L, top);
    return is;
}

/* Is the step on top, from object number `from`, one that the file makes when it is loaded, and
** never later? */
static bool is_files_step(struct encoder *e, const struct file *f, uint32_t from) {
    lua_State *L = e->L;
    int step = lua_gettop(L);
    enum store_rank rank = STORE_UNKNOWN;
    if (lua_type(L, step) == LUA_TSTRING)
        rank = tine__file_key_rank(f, lua_tostring(L, step));
    else if (lua_tointeger(L, step) < 0 && tine__name_walk(e, tine__name_at(e->c, from)) &&
             lua_isfunction(L, -1))
        rank = tine__file_upvalue_rank(f, tine__hash_function(L, e->self, step + 1),
                                       (int)-lua_tointeger(L, step));
    lua_settop(L, step);
    return rank <= STORE_CALLED;
}

bool tine__is_files(struct encoder *e, uint32_t id) {
    const char *root = tine__name_root(e, tine__name_at(e->c, id));
    const struct file *f = tine__file_of(e->L, e->c, e->self, root);
    tine__name_push_step(e, id);
    bool is = f && f->lua && is_files_step(e, f, tine__name_parent(e, id));
    lua_pop(e->L, 1);
    return is;
}

/* Is it a table that only functions of the module see, and that exists from the beginning? */
static bool is_private(struct encoder *e, const struct name *n) {
    uint32_t id = (uint32_t)(n - e->c->names.list);
    bool private = false;
    if (!tine__is_files(e, id))
        return false;
    for (; !private && id != n->root; id = tine__name_parent(e, id)) {
        tine__name_push_step(e, id);
        private = lua_isinteger(e->L, -1) && lua_tointeger(e->L, -1) < 0;
        lua_pop(e->L, 1);
    }
    return private;
}

/* Is the table at `t` a stub or a spy that the program has put into the module? It can be called
** through a function of the program's, and has no functions of the file under keys that the file
** stores functions under. (A class to which the program has given a __call has its methods under
** such keys.) */
static bool is_stub(struct encoder *e, const struct file *f, int t) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    if (luaL_getmetafield(L, t, "__call") == LUA_TNIL)
        return false;
    bool stub = tine__is_programs(e, f, top + 1);
    lua_settop(L, top);
    for (lua_pushnil(L); stub && lua_next(L, t); lua_pop(L, 1))
        stub = !(lua_isfunction(L, -1) && lua_type(L, -2) == LUA_TSTRING &&
                 tine__file_may_store(f, lua_tostring(L, -2)) && is_own(e, f, false));
    lua_settop(L, top);
    return stub;
}

static enum going table_goes(struct encoder *e, int t, struct name *n) {
    const char *root = tine__name_root(e, n);
    if (n->builtin == BUILTIN_TINE)
        return GOES_BY_NAME;
    if (n->builtin)
        return n->kind == NAME_HELD || is_standard(e->L, t, root) ? GOES_BY_NAME : GOES_BY_VALUE;
    if (!n->file)
        return GOES_BY_VALUE;
    bool module = n->kind == NAME_MODULE;
    bool own = has_own(e, n->file, t, module, module) || (!module && is_class(e, t, n));
    if (own && !module && is_stub(e, n->file, t))
        return GOES_BY_VALUE;
    n->keeps =
        !own && !module && e->c->names.index->list[n - e->c->names.list].keeps && is_private(e, n);
    return own || n->keeps ? GOES_BY_NAME : GOES_BY_BOTH;
}

uint64_t tine__hash_of_file(lua_State *L, struct codec *c, int self, const char *module, int t) {
    struct encoder e = {.L = L, .c = c, .self = self};
    const struct file *f = tine__file_of(L, c, self, module);
    return f && f->lua && has_own(&e, f, t, true, 1) ? tine__version(L, self, module, f) : 0;
}

/* ---- functions and userdata ---- */

/* Does the field have a function that another module has made, while the module's file has one of
** its own for this field? Then the program has put it there. */
static bool is_in_anothers_place(struct encoder *e, const struct name *n, int fn) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    tine__name_push_step(e, (uint32_t)(n - e->c->names.list));
    bool is = lua_type(L, -1) == LUA_TSTRING &&
              tine__is_misplaced(e, n->file, fn, lua_tostring(L, -1)) &&
              origin_in(e, n->file, fn) == ORIGIN_OTHER;
    lua_settop(L, top);
    return is;
}

static enum going function_goes(struct encoder *e, int fn, struct name *n) {
    if (n->builtin == BUILTIN_TINE)
        return GOES_BY_NAME;
    if (n->builtin || !n->file)
        return GOES_BY_VALUE;
    if (is_in_anothers_place(e, n, fn))
        return GOES_BY_VALUE;
    switch (tine__origin(e, n->file, fn)) {
    case ORIGIN_ONCE:
        return GOES_BY_NAME;
    case ORIGIN_MANY:
    case ORIGIN_AGAIN:
        return GOES_BY_BOTH;
    default:
        return GOES_BY_VALUE;
    }
}

/* A coroutine of the program's (coroutine.wrap) in a module travels by value: a worker does not
** have it there. */
static enum going cfunction_goes(struct encoder *e, int fn, const struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool theirs = n->file && tine__push_wrapped(L, fn) && tine__is_programs(e, n->file, top + 1);
    lua_settop(L, top);
    return theirs ? GOES_BY_VALUE : GOES_BY_NAME;
}

/* A file that the program has opened and put into a module travels by value: a worker does not have
** it there. */
static enum going userdata_goes(struct encoder *e, int idx, struct name *n) {
    if (n->builtin == BUILTIN_TINE || n->file)
        return GOES_BY_NAME;
    return luaL_testudata(e->L, idx, LUA_FILEHANDLE) ? GOES_BY_VALUE : GOES_BY_NAME;
}

enum going tine__judge(struct encoder *e, int idx, struct name *n) {
    switch (n->kind) {
    case NAME_MODULE:
    case NAME_HELD:
        return table_goes(e, idx, n);
    case NAME_FUNCTION:
        return function_goes(e, idx, n);
    case NAME_CFUNCTION:
        return cfunction_goes(e, idx, n);
    case NAME_USERDATA:
        return userdata_goes(e, idx, n);
    default:
        return GOES_BY_NAME;
    }
}

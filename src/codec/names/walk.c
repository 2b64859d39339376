/* The walk over all objects that can be reached from loaded modules, shortest ways first. It builds
** the index (names.c). */
#include <lauxlib.h>
#include <string.h>
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/lua/own.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/names/step.h"
#include "codec/names/walk.h"
#include "codec/state.h"

#define MAX_FIELDS 4096  /* fields of a module's own table; a longer table is data */
#define MAX_ITEMS 256    /* fields of other tables */
#define MAX_NAMES 200000 /* places in an index */

/* Is the function on top from the module's file, if that holds bytecode? The name of its chunk may
** be anything then. */
static bool is_of_dump(struct building *b) {
    struct encoder *e = b->e;
    if (b->dump_of != b->from->root + 1) {
        lua_rawgeti(e->L, b->paths, (lua_Integer)b->from->root + 1);
        b->dump_of = b->from->root + 1;
        b->searched = true;
        b->dump = tine__file_of_dump(e->L, e->c, e->self, lua_tostring(e->L, -1));
        lua_pop(e->L, 1);
    }
    return b->dump &&
           tine__file_function(b->dump, tine__hash_function(e->L, e->self, lua_gettop(e->L)));
}

/* Is the function on top from a module's file? Functions of one file mostly follow each other, and
** share the string with the chunk's name, so the last answer is kept. */
static bool is_of_module(struct building *b) {
    lua_State *L = b->e->L;
    const char *source = tine__source_of(L, -1);
    if (source != b->source) {
        b->source = source;
        b->owned = tine__push_owner(L, b->e->self, source, b->longest);
        lua_pop(L, 1);
    }
    return b->owned || is_of_dump(b);
}

static bool is_foreign(const struct building *b, const void *p) {
    return p == b->e->c->globals || tine__own_table(b->e->c, p);
}

/* The kind of the value on top; NAME_NONE: it gets no place. */
static enum name_kind kind_of(struct building *b) {
    lua_State *L = b->e->L;
    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        return is_foreign(b, lua_topointer(L, -1)) ? NAME_NONE : b->from ? NAME_HELD : NAME_MODULE;
    case LUA_TFUNCTION:
        if (!lua_iscfunction(L, -1))
            return NAME_FUNCTION;
        return tine__standard_of(lua_tocfunction(L, -1)) ? NAME_NONE : NAME_CFUNCTION;
    case LUA_TUSERDATA:
    case LUA_TLIGHTUSERDATA:
        return lua_topointer(L, -1) ? NAME_USERDATA : NAME_NONE;
    default:
        return NAME_NONE;
    }
}

/* `mine` and `other` are names of one module: is `mine` better? A name for which there is a file is
** better; of two such ones, the shorter. */
static bool is_better_module(struct building *b, const char *mine, const char *other) {
    struct encoder *e = b->e;
    if (tine__standard_module(mine) != tine__standard_module(other))
        return tine__standard_module(mine);
    b->searched = true;
    bool found = tine__file_of(e->L, e->c, e->self, mine);
    if (found != (tine__file_of(e->L, e->c, e->self, other) != NULL))
        return found;
    size_t m = strlen(mine), n = strlen(other);
    return m != n ? m < n : strcmp(mine, other) < 0;
}

/* Is the function on top from the file of the module with number `root`? */
static bool is_from(struct building *b, uint32_t root) {
    lua_State *L = b->e->L;
    tine__push_owner(L, b->e->self, tine__source_of(L, -1), b->longest);
    lua_rawgeti(L, b->paths, (lua_Integer)root + 1);
    bool is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

/* Is it a C function that has only been found in `_G` so far? A worker need not have it there. */
static bool is_global(const struct building *b, const struct place *p) {
    return p->kind == NAME_CFUNCTION && b->index->list[p->root].kind == NAME_NONE;
}

/* The value on top has the place `old`. Is the way that ends with the step at stack index `step`
** better? Of ways of one length, the better one leads through the module that the function is from;
** otherwise the choice only has to be independent of the order in which tables are traversed. */
static bool is_better(struct building *b, const struct place *old, int step) {
    lua_State *L = b->e->L;
    bool better = false;
    int top = lua_gettop(L);
    if (is_global(b, old) && b->from && b->from->kind != NAME_NONE)
        return true;
    if (old->depth != (b->from ? b->from->depth + 1 : 0) || old->kind == NAME_NONE)
        return false;
    lua_rawgeti(L, b->paths, (lua_Integer)(old - b->index->list) + 1);
    const char *mine = lua_type(L, step) == LUA_TSTRING ? lua_tostring(L, step) : NULL;
    const char *other = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_settop(L, top); /* both strings stay valid: tables keep them */
    if (!mine || !other)
        return mine && !other;
    if (!b->from) {
        better = is_better_module(b, mine, other);
    } else if (old->root == b->from->root) {
        size_t m = strlen(mine), k = strlen(other);
        better = m != k ? m < k : strcmp(mine, other) < 0;
    } else if (old->kind == NAME_FUNCTION) {
        better = !is_from(b, old->root) && is_from(b, b->from->root);
    }
    return better;
}

static uint8_t builtin_of(const char *module) {
    if (!tine__standard_module(module))
        return 0;
    return strncmp(module, "tine", 4) == 0 ? BUILTIN_TINE : BUILTIN_LUA;
}

/* May steps from b->from be followed? Not from Lua's own libraries, whose functions are recognized
** by address, and whose other contents come from the program; except from `package`, which holds
** the tables that `require` uses. */
static bool is_way(const struct building *b) {
    if (b->from->builtin != BUILTIN_LUA)
        return true;
    lua_State *L = b->e->L;
    lua_rawgeti(L, b->paths, (lua_Integer)b->from->root + 1);
    bool package = b->from->depth == 0 && strcmp(lua_tostring(L, -1), "package") == 0;
    lua_pop(L, 1);
    return package;
}

static bool is_held(const struct building *b, enum name_kind kind) {
    return b->from && b->from->builtin == BUILTIN_LUA ? kind == NAME_HELD : kind != NAME_NONE;
}

/* Give the value on top a place, or a better one. It is a step (the value at `step`) from
** b->from. */
static void enter(struct building *b, int step) {
    lua_State *L = b->e->L;
    struct index *x = b->index;
    enum name_kind kind = kind_of(b);
    if (x->used > MAX_NAMES || !is_held(b, kind))
        return;
    const void *p = kind == NAME_USERDATA ? lua_touserdata(L, -1) : lua_topointer(L, -1);
    uint32_t from_id = b->from_id;
    struct place *place = tine__index_find(x, p);
    if (place && (uint32_t)(place - x->list) < b->old) {
        if (b->keeps(b, place, step))
            return;
        place = NULL;
    }
    if (place && !is_better(b, place, step))
        return;
    bool fresh = !place;
    if (fresh && !(place = tine__index_insert(x, p))) {
        b->failed = true;
        return;
    }
    uint32_t id = (uint32_t)(place - x->list);
    b->from = b->from ? &x->list[from_id] : NULL; /* the list may have been reallocated */
    place->kind = (uint8_t)kind;
    place->meta = lua_isboolean(L, step);
    place->parent = b->from ? from_id : id;
    place->root = b->from ? b->from->root : id;
    place->depth = b->from ? (uint8_t)(b->from->depth + 1) : 0;
    place->builtin = b->from ? x->list[place->root].builtin : builtin_of(lua_tostring(L, step));
    lua_pushvalue(L, step);
    lua_rawseti(L, b->paths, (lua_Integer)id + 1);
    if (fresh) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, b->objects, (lua_Integer)id + 1);
    }
}

/* ---- steps ---- */

/* A hash of: the value on top is under the key at `key` of object number `from`. */
static uint64_t place_of(lua_State *L, int key, uint32_t from) {
    uint64_t step = (uint64_t)(uintptr_t)lua_topointer(L, key); /* the address of a string */
    if (!step)
        step = (uint64_t)lua_tointeger(L, key) + 1;
    uint64_t x = (step + UINT64_C(0xFF51AFD7ED558CCD) * from) * UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 29 ^ (uint64_t)(uintptr_t)lua_topointer(L, -1)) * UINT64_C(0xC4CEB9FE1A85EC53);
    return x ^ x >> 32;
}

static bool is_object(lua_State *L) {
    int type = lua_type(L, -1);
    return type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA ||
           type == LUA_TLIGHTUSERDATA;
}

/* The value on top is a step (the value at `key`) from b->from: add it to the sum, and enter it. */
static void meet(struct building *b, int key) {
    lua_State *L = b->e->L;
    if (!is_object(L))
        return;
    b->sum += place_of(L, key, b->from ? b->from_id + 1 : 0);
    if (!b->looking)
        enter(b, key);
}

/* Walk over the fields and items of the table at `t`. */
static void enter_fields(struct building *b, int t) {
    lua_State *L = b->e->L;
    int left = b->from->depth == 0 ? MAX_FIELDS : MAX_ITEMS;
    for (lua_pushnil(L); lua_next(L, t) && !b->failed; lua_pop(L, 1)) {
        if (--left < 0)
            break;
        if (step_is_key(L, -2))
            meet(b, t + 1);
    }
    lua_settop(L, t);
}

static void enter_metatable(struct building *b, int object) {
    lua_State *L = b->e->L;
    lua_pushboolean(L, 1);
    if (lua_getmetatable(L, object))
        meet(b, object + 1);
    lua_settop(L, object);
}

static void enter_upvalues(struct building *b, int fn) {
    lua_State *L = b->e->L;
    for (int i = 1; lua_getupvalue(L, fn, i) && !b->failed; i++) {
        lua_pushinteger(L, -i);
        lua_insert(L, -2);
        enter(b, fn + 1);
        lua_settop(L, fn);
    }
    lua_settop(L, fn);
}

/* May an object with place `p` (NULL: none) lead to new objects? */
static bool is_open(const struct building *b, const struct place *p) {
    return !p || ((uint32_t)(p - b->index->list) < b->old &&
                  (p->kind == NAME_MODULE || p->kind == NAME_HELD));
}

/* Does the function at `fn` have an upvalue with a new object? Most functions do not, and then it
** need not be known which file they are from. (No way is worse than one that ends with an upvalue,
** so old objects do not matter.) Adds all upvalues to the sum. */
static bool has_objects(struct building *b, int fn) {
    lua_State *L = b->e->L;
    bool has = false;
    for (int i = 1; lua_getupvalue(L, fn, i); i++) {
        if (is_object(L)) {
            const void *p = lua_topointer(L, -1);
            b->sum += place_of(L, -1, b->from_id + 1) * (unsigned)i;
            has = has || (kind_of(b) != NAME_NONE && is_open(b, tine__index_find(b->index, p)));
        }
        lua_settop(L, fn);
    }
    return has;
}

/* Walk over all objects that are one step from the one at `at`, which is b->from. */
static void enter_steps(struct building *b, int at) {
    lua_State *L = b->e->L;
    switch (lua_type(L, at)) {
    case LUA_TTABLE:
        enter_fields(b, at);
        if (b->from->builtin != BUILTIN_LUA)
            enter_metatable(b, at);
        break;
    case LUA_TUSERDATA:
        enter_metatable(b, at);
        break;
    case LUA_TFUNCTION:
        if (!b->from->builtin && !lua_iscfunction(L, at) && has_objects(b, at) && !b->looking &&
            is_of_module(b))
            enter_upvalues(b, at);
        break;
    default: /* a light userdata has no steps */
        break;
    }
}

/* Has the table at `at` weak keys and strong values? */
static bool is_keeper(lua_State *L, int at) {
    bool is = false;
    if (!lua_istable(L, at) || !lua_getmetatable(L, at))
        return false;
    lua_pushliteral(L, "__mode");
    if (lua_rawget(L, -2) == LUA_TSTRING) {
        const char *mode = lua_tostring(L, -1);
        is = strchr(mode, 'k') && !strchr(mode, 'v');
    }
    lua_settop(L, at);
    return is;
}

/* Walk over the steps of object number `id`. */
static void expand(struct building *b, uint32_t id) {
    lua_State *L = b->e->L;
    b->from_id = id;
    b->from = &b->index->list[id];
    if (b->from->kind == NAME_NONE)
        return;
    lua_rawgeti(L, b->objects, (lua_Integer)id + 1);
    int at = lua_gettop(L);
    if (!b->looking && !b->from->builtin)
        b->index->list[id].keeps = is_keeper(L, at);
    if (lua_isnil(L, at))
        b->failed = true; /* the object has been collected since the index was built */
    else if (b->from->depth < NAME_STEPS && b->from->kind != NAME_CFUNCTION && is_way(b))
        enter_steps(b, at);
    lua_settop(L, at - 1);
}

/* The globals table is where some ways begin, but has no name itself. */
static struct place *enter_root(struct building *b) {
    struct index *x = b->index;
    struct place *root = tine__index_insert(x, b->e->c->globals);
    if (!root)
        return NULL;
    root->kind = NAME_NONE;
    root->root = root->parent = x->used - 1;
    lua_pushliteral(b->e->L, "_G");
    lua_rawseti(b->e->L, b->paths, (lua_Integer)x->used);
    return root;
}

/* Walk over what `_G` holds beside Lua's own functions: only C functions and userdata count. */
static void enter_globals(struct building *b) {
    lua_State *L = b->e->L;
    struct place *root =
        b->looking || b->old ? tine__index_find(b->index, b->e->c->globals) : enter_root(b);
    if (!root)
        return (void)(b->failed = true);
    b->from_id = (uint32_t)(root - b->index->list);
    b->from = root;
    lua_pushglobaltable(L);
    int t = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, t) && !b->failed; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && (lua_iscfunction(L, -1) || lua_isuserdata(L, -1)))
            meet(b, t + 1);
    lua_settop(L, t - 1);
}

void tine__walk_modules(struct building *b) {
    lua_State *L = b->e->L;
    b->from = NULL;
    for (lua_pushnil(L); lua_next(L, b->loaded) && !b->failed; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING)
            meet(b, b->loaded + INDEX_PARTS + 1);
    lua_settop(L, b->loaded + INDEX_PARTS);
    enter_globals(b);
}

void tine__walk_on(struct building *b, uint32_t from) {
    for (uint32_t i = from; i < b->index->used && !b->failed; i++)
        expand(b, i);
}

void tine__walk_table(struct building *b, uint32_t id) {
    lua_State *L = b->e->L;
    int at = lua_gettop(L);
    b->from_id = id;
    b->from = &b->index->list[id];
    if (b->from->depth < NAME_STEPS && lua_istable(L, at))
        enter_steps(b, at);
    lua_settop(L, at - 1);
}

uint32_t tine__walk_expected(struct building *b) {
    lua_State *L = b->e->L;
    uint32_t n = 0;
    for (lua_pushnil(L); lua_next(L, b->loaded); lua_pop(L, 1), n++)
        if (lua_type(L, -2) == LUA_TSTRING && lua_rawlen(L, -2) > b->longest)
            b->longest = lua_rawlen(L, -2);
    return n < 40 ? 0 : n * 18;
}

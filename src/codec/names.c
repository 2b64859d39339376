/* What can be reached from loaded modules, by address: the reverse of package.loaded.
**
** THE RULE. A name may stand only for what the other process will really get under that name. Whatever
** cannot be shown to be the same goes by value; whatever can go by neither is an error. So the index below says
** only where a thing might be found. What is shown of it, and how, is in proof.c; what the other side checks
** before it takes its own for it, in resolve.c; that what the program changed in a module goes along with the
** module, in changes.c; where the other side will look for a module's code, in files.c; that Lua's own C functions
** are known by their address alone, in standard.c. docs/travel.md has the rule in examples.
**
** THE INDEX. Tables, Lua functions, C functions and userdata, to a few steps from package.loaded. A step is a
** field, an item, a metatable, or an upvalue of a function: so private classes, and sentinels that only the
** functions of a module see, have names too. The nearest way counts. An entry says where its object was;
** before it is used the way there is walked again, so an entry can be out of date but never wrong. When
** something turns up that has no name, the index is compared with package.loaded (its length and the
** addresses in it) and made anew if that has changed; this is done at most once for a segment.
**
** Functions of the program itself, wherever they are held, are no way to anything: only through functions from the
** file of a loaded module does the index look at upvalues. Of `_G` only C functions and userdata have names.
*/
#include "codec/internal.h"
#include "codec/modules.h"
#include "codec/pack.h"
#include "codec/standard.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

#define MAX_FIELDS 4096  /* of a module's own table: a longer one is data */
#define MAX_ITEMS 256    /* of a table farther away */
#define MAX_NAMES 200000 /* in all */

/* ---- the index ---- */

static uint32_t slot_of(const struct names *n, const void *key) {
    uint64_t x = (uint64_t)(uintptr_t)key >> 3;
    return (uint32_t)((x * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & n->mask;
}

static inline struct name *find(const struct names *n, const void *key) {
    if (unlikely(!n->slots))
        return NULL;
    for (uint32_t i = slot_of(n, key); n->slots[i]; i = (i + 1) & n->mask)
        if (n->list[n->slots[i] - 1].key == key)
            return &n->list[n->slots[i] - 1];
    return NULL;
}

static void put_slot(struct names *n, uint32_t id) {
    const void *key = n->list[id].key;
    uint32_t i = slot_of(n, key);
    while (n->slots[i])
        i = (i + 1) & n->mask;
    n->slots[i] = id + 1;
    n->filter[name_filter_bit(key) / 64] |= UINT64_C(1) << name_filter_bit(key) % 64;
}

static bool grow(struct names *n) {
    uint32_t cap = n->cap ? n->cap * 2 : 512;
    struct name *list = sys.realloc(n->list, cap * sizeof *list);
    if (!list)
        return false;
    n->list = list;
    uint32_t *slots = sys.calloc((size_t)cap * 2, sizeof *slots);
    if (!slots)
        return false;
    free(n->slots);
    n->slots = slots;
    n->cap = cap;
    n->mask = cap * 2 - 1;
    for (uint32_t i = 0; i < n->used; i++)
        put_slot(n, i);
    return true;
}

static struct name *insert(struct names *n, const void *key) {
    if (n->used == n->cap && !grow(n))
        return NULL;
    n->list[n->used] = (struct name){.key = key};
    put_slot(n, n->used);
    return &n->list[n->used++];
}

void tine__names_free(struct codec *c) {
    struct names *n = &c->names;
    for (uint32_t i = 0; i < n->used; i++)
        tine__watch_free(&n->list[i].watch);
    free(n->slots);
    free(n->list);
    tine__buf_free(&n->bytes);
    n->slots = NULL;
    n->list = NULL;
    n->used = n->mask = n->cap = 0;
    n->built = false;
    memset(n->plain, 0, sizeof n->plain);
    memset(n->filter, 0, sizeof n->filter);
    memset(c->sent, 0, sizeof c->sent); /* they may have names then */
    c->last = NULL;
}

/* ---- building ---- */

struct building {
    struct encoder *e;
    int loaded;  /* stack indices: package.loaded, */
    int paths;   /* ST_PATHS, */
    int objects; /* the objects themselves, by number */
    int owners;  /* ST_OWNERS */
    const struct name *from;
    uint32_t from_id;
    bool failed;
};

/* Push the name of the loaded module whose file has that chunk name, to judge by how its path ends; or false. */
static void push_owner(lua_State *L, int loaded, const char *source) {
    int top = lua_gettop(L);
    size_t len = strlen(source);
    lua_pushboolean(L, 0);
    if (*source != '@' || len < 6 || strcmp(source + len - 4, ".lua") != 0)
        return;
    lua_pushlstring(L, source + 1, len - 5);
    const char *dotted = luaL_gsub(L, lua_tostring(L, -1), "/", ".");
    for (const char *p = dotted + strlen(dotted); p >= dotted;
         p--) { /* the longest that is loaded */
        if (p > dotted && p[-1] != '.')
            continue;
        size_t n = strlen(p);
        bool init = n > 5 && strcmp(p + n - 5, ".init") == 0;
        for (int whole = 1; whole >= !init; whole--) {
            lua_pushlstring(L, p, whole ? n : n - 5);
            lua_pushvalue(L, -1);
            if (*p && lua_rawget(L, loaded) != LUA_TNIL) {
                lua_pop(L, 1);
                lua_replace(L, top + 1);
            } else {
                lua_settop(L, top + 3);
            }
        }
    }
    lua_settop(L, top + 1);
}

bool tine__push_owner(lua_State *L, int self, const char *source) {
    int top = lua_gettop(L);
    luaL_checkstack(L, 12, "modules");
    lua_rawgeti(L, self, ST_OWNERS);
    lua_pushstring(L, source);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_rawgeti(L, self, ST_LOADED);
        push_owner(L, lua_gettop(L), source);
        if (lua_toboolean(L, -1)) { /* another module may be loaded at any time */
            lua_pushstring(L, source);
            lua_pushvalue(L, -2);
            lua_rawset(L, top + 1);
        }
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return lua_toboolean(L, -1);
}

/* Is the function on top from a module's file? */
static bool is_of_module(struct building *b) {
    lua_State *L = b->e->L;
    lua_Debug ar;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &ar);
    bool is = tine__push_owner(L, b->e->self, ar.source);
    lua_pop(L, 1);
    return is;
}

static bool is_foreign(const struct building *b, const void *p) {
    return p == b->e->c->globals || p == lua_topointer(b->e->L, b->loaded);
}

/* What the value on top is in the index; NAME_NONE: nothing. */
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

/* Of two names of one module the one that a file has, and of these the shorter: it is what others hold on to. */
static bool is_better_module(struct building *b, const char *mine, const char *other) {
    struct encoder *e = b->e;
    if (tine__standard_module(mine) != tine__standard_module(other))
        return tine__standard_module(mine);
    bool found = tine__file_of(e->L, e->c, e->self, mine);
    if (found != (tine__file_of(e->L, e->c, e->self, other) != NULL))
        return found;
    size_t m = strlen(mine), n = strlen(other);
    return m != n ? m < n : strcmp(mine, other) < 0;
}

/* Is the function on top from the file of that module? */
static bool is_from(struct building *b, uint32_t root) {
    lua_State *L = b->e->L;
    lua_Debug ar;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &ar);
    tine__push_owner(L, b->e->self, ar.source);
    lua_rawgeti(L, b->paths, (lua_Integer)root + 1);
    bool is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

/* The value on top is in the index under `old`: is the way to it that ends with the step at `step` a better one? Of ways
** of one length that through the module whose the function is; otherwise one that does not depend on the order
** of the traversal. */
static bool is_better(struct building *b, const struct name *old, int step) {
    lua_State *L = b->e->L;
    const struct names *n = &b->e->c->names;
    bool better = false;
    int top = lua_gettop(L);
    if (old->depth != (b->from ? b->from->depth + 1 : 0) || old->kind == NAME_NONE)
        return false;
    lua_rawgeti(L, b->paths, (lua_Integer)(old - n->list) + 1);
    const char *mine = lua_type(L, step) == LUA_TSTRING ? lua_tostring(L, step) : NULL;
    const char *other = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_settop(L, top); /* both stay: tables have them */
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

/* Of Lua's own libraries nothing but they themselves, and what `require` goes by: functions are known by their
** address, and the rest was put there by the program. */
static bool is_held(const struct building *b, enum name_kind kind) {
    if (kind == NAME_NONE || !b->from || b->from->builtin != BUILTIN_LUA)
        return kind != NAME_NONE;
    lua_State *L = b->e->L;
    lua_rawgeti(L, b->paths, (lua_Integer)b->from->root + 1);
    bool package = b->from->depth == 0 && strcmp(lua_tostring(L, -1), "package") == 0;
    lua_pop(L, 1);
    return package && kind == NAME_HELD;
}

/* Enter the value on top, a step (the value at `step`) from b->from. */
static void enter(struct building *b, int step) {
    lua_State *L = b->e->L;
    struct names *n = &b->e->c->names;
    enum name_kind kind = kind_of(b);
    if (n->used > MAX_NAMES || !is_held(b, kind))
        return;
    const void *p = kind == NAME_USERDATA ? lua_touserdata(L, -1) : lua_topointer(L, -1);
    uint32_t from_id = b->from_id;
    struct name *name = find(n, p);
    if (name && !is_better(b, name, step))
        return;
    bool fresh = !name;
    if (fresh && !(name = insert(n, p))) {
        b->failed = true;
        return;
    }
    uint32_t id = (uint32_t)(name - n->list);
    b->from = b->from ? &n->list[from_id] : NULL; /* the list may have moved */
    name->kind = (uint8_t)kind;
    name->meta = lua_isboolean(L, step);
    name->parent = b->from ? from_id : id;
    name->root = b->from ? b->from->root : id;
    name->depth = b->from ? (uint8_t)(b->from->depth + 1) : 0;
    name->builtin = b->from ? n->list[name->root].builtin : builtin_of(lua_tostring(L, step));
    lua_pushvalue(L, step);
    lua_rawseti(L, b->paths, (lua_Integer)id + 1);
    if (fresh) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, b->objects, (lua_Integer)id + 1);
    }
}

/* ---- a step ---- */

static bool is_step(lua_State *L, int key) {
    return lua_type(L, key) == LUA_TSTRING || (lua_isinteger(L, key) && lua_tointeger(L, key) > 0 &&
                                               lua_tointeger(L, key) < INT32_MAX);
}

/* The fields and items of the table at `t`. */
static void enter_fields(struct building *b, int t) {
    lua_State *L = b->e->L;
    int left = b->from->depth == 0 ? MAX_FIELDS : MAX_ITEMS;
    for (lua_pushnil(L); lua_next(L, t) && !b->failed; lua_pop(L, 1)) {
        if (--left < 0)
            break;
        if (is_step(L, -2))
            enter(b, lua_gettop(L) - 1);
    }
    lua_settop(L, t);
}

static void enter_metatable(struct building *b, int object) {
    lua_State *L = b->e->L;
    lua_pushboolean(L, 1);
    if (lua_getmetatable(L, object))
        enter(b, object + 1);
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

/* Has the function at `fn` anything behind its upvalues? Most have not, and then nobody need know whose it is. */
static bool has_objects(struct building *b, int fn) {
    bool has = false;
    for (int i = 1; !has && lua_getupvalue(b->e->L, fn, i); i++) {
        has = kind_of(b) != NAME_NONE;
        lua_settop(b->e->L, fn);
    }
    return has;
}

/* All that is one step from the object number `id`. */
static void expand(struct building *b, uint32_t id) {
    lua_State *L = b->e->L;
    struct names *n = &b->e->c->names;
    if (n->list[id].depth >= NAME_STEPS || n->list[id].kind == NAME_CFUNCTION ||
        n->list[id].kind == NAME_NONE)
        return;
    b->from_id = id;
    b->from = &n->list[id];
    int type = lua_rawgeti(L, b->objects, (lua_Integer)id + 1);
    int at = lua_gettop(L);
    if (type == LUA_TTABLE) {
        enter_fields(b, at);
        if (b->from->builtin != BUILTIN_LUA)
            enter_metatable(b, at);
    } else if (type == LUA_TUSERDATA) {
        enter_metatable(b, at);
    } else if (type == LUA_TFUNCTION && !b->from->builtin && !lua_iscfunction(L, at) &&
               has_objects(b, at) && is_of_module(b)) {
        enter_upvalues(b, at);
    }
    lua_settop(L, at - 1);
}

/* What `_G` holds and Lua has not: only C functions and userdata. */
static void enter_globals(struct building *b) {
    lua_State *L = b->e->L;
    struct name *root = insert(&b->e->c->names, b->e->c->globals);
    if (!root)
        return (void)(b->failed = true);
    root->kind = NAME_NONE;
    lua_pushliteral(L, "_G");
    lua_rawseti(L, b->paths, (lua_Integer)b->e->c->names.used);
    root->root = root->parent = b->from_id = b->e->c->names.used - 1;
    b->from = root;
    lua_pushglobaltable(L);
    int t = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, t) && !b->failed; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && (lua_iscfunction(L, -1) || lua_isuserdata(L, -1)))
            enter(b, t + 1);
    lua_settop(L, t - 1);
}

static void enter_modules(struct building *b) {
    lua_State *L = b->e->L;
    for (lua_pushnil(L); lua_next(L, b->loaded) && !b->failed; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING)
            enter(b, lua_gettop(L) - 1);
    enter_globals(b);
    for (uint32_t i = 0; i < b->e->c->names.used && !b->failed; i++)
        expand(b, i);
}

/* The length of package.loaded and what is in it, as one number. */
static uint64_t sum_of_loaded(lua_State *L, int loaded) {
    uint64_t sum = 0;
    for (lua_pushnil(L); lua_next(L, loaded); lua_pop(L, 1)) {
        sum += UINT64_C(0x9E3779B97F4A7C15);
        sum += (uint64_t)(uintptr_t)lua_topointer(L, -1) * UINT64_C(0xFF51AFD7ED558CCD);
    }
    return sum;
}

static void new_table(lua_State *L, int self, int slot) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, self, slot);
}

static int build(struct encoder *e, uint64_t sum) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    struct names *n = &e->c->names;
    struct building b = {.e = e};
    tine__names_free(e->c);
    luaL_checkstack(L, 40, "modules");
    lua_rawgeti(L, e->self, ST_LOADED);
    b.loaded = lua_gettop(L);
    new_table(L, e->self, ST_PATHS);
    b.paths = lua_gettop(L);
    new_table(L, e->self, ST_OWNERS);
    b.owners = lua_gettop(L);
    new_table(L, e->self, ST_FOUND);
    new_table(L, e->self, ST_ANCHORS);
    new_table(L, e->self, ST_USES);
    new_table(L, e->self, ST_WATCHES);
    lua_newtable(L);
    b.objects = lua_gettop(L);
    enter_modules(&b);
    lua_settop(L, top);
    if (b.failed)
        return tine__encode_nomem(e);
    n->sum = sum;
    n->built = true;
    return 0;
}

/* ---- using it ---- */

int tine__name_missing(struct encoder *e) {
    lua_State *L = e->L;
    struct names *n = &e->c->names;
    if (e->checked && n->built)
        return 0;
    lua_rawgeti(L, e->self, ST_LOADED);
    uint64_t sum = sum_of_loaded(L, lua_gettop(L));
    lua_pop(L, 1);
    e->checked = true;
    n->loads = *e->c->loads;
    if (n->built && n->sum == sum)
        return 0;
    int err = build(e, sum);
    return err ? err : ENCODE_AGAIN;
}

int tine__name_missing_table(struct encoder *e, const void *p) {
    struct names *n = &e->c->names;
    const void **slot = &n->plain[((uintptr_t)p >> 4) % (sizeof n->plain / sizeof *n->plain)];
    if (likely(*slot == p) || find(n, p))
        return 0;
    int err = tine__name_missing(e);
    if (!err)
        *slot = p;
    return err;
}

struct name *tine__name_find(const struct codec *c, const void *p) {
    return find(&c->names, p);
}

/* The numbers of the objects on the way, the module's first. */
static int way_to(const struct names *n, const struct name *name, uint32_t way[NAME_STEPS + 1]) {
    int steps = name->depth;
    uint32_t id = (uint32_t)(name - n->list);
    for (int i = steps; i >= 0; i--) {
        way[i] = id;
        id = n->list[id].parent;
    }
    return steps;
}

bool tine__name_walk(struct encoder *e, const struct name *name) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    uint32_t way[NAME_STEPS + 1];
    int steps = way_to(&e->c->names, name, way);
    lua_rawgeti(L, e->self, ST_PATHS);
    lua_rawgeti(L, e->self, ST_LOADED);
    for (int i = 0; i <= steps; i++) {
        lua_rawgeti(L, top + 1, (lua_Integer)way[i] + 1);
        if (!tine__take_step(L, top + 2)) {
            lua_settop(L, top);
            return false;
        }
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return true;
}

bool tine__name_watch(struct encoder *e, struct name *name, int list) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    uint32_t way[NAME_STEPS + 1];
    int steps = way_to(&e->c->names, name, way);
    bool good = true;
    lua_rawgeti(L, e->self, ST_PATHS);
    lua_rawgeti(L, e->self, ST_LOADED);
    for (int i = 0; good && i <= steps; i++) {
        lua_rawgeti(L, top + 1, (lua_Integer)way[i] + 1);
        good = lua_istable(L, top + 2) && !lua_isboolean(L, -1) &&
               !(lua_isinteger(L, -1) && lua_tointeger(L, -1) < 0) &&
               tine__watch_field(L, &name->watch, list, top + 2, top + 3);
        if (good) {
            lua_rawget(L, top + 2);
            lua_replace(L, top + 2);
        }
    }
    lua_settop(L, top);
    if (!good)
        tine__watch_free(&name->watch);
    return good;
}

bool tine__name_holds(lua_State *L, const struct codec *c, int self, struct name *n) {
    int top = lua_gettop(L);
    bool good = true;
    if (!n->watch.made || n->going != GOES_BY_NAME ||
        (n->file && !tine__file_is_current(n->file)) || !lua_checkstack(L, 40))
        return false;
    if (!n->fields) {
        struct encoder e = {.L = L, .c = (struct codec *)c, .self = self};
        good = tine__name_walk(&e, n) &&
               (n->kind == NAME_USERDATA ? lua_touserdata(L, -1) : lua_topointer(L, -1)) == n->key;
        lua_settop(L, top);
    }
    lua_rawgeti(L, self, ST_WATCHES);
    lua_rawgeti(L, -1, (lua_Integer)(n - c->names.list) + 1);
    good = good && tine__watch_holds(L, &n->watch, top + 2, 0);
    lua_settop(L, top);
    return good;
}

int tine__name_pack(struct encoder *e, const struct name *name, struct buf *out) {
    lua_State *L = e->L;
    int top = lua_gettop(L), err = 0;
    uint32_t way[NAME_STEPS + 1];
    int steps = way_to(&e->c->names, name, way);
    lua_rawgeti(L, e->self, ST_PATHS);
    for (int i = 1; i <= steps && !err; i++) {
        lua_rawgeti(L, top + 1, (lua_Integer)way[i] + 1);
        if (lua_isboolean(L, -1)) {
            if (!(err = buf_reserve(out, PACK_MAX)))
                pack_true(out);
        } else {
            err = !tine__encode_scalar(L, -1, out);
        }
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return err ? tine__encode_nomem(e) : 0;
}

const char *tine__name_root(struct encoder *e, const struct name *name) {
    lua_State *L = e->L;
    lua_rawgeti(L, e->self, ST_PATHS);
    lua_rawgeti(L, -1, (lua_Integer)name->root + 1);
    const char *s = lua_tostring(L, -1); /* stays: the table has it */
    lua_pop(L, 2);
    return s;
}

const char *tine__name_push(struct encoder *e, const struct name *name) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    uint32_t way[NAME_STEPS + 1];
    int steps = way_to(&e->c->names, name, way);
    luaL_checkstack(L, 8, "name");
    lua_rawgeti(L, e->self, ST_PATHS);
    lua_pushliteral(L, "");
    for (int i = 0; i <= steps; i++) {
        lua_rawgeti(L, top + 1, (lua_Integer)way[i] + 1);
        tine__push_step(L, i == 0);
        lua_concat(L, 2);
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    const char *s = lua_tostring(L, -1);
    return strncmp(s, "_G.", 3) == 0 ? s + 3 : s;
}

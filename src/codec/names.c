/* What loaded modules hold, by address: the reverse of package.loaded.
**
** The index goes two fields deep (socket.url.parse). An entry says where its object was; before it
** is used the way there is walked again, so an entry can be out of date but never wrong. When
** something turns up that has no name, the index is compared with package.loaded (its length and the
** addresses in it) and made anew if that has changed; this is done at most once for a segment.
**
** A state has a codec for each pool. The one that made an index last leaves a copy of it for the others,
** which is good as long as everything that it was made from is where it was.
**
** Which modules count. Lua's own, and Tine's, are in every worker. Lua functions, tables and module
** tables of another one go by name only if package.path or package.cpath finds the module, for that
** is how a worker comes by it. A loader in package.preload counts for nothing: it is in the
** submitter's state alone. C functions and userdata cannot travel otherwise, so they go by name
** wherever they are held. Of `_G` only C functions and userdata have names.
*/
#include "codec/internal.h"
#include "codec/pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

#define MAX_FIELDS 4096 /* of a table in a module: a longer one is data */

/* ---- the index ---- */

static uint32_t slot_of(const struct names *n, const void *key) {
    uint64_t x = (uint64_t)(uintptr_t)key >> 3;
    return (uint32_t)((x * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & n->mask;
}

static inline struct name *find(const struct names *n, const void *key) {
    if (unlikely(!n->slots))
        return NULL;
    uint32_t i = slot_of(n, key);
    for (; n->slots[i].key; i = (i + 1) & n->mask)
        if (n->slots[i].key == key)
            return &n->slots[i];
    return NULL;
}

static bool grow(struct names *n) {
    struct names bigger = *n;
    uint32_t size = n->slots ? (n->mask + 1) * 2 : 512;
    if (!(bigger.slots = sys.calloc(size, sizeof *n->slots)))
        return false;
    bigger.mask = size - 1;
    for (uint32_t i = 0; n->slots && i <= n->mask; i++) {
        if (!n->slots[i].key)
            continue;
        uint32_t at = slot_of(&bigger, n->slots[i].key);
        while (bigger.slots[at].key)
            at = (at + 1) & bigger.mask;
        bigger.slots[at] = n->slots[i];
    }
    free(n->slots);
    *n = bigger;
    return true;
}

static struct name *insert(struct names *n, const void *key) {
    if ((!n->slots || n->used >= n->mask / 2) && !grow(n))
        return NULL;
    uint32_t i = slot_of(n, key);
    while (n->slots[i].key)
        i = (i + 1) & n->mask;
    n->slots[i] = (struct name){.key = key};
    n->filter[name_filter_bit(key) / 64] |= UINT64_C(1) << name_filter_bit(key) % 64;
    n->used++;
    return &n->slots[i];
}

void tine__names_free(struct codec *c) {
    struct names *n = &c->names;
    free(n->slots);
    tine__buf_free(&n->bytes);
    n->slots = NULL;
    n->used = n->mask = n->paths = 0;
    n->built = false;
    memset(n->plain, 0, sizeof n->plain);
    memset(n->filter, 0, sizeof n->filter);
    memset(c->sent, 0, sizeof c->sent); /* they may have names then */
    c->last = NULL;
}

/* ---- which modules a worker finds ---- */

static bool is_builtin(const char *module) {
    static const char *const names[] = {"_G",     "package", "coroutine", "table", "io",  "os",
                                        "string", "math",    "utf8",      "debug", "tine"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], module) == 0)
            return true;
    return strncmp(module, "tine.", 5) == 0;
}

static bool search(lua_State *L, int package, const char *module, const char *path) {
    int top = lua_gettop(L);
    bool found = false;
    lua_pushliteral(L, "searchpath");
    lua_rawget(L, package);
    lua_pushstring(L, module);
    lua_pushstring(L, path);
    lua_rawget(L, package);
    if (lua_isstring(L, -1) && lua_pcall(L, 2, 1, 0) == LUA_OK)
        found = !lua_isnil(L, -1);
    lua_settop(L, top);
    return found;
}

/* As the searchers of `require` would, without loading: Lua file, C file, C file of the root. */
static bool search_paths(lua_State *L, const char *module) {
    int top = lua_gettop(L);
    bool found = false;
    const char *dot = strchr(module, '.');
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushliteral(L, "package");
    if (lua_rawget(L, -2) == LUA_TTABLE) {
        int package = lua_gettop(L);
        found = search(L, package, module, "path") || search(L, package, module, "cpath");
        if (!found && dot)
            found = search(L, package, lua_pushlstring(L, module, (size_t)(dot - module)), "cpath");
    }
    lua_settop(L, top);
    return found;
}

static bool is_found(struct encoder *e, const char *module) {
    lua_State *L = e->L;
    if (is_builtin(module))
        return true;
    lua_rawgeti(L, e->self, ST_FOUND);
    lua_pushstring(L, module);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushboolean(L, search_paths(L, module));
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    bool found = lua_toboolean(L, -1);
    lua_pop(L, 3);
    return found;
}

/* ---- building ---- */

struct building {
    struct encoder *e;
    int loaded; /* stack index of package.loaded */
    int paths;  /* of ST_PATHS */
    const char *parts[3];
    int n;
    bool builtin;
    bool failed;
    bool looking; /* nothing is entered, but: */
    uint64_t sum; /* of what would be, and where */
};

static const char *part(lua_State *L, int paths, const struct name *n, int i) {
    lua_rawgeti(L, paths, (lua_Integer)n->path * 3 + i);
    const char *s = lua_tostring(L, -1); /* stays: the table has it */
    lua_pop(L, 1);
    return s;
}

/* The same in every process, whatever the order in which the tables are traversed. */
static bool is_better(struct building *b, const struct name *old) {
    lua_State *L = b->e->L;
    size_t mine = 0, other = 0;
    if (old->builtin != b->builtin)
        return b->builtin;
    const char *module = part(L, b->paths, old, 1);
    if (strcmp(module, b->parts[0]) != 0) {
        bool found = is_found(b->e, b->parts[0]);
        if (found != is_found(b->e, module))
            return found;
    }
    if (old->parts != b->n)
        return b->n < old->parts;
    for (int i = 0; i < b->n; i++) {
        mine += strlen(b->parts[i]);
        other += strlen(part(L, b->paths, old, i + 1));
    }
    if (mine != other)
        return mine < other;
    for (int i = 0; i < b->n; i++) {
        int order = strcmp(b->parts[i], part(L, b->paths, old, i + 1));
        if (order)
            return order < 0;
    }
    return false;
}

/* The value at `p` under the name in `b`, whose parts are strings of Lua's. */
static uint64_t sum_of_place(const struct building *b, const void *p) {
    uint64_t sum = (uintptr_t)p;
    for (int i = 0; i < b->n; i++)
        sum = (sum ^ (uintptr_t)b->parts[i]) * UINT64_C(0x9E3779B97F4A7C15);
    return sum ^ sum >> 29;
}

/* Enter the value on top of the stack under the name in `b`. */
static void enter(struct building *b, enum name_kind kind) {
    lua_State *L = b->e->L;
    struct names *n = &b->e->c->names;
    const void *p = kind == NAME_USERDATA ? lua_touserdata(L, -1) : lua_topointer(L, -1);
    if (b->looking) {
        b->sum += sum_of_place(b, p);
        return;
    }
    struct name *old = p ? find(n, p) : NULL;
    if (!p || (old && !is_better(b, old)))
        return;
    struct name *name = old ? old : insert(n, p);
    if (!name) {
        b->failed = true;
        return;
    }
    *name = (struct name){.key = p,
                          .path = n->paths++,
                          .kind = (uint8_t)kind,
                          .parts = (uint8_t)b->n,
                          .builtin = b->builtin};
    for (int i = 0; i < b->n; i++) {
        lua_pushstring(L, b->parts[i]);
        lua_rawseti(L, b->paths, (lua_Integer)name->path * 3 + i + 1);
    }
}

/* Is the table on top no part of the module that holds it? */
static bool is_foreign(const struct building *b) {
    lua_State *L = b->e->L;
    return lua_rawequal(L, -1, b->loaded) || lua_topointer(L, -1) == b->e->c->globals ||
           (b->n == 2 && strcmp(b->parts[0], "package") == 0);
}

static void enter_fields(struct building *b, bool globals);

static void enter_value(struct building *b, bool globals) {
    lua_State *L = b->e->L;
    switch (lua_type(L, -1)) {
    case LUA_TFUNCTION:
        if (lua_iscfunction(L, -1))
            enter(b, NAME_CFUNCTION);
        else if (!globals)
            enter(b, NAME_FUNCTION);
        break;
    case LUA_TUSERDATA:
    case LUA_TLIGHTUSERDATA:
        enter(b, NAME_USERDATA);
        break;
    case LUA_TTABLE:
        if (globals || is_foreign(b))
            break;
        enter(b, b->n == 1 ? NAME_MODULE : NAME_HELD);
        if (b->n < 3)
            enter_fields(b, false);
        break;
    }
}

/* The fields, with string keys, of the table on top. */
static void enter_fields(struct building *b, bool globals) {
    lua_State *L = b->e->L;
    int t = lua_gettop(L), left = MAX_FIELDS;
    luaL_checkstack(L, 10, "modules");
    b->n++;
    for (lua_pushnil(L); lua_next(L, t) && !b->failed; lua_pop(L, 1)) {
        if (--left < 0 && b->n == 3) {
            lua_pop(L, 2);
            break;
        }
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        size_t len;
        b->parts[b->n - 1] = lua_tolstring(L, -2, &len);
        if (strlen(b->parts[b->n - 1]) == len)
            enter_value(b, globals);
    }
    lua_settop(L, t);
    b->n--;
}

static void enter_modules(struct building *b) {
    lua_State *L = b->e->L;
    for (lua_pushnil(L); lua_next(L, b->loaded) && !b->failed; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        b->parts[0] = lua_tostring(L, -2);
        b->builtin = is_builtin(b->parts[0]);
        b->n = 1;
        if (strcmp(b->parts[0], "_G") != 0)
            enter_value(b, false);
        else if (lua_istable(L, -1))
            enter_fields(b, true);
    }
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

/* ---- the copy for other codecs of the state ---- */

static const char copy_key; /* registry */

enum { COPY_PATHS = 1, COPY_PATH, COPY_CPATH, COPY_VALUES = COPY_CPATH };

struct copy {
    uint64_t sum; /* see struct building */
    uint32_t n, paths;
    struct name names[];
};

/* Push package.path and package.cpath: by them it was decided which of two names is better. */
static void push_search_paths(lua_State *L, int loaded) {
    lua_pushliteral(L, "package");
    bool is_table = lua_rawget(L, loaded) == LUA_TTABLE;
    for (int i = 0; i < 2; i++) {
        lua_pushstring(L, i == 0 ? "path" : "cpath");
        if (is_table)
            lua_rawget(L, -2 - i);
    }
    lua_remove(L, -3);
}

static void leave_copy(struct building *b) {
    lua_State *L = b->e->L;
    const struct names *n = &b->e->c->names;
    struct copy *copy =
        lua_newuserdatauv(L, sizeof *copy + (size_t)n->used * sizeof copy->names[0], COPY_VALUES);
    copy->sum = b->sum;
    copy->paths = n->paths;
    copy->n = 0;
    for (uint32_t i = 0; i <= n->mask; i++)
        if (n->slots[i].key)
            copy->names[copy->n++] = n->slots[i];
    lua_pushvalue(L, b->paths);
    lua_setiuservalue(L, -2, COPY_PATHS);
    push_search_paths(L, b->loaded);
    lua_setiuservalue(L, -3, COPY_CPATH);
    lua_setiuservalue(L, -2, COPY_PATH);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &copy_key);
}

/* Is the copy at `at` of what there is now? */
static bool is_up_to_date(struct building *b, const struct copy *copy, int at) {
    lua_State *L = b->e->L;
    push_search_paths(L, b->loaded);
    lua_getiuservalue(L, at, COPY_PATH);
    lua_getiuservalue(L, at, COPY_CPATH);
    bool same = lua_rawequal(L, -4, -2) && lua_rawequal(L, -3, -1) && copy->sum == b->sum;
    lua_pop(L, 4);
    return same;
}

/* Take over what another codec has found. */
static bool take_copy(struct building *b) {
    lua_State *L = b->e->L;
    struct names *n = &b->e->c->names;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &copy_key);
    const struct copy *copy = lua_touserdata(L, -1);
    if (!copy || !is_up_to_date(b, copy, lua_gettop(L)))
        return false;
    for (uint32_t i = 0; i < copy->n && !b->failed; i++) {
        struct name *name = insert(n, copy->names[i].key);
        b->failed = !name;
        if (name)
            *name = copy->names[i];
    }
    n->paths = copy->paths;
    lua_getiuservalue(L, -1, COPY_PATHS);
    lua_rawseti(L, b->e->self, ST_PATHS);
    return true;
}

/* ---- building: the whole ---- */

static void make_index(struct building *b) {
    lua_State *L = b->e->L;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, b->e->self, ST_PATHS);
    b->paths = lua_gettop(L);
    enter_modules(b);
    if (!b->failed)
        leave_copy(b);
}

static int build(struct encoder *e, uint64_t sum) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    struct names *n = &e->c->names;
    struct building b = {.e = e, .looking = true};
    tine__names_free(e->c);
    luaL_checkstack(L, 40, "modules");
    lua_rawgeti(L, e->self, ST_LOADED);
    b.loaded = lua_gettop(L);
    enter_modules(&b);
    b.looking = false;
    if (!take_copy(&b))
        make_index(&b);
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

/* Push the value at the end of the way; false, and nothing, when it leads nowhere. */
static bool walk(struct encoder *e, int paths, const struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    lua_rawgeti(L, e->self, ST_LOADED);
    for (int i = 1; i <= n->parts; i++) {
        if (!lua_istable(L, -1)) {
            lua_settop(L, top);
            return false;
        }
        lua_rawgeti(L, paths, (lua_Integer)n->path * 3 + i);
        lua_rawget(L, -2);
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return true;
}

/* A table that a module holds: is it made to be a metatable? */
static bool is_class(lua_State *L, int t) {
    static const char *const events[] = {
        "__index",  "__newindex",  "__call",  "__gc",  "__close", "__mode",
        "__name",   "__metatable", "__eq",    "__lt",  "__le",    "__len",
        "__concat", "__tostring",  "__pairs", "__unm", "__add",   "__sub",
        "__mul",    "__div",       "__mod",   "__pow", "__idiv",  "__band",
        "__bor",    "__bxor",      "__shl",   "__shr", "__bnot",
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        lua_pushstring(L, events[i]);
        int type = lua_rawget(L, t);
        lua_pop(L, 1);
        if (type != LUA_TNIL)
            return true;
    }
    return false;
}

/* May this go by name, once it is certain that it is still there? */
static bool is_eligible(struct encoder *e, int paths, struct name *n) {
    if (n->builtin || n->kind == NAME_CFUNCTION || n->kind == NAME_USERDATA)
        return true;
    if (unlikely(!n->found))
        n->found = is_found(e, part(e->L, paths, n, 1)) ? 2 : 1;
    return n->found == 2;
}

/* Its operation on the wire, made at first use. */
static int make_wire(struct encoder *e, int paths, struct name *n) {
    struct buf *b = &e->c->names.bytes;
    size_t start = b->len;
    for (int i = 0; i < n->parts; i++) {
        const char *s = part(e->L, paths, n, i + 1);
        size_t len = strlen(s);
        if (buf_reserve(b, len + (size_t)2 * PACK_MAX))
            goto fail;
        if (i == 0) {
            pack_array(b, 1u + n->parts);
            pack_bytes(b, (unsigned char[]){0xd4, EXT_OP, OP_NAME}, 3);
        }
        pack_str(b, len);
        pack_bytes(b, s, len);
    }
    n->wire = (uint32_t)start;
    n->wire_len = (uint32_t)(b->len - start);
    return 0;
fail:
    b->len = start;
    return tine__encode_nomem(e);
}

static int encode_name(struct encoder *e, int idx, struct name *n, bool as_metatable) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    if (unlikely(!lua_checkstack(L, 20)))
        return tine__encode_nomem(e);
    lua_rawgeti(L, e->self, ST_PATHS);
    bool there = walk(e, top + 1, n) && lua_rawequal(L, -1, idx) && is_eligible(e, top + 1, n) &&
                 (n->kind != NAME_HELD || as_metatable || is_class(L, idx));
    int err = there && !n->wire_len ? make_wire(e, top + 1, n) : 0;
    if (err)
        return err;
    lua_settop(L, top);
    if (!there)
        return 0;
    if (buf_append(e->out, e->c->names.bytes.data + n->wire, n->wire_len))
        return tine__encode_nomem(e);
    return 1;
}

bool tine__name_known(const struct codec *c, const void *p) {
    return find(&c->names, p);
}

int tine__name_encode(struct encoder *e, int idx, const void *p, bool as_metatable,
                      const struct name **which) {
    struct name *n = find(&e->c->names, p);
    if (likely(!n)) {
        return likely(e->c->names.built) ? 0 : tine__name_missing(e);
    }
    if (which)
        *which = n;
    return encode_name(e, idx, n, as_metatable);
}

const char *tine__name_push(struct encoder *e, const struct name *n) {
    lua_State *L = e->L;
    lua_rawgeti(L, e->self, ST_PATHS);
    int paths = lua_gettop(L);
    const char *s = part(L, paths, n, 1);
    if (n->parts > 1)
        s = lua_pushfstring(L, "%s.%s", s, part(L, paths, n, 2));
    if (n->parts > 2)
        s = lua_pushfstring(L, "%s.%s", s, part(L, paths, n, 3));
    return strncmp(s, "_G.", 3) == 0 ? s + 3 : s;
}

/* Names: the objects that can be reached from loaded modules, by address. This is package.loaded
** reversed.
**
** THE RULE. A name may only stand for an object that the other process really gets under that name.
** What cannot be shown to be the same there travels by value; what can travel neither way is an
** error. The index below only says where an object may be found. Other files decide:
**
**     proof.c               what can be shown of an object, and how
**     decode/resolve.c      what the other side compares before it takes its own object
**     changes/              what the program has changed in a module, which goes along with it
**     files/files.c         where the other side will look for a module's code
**     lua/standard.c        Lua's own C functions, which are recognized by address alone
**
** docs/travel.md explains the rule with examples.
**
** THE INDEX. It has tables, Lua functions, C functions and userdata that are a few steps away from
** package.loaded. A step is a field, an item of a list, a metatable, or an upvalue of a function;
** so private classes, and sentinels that only functions of a module see, have names, too. An object
** gets its shortest way. An entry says where its object was. Before it is used its way is followed
** again, so an entry can be out of date, but does no harm. When an object turns up that has no
** name, package.loaded is compared with what it was (number of entries, and addresses), and the
** index is built anew if it has changed; this is done at most once for a segment. The codecs of a
** Lua state share an index (index_copy.c), as long as everything that it was made from is where it
** was.
**
** No way leads through the program's own functions, wherever they are held: the index only follows
** upvalues of functions from the files of loaded modules. In `_G` only C functions and userdata
** have names.
*/
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/hot.h"
#include "base/sys.h"
#include "codec/changes/watch.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/step.h"
#include "codec/pack.h"
#include "codec/scalars.h"
#include "codec/state.h"

/* ---- the index ---- */

static uint32_t slot_of(const struct index *x, const void *key) {
    uint64_t h = (uint64_t)(uintptr_t)key >> 3;
    return (uint32_t)((h * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & x->mask;
}

struct place *tine__index_find(const struct index *x, const void *key) {
    for (uint32_t i = slot_of(x, key); x->slots[i]; i = (i + 1) & x->mask)
        if (x->list[x->slots[i] - 1].key == key)
            return &x->list[x->slots[i] - 1];
    return NULL;
}

static void put_slot(struct index *x, uint32_t id) {
    const void *key = x->list[id].key;
    uint32_t i = slot_of(x, key);
    while (x->slots[i])
        i = (i + 1) & x->mask;
    x->slots[i] = id + 1;
    x->filter[name_filter_bit(key) / 64] |= UINT64_C(1) << name_filter_bit(key) % 64;
}

/* Make room for `cap` places, a power of two. */
static bool grow(struct index *x, uint32_t cap) {
    struct place *list = sys.realloc(x->list, cap * sizeof *list);
    if (!list)
        return false;
    x->list = list;
    uint32_t *slots = sys.calloc((size_t)cap * 2, sizeof *slots);
    if (!slots)
        return false;
    free(x->slots);
    x->slots = slots;
    x->cap = cap;
    x->mask = cap * 2 - 1;
    for (uint32_t i = 0; i < x->used; i++)
        put_slot(x, i);
    return true;
}

struct index *tine__index_new(uint32_t expected) {
    uint32_t cap = 256;
    struct index *x = sys.calloc(1, sizeof *x);
    while (cap < expected)
        cap *= 2;
    if (x && !grow(x, cap)) {
        free(x->list);
        free(x);
        return NULL;
    }
    if (x)
        x->users = 1;
    return x;
}

struct place *tine__index_insert(struct index *x, const void *key) {
    if (x->used == x->cap && !grow(x, x->cap * 2))
        return NULL;
    x->list[x->used] = (struct place){.key = key};
    put_slot(x, x->used);
    return &x->list[x->used++];
}

void tine__index_drop(struct index *x) {
    if (!x || --x->users > 0)
        return;
    free(x->slots);
    free(x->list);
    free(x);
}

/* ---- the names of a codec ---- */

void tine__names_find_kept(struct names *n) {
    n->nkept = 0;
    for (uint32_t i = 0; i < n->count && n->nkept < KEPT_TABLES; i++)
        if (n->index->list[i].keeps)
            n->kept[n->nkept++] = i;
}

bool tine__names_open(struct codec *c, struct index *x) {
    struct names *n = &c->names;
    n->list = sys.calloc(x->used, sizeof *n->list);
    if (!n->list)
        return false;
    n->index = x;
    n->count = x->used;
    x->users++;
    tine__names_find_kept(n);
    memcpy(n->filter, x->filter, sizeof n->filter);
    for (int i = 0; i < OWN_TABLES; i++) {
        uint32_t bit = name_filter_bit(c->own[i]);
        n->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    return true;
}

void tine__names_free(struct codec *c) {
    struct names *n = &c->names;
    for (uint32_t at = n->asked; at; at = n->list[at - 1].next)
        tine__watch_free(&n->list[at - 1].watch);
    free(n->list);
    tine__index_drop(n->index);
    tine__buf_free(&n->bytes);
    n->list = NULL;
    n->index = NULL;
    n->count = n->nkept = 0;
    n->asked = 0;
    n->built = false;
    memset(n->plain, 0, sizeof n->plain);
    memset(n->filter, 0, sizeof n->filter);
    memset(c->sent, 0, sizeof c->sent); /* their names refer to the index */
    c->last = NULL;
}

struct name *tine__name_at(const struct codec *c, uint32_t id) {
    struct name *n = &c->names.list[id];
    if (unlikely(!n->key)) {
        const struct place *p = &c->names.index->list[id];
        n->key = p->key;
        n->root = p->root;
        n->kind = p->kind;
        n->depth = p->depth;
        n->builtin = p->builtin;
        n->meta = p->meta;
        n->next = c->names.asked;
        ((struct codec *)c)->names.asked = id + 1;
    }
    return n;
}

struct name *tine__name_find(const struct codec *c, const void *p) {
    const struct index *x = c->names.index;
    const struct place *found = x ? tine__index_find(x, p) : NULL;
    uint32_t id = found ? (uint32_t)(found - x->list) : 0;
    return found && id < c->names.count ? tine__name_at(c, id) : NULL;
}

/* ---- following ways ---- */

static uint32_t parent_of(const struct names *n, uint32_t id) {
    return n->list[id].moved ? n->list[id].parent : n->index->list[id].parent;
}

int tine__name_way(const struct names *n, uint32_t id, uint32_t way[WAY_MAX]) {
    int steps = 0;
    uint32_t root = n->index->list[id].root;
    for (uint32_t i = id; i != root; i = parent_of(n, i))
        steps++;
    for (int i = steps; i >= 0; i--, id = parent_of(n, id))
        way[i] = id;
    return steps;
}

uint32_t tine__name_parent(const struct encoder *e, uint32_t id) {
    return parent_of(&e->c->names, id);
}

static int way_to(const struct names *n, const struct name *name, uint32_t way[WAY_MAX]) {
    bool listed = name->depth > 0; /* else encode/name.c has made it, and it is not in the list */
    return tine__name_way(n, listed ? (uint32_t)(name - n->list) : name->root, way);
}

int tine__name_steps(const struct encoder *e, const struct name *name) {
    uint32_t way[WAY_MAX];
    return way_to(&e->c->names, name, way);
}

void tine__name_push_step(struct encoder *e, uint32_t id) {
    lua_State *L = e->L;
    lua_rawgeti(L, e->self, e->c->names.list[id].moved ? ST_WAYS : ST_PATHS);
    lua_rawgeti(L, -1, (lua_Integer)id + 1);
    lua_remove(L, -2);
}

/* The same as tine__name_push_step; the steps of the index (ST_PATHS) are at stack index
** `paths`. */
static void push_step(struct encoder *e, int paths, uint32_t id) {
    if (unlikely(e->c->names.list[id].moved))
        tine__name_push_step(e, id);
    else
        lua_rawgeti(e->L, paths, (lua_Integer)id + 1);
}

static bool walk(struct encoder *e, const struct name *name) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    uint32_t way[WAY_MAX];
    int steps = way_to(&e->c->names, name, way);
    lua_rawgeti(L, e->self, ST_PATHS);
    lua_rawgeti(L, e->self, ST_LOADED);
    for (int i = 0; i <= steps; i++) {
        push_step(e, top + 1, way[i]);
        if (!tine__take_step(L, top + 2)) {
            lua_settop(L, top);
            return false;
        }
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return true;
}

/* Let all objects on the way to this one use the index's way again. False: none of them was
** moved. */
static bool move_back(struct encoder *e, const struct name *name) {
    struct names *n = &e->c->names;
    uint32_t way[WAY_MAX];
    bool moved = false;
    for (int i = way_to(n, name, way); i >= 0; i--) {
        struct name *on = &n->list[way[i]];
        if (!on->moved)
            continue;
        on->moved = on->known = false;
        tine__watch_free(&on->watch);
        moved = true;
    }
    return moved;
}

/* Is the value on top the object of the name? */
static bool is_it(lua_State *L, const struct name *name) {
    const void *p = name->kind == NAME_USERDATA ? lua_touserdata(L, -1) : lua_topointer(L, -1);
    return p == name->key;
}

/* If a moved way no longer leads to the object, the program may have changed something on that way,
** and the index's way may still be good. */
bool tine__name_walk(struct encoder *e, const struct name *name) {
    bool good = walk(e, name);
    if (likely(good && is_it(e->L, name)) || !name->depth || !move_back(e, name))
        return good;
    if (good)
        lua_pop(e->L, 1);
    return walk(e, name);
}

bool tine__name_watch(struct encoder *e, struct name *name, int list) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    uint32_t way[WAY_MAX];
    int steps = way_to(&e->c->names, name, way);
    bool good = true;
    lua_rawgeti(L, e->self, ST_PATHS);
    lua_rawgeti(L, e->self, ST_LOADED);
    for (int i = 0; good && i <= steps; i++) {
        push_step(e, top + 1, way[i]);
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
    uint32_t way[WAY_MAX];
    int steps = way_to(&e->c->names, name, way);
    lua_rawgeti(L, e->self, ST_PATHS);
    for (int i = 1; i <= steps && !err; i++) {
        push_step(e, top + 1, way[i]);
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
    const char *s = lua_tostring(L, -1); /* valid: the table keeps it */
    lua_pop(L, 2);
    return s;
}

const char *tine__name_push(struct encoder *e, const struct name *name) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    uint32_t way[WAY_MAX];
    int steps = way_to(&e->c->names, name, way);
    luaL_checkstack(L, 8, "name");
    lua_rawgeti(L, e->self, ST_PATHS);
    lua_pushliteral(L, "");
    for (int i = 0; i <= steps; i++) {
        push_step(e, top + 1, way[i]);
        tine__push_step(L, i == 0);
        lua_concat(L, 2);
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    const char *s = lua_tostring(L, -1);
    return strncmp(s, "_G.", 3) == 0 ? s + 3 : s;
}

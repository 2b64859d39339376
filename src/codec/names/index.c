/* Building the index of names (names.c): done when the pool is opened, and when an object turns up
** that has no name and modules were loaded since. */
#include <lauxlib.h>
#include <string.h>
#include "base/hot.h"
#include "codec/encode/encoder.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/walk.h"
#include "codec/state.h"

static void put_table(struct encoder *e, int at, int slot) {
    lua_pushvalue(e->L, at);
    lua_rawseti(e->L, e->self, slot);
}

/* Walk over everything. The parts of the index lie on the stack above package.loaded. */
static void begin(struct building *b) {
    b->paths = b->loaded + 1 + INDEX_PATHS;
    b->objects = b->loaded + 1 + INDEX_OBJECTS;
    b->sum = 0;
    b->failed = !b->index;
    if (!b->failed)
        tine__walk_modules(b);
    if (!b->failed)
        tine__walk_on(b, 0);
}

/* Use the index that another codec has left, if everything is still as it was when that was
** built. */
static bool share(struct building *b, uint64_t loaded) {
    struct index_sums sums;
    b->index = tine__index_push_left(b->e, loaded, &sums);
    if (!b->index)
        return false;
    b->looking = true;
    begin(b);
    if (!b->failed && b->sum == sums.places)
        return true;
    lua_settop(b->e->L, b->loaded);
    b->looking = b->failed = false;
    return false;
}

static void make(struct building *b, uint64_t loaded) {
    struct encoder *e = b->e;
    uint32_t places = tine__walk_expected(b);
    b->index = tine__index_push_new(e->L, places);
    put_table(e, b->loaded + 1 + INDEX_OWNERS, ST_OWNERS); /* the walk uses both */
    lua_newtable(e->L);
    lua_rawseti(e->L, e->self, ST_FOUND);
    begin(b);
    if (!b->failed)
        tine__index_leave(e, &(struct index_sums){loaded, b->sum}, b->loaded + 1, b->searched);
}

/* The codec uses the new index from now on. What it has learned of names in its old index is
** dropped. */
static void use(struct building *b) {
    static const int slots[] = {ST_FOUND, ST_ANCHORS, ST_USES, ST_WATCHES, ST_WAYS};
    struct encoder *e = b->e;
    tine__names_free(e->c);
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        lua_newtable(e->L);
        lua_rawseti(e->L, e->self, slots[i]);
    }
    put_table(e, b->paths, ST_PATHS);
    put_table(e, b->loaded + 1 + INDEX_OWNERS, ST_OWNERS);
    b->failed = !tine__names_open(e->c, b->index);
}

static int build(struct encoder *e, uint64_t sum) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    struct building b = {.e = e};
    luaL_checkstack(L, 40, "modules");
    lua_rawgeti(L, e->self, ST_LOADED);
    b.loaded = lua_gettop(L);
    bool grown = e->c->names.built && tine__index_grow(e);
    if (!grown && !share(&b, sum))
        make(&b, sum);
    if (!grown && !b.failed)
        use(&b);
    lua_settop(L, top);
    if (b.failed)
        return tine__encode_nomem(e);
    e->c->names.sum = sum;
    e->c->names.built = true;
    return 0;
}

/* ---- when the index is built ---- */

/* A hash of the number of entries in package.loaded and of the addresses in it. */
static uint64_t sum_of_loaded(lua_State *L, int loaded) {
    uint64_t sum = 0;
    for (lua_pushnil(L); lua_next(L, loaded); lua_pop(L, 1)) {
        sum += UINT64_C(0x9E3779B97F4A7C15);
        sum += (uint64_t)(uintptr_t)lua_topointer(L, -1) * UINT64_C(0xFF51AFD7ED558CCD);
    }
    return sum;
}

int tine__name_missing(struct encoder *e) {
    lua_State *L = e->L;
    struct names *n = &e->c->names;
    if (n->built && (e->checked || codec_is_inner(e->c)))
        return 0;
    lua_rawgeti(L, e->self, ST_LOADED);
    uint64_t sum = sum_of_loaded(L, lua_gettop(L));
    lua_pop(L, 1);
    e->checked = true;
    bool same = n->built && n->sum == sum;
    int err = same ? 0 : build(e, sum);
    if (err)
        return err;
    n->loads = *e->c->loads;
    return same ? 0 : ENCODE_AGAIN;
}

int tine__name_missing_table(struct encoder *e, const void *p) {
    struct names *n = &e->c->names;
    const void **slot = &n->plain[((uintptr_t)p >> 4) % (sizeof n->plain / sizeof *n->plain)];
    if (likely(*slot == p) || tine__name_find(e->c, p))
        return 0;
    int err = tine__name_missing(e);
    if (!err && e->checked)
        *slot = p;
    return err;
}

/* The index of names, left for the other codecs of the state.
**
** A state has a codec for each pool, and each needs an index of what is loaded. The one that made it last leaves a copy
** of it: the entries, without what a codec has learnt of them, and a sum of all that was met on the way, and where. Who
** takes the copy walks through it once more, which is far less than to make it, and has it if the sum is the same:
** then everything that it was made from is where it was.
**
** The objects are in a table with weak values. As long as they all live, their addresses are theirs.
*/
#include "codec/modules.h"

#include <string.h>

static const char copy_key; /* registry */

enum { COPY_PATHS = 1, COPY_OWNERS, COPY_OBJECTS, COPY_SEARCH, COPY_VALUES = COPY_SEARCH };

struct entry {
    const void *key;
    uint32_t parent, root;
    uint8_t kind, depth, builtin;
    bool meta;
};

struct copy {
    struct index_sums sums;
    uint32_t n;
    struct entry entries[];
};

/* Push where modules are looked for, by which it was decided which of two names is better; false if nobody looked. */
static void push_search(lua_State *L, const struct codec *c, bool searched) {
    if (searched)
        lua_pushfstring(L, "%s\n%s\n%s", c->path, c->cpath, c->cwd ? c->cwd : "");
    else
        lua_pushboolean(L, 0);
}

static void make_weak(lua_State *L, int t) {
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, t);
}

void tine__index_leave(struct encoder *e, const struct index_sums *sums, int tables,
                       bool searched) {
    lua_State *L = e->L;
    const struct names *n = &e->c->names;
    if (!e->c->path)
        return; /* a worker's, which has no other */
    struct copy *copy =
        lua_newuserdatauv(L, sizeof *copy + n->used * sizeof copy->entries[0], COPY_VALUES);
    copy->sums = *sums;
    copy->n = n->used;
    for (uint32_t i = 0; i < n->used; i++) {
        const struct name *from = &n->list[i];
        copy->entries[i] = (struct entry){from->key,   from->parent,  from->root, from->kind,
                                          from->depth, from->builtin, from->meta};
    }
    make_weak(L, tables + INDEX_OBJECTS);
    for (int i = 0; i < INDEX_TABLES; i++) {
        lua_pushvalue(L, tables + i);
        lua_setiuservalue(L, -2, COPY_PATHS + i);
    }
    push_search(L, e->c, searched);
    lua_setiuservalue(L, -2, COPY_SEARCH);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &copy_key);
}

/* Is the copy at `at` of what is loaded now, and found where this codec's modules are looked for? */
static bool is_for(lua_State *L, const struct codec *c, const struct copy *copy, int at,
                   uint64_t loaded) {
    if (!copy || !c->path || copy->sums.loaded != loaded)
        return false;
    bool searched = lua_getiuservalue(L, at, COPY_SEARCH) == LUA_TSTRING;
    push_search(L, c, searched);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static bool insert(struct names *n, const struct entry *from) {
    struct name *name = tine__name_insert(n, from->key);
    if (!name)
        return false;
    name->parent = from->parent;
    name->root = from->root;
    name->kind = from->kind;
    name->depth = from->depth;
    name->builtin = from->builtin;
    name->meta = from->meta;
    return true;
}

int tine__index_take(struct encoder *e, uint64_t loaded, struct index_sums *sums) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &copy_key);
    const struct copy *copy = lua_touserdata(L, top + 1);
    if (!is_for(L, e->c, copy, top + 1, loaded)) {
        lua_settop(L, top);
        return 0;
    }
    *sums = copy->sums;
    for (uint32_t i = 0; i < copy->n; i++)
        if (!insert(&e->c->names, &copy->entries[i]))
            return tine__encode_nomem(e);
    for (int i = 0; i < INDEX_TABLES; i++)
        lua_getiuservalue(L, top + 1, COPY_PATHS + i);
    lua_remove(L, top + 1);
    return 1;
}

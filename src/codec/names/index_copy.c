/* Leaving an index of names to the other codecs of a Lua state.
**
** A state has a codec for each pool, and each needs an index. The codec that has built one last
** leaves it in the registry, with a sum of all objects that were met on the walk, and of their
** places. Another codec walks once more, only to compute the sum, which is much faster than to
** build an index. If the sum is the same, everything is where it was, and the codec shares the
** index.
**
** The objects are in a table with weak values. As long as all of them are alive no other object has
** one of their addresses.
*/
#include <lua.h>
#include <string.h>
#include "codec/encode/encoder.h"
#include "codec/lua/class.h"
#include "codec/names/index.h"
#include "codec/state.h"

static const char left_key; /* registry key of the userdata that owns the index left last */

/* User values of the userdata: the tables, and where files were looked for. */
enum { HOLDER_SEARCH = INDEX_PARTS, HOLDER_VALUES = HOLDER_SEARCH };

struct holder {
    struct index *index;
    struct index_sums sums;
};

static int holder_gc(lua_State *L) {
    struct holder *h = lua_touserdata(L, 1);
    tine__index_drop(h->index);
    h->index = NULL;
    return 0;
}

struct index *tine__index_push_new(lua_State *L, uint32_t expected) {
    struct holder *h = lua_newuserdatauv(L, sizeof *h, HOLDER_VALUES);
    *h = (struct holder){0};
    tine__set_class(L, "tine.index", holder_gc);
    for (int i = INDEX_PATHS; i < INDEX_PARTS; i++)
        lua_createtable(L, i == INDEX_OWNERS ? 0 : (int)expected, 0);
    h->index = tine__index_new(expected);
    return h->index;
}

/* Push a string of where modules are looked for, which has decided which of two names of a module
** is better; or false if it has not mattered. */
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

void tine__index_leave(struct encoder *e, const struct index_sums *sums, int parts, bool searched) {
    lua_State *L = e->L;
    struct holder *h = lua_touserdata(L, parts + INDEX_HOLDER);
    if (!e->c->path)
        return; /* a worker has only one codec */
    h->sums = *sums;
    make_weak(L, parts + INDEX_OBJECTS);
    for (int i = INDEX_PATHS; i < INDEX_PARTS; i++) {
        lua_pushvalue(L, parts + i);
        lua_setiuservalue(L, parts + INDEX_HOLDER, i);
    }
    push_search(L, e->c, searched);
    lua_setiuservalue(L, parts + INDEX_HOLDER, HOLDER_SEARCH);
    lua_pushvalue(L, parts + INDEX_HOLDER);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &left_key);
}

/* Does the userdata on top own an index for what is loaded now, which does not depend on where
** files are found, or for which they are found in the same places? */
static bool is_for(lua_State *L, const struct codec *c, uint64_t loaded) {
    const struct holder *h = lua_touserdata(L, -1);
    if (!h || !h->index || !c->path || h->sums.loaded != loaded)
        return false;
    bool searched = lua_getiuservalue(L, -1, HOLDER_SEARCH) == LUA_TSTRING;
    push_search(L, c, searched);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

struct index *tine__index_push_left(struct encoder *e, uint64_t loaded, struct index_sums *sums) {
    lua_State *L = e->L;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &left_key);
    if (!is_for(L, e->c, loaded)) {
        lua_pop(L, 1);
        return NULL;
    }
    int at = lua_gettop(L);
    const struct holder *h = lua_touserdata(L, at);
    *sums = h->sums;
    for (int i = INDEX_PATHS; i < INDEX_PARTS; i++)
        lua_getiuservalue(L, at, i);
    return h->index;
}

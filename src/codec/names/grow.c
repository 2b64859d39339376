/* Extending the index of a worker when modules were loaded. A worker has only one codec, and what
** that has learned of the old names remains true.
**
** A forked worker has an index already, from the process that forked it. It needs a name when it
** returns its first table, and walking over all modules again would take longer than many a task.
** So only new things are looked at: modules with new names, and all that can be reached from them;
** and new fields in the tables of old modules, and in old tables that new objects lead to, since a
** module may extend another one.
**
** Old places stay. If an object is no longer there, another one may have its address; then the
** place gets the address `nobody`.
*/
#include <string.h>
#include "base/sys.h"
#include "codec/encode/encoder.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/walk.h"
#include "codec/state.h"

static const char nobody; /* an address that no object has */

/* Is the value at `step` the last step of the way to object number `id`? */
static bool is_step_to(const struct building *b, uint32_t id, int step) {
    lua_State *L = b->e->L;
    lua_rawgeti(L, b->paths, (lua_Integer)id + 1);
    bool is = lua_rawequal(L, -1, step);
    lua_pop(L, 1);
    return is;
}

/* Does the way to object number `id` lead to the object on top? */
static bool is_there(struct building *b, uint32_t id) {
    lua_State *L = b->e->L;
    int top = lua_gettop(L);
    bool is = lua_checkstack(L, 40) && tine__name_walk(b->e, tine__name_at(b->e->c, id)) &&
              lua_rawequal(L, -1, top);
    lua_settop(L, top);
    return is;
}

/* Have the table on top, which has number `id`, walked again, unless that is noted already. */
static void note_again(struct building *b, uint32_t id) {
    lua_State *L = b->e->L;
    bool noted = lua_rawgeti(L, b->objects, (lua_Integer)id + 1) != LUA_TNIL;
    lua_pop(L, 1);
    if (noted)
        return;
    lua_pushvalue(L, -1);
    lua_rawseti(L, b->objects, (lua_Integer)id + 1);
    lua_pushinteger(L, id);
    lua_rawseti(L, b->objects, -(lua_Integer)++b->again);
}

/* An object with an old place was met as a module. */
static bool keeps_root(struct building *b, const struct place *place, uint32_t id, int step) {
    if (place->depth > 0)
        b->anew = true; /* it was none before: names through it are shorter now */
    else
        b->roots += is_step_to(b, id, step);
    return true;
}

static bool keeps(struct building *b, struct place *place, int step) {
    uint32_t id = (uint32_t)(place - b->index->list);
    if (!b->from)
        return keeps_root(b, place, id, step);
    if (place->parent == b->from_id && is_step_to(b, id, step))
        return true;
    if (!is_there(b, id)) {
        place->key = &nobody;
        return false;
    }
    if (b->from_id >= b->old && lua_istable(b->e->L, -1))
        note_again(b, id);
    return true;
}

/* Has the table on top, object number `id`, contents that were not in it, as far as can be seen? */
static bool has_more(const struct building *b, uint32_t id) {
    lua_State *L = b->e->L;
    int t = lua_gettop(L);
    bool more = false;
    for (lua_pushnil(L); !more && lua_next(L, t); lua_pop(L, 1)) {
        int type = lua_type(L, -1);
        if (type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TUSERDATA)
            continue;
        const struct place *p = tine__index_find(b->index, lua_topointer(L, -1));
        more = !p ? !lua_iscfunction(L, -1) : p->parent != id && p->depth > 0;
    }
    lua_settop(L, t);
    return more;
}

/* Count the old modules; with `into`, also walk over the tables of those that have got
** something. */
static uint32_t look_at_roots(struct building *b, bool into) {
    lua_State *L = b->e->L;
    const struct index *x = b->index;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->old && !b->failed; i++) {
        if (x->list[i].depth || x->list[i].kind == NAME_NONE)
            continue;
        n++;
        if (!into || x->list[i].kind != NAME_MODULE || x->list[i].builtin == BUILTIN_LUA)
            continue;
        lua_rawgeti(L, b->paths, (lua_Integer)i + 1);
        lua_rawget(L, b->loaded);
        if (lua_istable(L, -1) && has_more(b, i))
            tine__walk_table(b, i);
        else
            lua_pop(L, 1);
    }
    return n;
}

/* Walk again over the tables that were noted after the first `looked`. */
static void look_again(struct building *b, uint32_t looked) {
    lua_State *L = b->e->L;
    for (uint32_t i = looked + 1; i <= b->again && !b->failed; i++) {
        lua_rawgeti(L, b->objects, -(lua_Integer)i);
        uint32_t id = (uint32_t)lua_tointeger(L, -1);
        lua_rawgeti(L, b->objects, (lua_Integer)id + 1);
        lua_replace(L, -2);
        tine__walk_table(b, id);
    }
}

/* Walk over everything new. */
static void look(struct building *b) {
    uint32_t from = b->old, looked = 0;
    look_at_roots(b, true);
    while (!b->failed && (from < b->index->used || looked < b->again)) {
        tine__walk_on(b, from);
        from = b->index->used;
        look_again(b, looked);
        looked = b->again;
    }
}

/* Extend the codec's own list of names. False: no memory. */
static bool have_room(struct codec *c) {
    struct names *n = &c->names;
    uint32_t used = n->index->used;
    struct name *list = sys.realloc(n->list, used * sizeof *list);
    if (!list)
        return false;
    memset(list + n->count, 0, (used - n->count) * sizeof *list);
    n->list = list;
    n->count = used;
    tine__names_find_kept(n);
    for (size_t i = 0; i < sizeof n->filter / sizeof *n->filter; i++)
        n->filter[i] |= n->index->filter[i];
    memset(n->plain, 0, sizeof n->plain);
    memset(c->sent, 0, sizeof c->sent); /* they may have got names */
    c->last = NULL;
    return true;
}

bool tine__index_grow(struct encoder *e) {
    lua_State *L = e->L;
    int loaded = lua_gettop(L);
    struct index *x = e->c->names.index;
    if (e->c->path)
        return false;                  /* other codecs may share the index */
    if (x->used > e->c->names.count) { /* an earlier attempt had no memory for the names */
        tine__names_free(e->c);
        return false;
    }
    struct building b = {.e = e, .index = x, .loaded = loaded, .old = x->used, .keeps = keeps};
    tine__walk_expected(&b);
    b.paths = loaded + 1 + INDEX_PATHS;
    b.objects = loaded + 1 + INDEX_OBJECTS;
    lua_pushnil(L);
    lua_rawgeti(L, e->self, ST_PATHS);
    lua_rawgeti(L, e->self, ST_OWNERS);
    lua_newtable(L);
    tine__walk_modules(&b);
    if (!b.anew && !b.failed && b.roots == look_at_roots(&b, false))
        look(&b);
    else
        b.failed = true;
    lua_settop(L, loaded);
    if (b.failed || !have_room(e->c)) {
        tine__names_free(e->c); /* an index that was only begun must not be used */
        return false;
    }
    lua_newtable(L);
    lua_rawseti(L, e->self, ST_USES); /* a module's code may name a module that was loaded now */
    return true;
}

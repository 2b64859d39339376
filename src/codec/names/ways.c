/* Choosing the best of several ways to an object; and which ways are the same on the other side.
**
** The index has the shortest way, which may lead through a variable (files/scan.c): on the other
** side it may then lead to something else. So before an object travels by such a *poor* way, all
** other ways in its module are compared, once for the module, and every name that has a better way
** gets that (it is *moved*). This belongs to one codec; the index, which other codecs share, does
** not change.
**
** A step has a rank (enum store_rank), and the rank of a way is the worst of its steps'.
*/
#include <lua.h>
#include "codec/changes/uses.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/names/step.h"
#include "codec/state.h"

#define POOR (STORE_MENTIONED + 1)

struct ranking {
    struct encoder *e;
    const struct file *file;
    uint32_t root; /* number of the module */
    uint32_t from; /* number of the object whose steps are compared; it is at stack index `at`, */
    int at;
    uint64_t hash; /* and, if it is a function, its hash */
    int longest;   /* no way has more steps */
    int left;      /* how often has_room may still measure all ways */
};

static enum store_rank worse(enum store_rank a, enum store_rank b) {
    return a > b ? a : b;
}

/* The rank of the step on top, from the object at r->at. */
static enum store_rank rank_of_step(struct ranking *r) {
    lua_State *L = r->e->L;
    if (lua_isboolean(L, -1))
        return STORE_CALLED;
    if (lua_type(L, -1) == LUA_TSTRING)
        return tine__file_key_rank(r->file, lua_tostring(L, -1));
    if (lua_tointeger(L, -1) > 0)
        return STORE_UNKNOWN;
    return tine__file_upvalue_rank(r->file, r->hash, (int)-lua_tointeger(L, -1));
}

/* Push object number `id`, to look at its steps. False: it is not where its name says. */
static bool begin(struct ranking *r, uint32_t id) {
    lua_State *L = r->e->L;
    if (!tine__name_walk(r->e, tine__name_at(r->e->c, id)))
        return false;
    r->from = id;
    r->at = lua_gettop(L);
    r->hash = lua_isfunction(L, -1) && !lua_iscfunction(L, -1)
                  ? tine__hash_function(L, r->e->self, r->at)
                  : 0;
    return true;
}

static bool is_there(struct ranking *r, const struct name *n) {
    return tine__name_walk(r->e, n) && lua_topointer(r->e->L, -1) == n->key;
}

/* Rank object number `id` by the way that the index has. An object that is not there any more gets
** the worst rank. */
static void rank_place(struct ranking *r, uint32_t id) {
    struct encoder *e = r->e;
    lua_State *L = e->L;
    int top = lua_gettop(L);
    const struct place *p = &e->c->names.index->list[id];
    struct name *n = tine__name_at(e->c, id);
    if (id == r->root)
        return;
    n->rank = STORE_VARIES;
    if (is_there(r, n) && begin(r, p->parent)) {
        tine__name_push_step(e, id);
        n->rank = (uint8_t)worse(tine__name_at(e->c, p->parent)->rank, rank_of_step(r));
    }
    lua_settop(L, top);
}

/* May the object with number `id` be moved `more` steps farther away, so that no way through it
** becomes too long? */
static bool has_room(struct ranking *r, uint32_t id, int more) {
    const struct names *names = &r->e->c->names;
    uint32_t way[WAY_MAX];
    bool room = true;
    if (more <= 0)
        return true;
    if (r->longest + more < WAY_MAX) {
        r->longest += more;
        return true;
    }
    r->longest = WAY_MAX - 1;
    if (--r->left < 0)
        return false;
    for (uint32_t i = 0; room && i < names->count; i++) {
        int steps = names->index->list[i].root == r->root ? tine__name_way(names, i, way) : -1;
        for (int k = 0; k <= steps && steps + more >= WAY_MAX; k++)
            room = room && way[k] != id;
    }
    return room;
}

/* May the way to object number `id` lead through the one at r->at? */
static bool may_move(struct ranking *r, uint32_t id) {
    uint32_t way[WAY_MAX];
    int now = tine__name_way(&r->e->c->names, id, way);
    int steps = tine__name_way(&r->e->c->names, r->from, way);
    bool may = steps < NAME_STEPS;
    for (int i = 0; i <= steps; i++)
        may = may && way[i] != id;
    return may && has_room(r, id, steps + 1 - now);
}

/* The value on top is a step (the value at `step`) from the object at r->at. If that is a better
** way to it, move its name. */
static void look_at_way(struct ranking *r, int step) {
    struct encoder *e = r->e;
    lua_State *L = e->L;
    const struct names *names = &e->c->names;
    const struct place *p = lua_istable(L, -1) || lua_isfunction(L, -1) || lua_isuserdata(L, -1)
                                ? tine__index_find(names->index, lua_topointer(L, -1))
                                : NULL;
    if (!p || p->root != r->root || p->builtin || p->kind == NAME_CFUNCTION)
        return;
    uint32_t id = (uint32_t)(p - names->index->list);
    if (id >= names->count)
        return;
    struct name *n = tine__name_at(e->c, id);
    if (id == r->root || n->rank < POOR)
        return;
    lua_pushvalue(L, step);
    enum store_rank rank = worse(tine__name_at(e->c, r->from)->rank, rank_of_step(r));
    if (rank < n->rank && may_move(r, id)) {
        lua_rawgeti(L, e->self, ST_WAYS);
        lua_insert(L, -2);
        lua_rawseti(L, -2, (lua_Integer)id + 1);
        n->rank = (uint8_t)rank;
        n->parent = r->from;
        n->moved = true;
    }
    lua_pop(L, 1);
}

/* Look at all steps from object number `id`, except its metatable. */
static void look_from(struct ranking *r, uint32_t id) {
    lua_State *L = r->e->L;
    int top = lua_gettop(L), left = MODULE_FIELDS;
    if (r->e->c->names.index->list[id].kind != NAME_CFUNCTION && begin(r, id)) {
        if (lua_istable(L, r->at)) {
            for (lua_pushnil(L); left > 0 && lua_next(L, r->at); lua_pop(L, 1), left--)
                if (step_is_key(L, -2))
                    look_at_way(r, r->at + 1);
        } else if (r->hash && tine__file_function(r->file, r->hash)) {
            for (int i = 1; lua_pushinteger(L, -i), lua_getupvalue(L, r->at, i);
                 lua_settop(L, r->at), i++)
                look_at_way(r, r->at + 1);
        }
    }
    lua_settop(L, top);
}

/* Rank all names of the module, and look for better ways. */
static void rank_all(struct ranking *r) {
    const struct index *x = r->e->c->names.index;
    for (uint32_t id = 0; id < x->used; id++)
        if (x->list[id].root == r->root)
            rank_place(r, id);
    for (uint32_t id = 0; id < x->used; id++)
        if (x->list[id].root == r->root)
            look_from(r, id);
}

/* Is the step on top an item of a list? */
static bool is_item(lua_State *L) {
    return lua_isinteger(L, -1) && lua_tointeger(L, -1) > 0;
}

/* Does the index's way have a poor step? Items of lists are so many that they are not checked. */
static bool is_poor(struct ranking *r, uint32_t id) {
    lua_State *L = r->e->L;
    const struct place *list = r->e->c->names.index->list;
    int top = lua_gettop(L);
    bool poor = false;
    for (; !poor && id != r->root; id = list[id].parent) {
        poor = !begin(r, list[id].parent);
        if (!poor) {
            tine__name_push_step(r->e, id);
            poor = rank_of_step(r) >= POOR && !is_item(L);
        }
        lua_settop(L, top);
    }
    return poor;
}

void tine__choose_way(struct encoder *e, struct name *n, bool lost) {
    struct names *names = &e->c->names;
    struct ranking r = {
        .e = e, .file = n->file, .root = n->root, .longest = NAME_STEPS, .left = 64};
    struct name *root = tine__name_at(e->c, n->root);
    if (!n->file || !n->file->lua || n->builtin || n->kind == NAME_CFUNCTION || root->ranked ||
        !(lost || is_poor(&r, (uint32_t)(n - names->list))))
        return;
    root->ranked = true;
    rank_all(&r);
}

/* ---- constant ways ---- */

/* Is the step on top, from object number `from`, one that the file, or another of the reach (uses.h)
** at `reach`, always makes when it is loaded, as far as the code tells? Items of lists, and fields
** under keys that no code has, are what the program has asked for. */
static bool is_constant_step(struct encoder *e, const struct file *f, uint32_t from, int reach) {
    lua_State *L = e->L;
    int step = lua_gettop(L);
    bool constant = true;
    if (lua_type(L, step) == LUA_TSTRING) {
        enum store_rank rank = tine__file_key_rank(f, lua_tostring(L, step));
        constant =
            rank == STORE_UNKNOWN ? !tine__is_foreign_key(e, f, reach, step) : rank != STORE_VARIES;
    } else if (lua_isinteger(L, step)) {
        lua_Integer i = lua_tointeger(L, step);
        constant = i < 0 && tine__name_walk(e, tine__name_at(e->c, from)) &&
                   lua_isfunction(L, -1) &&
                   tine__file_upvalue_rank(f, tine__hash_function(L, e->self, step + 1), (int)-i) !=
                       STORE_VARIES;
    }
    lua_settop(L, step - 1);
    return constant;
}

bool tine__way_is_constant(struct encoder *e, struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    uint32_t id = (uint32_t)(n - e->c->names.list);
    bool constant = true;
    tine__choose_way(e, n, false);
    tine__push_uses_of(e, n);
    lua_rawgeti(L, -1, 0);
    for (; constant && id != n->root; id = tine__name_parent(e, id)) {
        tine__name_push_step(e, id);
        constant = is_constant_step(e, n->file, tine__name_parent(e, id), top + 2);
    }
    lua_settop(L, top);
    return constant;
}

/* Which tables are looked at when the company of a name is gathered (gather.h). */
#include <lua.h>
#include "codec/changes/gather.h"
#include "codec/changes/objects.h"
#include "codec/changes/scan.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/state.h"

static struct looker looker_of(const struct gathering *g, const struct name *n) {
    return (struct looker){.e = g->e, .file = n->file, .reach = g->reach, .no_text = true};
}

/* Is the value on top, under the key at `key`, a function that the program has given to the module?
** A function of another module in the reach is, if the key is a foreign one (scan.h). */
static bool is_given(const struct gathering *g, const struct name *n, int key) {
    int value = lua_gettop(g->e->L);
    struct looker by = looker_of(g, n);
    if (tine__is_given(&by, value))
        return true;
    by.others = true;
    return tine__is_given(&by, value) && tine__is_foreign_key(g->e, n->file, g->reach, key);
}

/* May the filled table at `t` be one that the program has given something to, and no cache? One
** with few fields, including those of the tables in it, may be either; one with many is not a cache
** if something given is among the first fields. */
static bool is_registry(const struct gathering *g, const struct name *n, int t) {
    lua_State *L = g->e->L;
    int left = KEPT_FIELDS;
    bool given = false;
    for (lua_pushnil(L); left >= 0 && !given && lua_next(L, t); lua_pop(L, 1)) {
        left--;
        given = is_given(g, n, t + 1);
        if (!lua_istable(L, -1))
            continue;
        for (lua_pushnil(L); left >= 0 && !given && lua_next(L, t + 2); lua_pop(L, 1)) {
            left--;
            given = is_given(g, n, t + 3);
        }
        lua_settop(L, t + 2);
    }
    lua_settop(L, t);
    return given || left >= 0;
}

/* Is the field of the table at `t` whose key and value are on top one of a set of functions or
** objects? In a set with weak keys nothing is looked for. */
static bool is_of_set(lua_State *L, int t) {
    return lua_isboolean(L, -1) && (lua_isfunction(L, -2) || lua_istable(L, -2)) &&
           !tine__scan_is_weak(L, t);
}

/* May the program have put functions into the table of data at `t`, on top, which is not filled: is
** it empty, or does it hold functions, or tables with functions of the program, or is it a set? */
static bool is_open(const struct gathering *g, const struct name *n, int t) {
    lua_State *L = g->e->L;
    int left = KEPT_FIELDS;
    lua_pushnil(L);
    bool empty = !lua_next(L, t), open = empty;
    for (; !empty && !open && --left >= 0; empty = !lua_next(L, t)) {
        open = lua_isfunction(L, -1) || is_of_set(L, t);
        lua_pop(L, 1);
    }
    lua_settop(L, t);
    struct looker by = looker_of(g, n);
    return open || tine__holds_given(&by, 2, KEPT_FIELDS);
}

bool tine__may_be_changed(const struct gathering *g, const struct name *n, int t) {
    if (n->going == GOES_BY_NAME)
        return true;
    if (n->filled || n->kind == NAME_MODULE)
        return n->file && n->file->lua && is_registry(g, n, t);
    return n->kind == NAME_HELD && n->file && n->file->lua && is_open(g, n, t);
}

/* Does the way to name number `id` lead over a userdata that the receiver need not have, as the
** module's file does not put it there? */
static bool is_over_handle(const struct gathering *g, uint32_t id) {
    struct encoder *e = g->e;
    const struct index *x = e->c->names.index;
    bool over = false;
    for (; !over && id != x->list[id].root; id = tine__name_parent(e, id))
        over = x->list[id].kind == NAME_USERDATA && !tine__is_files(e, id);
    return over;
}

struct name *tine__push_inner(const struct gathering *g, uint32_t id) {
    struct encoder *e = g->e;
    const struct names *names = &e->c->names;
    const struct place *p = &names->index->list[id];
    if (p->kind != NAME_HELD || p->builtin || !p->depth || names->list[p->root].look != g->look)
        return NULL;
    struct name *n = tine__name_at(e->c, id);
    if ((p->depth < 2 && !p->meta && n->known && !n->filled) || is_over_handle(g, id) ||
        !tine__name_walk(e, n))
        return NULL;
    if (lua_topointer(e->L, -1) == n->key)
        return n;
    lua_pop(e->L, 1);
    return NULL;
}

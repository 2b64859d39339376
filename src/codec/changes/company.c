/* Collecting the company of a name (company.h), and keeping it.
**
** The tables and upvalues that are reached are scanned when the name is used first, and again when
** the watch of all that was looked at does not hold any more (watch.h). Until then the list of the
** company is kept, as item 0 of the watch's list.
*/
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include "base/hot.h"
#include "codec/changes/company.h"
#include "codec/changes/gather.h"
#include "codec/changes/settings.h"
#include "codec/changes/uses.h"
#include "codec/changes/watch.h"
#include "codec/encode/encoder.h"
#include "codec/files/record.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/state.h"

/* ---- gathering ---- */

/* Gather the changes in the loaded module whose name is on top, which is popped. */
static int gather_in(struct gathering *g) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int name = lua_gettop(L), r = 0;
    lua_rawgeti(L, e->self, ST_LOADED);
    lua_pushvalue(L, name);
    if (lua_rawget(L, name + 1) == LUA_TTABLE) {
        struct name *n = tine__name_find(e->c, lua_topointer(L, -1));
        if (n && n->kind == NAME_MODULE) {
            n->look = g->look;
            if ((r = tine__name_consider(e, name + 2, n)) > 0 &&
                (tine__may_be_changed(g, n, name + 2) ||
                 (n->file && tine__file_has_fields(n->file))))
                r = tine__gather_from(g, name + 2, (uint32_t)(n - e->c->names.list));
        }
    }
    if (r >= 0)
        lua_settop(L, name - 1);
    return r < 0 ? r : 0;
}

/* Is the object of name number `id` in a table that is sent as a whole? Then the receiver need not
** have it. */
static bool is_in_whole(const struct gathering *g, uint32_t id) {
    lua_State *L = g->e->L;
    const struct index *x = g->e->c->names.index;
    bool is = false;
    for (; !is && id != x->list[id].root; id = tine__name_parent(g->e, id)) {
        is = lua_rawgetp(L, g->met, x->list[id].key) != LUA_TNIL;
        lua_pop(L, 1);
    }
    return is;
}

/* If name number `id` is that of a table in a module's table, which was scanned with that: has the
** program set its metatable? Then gather that. */
static int gather_metatable_of(struct gathering *g, uint32_t id) {
    struct encoder *e = g->e;
    const struct names *names = &e->c->names;
    const struct place *p = &names->index->list[id];
    int top = lua_gettop(e->L), r = 0;
    if (p->kind != NAME_HELD || p->builtin || p->depth != 1 || p->meta ||
        names->list[p->root].look != g->look)
        return 0;
    struct name *n = tine__name_at(e->c, id);
    if (tine__name_walk(e, n) && lua_topointer(e->L, -1) == n->key &&
        lua_getmetatable(e->L, top + 1)) {
        lua_settop(e->L, top + 1);
        if ((r = tine__name_consider(e, top + 1, n)) > 0 && !is_in_whole(g, id))
            r = tine__gather_metatable(g, top + 1, id);
    }
    if (r >= 0)
        lua_settop(e->L, top);
    return r < 0 ? r : 0;
}

/* Gather the changes in tables that are reached from the modules and were not scanned with the
** modules' own tables. */
static int gather_inside(struct gathering *g) {
    struct encoder *e = g->e;
    struct names *names = &e->c->names;
    struct name *n;
    int top = lua_gettop(e->L), r = 0;
    for (uint32_t id = 0; r >= 0 && id < names->count; id++) {
        if ((r = gather_metatable_of(g, id)) < 0 || !(n = tine__push_inner(g, id)))
            continue;
        if ((r = tine__name_consider(e, top + 1, n)) > 0 &&
            (n->depth > 1 || n->meta || n->filled) && tine__may_be_changed(g, n, top + 1) &&
            !(g->count && is_in_whole(g, id)))
            r = tine__gather_from(g, top + 1, id);
        if (r >= 0)
            lua_settop(e->L, top);
    }
    return r < 0 ? r : 0;
}

/* Gather the changes in the modules of the reach, and those in standard libraries that are in the
** list at `uses`. */
static int gather_under(struct gathering *g, int uses) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int top = lua_gettop(L), err = 0;
    for (lua_Integer i = 1; !err && lua_rawgeti(L, g->reach, i) != LUA_TNIL; i++)
        err = gather_in(g);
    /* Variables first: tables in them may be sent as a whole, and gather_inside leaves out what is in
    ** such tables. */
    if (err || (err = tine__gather_variables(g)) || (err = gather_inside(g)))
        return err;
    lua_settop(L, top);
    int count = tine__changes_under(e, uses);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, top + 1, 3 * i + 1);
        lua_pushboolean(L, 0);
        lua_rawgeti(L, top + 1, 3 * i + 2);
        lua_rawgeti(L, top + 1, 3 * i + 3);
        tine__gather(g);
    }
    lua_settop(L, top);
    return 0;
}

/* ---- watching ---- */

/* Watch the tables that gather_inside has looked at. */
static bool watch_inside(const struct gathering *g, struct watch *w, int list) {
    struct encoder *e = g->e;
    const struct name *n;
    bool good = true;
    for (uint32_t id = 0; good && id < e->c->names.count; id++) {
        if (!(n = tine__push_inner(g, id)))
            continue;
        if (n->known && (n->meta || tine__may_be_changed(g, n, lua_gettop(e->L))))
            good = tine__watch_table(e->L, w, list, lua_gettop(e->L),
                                     n->going == GOES_BY_NAME ? WATCH_OBJECTS : WATCH_KEYS);
        lua_pop(e->L, 1);
    }
    return good;
}

/* Watch all that was looked at for the name `n`. The watch's list is on top. `uses` is the stack
** index of the list of uses (uses.h), or 0. */
static bool watch_all(struct gathering *g, int idx, struct name *n, int uses) {
    struct encoder *e = g->e;
    lua_State *L = e->L;
    int list = lua_gettop(L);
    bool table = n->kind == NAME_MODULE || n->kind == NAME_HELD;
    n->fields = tine__name_watch(e, n, list);
    bool good = !table || tine__watch_table(L, &n->watch, list, idx,
                                            n->builtin               ? WATCH_VALUES
                                            : n->kind == NAME_MODULE ? WATCH_KEYS
                                                                     : WATCH_OBJECTS);
    if (good && n->kind == NAME_MODULE && !n->builtin)
        good = tine__watch_settings(e, &n->watch, list, idx, n->file);
    if (good && n->builtin && strcmp(tine__name_root(e, n), "string") == 0) {
        lua_pushliteral(L, "");
        if (lua_getmetatable(L, -1))
            good = tine__watch_table(L, &n->watch, list, list + 2, WATCH_VALUES);
        lua_settop(L, list);
    }
    return good &&
           (!uses ||
            (tine__changes_watch(e, &n->watch, list, uses, table ? n->key : NULL) &&
             watch_inside(g, &n->watch, list) && tine__watch_variables(g, &n->watch, list)));
}

/* Make the watch of the name, and keep the company's list with it. */
static void make_watch(struct gathering *g, int idx, struct name *n, int uses) {
    lua_State *L = g->e->L;
    tine__watch_free(&n->watch);
    lua_newtable(L);
    n->watch.made = watch_all(g, idx, n, uses);
    n->company = g->count;
    if (g->count) {
        lua_pushvalue(L, g->list);
        lua_rawseti(L, -2, 0);
    }
    lua_rawgeti(L, g->e->self, ST_WATCHES);
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)(n - g->e->c->names.list) + 1);
    lua_pop(L, 1);
}

int tine__company_push(struct encoder *e, int idx, struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L), err = 0, uses = 0;
    uint32_t id = (uint32_t)(n - e->c->names.list);
    luaL_checkstack(L, 40, "changes");
    lua_newtable(L);
    lua_newtable(L);
    struct gathering g = {.e = e, .list = top + 1, .met = top + 2, .look = ++e->c->names.looks};
    bool data = n->kind == NAME_CFUNCTION || n->kind == NAME_USERDATA;
    if (!data && n->file && n->file->lua) {
        tine__push_uses_of(e, n);
        uses = top + 3;
        lua_rawgeti(L, uses, 0);
        g.reach = top + 4;
    }
    if (n->kind == NAME_MODULE || n->kind == NAME_HELD)
        err = tine__gather_from(&g, idx, id);
    if (!err && uses)
        err = gather_under(&g, uses);
    if (err)
        return err;
    lua_settop(L, top + 4);
    bool watches = !codec_is_inner(e->c); /* else the outer encoder may be making that watch */
    if (watches)
        make_watch(&g, idx, n, uses);
    if (unlikely(e->c->names.looks != g.look)) {
        /* A finalizer has sent something, too: modules have the number of its gathering, and were
        ** taken for ones that this one has not looked at. */
        if (watches)
            tine__watch_free(&n->watch);
        return ENCODE_AGAIN;
    }
    lua_settop(L, top + 1);
    return (int)g.count;
}

int tine__company_push_kept(struct encoder *e, const struct name *n) {
    lua_State *L = e->L;
    if (!n->company)
        return 0;
    lua_rawgeti(L, e->self, ST_WATCHES);
    lua_rawgeti(L, -1, (lua_Integer)(n - e->c->names.list) + 1);
    lua_rawgeti(L, -1, 0);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return (int)n->company;
}

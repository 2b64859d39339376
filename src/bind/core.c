/* Core: checks, the metatables of its futures, and its end. Methods of pools are in pool.c.
*/
#include <string.h>
#include "base/hot.h"
#include "bind/core.h"
#include "bind/errors.h"
#include "bind/fileno.h"
#include "bind/view.h"
#include "msg/origin.h"
#include "worker/root/root.h"

/* --- checking --- */

static bool has_metatable(lua_State *L, int idx, int meta) {
    if (!lua_getmetatable(L, idx))
        return false;
    bool same = lua_rawequal(L, -1, meta);
    lua_pop(L, 1);
    return same;
}

bool tine__core_is_ours(const struct core *c) {
    return c->generation == tine__root_generation();
}

void tine__check_process(lua_State *L, const struct core *c) {
    if (c->state->closed)
        tine__error(L, TINE_EINVALID, "the Lua state of this pool is being closed");
    if (!tine__core_is_ours(c))
        tine__error(L, TINE_EFORKED, "this pool belongs to the parent process");
}

HOT struct view *tine__check_view(lua_State *L, int arg) {
    struct view *v = lua_touserdata(L, arg);
    const void **known = known_at(state_of(L), v);
    if (!v || v != *known || lua_type(L, arg) != LUA_TUSERDATA) {
        if (!v || !(has_metatable(L, arg, UP(UP_POOL)) || has_metatable(L, arg, UP(UP_VIEW))))
            luaL_typeerror(L, arg, "tine.pool");
        /* A finalized view will not remove itself from the cache. */
        *known = v->settings ? v : NULL;
    }
    tine__check_process(L, v->core);
    return v;
}

struct view *tine__check_live_view(lua_State *L, int arg) {
    struct view *v = tine__check_view(L, arg);
    if (!v->settings) /* a finalizer of an older object may still have it */
        tine__error(L, TINE_EINVALID, "this pool, or view of one, has been finalized");
    return v;
}

struct view *tine__to_pool(lua_State *L, int idx) {
    struct view *v = lua_touserdata(L, idx);
    return v && has_metatable(L, idx, UP(UP_POOL)) ? v : NULL;
}

struct core *tine__raw_pool(lua_State *L, int arg) {
    struct view *v = tine__to_pool(L, arg);
    if (!v)
        luaL_typeerror(L, arg, "tine.pool");
    return v->core;
}

struct core *tine__check_pool(lua_State *L, int arg) {
    struct core *c = tine__raw_pool(L, arg);
    tine__check_process(L, c);
    return c;
}

/* --- origins --- */

#define ORIGINS_TOGETHER 256

void tine__core_push_meta(lua_State *L, const struct core *c) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, c);
}

/* Replace the current metatable, which is on top, by a copy without origins. */
static void renew_meta(lua_State *L, struct core *c) {
    lua_createtable(L, ORIGINS_TOGETHER / 4, 4);
    for (lua_pushnil(L); lua_next(L, -3);) {
        bool origin = lua_isinteger(L, -2) && lua_tointeger(L, -2) != 1;
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        if (origin)
            lua_pop(L, 2);
        else
            lua_rawset(L, -4);
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, c);
    lua_replace(L, -2);
    c->meta = lua_topointer(L, -1);
    c->norigins = 0;
    c->origins_age++;
}

const struct codec_origin *tine__core_origin(void *core, lua_State *L,
                                             const struct codec_origin *origin) {
    struct core *c = core;
    size_t name = strlen(origin->name) + 1, source = strlen(origin->source) + 1;
    /* allocated first, because a finalizer that runs here may submit, too */
    struct codec_origin *o = lua_newuserdatauv(L, sizeof *o + name + source, 0);
    tine__core_push_meta(L, c);
    if (lua_isnil(L, -1))
        return lua_pop(L, 2), NULL;
    if (c->norigins >= ORIGINS_TOGETHER)
        renew_meta(L, c);
    char *text = (char *)(o + 1);
    o->name = memcpy(text, origin->name, name);
    o->source = memcpy(text + name, origin->source, source);
    o->line = origin->line;
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)++c->norigins + 1);
    lua_pop(L, 1);
    return o;
}

/* --- the end --- */

void tine__core_unanchor(lua_State *L, struct core *c) {
    push_kept(L, KEPT_CORES);
    lua_pushnil(L);
    lua_rawsetp(L, -2, c);
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, c);
}

void tine__core_close(struct core *c, bool cancel) {
    if (!c->p || !tine__core_is_ours(c))
        return;
    c->closing = true;
    core_is_busy(c);
    tine__pool_shutdown(c->p, cancel);
}

static void let_go(struct core *c) {
    if (c->encoding > 0 || c->program)
        return;
    tine__pool_unref(c->held);
    c->held = NULL;
}

void tine__core_retire(struct state *S, struct core *c) {
    tine__pool_stats(c->p, &c->stats);
    tine__pool_told(c->p, &c->told);
    c->places = tine__pool_remotes(c->p, &c->nplaces);
    c->reason = tine__pool_reason(c->p);
    tine__core_end_fileno(S, c);
    tine__inbox_close(&c->inbox);
    if (!c->program)
        tine__pool_join(c->p);
    c->held = c->p;
    c->p = NULL;
    let_go(c);
}

void tine__core_end_encoding(struct core *c) {
    c->encoding--;
    let_go(c);
}

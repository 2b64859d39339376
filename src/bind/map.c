/* Maps: the object, and functions for map.lua (map.h). */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "bind/await.h"
#include "bind/errors.h"
#include "bind/hosts.h"
#include "bind/map.h"

/* A followed map has ended: call `finish` of its control. */
static void tell_end(lua_State *L) {
    if (lua_getiuservalue(L, 1, MAP_CONTROL) == LUA_TTABLE &&
        lua_getfield(L, -1, "finish") == LUA_TFUNCTION) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 0);
    }
    lua_settop(L, 1);
}

static int map_close(lua_State *L) {
    struct map *m = *(struct map **)luaL_checkudata(L, 1, "tine.map");
    if (!m)
        return 0;
    lua_settop(L, 1);
    if (m->followed)
        tell_end(L);
    tine__map_end(m);
    for (int value = MAP_VIEW; value <= MAP_LAST; value++) {
        lua_pushnil(L);
        lua_setiuservalue(L, 1, value);
    }
    return 0;
}

static int map_gc(lua_State *L) {
    struct map **held = lua_touserdata(L, 1), *m = *held;
    if (m)
        tine__map_end(m);
    *held = NULL;
    free(m);
    return 0;
}

/* Push a map without content. */
static struct map *push_map(lua_State *L) {
    struct map **held = lua_newuserdatauv(L, sizeof *held, MAP_LAST);
    *held = NULL;
    luaL_setmetatable(L, "tine.map");
    struct map *m = *held = sys.malloc(sizeof *m);
    if (!m)
        tine__error(L, TINE_ENOMEM, "%s", tine_error_text(TINE_ENOMEM));
    memset(m, 0, offsetof(struct map, bytes));
    list_init(&m->chunks);
    list_init(&m->news);
    return m;
}

/* new(pool or view, function, items, length or nil, control, ordered, return errors, on_event):
** push a new map. map.lua has checked the arguments. */
static int map_new(lua_State *L) {
    struct view *v = tine__check_live_view(L, 1);
    lua_settop(L, 8);
    struct map *m = push_map(L);
    m->is_list = !lua_isnil(L, 4);
    m->patient = !m->is_list || luaL_getmetafield(L, 3, "__index") != LUA_TNIL;
    lua_settop(L, 9);
    m->hears = !lua_isnil(L, 8);
    m->length = (uint64_t)lua_tointeger(L, 4);
    m->ordered = lua_toboolean(L, 6);
    m->return_errors = lua_toboolean(L, 7);
    m->settings = v->settings;
    m->serial = v->core->p ? tine__pool_count_map(v->core->p) : 0;
    m->name.label = v->label;
    m->name.label_len = (uint32_t)v->label_len;
    lua_getiuservalue(L, 1, VIEW_CORE);
    lua_setiuservalue(L, 9, MAP_CORE);
    static const int from[] = {
        [MAP_VIEW] = 1, [MAP_FUNCTION] = 2, [MAP_ITEMS] = 3, [MAP_CONTROL] = 5, [MAP_ON_EVENT] = 8};
    for (int value = MAP_VIEW; value <= MAP_ON_EVENT; value++)
        if (from[value]) {
            lua_pushvalue(L, from[value]);
            lua_setiuservalue(L, 9, value);
        }
    lua_createtable(L, 0, 0);
    lua_setiuservalue(L, 9, MAP_QUEUE);
    m->core = v->core;
    tine__call_buf_init(&m->call, v->core->p, m->bytes, sizeof m->bytes);
    return 1;
}

static int map_control(lua_State *L) {
    luaL_checkudata(L, 1, "tine.map");
    lua_getiuservalue(L, 1, MAP_CONTROL);
    return 1;
}

/* workers(pool or view): their maximum number, and whether they are on other machines. */
static int map_workers(lua_State *L) {
    struct core *c = tine__check_view(L, 1)->core;
    lua_pushinteger(L, c->far ? tine__far_workers(L, c) : c->workers);
    lua_pushboolean(L, c->far);
    return 2;
}

/* task(value): raise an argument error unless it is a task, as submit does. */
static int map_check_task(lua_State *L) {
    tine__check_task(L, 1, "submit");
    return 0;
}

/* deadline(seconds or nil): a deadline for `ready`. */
static int map_deadline(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)tine__check_deadline(L, 1));
    return 1;
}

/* over(deadline): has it passed? */
static int map_over(lua_State *L) {
    uint64_t deadline = (uint64_t)luaL_checkinteger(L, 1);
    lua_pushboolean(L, deadline != WAIT_FOREVER && tine__now() >= deadline);
    return 1;
}

/* follow(map): count its steps for `followed`. */
static int map_follow(lua_State *L) {
    check_map(L, 1)->followed = true;
    return 0;
}

/* on_advance(function): set what the iterator calls if no result is there. */
static int map_on_advance(lua_State *L) {
    lua_settop(L, 1);
    lua_setiuservalue(L, UP(UP_STATE), KEPT_ADVANCE);
    return 0;
}

static int map_is_interrupt(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, tine__is_interrupt(L, 1));
    return 1;
}

const luaL_Reg tine__map_functions[] = {
    {"new", map_new},
    {"fill", tine__map_fill},
    {"flush", tine__map_flush},
    {"counts", tine__map_counts},
    {"ready", tine__map_ready},
    {"peek", tine__map_peek},
    {"take", tine__map_take},
    {"doze", tine__map_doze},
    {"follow", map_follow},
    {"followed", tine__map_followed},
    {"control", map_control},
    {"workers", map_workers},
    {"check_task", map_check_task},
    {"deadline", map_deadline},
    {"over", map_over},
    {"on_advance", map_on_advance},
    {"is_interrupt", map_is_interrupt},
    {NULL, NULL},
};

const luaL_Reg tine__map_methods[] = {
    {"close", map_close},
    {NULL, NULL},
};

const luaL_Reg tine__map_meta[] = {
    {"__call", tine__map_call},
    {"__close", map_close},
    {"__gc", map_gc},
    {NULL, NULL},
};

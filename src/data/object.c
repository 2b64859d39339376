/* What buffers and images have in common. */
#include <string.h>

#include "base/error.h"
#include "data/internal.h"
#include "tine.h"

/* --- classes --- */

static void add_function(lua_State *L, int meta, int methods, const luaL_Reg *f) {
    lua_pushvalue(L, meta);
    lua_pushcclosure(L, f->func, 1);
    lua_setfield(L, strncmp(f->name, "__", 2) == 0 ? meta : methods, f->name);
}

/* The metatable is registered when it is complete, since its making may raise. */
void tine__data_class(lua_State *L, const char *name, const luaL_Reg *functions) {
    if (luaL_getmetatable(L, name) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 16);
    int meta = lua_gettop(L);
    lua_createtable(L, 0, 12);
    for (const luaL_Reg *f = functions; f->name; f++)
        add_function(L, meta, meta + 1, f);
    if (lua_getfield(L, meta, "__index") == LUA_TNIL) {
        lua_pushvalue(L, meta + 1);
        lua_setfield(L, meta, "__index");
    }
    lua_settop(L, meta);
    lua_pushstring(L, name);
    lua_setfield(L, meta, "__name");
    lua_pushliteral(L, "a handle of tine");
    lua_setfield(L, meta, "__metatable");
    lua_pushvalue(L, meta);
    lua_setfield(L, LUA_REGISTRYINDEX, name);
}

/* --- objects --- */

static int forked(lua_State *L) {
    return luaL_error(L, "%s", tine_error_text(TINE_EFORKED));
}
int (*_Atomic tine__data_forked)(lua_State *L) = forked;

/* Push the table with this registry key, which is made if there is none. */
static void push_table(lua_State *L, const void *key, bool weak) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 0);
    if (weak) {
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "v");
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static const char objects_key; /* registry key of a weak table: address of region -> its object */

int tine__object_gc(lua_State *L) {
    struct object *o = lua_touserdata(L, 1);
    struct region *r = o->region;
    o->region = NULL;
    o->base = NULL;
    o->size = 0;
    tine__region_unref(r);
    return 0;
}

/* The collector does not know how much memory its userdata stand for, whether it was made here or
** has come from elsewhere. So it is run after so many bytes. One that comes again and again is kept
** by somebody else, and counts once. */
#define MUCH ((lua_Integer)256 << 20)

/* registry key: a table of the last region that was counted of each index; at 0 the bytes since the
** collector was run */
static const char counted_key;

static void count(lua_State *L, const struct object *o) {
    const struct handle h = tine__region_handle(o->region);
    lua_Integer name = (lua_Integer)(h.arena ^ h.generation), at = (lua_Integer)h.index + 1;
    push_table(L, &counted_key, false);
    bool again = lua_rawgeti(L, -1, at) == LUA_TNUMBER && lua_tointeger(L, -1) == name;
    lua_rawgeti(L, -2, 0);
    lua_Integer sum = lua_tointeger(L, -1) + (again ? 0 : (lua_Integer)o->size);
    lua_pushinteger(L, name);
    lua_rawseti(L, -4, at);
    lua_pushinteger(L, sum < MUCH ? sum : 0);
    lua_rawseti(L, -4, 0);
    lua_pop(L, 3);
    if (sum >= MUCH)
        lua_gc(L, LUA_GCCOLLECT);
}

struct push {
    struct region *region;
    void (*push_class)(lua_State *L);
    struct object *object;
};

/* Function (push) -> object. */
static int push_object(lua_State *L) {
    struct push *p = lua_touserdata(L, 1);
    struct region *r = p->region;
    push_table(L, &objects_key, true);
    if (lua_rawgetp(L, -1, r) == LUA_TUSERDATA) {
        p->object = lua_touserdata(L, -1);
        return 1;
    }
    lua_pop(L, 1);
    p->push_class(L);
    struct object *o = lua_newuserdatauv(L, sizeof *o, 1);
    *o = (struct object){r->base, r->size, r};
    lua_pushvalue(L, -1);
    lua_rawsetp(L, 2, r);
    lua_pushvalue(L, 3);
    /* Set last, since the rest may raise: from here on __gc frees the region. */
    lua_setmetatable(L, -2);
    p->object = o;
    p->region = NULL;
    count(L, o);
    return 1;
}

struct object *tine__object_push(lua_State *L, struct region *r, void (*push_class)(lua_State *L)) {
    struct push p = {r, push_class, NULL};
    luaL_checkstack(L, 10, "data");
    lua_pushcfunction(L, push_object);
    lua_pushlightuserdata(L, &p);
    int status = lua_pcall(L, 1, 1, 0);
    tine__region_unref(p.region);
    if (status != LUA_OK)
        lua_error(L);
    return p.object;
}

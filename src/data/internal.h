/* What the files of this floor share. */
#ifndef TINE_DATA_INTERNAL_H
#define TINE_DATA_INTERNAL_H

#include <lauxlib.h>
#include "base/hot.h"
#include "data/data.h"

/* A region in one Lua state: a userdata of class BUFFER or IMAGE, with a user value for its class. There is one for each
** region. */
struct object {
    char *base; /* NULL: closed */
    uint64_t size;
    struct region *region;
};

#define CLASS_BUFFER "tine.buffer"
#define CLASS_IMAGE "tine.image"

/* Push the metatable of that name: of these functions, which have it as their upvalue; names that begin with "__" are
** fields of it, the others methods. */
void tine__data_class(lua_State *L, const char *name, const luaL_Reg *functions);
/* Push the object of a region, for which a reference to it goes over, in any case; or the one there is. Its metatable is
** what `push_class` pushes. */
struct object *tine__object_push(lua_State *L, struct region *r, void (*push_class)(lua_State *L));
/* Push the metatable of buffers. */
void tine__buffer_class(lua_State *L);
/* __gc of both. */
int tine__object_gc(lua_State *L);

/* The value at 1 of a function that has its metatable as upvalue. */
static inline void *data_check(lua_State *L, const char *name) {
    void *p = lua_touserdata(L, 1);
    bool is = p && lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(1));
    if (unlikely(!is))
        luaL_typeerror(L, 1, name);
    lua_pop(L, 1);
    return p;
}

/* view.c */

/* Push a view of the table at a place (0: the root) of an image, for whose region a reference goes over. Raises. */
void tine__view_push(lua_State *L, struct region *r, uint64_t place);
/* Is the value at `idx` one? Then what it is of. */
bool tine__view_is(lua_State *L, int idx);
struct region *tine__view_region(lua_State *L, int idx, uint64_t *place);

/* pack.c: formats */

/* Push what lies at `at` (from 0), by the format at 2, and the position behind it; how many values. */
int tine__data_unpack(lua_State *L, const struct object *o, uint64_t at);
/* Write the values from 4 on at `at`, by the format at 2. The position behind them, from 0. */
uint64_t tine__data_pack(lua_State *L, const struct object *o, uint64_t at);

#endif

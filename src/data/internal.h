/* Internals of this folder. */
#ifndef TINE_DATA_INTERNAL_H
#define TINE_DATA_INTERNAL_H

#include <lauxlib.h>
#include "base/hot.h"
#include "data/data.h"

/* The userdata for a region in one Lua state, of class BUFFER or IMAGE, with one user value for the
** class. There is only one for each region. */
struct object {
    char *base; /* NULL: finalized */
    uint64_t size;
    struct region *region;
};

#define CLASS_BUFFER "tine.buffer"
#define CLASS_IMAGE "tine.image"

/* Push the metatable of this name, making it if needed. Each function gets it as upvalue; names
** that begin with "__" become its fields, the others methods. */
void tine__data_class(lua_State *L, const char *name, const luaL_Reg *functions);
/* Push the object of the region, making it if needed, with the metatable that `push_class` pushes.
** Takes over a reference to the region, also if it raises. */
struct object *tine__object_push(lua_State *L, struct region *r, void (*push_class)(lua_State *L));
/* Push the metatable of buffers. */
void tine__buffer_class(lua_State *L);
/* __gc of both classes. */
int tine__object_gc(lua_State *L);

/* The userdata at 1, which must have the metatable in upvalue 1. */
static inline void *data_check(lua_State *L, const char *name) {
    void *p = lua_touserdata(L, 1);
    bool is = p && lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(1));
    if (unlikely(!is))
        luaL_typeerror(L, 1, name);
    lua_pop(L, 1);
    return p;
}

/* view.c */

/* Push a view of the table at a place (0: the root) of an image. Takes over a reference to the
** region. Raises. */
void tine__view_push(lua_State *L, struct region *r, uint64_t place);
/* Is the value at `idx` a view? Then tine__view_region gives its region and place. */
bool tine__view_is(lua_State *L, int idx);
struct region *tine__view_region(lua_State *L, int idx, uint64_t *place);

/* pack.c: reading and writing by formats */

/* Push what is at `at`, counted from 0, by the format at 2, and the position behind it. Returns the
** number of values. */
int tine__data_unpack(lua_State *L, const struct object *o, uint64_t at);
/* Write the values from stack index 4 on at `at`, by the format at 2. Returns the position behind
** them, counted from 0. */
uint64_t tine__data_pack(lua_State *L, const struct object *o, uint64_t at);

#endif

/* tine.buffer, tine.freeze, tine.thaw, tine.type: memory that all processes share. */
#include <errno.h>
#include "base/why.h"
#include "bind/data.h"
#include "bind/errors.h"
#include "data/data.h"

static int refuse(lua_State *L, int err, const char *what) {
    int error = errno;
    return tine__error(L, err, "cannot make a %s: %s", what, tine__why_failed(err, error));
}

int tine__data_refuse_forked(lua_State *L) {
    return tine__error(L, TINE_EFORKED,
                       "memory of the parent process cannot be used in a forked child of it");
}

/* tine.buffer(bytes) */
int tine__data_buffer(lua_State *L) {
    lua_Integer size = luaL_checkinteger(L, 1);
    luaL_argcheck(L, size >= 0, 1, "a size must not be negative");
    int err = tine__buffer_new(L, (uint64_t)size);
    if (err) { /* a collection may free what was missing */
        lua_gc(L, LUA_GCCOLLECT);
        err = tine__buffer_new(L, (uint64_t)size);
    }
    return err ? refuse(L, err, "buffer") : 1;
}

/* tine.freeze(table) */
int tine__data_freeze(lua_State *L) {
    struct data_name name;
    if (tine__data_of(L, 1, &name) && name.kind == REGION_IMAGE)
        return lua_settop(L, 1), 1;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    int err = tine__freeze(L, 1);
    if (err == TINE_ESYSTEM)
        return refuse(L, err, "frozen table");
    if (err)
        return tine__error(L, err, "%s", lua_tostring(L, -1));
    return 1;
}

/* tine.type(value): as type(), with "table" for views of frozen tables. */
int tine__data_type(lua_State *L) {
    struct data_name name;
    luaL_checkany(L, 1);
    bool view = tine__data_of(L, 1, &name) && name.kind == REGION_IMAGE;
    lua_pushstring(L, view ? "table" : luaL_typename(L, 1));
    return 1;
}

/* The libraries that C functions and userdata are from. */
#include <dlfcn.h>
#include <lauxlib.h>
#include <string.h>
#include "base/hash.h"
#include "codec/files/files.h"

bool tine__library_is_ours(lua_CFunction fn) {
    bool (*self)(lua_CFunction) = tine__library_is_ours;
    Dl_info its, ours;
    void *address, *own;
    memcpy(&address, &fn, sizeof address);
    memcpy(&own, &self, sizeof own);
    return dladdr(address, &its) && dladdr(own, &ours) && its.dli_fbase == ours.dli_fbase;
}

static uint64_t hash_of_place(const void *address, const char **path) {
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname)
        return 0;
    const char *base = strrchr(info.dli_fname, '/');
    base = base ? base + 1 : info.dli_fname;
    uint64_t offset = (uint64_t)((uintptr_t)address - (uintptr_t)info.dli_fbase);
    if (path)
        *path = info.dli_fname;
    return tine__hash(base, strlen(base)) ^ (offset * UINT64_C(0x9E3779B97F4A7C15));
}

uint64_t tine__library_hash(lua_CFunction fn, const char **path) {
    void *address;
    memcpy(&address, &fn, sizeof address);
    return hash_of_place(address, path);
}

/* Of a light userdata, the place in a library that it points to is the same in each process; of a
** full userdata, only the name of its class. */
uint64_t tine__userdata_hash(lua_State *L, int idx) {
    uint64_t hash = 0;
    int top = lua_gettop(L);
    if (lua_islightuserdata(L, idx))
        return hash_of_place(lua_touserdata(L, idx), NULL);
    if (luaL_getmetafield(L, idx, "__name") == LUA_TSTRING) {
        size_t len;
        const char *name = lua_tolstring(L, -1, &len);
        hash = tine__hash(name, len);
    }
    lua_settop(L, top);
    return hash;
}

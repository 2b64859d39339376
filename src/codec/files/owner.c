/* Owners: which loaded module's file is a function from, judged by the name of its chunk?
**
** `require` makes a file's name from the module's name, by one of the templates in package.path,
** and the file's name becomes the name of the chunk. So the templates say which modules the chunk
** may belong to.
*/
#include <lauxlib.h>
#include <string.h>
#include "codec/files/files.h"
#include "codec/state.h"

/* If a module is loaded whose name is the first `n` bytes at `p`, put that name at stack index
** `at`. */
static void try_owner(lua_State *L, int loaded, int at, const char *p, size_t n) {
    lua_pushlstring(L, p, n);
    lua_pushvalue(L, -1);
    if (n > 0 && lua_rawget(L, loaded) != LUA_TNIL) {
        lua_pop(L, 1);
        lua_replace(L, at);
    }
}

/* Push the owner, judged by how the path ends, or false: for a file that was found with an earlier
** package.path. `longest`: see tine__push_owner. */
static void guess_owner(lua_State *L, int loaded, const char *source, size_t longest) {
    int top = lua_gettop(L);
    size_t len = strlen(source);
    lua_pushboolean(L, 0);
    if (len < 6 || strcmp(source + len - 4, ".lua") != 0)
        return;
    lua_pushlstring(L, source + 1, len - 5);
    const char *dotted = luaL_gsub(L, lua_tostring(L, -1), "/", ".");
    bool init = len > 10 && strcmp(dotted + len - 10, ".init") == 0;
    for (const char *p = dotted + (len - 5); p >= dotted; p--) { /* the longest loaded name wins */
        size_t n = (size_t)(dotted + (len - 5) - p);
        if (n > longest && n - longest > (init ? 5 : 0))
            break;
        if (p > dotted && p[-1] != '.')
            continue;
        try_owner(L, loaded, top + 1, p, n);
        if (init && n > 5)
            try_owner(L, loaded, top + 1, p, n - 5);
        lua_settop(L, top + 3);
    }
    lua_settop(L, top + 1);
}

/* If the template of `n` bytes makes the path from the name of a loaded module, put that name at
** `at`, where false is. */
static bool try_template(lua_State *L, int loaded, int at, const char *template, size_t n,
                         const char *path) {
    size_t marks = 0, len = strlen(path), before = strcspn(template, LUA_PATH_MARK);
    for (size_t i = 0; i < n; i++)
        marks += template[i] == *LUA_PATH_MARK;
    size_t rest = n - marks;
    if (!marks || len <= rest || (len - rest) % marks != 0 || memcmp(template, path, before) != 0)
        return false;
    int top = lua_gettop(L);
    lua_pushlstring(L, template, n);
    size_t part = (len - rest) / marks;
    const char *name = lua_pushlstring(L, path + before, part);
    if (strcmp(luaL_gsub(L, lua_tostring(L, top + 1), LUA_PATH_MARK, name), path) == 0) {
        try_owner(L, loaded, at, luaL_gsub(L, name, LUA_DIRSEP, "."), part);
        if (!lua_toboolean(L, at)) /* required as "a/b" */
            try_owner(L, loaded, at, name, part);
    }
    lua_settop(L, top);
    return lua_toboolean(L, at);
}

/* Push the owner of the chunk with the name `source`, or false. */
static void find_owner(lua_State *L, int loaded, const char *source, size_t longest) {
    int at = lua_gettop(L) + 1;
    lua_pushboolean(L, 0);
    if (*source != '@')
        return;
    lua_pushliteral(L, "package");
    if (lua_rawget(L, loaded) == LUA_TTABLE) {
        lua_pushliteral(L, "path");
        lua_rawget(L, -2);
    }
    const char *path = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    while (*path) {
        size_t n = strcspn(path, LUA_PATH_SEP);
        if (try_template(L, loaded, at, path, n, source + 1))
            break;
        path += n + (path[n] == *LUA_PATH_SEP);
    }
    lua_settop(L, at);
    if (lua_toboolean(L, at))
        return;
    lua_pop(L, 1);
    guess_owner(L, loaded, source, longest);
}

bool tine__push_owner(lua_State *L, int self, const char *source, size_t longest) {
    int top = lua_gettop(L);
    luaL_checkstack(L, 20, "modules");
    lua_rawgeti(L, self, ST_OWNERS);
    lua_pushstring(L, source);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_rawgeti(L, self, ST_LOADED);
        find_owner(L, lua_gettop(L), source, longest);
        if (lua_toboolean(L, -1)) { /* false is not kept: the module may be loaded later */
            lua_pushstring(L, source);
            lua_pushvalue(L, -2);
            lua_rawset(L, top + 1);
        }
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return lua_toboolean(L, -1);
}

/* Finding the file that a worker's `require` loads for a module.
**
** A worker has the package.path, package.cpath and working directory that its pool was made with,
** and its `require` uses only Lua's own searchers. So a sender looks for files where a worker will
** look, and a receiver where its own `require` looks now. A file's record (read.c) is used as long
** as the file has not changed (identity.c).
*/
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/state.h"

#define FILES "tine.files" /* registry: path -> record, for all codecs of the state */

/* ---- records ---- */

/* Replace the path on top by the record of the file. */
static struct file *read_shared(lua_State *L, bool lua) {
    int path = lua_gettop(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, FILES);
    lua_pushvalue(L, path);
    lua_rawget(L, -2);
    struct file *f = lua_touserdata(L, -1);
    if (f)
        f->tick = 0; /* compare with the file now, however recently that was done */
    if (!f || !tine__file_is_current(f)) {
        lua_pop(L, 1);
        f = tine__file_read(L, path, lua);
        lua_pushvalue(L, path);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    lua_replace(L, path);
    lua_settop(L, path);
    return f;
}

/* Keep the record on top as long as the codec lives, since names point to records. */
static void anchor(lua_State *L, int self) {
    lua_rawgeti(L, self, ST_FILES);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

/* ---- where `require` looks ---- */

bool tine__file_search(lua_State *L, const char *cwd, const char *module, const char *path) {
    if (!path)
        return false;
    const char *name = luaL_gsub(L, module, ".", LUA_DIRSEP);
    int top = lua_gettop(L);
    while (*path) {
        size_t n = strcspn(path, LUA_PATH_SEP);
        lua_pushlstring(L, path, n);
        const char *file = luaL_gsub(L, lua_tostring(L, -1), LUA_PATH_MARK, name);
        if (*file != '/' && cwd)
            file = lua_pushfstring(L, "%s/%s", cwd, file);
        if (n && access(file, R_OK) == 0) {
            lua_replace(L, top);
            lua_settop(L, top);
            return true;
        }
        lua_settop(L, top);
        path += n + (path[n] == *LUA_PATH_SEP);
    }
    lua_pop(L, 1);
    return false;
}

static const char *package_field(lua_State *L, int self, const char *field) {
    const char *s = NULL;
    lua_rawgeti(L, self, ST_LOADED);
    lua_pushliteral(L, "package");
    if (lua_rawget(L, -2) == LUA_TTABLE) {
        lua_pushstring(L, field);
        lua_rawget(L, -2);
        s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL; /* it is on the stack */
    }
    return s;
}

/* Push the path of the module's file. False, and nothing is pushed: there is none. *is_lua: it is a
** Lua file, else a C library. */
static bool push_path(lua_State *L, const struct codec *c, int self, const char *module,
                      bool *is_lua) {
    int top = lua_gettop(L);
    const char *path = c->path ? c->path : package_field(L, self, "path");
    const char *cpath = c->path ? c->cpath : package_field(L, self, "cpath");
    const char *dot = strchr(module, '.');
    bool lua = tine__file_search(L, c->cwd, module, path);
    bool found = lua || tine__file_search(L, c->cwd, module, cpath) ||
                 (dot && tine__file_search(
                             L, c->cwd, lua_pushlstring(L, module, (size_t)(dot - module)), cpath));
    if (found)
        lua_insert(L, top + 1);
    lua_settop(L, top + found);
    *is_lua = lua;
    return found;
}

/* Push the record of the module's file, and return it; NULL, and false is pushed: there is none. */
static struct file *push_found(lua_State *L, struct codec *c, int self, const char *module) {
    bool lua;
    if (!push_path(L, c, self, module, &lua)) {
        lua_pushboolean(L, 0);
        return NULL;
    }
    struct file *f = read_shared(L, lua);
    anchor(L, self);
    return f;
}

const struct file *tine__file_of(lua_State *L, struct codec *c, int self, const char *module) {
    luaL_checkstack(L, 20, "modules");
    lua_rawgeti(L, self, ST_FOUND);
    lua_pushstring(L, module);
    int type = lua_rawget(L, -2);
    struct file *f = type == LUA_TUSERDATA ? lua_touserdata(L, -1) : NULL;
    lua_pop(L, 1);
    if (type == LUA_TNIL || (f && !tine__file_is_current(f))) {
        f = push_found(L, c, self, module);
        lua_pushstring(L, module);
        if (f)
            lua_pushvalue(L, -2);
        else
            lua_pushnil(L);
        lua_rawset(L, -4);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return f && f->found ? f : NULL;
}

const struct file *tine__file_of_dump(lua_State *L, struct codec *c, int self, const char *module) {
    bool lua;
    int top = lua_gettop(L);
    luaL_checkstack(L, 20, "modules");
    bool dumped =
        push_path(L, c, self, module, &lua) && lua && tine__file_is_dump(lua_tostring(L, -1));
    lua_settop(L, top);
    return dumped ? tine__file_of(L, c, self, module) : NULL;
}

void tine__file_push_uses(lua_State *L, struct codec *c, int self, const char *module) {
    int top = lua_gettop(L);
    bool found = tine__file_of(L, c, self, module);
    lua_rawgeti(L, self, ST_FOUND);
    lua_pushstring(L, module);
    if (!found || lua_rawget(L, top + 1) != LUA_TUSERDATA ||
        lua_getiuservalue(L, -1, 1) != LUA_TTABLE)
        lua_newtable(L);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

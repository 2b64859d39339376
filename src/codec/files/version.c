/* Versions: is a module's file still the one that the module was loaded from?
**
** Lua does not remember what it has loaded. So if the loading of a module is seen (codec.c), the
** path of its file at that time is noted, with what stat says of it and a hash of its bytes.
** Otherwise, the file as it was when the codec looked at the module first is the best guess. Both
** are kept for all codecs of the state, as long as the module lives: the registry has for each
** module (its table or function) a table: path -> hash of the code, and "=" .. path -> struct
** loading.
*/
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/hash.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/state.h"

#define VERSIONS "tine.versions" /* registry, weak keys: module -> its files */
#define UNKNOWN 0                /* a hash that no file has */

/* What a module's file was when the module was loaded. A module may have several files: one file
** may return what another one's module is. */
struct loading {
    struct file_id id;
    uint64_t hash; /* of its bytes */
};

/* Push the table of the module at `module` (see VERSIONS). */
static void push_hashes(lua_State *L, int module) {
    if (!luaL_getsubtable(L, LUA_REGISTRYINDEX, VERSIONS)) {
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "k");
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
    }
    lua_pushvalue(L, module);
    if (lua_rawget(L, -2) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, module);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    lua_remove(L, -2);
}

/* ---- when a module is loaded ---- */

/* The hash of the bytes in the file, which normally are `size`; UNKNOWN: it cannot be read. The
** bytes are read with one unbuffered read into their final place, since each page that is touched
** costs time in a worker that loads a module. */
static uint64_t hash_of_bytes(const char *path, off_t size) {
    struct buf b;
    uint64_t hash = UNKNOWN;
    size_t n = 1, step = (size_t)size + 1;
    FILE *file = fopen(path, "rbe");
    tine__buf_init(&b);
    if (file)
        (void)setvbuf(file, NULL, _IONBF, 0);
    while (file && n > 0 && buf_reserve(&b, step) == 0) {
        n = fread(b.data + b.len, 1, step, file);
        b.len += n;
        step = BUFSIZ;
    }
    if (file && n == 0 && !ferror(file))
        hash = tine__hash(b.data, b.len);
    if (file)
        (void)fclose(file);
    tine__buf_free(&b);
    return hash;
}

/* Push the path as an absolute one, and return it. */
static const char *push_absolute(lua_State *L, const char *path) {
    char *cwd = *path == '/' ? NULL : getcwd(NULL, 0);
    if (cwd)
        lua_pushfstring(L, "%s/%s", cwd, path);
    else
        lua_pushstring(L, path);
    free(cwd);
    return lua_tostring(L, -1);
}

/* Push the path of the file that `require` would find now. False, and anything may be pushed: there
** is none. */
static bool push_file(lua_State *L, int loaded, const char *module) {
    lua_pushliteral(L, "package");
    if (lua_rawget(L, loaded) != LUA_TTABLE)
        return false;
    lua_pushliteral(L, "path");
    lua_rawget(L, -2);
    return lua_type(L, -1) == LUA_TSTRING &&
           tine__file_search(L, NULL, module, lua_tostring(L, -1));
}

void tine__version_note(lua_State *L, int loaded, int name, int module) {
    int top = lua_gettop(L);
    luaL_checkstack(L, 20, "modules");
    if (lua_type(L, name) != LUA_TSTRING ||
        (!lua_istable(L, module) && !lua_isfunction(L, module)) ||
        !push_file(L, loaded, lua_tostring(L, name)))
        return lua_settop(L, top);
    const char *path = push_absolute(L, lua_tostring(L, -1));
    push_hashes(L, module);
    lua_pushfstring(L, "=%s", path);
    struct loading *l = lua_newuserdatauv(L, sizeof *l, 0);
    if (tine__file_identify(path, &l->id) && (l->hash = hash_of_bytes(path, l->id.size)) != UNKNOWN)
        lua_rawset(L, -3);
    lua_settop(L, top);
}

/* ---- later ---- */

/* Has the file changed since the module was loaded, whose table (see VERSIONS) is on top? */
static bool has_changed(lua_State *L, const struct file *f) {
    int top = lua_gettop(L);
    const char *path = push_absolute(L, f->path);
    lua_pushfstring(L, "=%s", path);
    lua_rawget(L, top);
    const struct loading *l = lua_touserdata(L, -1);
    bool changed =
        l && !tine__file_same(&l->id, &f->id) && hash_of_bytes(path, f->id.size) != l->hash;
    lua_settop(L, top);
    return changed;
}

uint64_t tine__version(lua_State *L, int self, const char *module, const struct file *f) {
    int top = lua_gettop(L);
    uint64_t hash = f->hash;
    luaL_checkstack(L, 10, "modules");
    lua_rawgeti(L, self, ST_LOADED);
    lua_pushstring(L, module);
    lua_rawget(L, top + 1);
    if (lua_istable(L, -1) || lua_isfunction(L, -1)) {
        push_hashes(L, top + 2);
        lua_pushstring(L, f->path);
        if (lua_rawget(L, top + 3) == LUA_TNUMBER) {
            hash = (uint64_t)lua_tointeger(L, -1);
        } else {
            lua_settop(L, top + 3);
            hash = has_changed(L, f) ? UNKNOWN : f->hash;
            lua_pushstring(L, f->path);
            lua_pushinteger(L, (lua_Integer)hash);
            lua_rawset(L, top + 3);
        }
    }
    lua_settop(L, top);
    return hash;
}

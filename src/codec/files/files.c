/* The file that a worker's `require` loads for a module, and what functions are in it.
**
** A worker has the package.path, the package.cpath and the working directory of when its pool was made, and its
** `require` asks no searcher but Lua's own. So who sends looks where a worker will look; and who received looks where
** its own `require` does now.
**
** A Lua file is compiled, but not run. What is kept of it are hashes: of each function in it, without the
** chunk's name but with all of its lines and names, and of each string constant. A function is of the file
** when its own dump has one of these hashes. The record holds as long as the file is the same one by what
** stat says of it, at which is looked again when the clock has moved on.
*/
#include <dlfcn.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/hash.h"
#include "base/text.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/lua/class.h"
#include "codec/lua/definitions.h"
#include "codec/lua/dump.h"
#include "codec/lua/globals.h"
#include "codec/state.h"

#define CLASS "tine.file"
#define FILES "tine.files" /* registry: path -> record, for all codecs of the state */

/* ---- hashes ---- */

uint64_t tine__function_hash(const char *dump, const struct dump_function *f) {
    return tine__hash(dump + f->source_end, f->end - f->source_end);
}

static int compare_hashes(const void *a, const void *b) {
    uint64_t x = ((const struct file_hash *)a)->hash, y = ((const struct file_hash *)b)->hash;
    return x < y ? -1 : x > y;
}

struct collecting {
    struct file *file;
    const char *dump;
    struct buf functions, texts, children, definitions;
    bool failed;
};

static void on_function(void *ud, const struct dump_function *f, int level) {
    struct collecting *c = ud;
    struct file_hash h = {.hash = tine__function_hash(c->dump, f), .level = (uint32_t)level};
    if (level == 0)
        c->file->hash = h.hash;
    if (level == 1)
        c->failed |= buf_append(&c->children, &h.hash, sizeof h.hash) != 0;
    c->failed |= buf_append(&c->functions, &h, sizeof h) != 0;
}

static void on_text(void *ud, const char *s, size_t len) {
    struct collecting *c = ud;
    struct file_hash h = {.hash = tine__hash(s, len)};
    c->failed |= buf_append(&c->texts, &h, sizeof h) != 0;
}

static void on_definition(void *ud, const struct definition *found) {
    struct collecting *c = ud;
    struct file_definition d = {.key = tine__hash(found->key, found->len)};
    bool known = found->function != NO_FUNCTION;
    if (known && ((size_t)found->function + 1) * sizeof d.function > c->children.len)
        return;
    if (known)
        memcpy(&d.function, c->children.data + found->function * sizeof d.function,
               sizeof d.function);
    if (known && (found->of_module || found->table) && strlen(found->key) == found->len) {
        d.of_module = found->of_module;
        d.table = found->table;
        d.maybe = found->maybe;
        d.field = tine__text_copy(found->key);
        c->failed |= !d.field;
    }
    if (buf_append(&c->definitions, &d, sizeof d) != 0) {
        free(d.field);
        c->failed = true;
    }
}

static struct file_hash *take(struct buf *b, uint32_t *n) {
    *n = (uint32_t)(b->len / sizeof(struct file_hash));
    if (*n)
        qsort(b->data, *n, sizeof(struct file_hash), compare_hashes);
    return (struct file_hash *)(void *)b->data; /* tine__buf_free is free() */
}

/* Of what occurs twice there may be many. */
static void note_twins(struct file *f) {
    for (uint32_t i = 1; i < f->nfunctions; i++)
        if (f->functions[i].hash == f->functions[i - 1].hash)
            f->functions[i].again = f->functions[i - 1].again = true;
}

/* ---- a function's own hash ---- */

static int append_some(lua_State *L, const void *p, size_t n, void *ud) {
    (void)L;
    return buf_append(ud, p, n);
}

static bool hash_of(lua_State *L, int fn, uint64_t *out) {
    struct dump_function f;
    struct buf b;
    tine__buf_init(&b);
    lua_pushvalue(L, fn);
    bool good = lua_dump(L, append_some, &b, 0) == 0 && tine__dump_main(b.data, b.len, &f);
    lua_pop(L, 1);
    if (good)
        *out = tine__function_hash(b.data, &f);
    tine__buf_free(&b);
    return good;
}

uint64_t tine__hash_function(lua_State *L, int self, int fn) {
    uint64_t hash = 0;
    lua_rawgeti(L, self, ST_HASHES);
    lua_pushvalue(L, fn);
    if (lua_rawget(L, -2) == LUA_TNUMBER) {
        hash = (uint64_t)lua_tointeger(L, -1);
        lua_pop(L, 2);
        return hash;
    }
    lua_pop(L, 1);
    if (!hash_of(L, fn, &hash))
        hash = 0;
    lua_pushvalue(L, fn);
    lua_pushinteger(L, (lua_Integer)hash);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return hash;
}

/* ---- the record ---- */

static int file_gc(lua_State *L) {
    struct file *f = lua_touserdata(L, 1);
    free(f->path);
    free(f->functions);
    free(f->texts);
    for (uint32_t i = 0; i < f->ndefinitions; i++)
        free(f->definitions[i].field);
    free(f->definitions);
    free(f->keys);
    free(f->values);
    free(f->starts);
    *f = (struct file){0};
    return 0;
}

/* Its user value: the uses that its code makes of Lua's own libraries, pairs of library and field. */
static struct file *push_new(lua_State *L) {
    struct file *f = lua_newuserdatauv(L, sizeof *f, 1);
    *f = (struct file){0};
    tine__set_class(L, CLASS, file_gc);
    return f;
}

bool tine__file_identify(const char *path, struct file_id *id) {
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    memset(id, 0, sizeof *id);
    *id = (struct file_id){.dev = st.st_dev,
                           .ino = st.st_ino,
                           .size = st.st_size,
                           .modified = st.st_mtim,
                           .changed = st.st_ctim};
    return true;
}

bool tine__file_same(const struct file_id *a, const struct file_id *b) {
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

uint64_t tine__tick(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Push the uses that the functions in the dumped chunk make of Lua's own libraries and globals: what the chunk itself
** does, it has done, here as there. */
static void push_uses(lua_State *L, const char *dump, size_t len) {
    struct global_uses g;
    lua_newtable(L);
    if (!tine__globals_of(L, dump, len, 1, true, &g))
        return;
    int out = lua_gettop(L) - 1, list = out + 1;
    lua_Integer n = 0, first = (lua_Integer)g.reads + g.assigns + g.by_g;
    for (uint32_t i = 1; i <= g.standards; i++) {
        lua_pushliteral(L, "_G");
        lua_rawseti(L, out, ++n);
        lua_rawgeti(L, list, first + i);
        lua_rawseti(L, out, ++n);
    }
    for (uint32_t i = 1; i <= 2 * g.uses; i++) {
        lua_rawgeti(L, list, first + g.standards + i);
        lua_rawseti(L, out, ++n);
    }
    lua_pop(L, 1);
}

/* Hashes of the compiled chunk on top, and its uses, which are pushed. */
static bool collect(lua_State *L, struct file *f) {
    struct collecting c = {.file = f};
    struct buf b;
    tine__buf_init(&b);
    tine__buf_init(&c.functions);
    tine__buf_init(&c.texts);
    tine__buf_init(&c.children);
    tine__buf_init(&c.definitions);
    bool good = lua_dump(L, append_some, &b, 0) == 0;
    c.dump = b.data;
    const struct dump_visitor visitor = {on_function, on_text, &c};
    good = good && tine__dump_visit(b.data, b.len, &visitor) &&
           tine__definitions_of(L, b.data, b.len, on_definition, &c) && !c.failed;
    push_uses(L, b.data, b.len);
    tine__buf_free(&c.children);
    f->ndefinitions = (uint32_t)(c.definitions.len / sizeof *f->definitions);
    f->definitions = (struct file_definition *)(void *)c.definitions.data;
    f->functions = take(&c.functions, &f->nfunctions);
    f->texts = take(&c.texts, &f->ntexts);
    note_twins(f);
    good = good && tine__file_scan(L, b.data, b.len, f);
    tine__buf_free(&b);
    return good;
}

/* Does the file begin as bytecode does, behind a line for the shell perhaps? */
static bool is_dump(const char *path) {
    FILE *file = fopen(path, "rbe");
    int first = file ? getc(file) : EOF;
    if (first == '#') {
        while (first != '\n' && first != EOF)
            first = getc(file);
        first = first == '\n' ? getc(file) : EOF;
    }
    if (file)
        (void)fclose(file);
    return first == *LUA_SIGNATURE;
}

/* Read the file, whose path is the string at `path`: push its record. */
static struct file *push_read(lua_State *L, int path, bool lua) {
    struct file *f = push_new(L);
    f->lua = lua;
    f->path = strdup(lua_tostring(L, path));
    if (!f->path || !tine__file_identify(f->path, &f->id))
        return f;
    f->tick = tine__tick();
    f->found = !lua;
    if (lua) {
        int top = lua_gettop(L);
        f->dumped = is_dump(f->path);
        f->found = luaL_loadfilex(L, f->path, NULL) == LUA_OK && collect(L, f);
        lua_setiuservalue(L, top, 1);
        lua_settop(L, top);
    }
    return f;
}

static bool is_current(struct file *f) {
    struct file_id id;
    uint64_t now = tine__tick();
    if (f->tick != now) /* once out of date, it stays so */
        f->found = f->found && tine__file_identify(f->path, &id) && tine__file_same(&id, &f->id);
    f->tick = now;
    return f->found;
}

/* Replace the path on top by the record of that file. */
static struct file *read_shared(lua_State *L, bool lua) {
    int path = lua_gettop(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, FILES);
    lua_pushvalue(L, path);
    lua_rawget(L, -2);
    struct file *f = lua_touserdata(L, -1);
    if (f)
        f->tick = 0; /* who asks for the first time is told what is so now */
    if (!f || !is_current(f)) {
        lua_pop(L, 1);
        f = push_read(L, path, lua);
        lua_pushvalue(L, path);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    lua_replace(L, path);
    lua_settop(L, path);
    return f;
}

/* Names point to records: none of them is dropped as long as the codec lives. */
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
        s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL; /* stays on the stack */
    }
    return s;
}

/* Push the path of the module's file; false, and nothing: there is none. *is_lua: else it is a library. */
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

/* Push the record of the module's file; NULL, and false: there is none. */
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
    if (type == LUA_TNIL || (f && !is_current(f))) {
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
    bool dumped = push_path(L, c, self, module, &lua) && lua && is_dump(lua_tostring(L, -1));
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

bool tine__file_is_current(const struct file *f) {
    return is_current((struct file *)f);
}

/* ---- libraries ---- */

bool tine__file_is_of(const struct file *f, const char *path) {
    struct file_id id;
    return strcmp(f->path, path) == 0 ||
           (tine__file_identify(path, &id) && id.dev == f->id.dev && id.ino == f->id.ino);
}

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

/* A light userdata is known by where in a library it points to, a full one by its class only. */
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

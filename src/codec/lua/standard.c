#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "codec/files/record.h"
#include "codec/lua/standard.h"

#define SLOTS 1024 /* Lua 5.4 has about 170 functions */
#define TEXTS 16384

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct standard list[SLOTS / 2 + 1]; /* in the order in which they were found */
static unsigned length;
static char texts[TEXTS]; /* the storage of their names */
static size_t texts_len;
static uint16_t by_address[SLOTS], by_name[SLOTS]; /* hash tables: index in `list` + 1 */

static struct {
    lua_CFunction f;
    const char *module, *field;
} replaced[8]; /* replacements of Lua's own functions */
static atomic_uint nreplaced;

static const char *const modules[] = {"_G", "package", "coroutine", "table", "io",
                                      "os", "string",  "math",      "utf8",  "debug"};

/* ---- finding ---- */

static unsigned address_slot(lua_CFunction f) {
    return (unsigned)(((uintptr_t)f * UINT64_C(0x9E3779B97F4A7C15)) >> 54) % SLOTS;
}

static unsigned name_slot(const char *module, const char *field) {
    unsigned h = 5381;
    for (; *module; module++)
        h = h * 33 ^ (unsigned char)*module;
    for (; *field; field++)
        h = h * 33 ^ (unsigned char)*field;
    return h % SLOTS;
}

static const struct standard *find(lua_CFunction f) {
    for (unsigned i = address_slot(f); by_address[i]; i = (i + 1) % SLOTS)
        if (list[by_address[i] - 1].f == f)
            return &list[by_address[i] - 1];
    return NULL;
}

static const struct standard *find_name(const char *module, const char *field) {
    for (unsigned i = name_slot(module, field); by_name[i]; i = (i + 1) % SLOTS) {
        const struct standard *s = &list[by_name[i] - 1];
        if (strcmp(s->module, module) == 0 && strcmp(s->field, field) == 0)
            return s;
    }
    return NULL;
}

/* ---- making ---- */

static void index_last(void) {
    const struct standard *s = &list[length - 1];
    unsigned i = name_slot(s->module, s->field);
    while (by_name[i])
        i = (i + 1) % SLOTS;
    by_name[i] = (uint16_t)length;
    if (find(s->f)) /* a function with two names: the first one counts */
        return;
    for (i = address_slot(s->f); by_address[i];)
        i = (i + 1) % SLOTS;
    by_address[i] = (uint16_t)length;
}

/* Enter the C function on top, which is field `field` of `module`. */
static void enter(lua_State *L, const char *module, const char *field) {
    bool global = strcmp(module, "_G") == 0;
    size_t size = strlen(module) + strlen(field) + 2;
    char *text = texts + texts_len;
    if (length >= SLOTS / 2 || 2 * size > TEXTS - texts_len)
        return;
    texts_len += 2 * size;
    char *key = text + size; /* "module\0field" */
    snprintf(text, size, "%s%s%s", global ? "" : module, global ? "" : ".", field);
    snprintf(key, size, "%s", module);
    snprintf(key + strlen(module) + 1, strlen(field) + 1, "%s", field);
    bool closure = lua_getupvalue(L, -1, 1);
    if (closure)
        lua_pop(L, 1);
    list[length++] = (struct standard){.f = lua_tocfunction(L, -1),
                                       .module = key,
                                       .field = key + strlen(module) + 1,
                                       .name = text,
                                       .closure = closure};
    index_last();
}

/* Enter the C functions in the table on top, which is popped. */
static void enter_fields(lua_State *L, const char *module) {
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        if (lua_iscfunction(L, -1) && lua_type(L, -2) == LUA_TSTRING)
            enter(L, module, lua_tostring(L, -2));
    lua_pop(L, 1);
}

static int collect(lua_State *L) {
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (lua_getfield(L, 1, modules[i]) == LUA_TTABLE)
            enter_fields(L, modules[i]);
    lua_settop(L, 1);
    luaL_getmetatable(L, LUA_FILEHANDLE);
    if (lua_getfield(L, -1, "__index") == LUA_TTABLE)
        enter_fields(L, LUA_FILEHANDLE);
    lua_settop(L, 1);
    lua_pushliteral(L, "");
    if (lua_getmetatable(L, -1))
        enter_fields(L, STRINGS);
    return 0;
}

static void make(void) {
    lua_State *L = luaL_newstate();
    if (!L)
        return;
    lua_pushcfunction(L, collect);
    (void)lua_pcall(L, 0, 0, 0);
    lua_close(L);
}

/* ---- asking ---- */

static const struct standard *find_replaced(lua_CFunction f) {
    unsigned n = atomic_load_explicit(&nreplaced, memory_order_acquire);
    for (unsigned i = 0; f && i < n; i++)
        if (replaced[i].f == f)
            return find_name(replaced[i].module, replaced[i].field);
    return NULL;
}

/* Note a replacement. The strings are not copied. */
static void note_replaced(lua_CFunction f, const char *module, const char *field) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (find_replaced(f))
        return;
    pthread_mutex_lock(&lock);
    unsigned n = atomic_load_explicit(&nreplaced, memory_order_relaxed);
    if (n < sizeof replaced / sizeof *replaced && !find_replaced(f)) {
        replaced[n].f = f;
        replaced[n].module = module;
        replaced[n].field = field;
        atomic_store_explicit(&nreplaced, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
}

void tine__standard_instead(lua_State *L, const char *module, const char *field, lua_CFunction f) {
    int top = lua_gettop(L);
    pthread_once(&once, make);
    note_replaced(f, module, field);
    lua_getglobal(L, module);
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, field);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, CODEC_INSTEAD);
    lua_pushfstring(L, "%s.%s", module, field);
    lua_pushcfunction(L, f);
    lua_rawset(L, -3);
    lua_settop(L, top);
}

bool tine__standard_is(const struct standard *s, lua_CFunction f) {
    return f == s->f || find_replaced(f) == s;
}

const struct standard *tine__standard_of(lua_CFunction f) {
    pthread_once(&once, make);
    const struct standard *s = find(f);
    return s ? s : find_replaced(f);
}

const struct standard *tine__standard_named(const char *module, const char *field) {
    pthread_once(&once, make);
    return find_name(module, field);
}

const struct standard *tine__standard_list(void) {
    pthread_once(&once, make);
    return list;
}

bool tine__push_standard(lua_State *L, const char *name) {
    pthread_once(&once, make);
    for (unsigned i = 0; i < length; i++)
        if (!list[i].closure && strcmp(list[i].name, name) == 0) {
            lua_pushcfunction(L, list[i].f);
            return true;
        }
    return false;
}

bool tine__standard_module(const char *module) {
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strcmp(modules[i], module) == 0)
            return true;
    return strcmp(module, "tine") == 0 || strncmp(module, "tine.", 5) == 0;
}

bool tine__standard_global(const char *name) {
    if (strcmp(name, "_VERSION") == 0)
        return true;
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strcmp(modules[i], name) == 0)
            return true;
    return tine__standard_named("_G", name) != NULL;
}

const char *tine__standard_file(lua_State *L, int idx) {
    const luaL_Stream *file = luaL_testudata(L, idx, LUA_FILEHANDLE);
    if (!file || !file->closef)
        return NULL;
    return file->f == stdin    ? "io.stdin"
           : file->f == stdout ? "io.stdout"
           : file->f == stderr ? "io.stderr"
                               : NULL;
}

/* Reading a module's file into its record.
**
** A Lua file is compiled, but not run. The record has hashes: of each function in it, without the
** chunk's name but with lines and names, and of each string constant. A function is from the file
** if its own dump has one of these hashes.
*/
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/hash.h"
#include "base/text.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/lua/class.h"
#include "codec/lua/definitions.h"
#include "codec/lua/dump.h"
#include "codec/lua/globals.h"

#define CLASS "tine.file"

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
    free(f->settings);
    free(f->values);
    free(f->starts);
    *f = (struct file){0};
    return 0;
}

/* The userdata's user value is the list of what the code uses of Lua's own libraries: pairs of
** library and field. */
static struct file *push_new(lua_State *L) {
    struct file *f = lua_newuserdatauv(L, sizeof *f, 1);
    *f = (struct file){0};
    tine__set_class(L, CLASS, file_gc);
    return f;
}

/* ---- its code ---- */

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
        qsort(b->data, *n, sizeof(struct file_hash), tine__compare_hashes);
    return (struct file_hash *)(void *)b->data; /* the record frees it with free() */
}

/* There may be several closures of a function whose hash occurs more than once. */
static void note_twins(struct file *f) {
    for (uint32_t i = 1; i < f->nfunctions; i++)
        if (f->functions[i].hash == f->functions[i - 1].hash)
            f->functions[i].again = f->functions[i - 1].again = true;
}

/* Push the list of what the functions in the dumped chunk use of Lua's own libraries and globals.
** Uses of the chunk itself do not count: it has run on either side. */
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

/* Fill in the record with the compiled chunk that is on top, and push the list of its uses. False:
** something was not understood, or there is no memory. */
static bool collect(lua_State *L, struct file *f) {
    struct collecting c = {.file = f};
    struct buf b;
    tine__buf_init(&b);
    tine__buf_init(&c.functions);
    tine__buf_init(&c.texts);
    tine__buf_init(&c.children);
    tine__buf_init(&c.definitions);
    bool good = tine__dump_append(L, -1, false, &b);
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

bool tine__file_is_dump(const char *path) {
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

struct file *tine__file_read(lua_State *L, int path, bool lua) {
    struct file *f = push_new(L);
    f->lua = lua;
    f->path = strdup(lua_tostring(L, path));
    if (!f->path || !tine__file_identify(f->path, &f->id))
        return f;
    f->tick = tine__tick();
    f->found = !lua;
    if (lua) {
        int top = lua_gettop(L);
        f->dumped = tine__file_is_dump(f->path);
        f->found = luaL_loadfilex(L, f->path, NULL) == LUA_OK && collect(L, f);
        lua_setiuservalue(L, top, 1);
        lua_settop(L, top);
    }
    return f;
}

/* The codec itself: its state table, and the note that is appended to the error of a task. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/error.h"
#include "base/hot.h"
#include "base/list.h"
#include "codec/codec.h"
#include "codec/decode/loaded.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/lua/class.h"
#include "codec/lua/own.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/state.h"
#include "codec/wire.h"

static int codec_gc(lua_State *L) {
    struct codec *c = lua_touserdata(L, 1);
    tine__names_free(c);
    tine__code_free(c);
    tine__loaded_free(L, c);
    free(c->path);
    free(c->cpath);
    free(c->cwd);
    c->path = c->cpath = c->cwd = NULL;
    for (int i = 0; i < SENT_SLOTS; i++)
        if (c->watches[i])
            luaL_unref(L, LUA_REGISTRYINDEX, c->watches[i]);
    memset(c->watches, 0, sizeof c->watches);
    luaL_unref(L, LUA_REGISTRYINDEX, c->ref);
    c->ref = LUA_NOREF;
    if (c->encoder)
        c->encoder->busy = false; /* its own __gc, which may come later, must not use the codec */
    c->encoder = NULL;
    c->decoder = NULL;
    return 0;
}

/* Put a new table into slot `slot` of the table on top; `mode`: its __mode, or NULL. */
static void new_slot(lua_State *L, int slot, const char *mode) {
    lua_newtable(L);
    if (mode) {
        lua_createtable(L, 0, 1);
        lua_pushstring(L, mode);
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
    }
    lua_rawseti(L, -2, slot);
}

static const char *mode_of(int slot) {
    switch (slot) {
    case ST_CACHE:
        return "kv";
    case ST_HASHES:
    case ST_CHANGES:
    case ST_CHECKED:
    case ST_WITNESSES:
    case ST_ORIGINS:
        return "k";
    default:
        return NULL;
    }
}

static void push_state(lua_State *L) {
    lua_createtable(L, ST_COUNT, 0);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, ST_ENCODER);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, ST_DECODER);
    for (int slot = ST_CACHE; slot < ST_SENT; slot++)
        if (slot != ST_LOADED)
            new_slot(L, slot, mode_of(slot));
    lua_createtable(L, SENT_SLOTS, 0);
    lua_rawseti(L, -2, ST_SENT);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_rawseti(L, -2, ST_LOADED);
}

/* ---- Lua's own values ---- */

/* Push field `field` of the loaded module `module`, or nil. */
static void push_field(lua_State *L, const char *module, const char *field) {
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushstring(L, module);
    if (lua_rawget(L, -2) == LUA_TTABLE) {
        lua_pushstring(L, field);
        lua_rawget(L, -2);
    } else {
        lua_pushnil(L);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* Put those of Lua's own values into the table on top that cannot be made again from their names:
** functions with upvalues, and files. */
static void keep_libraries(lua_State *L) {
    static const char *const files[] = {"stdin", "stdout", "stderr"};
    int slot = lua_gettop(L);
    for (const struct standard *s = tine__standard_list(); s->f; s++) {
        if (!s->closure)
            continue;
        push_field(L, s->module, s->field);
        if (lua_tocfunction(L, -1) == s->f)
            lua_setfield(L, slot, s->name);
        lua_settop(L, slot);
    }
    for (int i = 0; i < 3; i++) {
        push_field(L, "io", files[i]);
        const char *name = tine__standard_file(L, -1);
        if (name)
            lua_setfield(L, slot, name);
        lua_settop(L, slot);
    }
}

/* ---- modules that are loaded later ---- */

/* registry key of a userdata: how many names were added to package.loaded since */
static const char loads_key;

/* __newindex of package.loaded (loaded, name, module): a module was loaded. */
static int on_load(lua_State *L) {
    uint64_t *loads = lua_touserdata(L, lua_upvalueindex(1));
    ++*loads;
    lua_settop(L, 3);
    tine__version_note(L, 1, 2, 3);
    lua_rawset(L, 1);
    return 0;
}

/* Give package.loaded a metatable that counts new names, so that it need not be searched for each
** message; not if the program has given it a metatable already. Returns the counter. */
static const uint64_t *watch_loads(lua_State *L) {
    int top = lua_gettop(L);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &loads_key) == LUA_TNIL) {
        uint64_t *loads = lua_newuserdatauv(L, sizeof *loads, 0);
        *loads = 0;
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &loads_key);
        luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
        if (!lua_getmetatable(L, -1)) {
            lua_createtable(L, 0, 1);
            lua_pushvalue(L, top + 2);
            lua_pushcclosure(L, on_load, 1);
            lua_setfield(L, -2, "__newindex");
            lua_setmetatable(L, -2);
        }
        lua_settop(L, top + 2);
    }
    const uint64_t *loads = lua_touserdata(L, -1);
    lua_settop(L, top);
    return loads;
}

static char *copy_field(lua_State *L, const char *field) {
    push_field(L, "package", field);
    const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    char *copy = strdup(s);
    lua_pop(L, 1);
    return copy;
}

/* Where workers look for modules is fixed when their pool is made: keep this state's package.path,
** package.cpath and working directory. */
static void keep_paths(lua_State *L, struct codec *c) {
    c->path = copy_field(L, "path");
    c->cpath = copy_field(L, "cpath");
    c->cwd = getcwd(NULL, 0);
}

struct codec *tine__codec_new(lua_State *L, const struct codec_options *options) {
    luaL_checkstack(L, 10, "codec");
    struct codec *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (struct codec){.options = *options, .ref = LUA_NOREF};
    tine__buf_init(&c->names.bytes);
    tine__buf_init(&c->scratch);
    list_init(&c->knowns);
    list_init(&c->codes.order);
    list_init(&c->loaded.order);
    tine__set_class(L, "tine.codec", codec_gc);
    lua_pushglobaltable(L);
    c->globals = lua_topointer(L, -1);
    lua_pop(L, 1);
    push_state(L);
    lua_rawgeti(L, -1, ST_LIBRARIES);
    keep_libraries(L);
    tine__own_keep(L, c);
    lua_pop(L, 1);
    c->loads = watch_loads(L);
    if (options->store.put)
        keep_paths(L, c);
    c->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return c;
}

void tine__codec_send_globals(struct codec *c, bool send) {
    c->options.send_globals = send;
}

void tine__codec_learn(lua_State *L, struct codec *c) {
    int top = lua_gettop(L);
    luaL_checkstack(L, 10, "codec");
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    struct encoder e = {.L = L, .c = c, .self = top + 1};
    if (tine__name_missing(&e) == TINE_ENOMEM)
        lua_error(L);
    lua_settop(L, top);
}

void tine__forget_held(lua_State *L, struct codec *c, int self) {
    if (likely(!c->held))
        return;
    lua_newtable(L);
    lua_rawseti(L, self, ST_HELD);
    c->held = false;
}

/* ---- a call during another call ---- */

void tine__codec_put_aside(lua_State *L, struct codec *c, struct codec_aside *aside) {
    static const int slots[] = {ST_UNDO, ST_HELD};
    luaL_checkstack(L, 5, "calls");
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_newtable(L);
    lua_newtable(L);
    int state = lua_gettop(L) - 2;
    for (int i = 0; i < 2; i++) {
        lua_rawgeti(L, state, slots[i]);
        lua_pushvalue(L, state + 1 + i);
        lua_rawseti(L, state, slots[i]);
        lua_replace(L, state + 1 + i);
    }
    lua_remove(L, state);
    *aside = (struct codec_aside){c->changed, c->held};
    c->changed = 0;
    c->held = false;
}

void tine__codec_take_back(lua_State *L, struct codec *c, const struct codec_aside *aside, int at) {
    tine__codec_restore(L, c);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_pushvalue(L, at);
    lua_rawseti(L, -2, ST_UNDO);
    lua_pushvalue(L, at + 1);
    lua_rawseti(L, -2, ST_HELD);
    lua_pop(L, 1);
    c->changed = aside->changed;
    c->held = aside->held;
}

/* Push the name in "... (global 'name')" of Lua's error messages. False, and nothing is pushed:
** there is none. */
static bool push_nil_global(lua_State *L, const char *message) {
    const char *at = message ? strstr(message, "global '") : NULL;
    const char *end = at ? strchr(at + 8, '\'') : NULL;
    if (!end || !strstr(message, "nil value"))
        return false;
    lua_pushlstring(L, at + 8, (size_t)(end - at - 8));
    return true;
}

#define TO_HAVE_IT \
    "; make it a local of the program, pass it as an argument, or define it in the pool's initializer"

static const char *explanation(lua_Integer why) {
    if (why == HELD_NONE)
        return "the submitting program has it, but the pool was made with globals = \"none\"" TO_HAVE_IT;
    return "the submitting program has it, but it stays there because the task assigns it too" TO_HAVE_IT;
}

#define REPLACED \
    "%s\nnote: '%s' is Lua's own here: what the submitting program has put in its place cannot travel"
#define ADDED \
    "%s\nnote: '%s' is not in the module here: what the submitting program has put there cannot travel"

/* Append to the text at stack index `text` a note for each value in the table `held` that the
** program has put into a module or a library, and that did not travel. */
static void explain_replaced(lua_State *L, int held, int text) {
    for (lua_pushnil(L); lua_next(L, held); lua_pop(L, 1)) {
        lua_Integer why = lua_tointeger(L, -1);
        if (why < HELD_REPLACED || lua_type(L, -2) != LUA_TSTRING)
            continue;
        lua_pushfstring(L, why == HELD_ADDED ? ADDED : REPLACED, lua_tostring(L, text),
                        lua_tostring(L, -2));
        lua_replace(L, text);
    }
}

void tine__codec_explain(lua_State *L, struct codec *c, const char *message) {
    int top = lua_gettop(L);
    luaL_checkstack(L, 10, "explanation");
    if (!c->held || !lua_isstring(L, top))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_rawgeti(L, -1, ST_HELD);
    explain_replaced(L, top + 2, top);
    if (push_nil_global(L, message)) {
        lua_pushvalue(L, -1);
        if (lua_rawget(L, top + 2) == LUA_TNUMBER && lua_tointeger(L, -1) < HELD_REPLACED) {
            lua_pushfstring(L, "%s\nnote: the global '%s' is nil here: %s", lua_tostring(L, top),
                            lua_tostring(L, top + 3), explanation(lua_tointeger(L, -1)));
            lua_replace(L, top);
        }
    }
    lua_settop(L, top);
}

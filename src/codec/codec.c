/* The codec itself: its state table, and what a failed task is told about globals. */
#include "codec/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

static int codec_gc(lua_State *L) {
    struct codec *c = lua_touserdata(L, 1);
    tine__names_free(c);
    tine__code_free(c);
    tine__loaded_free(L, c);
    luaL_unref(L, LUA_REGISTRYINDEX, c->ref);
    c->ref = LUA_NOREF;
    c->encoder = NULL;
    c->decoder = NULL;
    return 0;
}

/* A new table with weak keys or values, or neither, in a slot of the table on top. */
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
    case ST_ORIGINS:
        return "k";
    case ST_WEAK:
        return "v";
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

struct codec *tine__codec_new(lua_State *L, const struct codec_options *options) {
    luaL_checkstack(L, 10, "codec");
    struct codec *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (struct codec){.options = *options, .ref = LUA_NOREF};
    tine__buf_init(&c->names.bytes);
    tine__buf_init(&c->scratch);
    list_init(&c->knowns);
    list_init(&c->codes.order);
    list_init(&c->loaded.order);
    if (luaL_newmetatable(L, "tine.codec")) {
        lua_pushcfunction(L, codec_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_pushglobaltable(L);
    c->globals = lua_topointer(L, -1);
    lua_pop(L, 1);
    push_state(L);
    c->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return c;
}

void tine__forget_held(lua_State *L, struct codec *c, int self) {
    if (likely(!c->held))
        return;
    lua_newtable(L);
    lua_rawseti(L, self, ST_HELD);
    c->held = false;
}

/* Push the name in "... (global 'name')" of Lua's messages; false, and nothing, if there is none. */
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

void tine__codec_explain(lua_State *L, struct codec *c, const char *message) {
    int top = lua_gettop(L);
    luaL_checkstack(L, 10, "explanation");
    if (!c->held || !push_nil_global(L, message))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_rawgeti(L, -1, ST_HELD);
    lua_pushvalue(L, top + 1);
    if (lua_rawget(L, -2) == LUA_TNUMBER && lua_isstring(L, top)) {
        lua_pushfstring(L, "%s\nnote: the global '%s' is nil here: %s", lua_tostring(L, top),
                        lua_tostring(L, top + 1), explanation(lua_tointeger(L, -1)));
        lua_replace(L, top);
    }
    lua_settop(L, top);
}

/* Tasks that are Lua source (from the C library): each text is compiled once in a worker.
**
** The function of a chunk has one upvalue, _ENV, and no other state between calls. So the same
** closure serves again, as long as its _ENV is the globals table. If a call has assigned to _ENV,
** functions that it has left behind may still use that, so the next call gets a new closure.
*/
#include <lauxlib.h>
#include "codec/decode/reader.h"
#include "codec/decode/resolve.h"
#include "codec/state.h"

#define MOST_SOURCES 1000

/* Is the _ENV of the function at `fn` still the globals table? */
static bool is_fresh(lua_State *L, const struct codec *c, int fn) {
    bool fresh = lua_getupvalue(L, fn, 1) && lua_topointer(L, -1) == c->globals;
    lua_settop(L, fn);
    return fresh;
}

/* Push the function that was compiled from the text at `text`. False, and nothing is pushed: there
** is none, or it was changed. */
static bool push_known(struct reader *r, int text) {
    lua_State *L = r->L;
    lua_rawgeti(L, r->self, ST_SOURCES);
    lua_pushvalue(L, text);
    lua_rawget(L, -2);
    lua_remove(L, text + 1);
    if (lua_isfunction(L, -1) && is_fresh(L, r->c, text + 1))
        return true;
    lua_settop(L, text);
    return false;
}

/* Remember the function on top for the text below it. If there are too many texts, all are
** forgotten: a program that makes a new text for each task gains nothing from any of them. */
static void remember(struct reader *r, int text) {
    lua_State *L = r->L;
    if (++r->c->sources > MOST_SOURCES) {
        r->c->sources = 1;
        lua_newtable(L);
        lua_rawseti(L, r->self, ST_SOURCES);
    }
    lua_rawgeti(L, r->self, ST_SOURCES);
    lua_pushvalue(L, text);
    lua_pushvalue(L, text + 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void tine__load_source(struct reader *r) {
    lua_State *L = r->L;
    int text = lua_gettop(L);
    size_t len;
    const char *s = lua_tolstring(L, text, &len);
    luaL_checkstack(L, 10, "source");
    if (!push_known(r, text)) {
        if (luaL_loadbufferx(L, s, len, s, "t") != LUA_OK) /* never bytecode */
            luaL_error(L, "cannot compile the task: %s", lua_tostring(L, -1));
        remember(r, text);
    }
    lua_remove(L, text);
}

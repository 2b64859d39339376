/* Numbering of call environments (environment.h). */
#include <lauxlib.h>
#include <lua.h>
#include "codec/encode/encoder.h"
#include "codec/encode/environment.h"
#include "codec/encode/seen.h"
#include "codec/state.h"
#include "codec/wire.h"

#define MAX_CHAIN 10 /* length of a chain of __index tables that is followed */

static const char getter_key; /* key in the registry: a Lua function of table and key */

/* Globals are read by a Lua function. Some __index metamethods ask who called them, and load a
** module at the first access, or report mistakes (Penlight's strict), only if that is Lua code. */
static void push_getter(lua_State *L) {
    static const char source[] = "local t, k = ... local v = t[k] return v";
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &getter_key) == LUA_TFUNCTION)
        return;
    lua_pop(L, 1);
    if (luaL_loadbufferx(L, source, sizeof source - 1, "=tine", "t") != LUA_OK)
        lua_error(L); /* no memory */
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &getter_key);
}

void tine__get_protected(lua_State *L, int t) {
    push_getter(L);
    lua_insert(L, -2);
    lua_pushvalue(L, t);
    lua_insert(L, -2);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

/* Does the table at `t` get fields that it does not have from the globals table, by way of __index
** tables? */
static bool leads_to_globals(struct encoder *e, int t) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool is = false;
    lua_pushvalue(L, t);
    for (int i = 0; !is && i < MAX_CHAIN && lua_istable(L, -1) && lua_getmetatable(L, -1); i++) {
        lua_pushliteral(L, "__index");
        lua_rawget(L, -2);
        is = lua_topointer(L, -1) == e->c->globals;
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return is;
}

static bool is_environment(struct encoder *e, int env) {
    lua_State *L = e->L;
    if (lua_type(L, env) != LUA_TTABLE)
        return false;
    if (lua_topointer(L, env) == e->c->globals)
        return true;
    lua_pushliteral(L, "_G");
    tine__get_protected(L, env);
    bool is = lua_type(L, -1) == LUA_TTABLE && lua_topointer(L, -1) == e->c->globals;
    lua_pop(L, 1);
    return is || leads_to_globals(e, env); /* the _G of a sandbox is often the sandbox */
}

/* The environment at `env` gets the number e->nenvs. It may be dead when arguments are encoded:
** then the weak table tells that another table has its address. */
static void keep_env(struct encoder *e, int env) {
    e->own_envs = true;
    if (!e->weak)
        return;
    lua_pushvalue(e->L, env);
    lua_rawseti(e->L, e->weak, -(lua_Integer)e->nenvs);
}

/* Is the table at `env` the one for which the entry was made? */
static bool is_same_env(struct encoder *e, const struct seen_entry *s, int env) {
    lua_State *L = e->L;
    if (!e->arguments || s >= e->seen.entries + e->fn_seen)
        return true;
    encode_push_weak(e);
    lua_rawgeti(L, -1, -(lua_Integer)s->ordinal);
    bool same = s->kind == SEEN_ENV && lua_rawequal(L, -1, env);
    lua_pop(L, 2);
    return same;
}

int tine__env_number(struct encoder *e, int env, const struct step *step) {
    const char *p = lua_topointer(e->L, env);
    bool found;
    env = lua_absindex(e->L, env);
    if (!p)
        return 0;
    /* The address + 1 stands for the table as an environment, the address itself for the table as a
    ** value. */
    struct seen_entry *s = tine__seen_put(&e->seen, p + 1, &found);
    if (!s)
        return tine__encode_nomem(e);
    bool old = found && p != e->c->globals && !is_same_env(e, s, env);
    if (found && !old)
        return s->kind == SEEN_ENV ? (int)s->ordinal : 0;
    /* An index: metamethods that run now may use the codec, though not this encoder. */
    uint32_t at = (uint32_t)(s - e->seen.entries);
    bool is = is_environment(e, env);
    s = &e->seen.entries[at];
    if (found && is == (s->kind == SEEN_ENV))
        return is ? (int)s->ordinal : 0;
    if (is && e->nenvs == MAX_ENVS)
        return tine__encode_fail(
            e, step, "cannot send functions with more than %d environments at once", MAX_ENVS);
    s->kind = is ? SEEN_ENV : SEEN_NO_ENV;
    e->nenvs += is;
    s->ordinal = e->nenvs;
    s->marked = false;
    if (is && p != e->c->globals)
        keep_env(e, env);
    return is ? (int)e->nenvs : 0;
}

/* The table's entry as an environment if the receiver does not know yet that it is a value, too;
** else NULL. */
static struct seen_entry *unknown_env(struct encoder *e, int t) {
    const char *p = lua_topointer(e->L, t);
    struct seen_entry *s = tine__seen_find(&e->seen, p + 1);
    bool is = s && s->kind == SEEN_ENV && !s->marked && p != e->c->globals && is_same_env(e, s, t);
    return is ? s : NULL;
}

unsigned tine__env_of(struct encoder *e, int t) {
    struct seen_entry *s = unknown_env(e, t);
    if (!s)
        return 0;
    s->marked = true;
    e->globals = true;
    return s->ordinal;
}

int tine__encode_env(struct encoder *e, unsigned number) {
    const void *p = lua_topointer(e->L, -1);
    struct seen_entry *value = e->own_envs ? tine__seen_find(&e->seen, p) : NULL;
    if (value && value->kind == SEEN_OBJECT && !value->upvalue &&
        tine__encode_same(e, value, lua_gettop(e->L)) && tine__env_of(e, lua_gettop(e->L)))
        return tine__encode_env_ref(e, value, number);
    return tine__encode_ext(e, EXT_ENV, number);
}

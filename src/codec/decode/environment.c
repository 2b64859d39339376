/* Call environments (codec.h), and the globals in them.
**
** r->envs has the environment with number n at n. Until that exists, the list at -n has the
** functions and upvalues that are to get it. */
#include <lauxlib.h>
#include <lua.h>
#include "codec/changes/libraries.h"
#include "codec/decode/environment.h"
#include "codec/decode/reader.h"
#include "codec/decode/resolve.h"
#include "codec/lua/standard.h"
#include "codec/state.h"
#include "codec/wire.h"

/* Append the current upvalue of the function to the list of those that wait for the environment. */
static void await_env(struct reader *r, const struct frame *f, unsigned number) {
    lua_State *L = r->L;
    if (lua_rawgeti(L, r->envs, -(lua_Integer)number) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawseti(L, r->envs, -(lua_Integer)number);
    }
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    lua_pushvalue(L, f->at);
    lua_rawseti(L, -2, n + 1);
    lua_pushinteger(L, (lua_Integer)f->i - 1);
    lua_rawseti(L, -2, n + 2);
    lua_pop(L, 1);
}

void tine__op_env(struct reader *r, unsigned number) {
    lua_State *L = r->L;
    struct frame *f = r->frame;
    if (number == 0) {
        lua_pushglobaltable(L);
        return;
    }
    if (!in_upvalues(f))
        tine__malformed(r, "an environment outside of a function");
    if (!r->envs || lua_rawgeti(L, r->envs, number) != LUA_TTABLE) {
        if (r->envs) {
            lua_pop(L, 1);
            await_env(r, f, number);
        }
        lua_pushglobaltable(L);
    }
    tine__set_upvalue(r, f);
    r->handled = true;
}

/* Push a table whose other reads go to the globals table, and other writes, too, unless `keeps`. */
static void new_env(lua_State *L, bool keeps) {
    lua_newtable(L);
    lua_createtable(L, 0, 2);
    lua_pushglobaltable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    if (keeps)
        lua_pop(L, 1);
    else
        lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
}

/* The table on top is the environment with this number: set the upvalues that wait for it. */
static void enter_env(struct reader *r, unsigned number) {
    lua_State *L = r->L;
    lua_pushvalue(L, -1);
    lua_rawseti(L, r->envs, number);
    if (lua_rawgeti(L, r->envs, -(lua_Integer)number) == LUA_TTABLE) {
        lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
        for (lua_Integer i = 1; i < n; i += 2) {
            lua_rawgeti(L, -1, i);
            lua_rawgeti(L, -2, i + 1);
            int box = (int)lua_tointeger(L, -1);
            lua_pushvalue(L, -4);
            lua_setupvalue(L, -3, box);
            lua_pop(L, 2);
        }
    }
    lua_pop(L, 1);
}

void tine__push_env(struct reader *r, unsigned number, bool keeps) {
    lua_State *L = r->L;
    if (lua_rawgeti(L, r->envs, number) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    new_env(L, keeps);
    enter_env(r, number);
}

void tine__op_env_of(struct reader *r, unsigned number) {
    lua_State *L = r->L;
    struct frame *f = r->frame;
    if (!in_upvalues(f) || !r->envs || !number || !lua_istable(L, -1))
        tine__malformed(r, "an environment outside of a function");
    if (lua_rawgeti(L, r->envs, number) == LUA_TTABLE) {
        lua_replace(L, -2);
    } else {
        lua_pop(L, 1);
        enter_env(r, number);
    }
    tine__set_upvalue(r, f);
    r->handled = true;
}

/* ---- globals ---- */

#define HIDDEN 256 /* r->envs has the hidden globals of environment n at HIDDEN + n */

/* Give the environment at `env` a _G of its own, and push the table of the globals that are read as
** _G.name. That table is the __index of an empty one, which is the _G, so that traversing _G does
** not show them. */
static void hide_globals(struct reader *r, unsigned number, int env) {
    lua_State *L = r->L;
    new_env(L, false); /* the hidden globals, to which */
    new_env(L, false); /* the _G of the environment leads */
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushliteral(L, "_G");
    lua_insert(L, -2);
    lua_rawset(L, env);
    lua_pushvalue(L, -1);
    lua_rawseti(L, r->envs, HIDDEN + (lua_Integer)number);
}

/* Set the global whose name and value are on top among the hidden globals, so that it is read as
** _G.name. False: the environment's own _G is the environment itself. */
static bool set_by_g(struct reader *r, unsigned number) {
    lua_State *L = r->L;
    int name = lua_gettop(L) - 1, env = name + 2;
    tine__push_env(r, number, false);
    lua_pushliteral(L, "_G");
    bool itself = lua_rawget(L, env) == LUA_TTABLE && lua_rawequal(L, -1, env);
    if (lua_isnil(L, -1))
        hide_globals(r, number, env);
    else if (!itself)
        lua_rawgeti(L, r->envs, HIDDEN + (lua_Integer)number);
    if (!itself && lua_istable(L, -1)) { /* else the sender's environment had a _G */
        lua_pushvalue(L, name);
        lua_pushvalue(L, name + 1);
        lua_rawset(L, -3);
    }
    lua_settop(L, name + 1);
    return !itself;
}

void tine__op_held(struct reader *r, unsigned why) {
    if (!in_global(r->frame) && r->frame->kind != FRAME_CHANGED && r->frame->kind != FRAME_KEPT)
        tine__malformed(r, "a global outside of a function");
    r->held = true;
    r->why = (uint8_t)why;
    lua_pushnil(r->L);
}

void tine__note_held(struct reader *r, int name) {
    lua_State *L = r->L;
    lua_rawgeti(L, r->self, ST_HELD);
    lua_pushvalue(L, name);
    lua_pushinteger(L, r->why);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    r->c->held = true;
}

/* Does this process have such a global of its own? Lua's own globals only count if they were
** replaced. */
static bool has_own(lua_State *L, int name) {
    const char *s = lua_tostring(L, name);
    if (!tine__standard_global(s))
        return tine__has_global(L, name);
    lua_pushglobaltable(L);
    lua_pushvalue(L, name);
    lua_rawget(L, -2);
    bool own = !tine__is_standard_value(L, s);
    lua_pop(L, 2);
    return own;
}

/* The name and value of a global are on top, and popped. Set it in the environment, unless this
** process has its own; but always if the environment's table itself held it at the sender. */
static void set_global(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    int name = lua_gettop(L) - 1;
    uint32_t pair = (f->i - f->m) / 2 - 2;
    bool note = r->note, held = r->held, own = pair < f->own,
         by_g = !own && pair < f->own + f->by_g;
    r->note = r->held = false;
    if (held) {
        tine__note_held(r, name);
    } else if (own || !has_own(L, name)) {
        if (note)
            luaL_error(L, "%s", lua_tostring(L, name + 1));
        by_g = by_g && set_by_g(r, f->env);
        tine__push_env(r, f->env, false);
        lua_pushvalue(L, name);
        if (lua_rawget(L, -2) == LUA_TNIL && !by_g) {
            lua_pushvalue(L, name);
            lua_pushvalue(L, name + 1);
            lua_rawset(L, -4);
        }
    }
    lua_settop(L, name - 1);
}

/* The number in front of the globals is on top, and popped (ENV_NUMBER and so on, wire.h). */
static void env_item(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    lua_Integer env = lua_tointeger(L, -1);
    if (!lua_isinteger(L, -1) || env < 0 || (env & ENV_NUMBER) == 0)
        tine__malformed(r, "globals of no environment");
    f->env = (uint8_t)(env & ENV_NUMBER);
    f->own = (uint32_t)(env >> ENV_OWN_SHIFT) & ENV_COUNT;
    f->by_g = (uint32_t)(env >> ENV_BY_G_SHIFT) & ENV_COUNT;
    lua_pop(L, 1);
    if (!(env & ENV_KEEPS))
        return;
    if (!r->envs)
        tine__malformed(r, "globals in a message that announces none");
    tine__push_env(r, f->env, true);
    lua_pop(L, 1);
}

void tine__global_item(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (f->i == 2 + f->m) {
        env_item(r, f);
    } else if (!in_global(f)) {
        if (lua_type(L, -1) != LUA_TSTRING)
            tine__malformed(r, "the name of a global is no string");
    } else {
        if (!r->envs && !r->held)
            tine__malformed(r, "globals in a message that announces none");
        set_global(r, f);
    }
}

void tine__set_upvalue(struct reader *r, struct frame *f) {
    if (!lua_setupvalue(r->L, f->at, (int)f->i - 1))
        tine__malformed(r, "an upvalue too many");
}

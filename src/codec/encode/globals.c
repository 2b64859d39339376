/* The globals that a function names to bytes: pairs of name and value. */
#include <lua.h>
#include "base/error.h"
#include "codec/changes/libraries.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/encode/environment.h"
#include "codec/encode/globals.h"
#include "codec/encode/value.h"
#include "codec/lua/globals.h"
#include "codec/lua/standard.h"
#include "codec/pack.h"
#include "codec/state.h"
#include "codec/wire.h"

/* Push the global whose name is at `name`: raw if the table has it, else as the script would see
** it. */
static int get_global(struct encoder *e, int env, int name) {
    lua_State *L = e->L;
    lua_pushvalue(L, name);
    if (lua_rawget(L, env) != LUA_TNIL || !lua_getmetatable(L, env))
        return lua_type(L, -1);
    lua_pop(L, 2);
    lua_pushvalue(L, name);
    tine__get_protected(L, env);
    e->checked = false; /* that may have loaded a module */
    return lua_type(L, -1);
}

/* The value of a global that travels, or a note why it cannot; it is on top of the stack. */
static int encode_global(struct encoder *e, const struct step *step) {
    int value = lua_gettop(e->L);
    struct encode_point point = tine__encode_mark(e);
    e->globals = true;
    int err = tine__encode_value(e, value, step);
    if (err != TINE_ESERIALIZE)
        return err;
    tine__encode_rewind(e, &point);
    return tine__encode_note(e, lua_gettop(e->L));
}

/* ---- which pairs ---- */

/* On the stack, side by side: the list of names (struct global_uses), the environment, the real globals. */
struct naming {
    struct encoder *e;
    const struct code *code;
    const struct step *up;
    int fn, names, env, globals; /* stack indices */
    bool own;                    /* the environment is another table than the globals */
    uint32_t count;
};

/* Append name and value, which are on top, and take them; the value as a note when it cannot travel. */
static int put_pair(struct naming *n) {
    struct encoder *e = n->e;
    int name = lua_gettop(e->L) - 1;
    struct step step = {.up = n->up, .kind = STEP_GLOBAL, .at = name, .n = n->fn};
    size_t from = e->out->len;
    int err = tine__encode_value(e, name, n->up);
    if (!err)
        err = encode_global(e, &step);
    n->count++;
    if (err)
        return err;
    encode_note_load(e, from, true, lua_tostring(e->L, name));
    lua_settop(e->L, name - 1);
    return 0;
}

/* The same for a value that stays here. */
static int put_held(struct naming *n, enum wire_held why) {
    struct encoder *e = n->e;
    int name = lua_gettop(e->L) - 1;
    int err = tine__encode_value(e, name, n->up);
    n->count++;
    lua_settop(e->L, name);
    lua_pop(e->L, 1);
    return err ? err : tine__encode_held(e, why);
}

/* Push name number `i` and what the environment itself has under it; false, and nothing: it has not. */
static bool push_own(const struct naming *n, lua_Integer i) {
    lua_State *L = n->e->L;
    if (!n->own)
        return false;
    lua_rawgeti(L, n->names, i);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, n->env) != LUA_TNIL)
        return true;
    lua_pop(L, 2);
    return false;
}

/* What the environment itself holds, of the names from `first` to `last`. */
static int put_own(struct naming *n, lua_Integer first, lua_Integer last) {
    int err = 0;
    for (lua_Integer i = first; i <= last && !err; i++)
        if (push_own(n, i))
            err = put_pair(n);
    return err;
}

/* All that the environment itself holds and that can travel: the function may look at any of it. */
static int put_all(struct naming *n) {
    struct encoder *e = n->e;
    lua_State *L = e->L;
    int err = 0, top = lua_gettop(L);
    for (lua_pushnil(L); !err && lua_next(L, n->env);) {
        struct encode_point point = tine__encode_mark(e);
        if (lua_type(L, -2) == LUA_TSTRING) {
            e->globals = true;
            err = tine__encode_value(e, top + 1, n->up);
            if (!err && (err = tine__encode_value(e, top + 2, n->up)) == 0)
                n->count++;
            if (err == TINE_ESERIALIZE) {
                tine__encode_rewind(e, &point);
                err = 0;
            }
        }
        if (!err)
            lua_settop(L, top + 1);
    }
    return err;
}

/* What _G is to the function at `env`, which may hold a table of its own under that name: itself, as sandboxes do. */
enum which_g { G_GLOBALS, G_ITSELF, G_OTHER };

static enum which_g which_g(const struct naming *n) {
    lua_State *L = n->e->L;
    if (!n->own)
        return G_GLOBALS;
    lua_pushliteral(L, "_G");
    lua_rawget(L, n->env);
    const void *p = lua_istable(L, -1) ? lua_topointer(L, -1) : NULL;
    lua_pop(L, 1);
    if (!p || p == n->e->c->globals)
        return G_GLOBALS;
    return p == lua_topointer(L, n->env) ? G_ITSELF : G_OTHER;
}

/* Those that are read as _G.name, from the table at `t`. */
static int put_by_g(struct naming *n, lua_Integer first, int t) {
    lua_State *L = n->e->L;
    int err = 0;
    for (lua_Integer i = first + 1; i <= first + n->code->globals.by_g && !err; i++) {
        lua_rawgeti(L, n->names, i);
        const char *name = lua_tostring(L, -1); /* stays: the list has it */
        bool travels = get_global(n->e, t, lua_gettop(L)) != LUA_TNIL;
        if (tine__standard_global(name))
            travels = travels && !tine__is_standard_value(L, name);
        else
            travels = travels && n->e->c->options.send_globals;
        if (travels)
            err = put_pair(n);
        else
            lua_pop(L, 2);
    }
    return err;
}

/* Those that are read or assigned by their bare names. */
static int put_named(struct naming *n) {
    lua_State *L = n->e->L;
    const struct global_uses *g = &n->code->globals;
    int err = 0, top = lua_gettop(L);
    for (lua_Integer i = 1; i <= g->reads + g->assigns && !err; i++) {
        bool assigned = i > g->reads;
        if (push_own(n, i)) {
            lua_pop(L, 2);
            continue;
        }
        lua_rawgeti(L, n->names, i);
        if ((assigned && tine__standard_global(lua_tostring(L, -1))) ||
            get_global(n->e, n->env, top + 1) == LUA_TNIL)
            lua_settop(L, top);
        else if (assigned || !n->e->c->options.send_globals)
            err = put_held(n, assigned ? HELD_ASSIGNED : HELD_NONE);
        else
            err = put_pair(n);
    }
    return err;
}

/* Push what the function sees under the name at `name`, of one of Lua's own: another environment may have it from a table behind
** it, as those of busted's blocks. */
static int push_standard(const struct naming *n, int name) {
    if (n->own)
        return get_global(n->e, n->env, name);
    lua_pushvalue(n->e->L, name);
    return lua_rawget(n->e->L, n->globals);
}

/* Lua's own that the program has replaced. Where what it put there cannot travel, the worker's own is used. */
static int put_replaced(struct naming *n, lua_Integer first) {
    lua_State *L = n->e->L;
    int err = 0, top = lua_gettop(L);
    for (lua_Integer i = first + 1; i <= first + n->code->globals.standards && !err; i++) {
        if (push_own(n, i)) {
            lua_pop(L, 2);
            continue;
        }
        lua_rawgeti(L, n->names, i);
        if (push_standard(n, top + 1) == LUA_TNIL ||
            tine__is_standard_value(L, lua_tostring(L, -2))) {
            lua_settop(L, top);
            continue;
        }
        struct encode_point point = tine__encode_mark(n->e);
        uint32_t count = n->count;
        n->e->globals = true;
        err = tine__encode_value(n->e, top + 1, n->up);
        if (!err && (err = tine__encode_value(n->e, top + 2, n->up)) == TINE_ESERIALIZE) {
            tine__encode_rewind(n->e, &point);
            lua_settop(L, top + 2);
            err = put_held(n, HELD_REPLACED);
        }
        n->count = count + 1;
        if (!err)
            lua_settop(L, top);
    }
    return err;
}

/* All pairs, in the order in which the number in front of them counts them: what of that number they make. */
static int put_pairs(struct naming *n, uint64_t *number) {
    const struct global_uses *g = &n->code->globals;
    lua_Integer bare = (lua_Integer)g->reads + g->assigns, standards = bare + g->by_g;
    int err = 0;
    enum which_g which = g->by_g ? which_g(n) : G_GLOBALS;
    if (n->own && (g->escapes || which != G_GLOBALS))
        err = put_all(n);
    else if (n->own && !(err = put_own(n, 1, bare)))
        err = put_own(n, standards + 1, standards + g->standards);
    uint32_t own = n->count;
    if (!err && which != G_OTHER)
        err = put_by_g(n, bare, which == G_ITSELF ? n->env : n->globals);
    if (err)
        return err;
    *number |= (uint64_t)(own & ENV_COUNT) << ENV_OWN_SHIFT |
               (uint64_t)((n->count - own) & ENV_COUNT) << ENV_BY_G_SHIFT;
    if ((err = put_named(n)))
        return err;
    return put_replaced(n, standards);
}

/* ---- in which environment ---- */

/* Does the environment keep what the function writes, so that the worker's globals do not get it? */
static bool keeps(lua_State *L, const struct code *code, int env) {
    if (code->globals.assigns || code->globals.stores)
        return true;
    lua_pushnil(L);
    if (!lua_next(L, env))
        return false;
    lua_pop(L, 2);
    return true;
}

/* Do assignments to names that the table does not have go to the globals? */
static bool writes_globals(struct encoder *e, int env) {
    lua_State *L = e->L;
    if (!lua_getmetatable(L, env))
        return false;
    lua_pushliteral(L, "__newindex");
    lua_rawget(L, -2);
    bool does = lua_topointer(L, -1) == e->c->globals;
    lua_pop(L, 2);
    return does;
}

/* Is it as good as the globals to this function? So are the environments that were made for a call (decode/environment.c): what they
** hold were the sender's globals, and is so again when it goes back. */
static bool is_like_globals(const struct naming *n) {
    const struct global_uses *g = &n->code->globals;
    lua_Integer first = (lua_Integer)g->reads + g->assigns + g->by_g;
    if (lua_topointer(n->e->L, n->env) == n->e->c->globals)
        return true;
    if (g->escapes || !writes_globals(n->e, n->env))
        return false;
    for (lua_Integer i = first + 1; i <= first + g->standards; i++) {
        if (push_own(n, i)) {
            lua_pop(n->e->L, 2);
            return false;
        }
    }
    return true;
}

/* The globals that the function at `fn` names: the number that says of what environment, and so on; then pairs. */
int tine__encode_globals(struct encoder *e, const struct code *code, int fn, int env,
                         uint32_t *items, const struct step *up) {
    lua_State *L = e->L;
    int top = lua_gettop(L), err;
    struct naming n = {.e = e,
                       .code = code,
                       .up = up,
                       .fn = fn,
                       .names = top + 1,
                       .env = top + 2,
                       .globals = top + 3,
                       .own = true};
    lua_rawgeti(L, e->self, ST_GLOBALS);
    lua_rawgetp(L, -1, code);
    lua_replace(L, -2);
    lua_getupvalue(L, fn, code->env);
    if (env == 0 && (env = tine__env_number(e, -1, up)) < 0)
        return env;
    if (env == 0 || lua_isnil(L, n.names)) {
        lua_settop(L, top);
        return 0;
    }
    lua_pushglobaltable(L);
    n.own = !is_like_globals(&n);
    size_t start = e->out->len;
    uint64_t number = (uint64_t)env | (n.own && keeps(L, code, n.env) ? ENV_KEEPS : 0);
    if ((err = encode_room(e, PACK_MAX)))
        return err;
    e->out->len += 9;
    if ((err = put_pairs(&n, &number)))
        return err;
    if (n.count || number & ENV_KEEPS) {
        *items = 1 + 2 * n.count;
        e->globals = true;
        e->out->data[start] = (char)0xcf;
        put_be32(e->out->data + start + 1, (uint32_t)(number >> 32));
        put_be32(e->out->data + start + 5, (uint32_t)number);
    } else {
        e->out->len = start;
    }
    lua_settop(L, top);
    return 0;
}

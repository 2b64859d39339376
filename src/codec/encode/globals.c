/* Encoding of the globals that a function names: pairs of name and value. */
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

/* Push the global with the name at `name`: the table's raw field if it has that, else what
** metamethods give. */
static int get_global(struct encoder *e, int env, int name) {
    lua_State *L = e->L;
    lua_pushvalue(L, name);
    if (lua_rawget(L, env) != LUA_TNIL || !lua_getmetatable(L, env))
        return lua_type(L, -1);
    lua_pop(L, 2);
    lua_pushvalue(L, name);
    tine__get_protected(L, env);
    e->checked = false; /* a metamethod may have loaded a module */
    return lua_type(L, -1);
}

/* Append the value on top, of a global; a note if it cannot be sent. */
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

/* ---- pairs ---- */

/* What the functions below work on. On the stack are, next to each other, the list of names in the
** code (struct global_uses), the environment, and the globals table. */
struct naming {
    struct encoder *e;
    const struct code *code;
    const struct step *up;
    int fn, names, env, globals; /* stack indices */
    bool own;                    /* the environment is another table than the globals table */
    uint32_t count;
};

/* Append and pop the name and the value on top; a note in place of a value that cannot be sent. */
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

/* Append and pop the name and the value on top; a placeholder in place of the value. */
static int put_held(struct naming *n, enum wire_held why) {
    struct encoder *e = n->e;
    int name = lua_gettop(e->L) - 1;
    int err = tine__encode_value(e, name, n->up);
    n->count++;
    lua_settop(e->L, name);
    lua_pop(e->L, 1);
    return err ? err : tine__encode_held(e, why);
}

/* Push name number `i` and the raw field that the environment has under it; false, and nothing is
** pushed: the environment is the globals table or has no such field. */
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

/* Append those names from `first` to `last` for which the environment has raw fields. */
static int put_own(struct naming *n, lua_Integer first, lua_Integer last) {
    int err = 0;
    for (lua_Integer i = first; i <= last && !err; i++)
        if (push_own(n, i))
            err = put_pair(n);
    return err;
}

/* Append all raw fields of the environment that can be sent: the function may read any of them. */
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

/* What _G is for a function in the environment: the globals, the environment itself (in many
** sandboxes), or another table. */
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

/* Append the globals that the function reads as _G.name, from the table at `t`. */
static int put_by_g(struct naming *n, lua_Integer first, int t) {
    lua_State *L = n->e->L;
    int err = 0;
    for (lua_Integer i = first + 1; i <= first + n->code->globals.by_g && !err; i++) {
        lua_rawgeti(L, n->names, i);
        const char *name = lua_tostring(L, -1); /* stays valid: the list has it */
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

/* Append the globals that the function reads or assigns by their bare names. */
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

/* Push the standard global with the name at `name` as the function sees it: an environment may have
** it from a table behind it, as that of busted's blocks does. */
static int push_standard(const struct naming *n, int name) {
    if (n->own)
        return get_global(n->e, n->env, name);
    lua_pushvalue(n->e->L, name);
    return lua_rawget(n->e->L, n->globals);
}

/* Append the standard globals that the program has replaced. For one whose replacement cannot be
** sent, the receiver uses its own. */
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

/* Append all pairs in the order in which `number` counts them (wire.h), and set its counts. */
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

/* ---- the environment ---- */

/* Does the environment keep what the function assigns, so that it must not reach the receiver's
** globals? */
static bool keeps(lua_State *L, const struct code *code, int env) {
    if (code->globals.assigns || code->globals.stores)
        return true;
    lua_pushnil(L);
    if (!lua_next(L, env))
        return false;
    lua_pop(L, 2);
    return true;
}

/* Do assignments of fields that the environment does not have go to the globals table? */
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

/* Is the environment as good as the globals table for this function? So are those that the decoder
** made for a call (decode/environment.c): they hold the sender's globals, which are that again when
** the function is sent back. */
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
    buf_take(e->out, 9);
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

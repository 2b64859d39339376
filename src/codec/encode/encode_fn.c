/* Functions to bytes: code, upvalues, and the globals that the code names. */
#include <lua.h>

#include "base/buf.h"
#include "base/error.h"
#include "codec/base.h"
#include "codec/changes/changes.h"
#include "codec/changes/uses.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/encode/function.h"
#include "codec/encode/name.h"
#include "codec/encode/seen.h"
#include "codec/lua/globals.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/pack.h"
#include "codec/state.h"
#include "codec/wire.h"

static inline int room(struct encoder *e, size_t n) {
    return likely(buf_reserve(e->out, n) == 0) ? 0 : tine__encode_nomem(e);
}

/* What was written since `from` belongs to an upvalue or a global of the function that is encoded: is it the largest of the
** outermost function's? */
static void note_load(struct encoder *e, size_t from, bool global, const char *name) {
    if (e->levels == 1)
        tine__load_note(e->c, e->out->len - from, global, name);
}

/* ---- environments ---- */

static int get_protected(lua_State *L) {
    lua_gettable(L, 1);
    return 1;
}

/* Push t[k] by an ordinary, protected look-up; `k` is on top and is taken. An error gives nil. */
static void get_field(lua_State *L, int t) {
    lua_pushcfunction(L, get_protected);
    lua_insert(L, -2);
    lua_pushvalue(L, t);
    lua_insert(L, -2);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

static bool is_environment(struct encoder *e, int env) {
    lua_State *L = e->L;
    if (lua_type(L, env) != LUA_TTABLE)
        return false;
    if (lua_topointer(L, env) == e->c->globals)
        return true;
    lua_pushliteral(L, "_G");
    get_field(L, env);
    bool is = lua_type(L, -1) == LUA_TTABLE && lua_topointer(L, -1) == e->c->globals;
    lua_pop(L, 1);
    return is;
}

/* The environment at `env` has the last number from now on. What the function segment has met may be gone when the
** arguments are encoded: the weak table tells. */
static void keep_env(struct encoder *e, int env) {
    e->own_envs = true;
    if (!e->weak)
        return;
    lua_pushvalue(e->L, env);
    lua_rawseti(e->L, e->weak, -(lua_Integer)e->nenvs);
}

/* Is the table at `env` the one that had that address when its entry was made? */
static bool is_same_env(struct encoder *e, const struct seen_entry *s, int env) {
    lua_State *L = e->L;
    if (!e->arguments || s >= e->seen.entries + e->fn_seen)
        return true;
    lua_rawgeti(L, e->self, ST_WEAK);
    lua_rawgeti(L, -1, -(lua_Integer)s->ordinal);
    bool same = s->kind == SEEN_ENV && s->ordinal < MAX_ENVS && lua_rawequal(L, -1, env);
    lua_pop(L, 2);
    return same;
}

/* The number of the call environment that stands for the value at `env` of an upvalue _ENV; 0: that
** is no globals table. Negative: error. */
static int env_number(struct encoder *e, int env) {
    const char *p = lua_topointer(e->L, env);
    bool found;
    env = lua_absindex(e->L, env);
    if (!p)
        return 0;
    /* The address after the first byte: the table as an environment, not as a value. */
    struct seen_entry *s = tine__seen_put(&e->seen, p + 1, &found);
    if (!s)
        return tine__encode_nomem(e);
    bool old = found && p != e->c->globals && !is_same_env(e, s, env);
    if (found && !old)
        return s->kind == SEEN_ENV ? (int)s->ordinal : 0;
    uint32_t at =
        (uint32_t)(s - e->seen.entries); /* the look-up may use the codec, not this encoder */
    bool is = is_environment(e, env);
    s = &e->seen.entries[at];
    if (found && is == (s->kind == SEEN_ENV))
        return is ? (int)s->ordinal : 0;
    s->kind = is ? SEEN_ENV : SEEN_NO_ENV;
    if (is && e->nenvs < MAX_ENVS)
        e->nenvs++;
    s->ordinal = e->nenvs;
    s->marked = false;
    if (is && p != e->c->globals)
        keep_env(e, env);
    return is ? (int)e->nenvs : 0;
}

/* The table's entry as an environment, when the other side does not know yet that it is a value, too; else NULL. The last
** number is that of several. */
static struct seen_entry *unknown_env(struct encoder *e, int t) {
    const char *p = lua_topointer(e->L, t);
    struct seen_entry *s = tine__seen_find(&e->seen, p + 1);
    bool is = s && s->kind == SEEN_ENV && !s->marked && s->ordinal < MAX_ENVS &&
              p != e->c->globals && is_same_env(e, s, t);
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

/* The table on top, an upvalue _ENV, is the call environment of that number. */
static int put_env(struct encoder *e, unsigned number) {
    const void *p = lua_topointer(e->L, -1);
    struct seen_entry *value = e->own_envs ? tine__seen_find(&e->seen, p) : NULL;
    if (value && value->kind == SEEN_OBJECT && !value->upvalue &&
        tine__encode_same(e, value, lua_gettop(e->L)) && tine__env_of(e, lua_gettop(e->L)))
        return tine__encode_env_ref(e, value, number);
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_ENV, (unsigned char)number}, 3);
    return 0;
}

/* ---- upvalues ---- */

/* The value of an upvalue that nothing has shown yet; it is on top of the stack. */
static int encode_upvalue_value(struct encoder *e, const struct code *code, const struct step *step,
                                int *env) {
    lua_State *L = e->L;
    if (unlikely(step->n == code->env)) {
        if (*env == 0) /* not asked yet */
            *env = env_number(e, -1);
        if (*env < 0)
            return *env;
        if (*env > 0)
            return put_env(e, (unsigned)*env);
    }
    if (lua_type(L, -1) == LUA_TTABLE && unlikely(lua_topointer(L, -1) != e->c->globals)) {
        int err = tine__name_missing_table(e, lua_topointer(L, -1));
        if (err)
            return err;
    }
    return tine__encode_value(e, -1, step);
}

static int encode_upvalue(struct encoder *e, const struct code *code, uint32_t ordinal,
                          const struct step *step, int *env) {
    lua_State *L = e->L;
    int fn = step->at, i = (int)step->n;
    const void *box = lua_upvalueid(L, fn, i);
    bool found;
    int err = room(e, PACK_MAX);
    if (err)
        return err;
    if ((err = tine__encode_meet(e, fn, box, step, &found)) || found)
        return err;
    struct seen_entry *s = &e->seen.entries[e->seen.len - 1];
    s->ordinal = ordinal;
    s->upvalue = (uint8_t)i;
    size_t from = e->out->len;
    const char *name = lua_getupvalue(L, fn, i);
    err = encode_upvalue_value(e, code, step, env);
    if (err)
        return err;
    note_load(e, from, false, name);
    lua_pop(L, 1);
    return 0;
}

/* ---- globals ---- */

/* Push the global whose name is at `name`: raw if the table has it, else as the script would see
** it. */
static int get_global(struct encoder *e, int env, int name) {
    lua_State *L = e->L;
    lua_pushvalue(L, name);
    if (lua_rawget(L, env) != LUA_TNIL || !lua_getmetatable(L, env))
        return lua_type(L, -1);
    lua_pop(L, 2);
    lua_pushvalue(L, name);
    get_field(L, env);
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

/* ---- globals: which pairs of name and value ---- */

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
    note_load(e, from, true, lua_tostring(e->L, name));
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

/* Those that are read as _G.name. */
static int put_by_g(struct naming *n, lua_Integer first) {
    lua_State *L = n->e->L;
    int err = 0;
    for (lua_Integer i = first + 1; i <= first + n->code->globals.by_g && !err; i++) {
        lua_rawgeti(L, n->names, i);
        const char *name = lua_tostring(L, -1); /* stays: the list has it */
        bool travels = get_global(n->e, n->globals, lua_gettop(L)) != LUA_TNIL;
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
        lua_pushvalue(L, -1);
        if (lua_rawget(L, n->globals) == LUA_TNIL ||
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
    if (n->own && g->escapes)
        err = put_all(n);
    else if (n->own && !(err = put_own(n, 1, bare)))
        err = put_own(n, standards + 1, standards + g->standards);
    uint32_t own = n->count;
    if (err || (err = put_by_g(n, bare)))
        return err;
    *number |= (uint64_t)(own & ENV_COUNT) << ENV_OWN_SHIFT |
               (uint64_t)((n->count - own) & ENV_COUNT) << ENV_BY_G_SHIFT;
    if ((err = put_named(n)))
        return err;
    return put_replaced(n, standards);
}

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

/* Is it as good as the globals to this function? So are the environments that were made for a call (decode_op.c): what they
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
static int encode_fn_globals(struct encoder *e, const struct code *code, int fn, int env,
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
    if (env == 0 && (env = env_number(e, -1)) < 0)
        return env;
    if (env == 0 || lua_isnil(L, n.names)) {
        lua_settop(L, top);
        return 0;
    }
    lua_pushglobaltable(L);
    n.own = !is_like_globals(&n);
    size_t start = e->out->len;
    uint64_t number = (uint64_t)env | (n.own && keeps(L, code, n.env) ? ENV_KEEPS : 0);
    if ((err = room(e, PACK_MAX)))
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

/* ---- functions ---- */

static int encode_code(struct encoder *e, struct code *code) {
    uint64_t id = code_id(code);
    int err = room(e, id ? PACK_MAX : code->len + 8 + PACK_MAX);
    if (err || (err = tine__known_name(e, &code->known)))
        return err;
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_OP, OP_FUNCTION}, 3);
    if (id) {
        pack_id(e->out, id);
        return 0;
    }
    char hash[8];
    put_le32(hash, (uint32_t)code->hash);
    put_le32(hash + 4, (uint32_t)(code->hash >> 32));
    pack_bin(e->out, code->len + 8);
    pack_bytes(e->out, hash, 8);
    pack_bytes(e->out, code->dump, code->len);
    return 0;
}

/* May there be something behind the upvalues? `plain`: Lua's own globals that it names are what they were. */
static bool has_names(struct encoder *e, const struct code *code, int fn, bool plain) {
    const struct global_uses *g = &code->globals;
    if (g->reads + g->assigns + g->by_g > 0 || g->escapes || !plain)
        return true;
    if (g->standards == 0)
        return false;
    lua_getupvalue(e->L, fn, code->env);
    bool own = lua_topointer(e->L, -1) != e->c->globals; /* it may have others */
    lua_pop(e->L, 1);
    return own;
}

/* A function by value; its entry has been numbered. */
static int encode_by_value(struct encoder *e, struct code *code, int fn, uint32_t ordinal,
                           bool plain, const struct step *up) {
    size_t head = e->out->len;
    bool names = code->env && has_names(e, code, fn, plain);
    struct step step = {.up = up, .kind = STEP_UPVALUE, .at = fn};
    uint32_t globals = 0;
    int env = 0, err;
    if ((err = room(e, PACK_MAX)))
        return err;
    if (names) /* how many items is known at the end */
        e->out->len += 5;
    else
        pack_array(e->out, 2u + code->nups);
    if ((err = encode_code(e, code)))
        return err;
    for (int i = 1; i <= code->nups; i++) {
        step.n = i;
        if ((err = encode_upvalue(e, code, ordinal, &step, &env)))
            return err;
    }
    if (!names)
        return 0;
    if ((err = encode_fn_globals(e, code, fn, env, &globals, up)))
        return err;
    e->out->data[head] = (char)0xdd;
    put_be32(e->out->data + head + 1, 2u + code->nups + globals);
    return 0;
}

/* The head of what goes along with the function: fields of Lua's own libraries that the program has changed, which its
** code names. They are pushed. How many, or an error. */
static int begin_changes(struct encoder *e, struct code *code, bool *plain) {
    bool strings = code->sent < STRINGS_LOOKED || e->c->strings;
    *plain = tine__uses_watch(e->L, e->c, e->self, code);
    if (!e->changes || (*plain && !strings))
        return 0;
    int count = tine__changes_used(e, code, strings);
    code->sent += code->sent < STRINGS_LOOKED;
    if (count <= 0)
        return count;
    int err = room(e, PACK_MAX);
    if (err)
        return err;
    pack_array(e->out, 2u + 3u * (unsigned)count);
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_OP, OP_CHANGED}, 3);
    return count;
}

static int encode_lua(struct encoder *e, int fn, const struct step *step) {
    struct code *code;
    int top = lua_gettop(e->L);
    uint32_t at = e->seen.len - 1;
    int err = tine__code_of(e, fn, &code);
    if (err)
        return err;
    bool plain;
    int list = lua_gettop(e->L) + 1, changes = begin_changes(e, code, &plain);
    if (changes < 0)
        return changes;
    tine__encode_number(e, &e->seen.entries[at], fn);
    uint32_t ordinal = e->seen.entries[at].ordinal;
    if (unlikely(++e->levels > MAX_LEVELS))
        return tine__encode_fail(e, step, "nested more than %d levels deep", MAX_LEVELS);
    if ((err = encode_by_value(e, code, fn, ordinal, plain, step)) ||
        (changes && (err = tine__changes_put(e, list, changes, step))))
        return err;
    e->levels--;
    lua_settop(e->L, top);
    return 0;
}

static int encode_c(struct encoder *e, int fn, const struct step *step) {
    const struct standard *s = tine__standard_of(lua_tocfunction(e->L, fn));
    if (s)
        return tine__standard_put(e->out, s->name) ? tine__encode_nomem(e) : 0;
    int err = tine__name_encode(e, fn, lua_topointer(e->L, fn), step);
    if (!err && !(err = tine__name_missing(e)))
        err = tine__library_encode(e, fn);
    if (err)
        return err < 0 ? err : 0;
    return tine__encode_fail(e, step, "cannot send a C function that no loaded module holds%s",
                             e->results ? "" : "; make it in the task");
}

int tine__encode_fn_value(struct encoder *e, int fn, const struct step *step) {
    lua_State *L = e->L;
    if (unlikely(!lua_checkstack(L, STACK_ROOM)))
        return tine__encode_nomem(e);
    if (lua_iscfunction(L, fn))
        return encode_c(e, fn, step);
    const void *p = lua_topointer(L, fn);
    bool found;
    int err = tine__encode_meet(e, fn, p, step, &found);
    if (unlikely(err || found))
        return err;
    if (unlikely(name_possible(&e->c->names, p))) {
        err = tine__name_encode(e, fn, p, step);
        if (err < 0 || err == NAME_DONE)
            return err < 0 ? err : 0;
    }
    return encode_lua(e, fn, step);
}

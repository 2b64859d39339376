/* Functions to bytes: code, upvalues, and the globals that the code names. */
#include "codec/internal.h"
#include "codec/pack.h"

static inline int room(struct encoder *e, size_t n) {
    return likely(buf_reserve(e->out, n) == 0) ? 0 : tine__encode_nomem(e);
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
    bool old = e->arguments && s < e->seen.entries + e->fn_seen && p != e->c->globals;
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
    return is ? (int)e->nenvs : 0;
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
        if (*env > 0) {
            pack_bytes(e->out, (unsigned char[]){0xd4, EXT_ENV, (unsigned char)*env}, 3);
            return 0;
        }
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
    lua_getupvalue(L, fn, i);
    err = encode_upvalue_value(e, code, step, env);
    if (!err)
        lua_pop(L, 1);
    return err;
}

/* ---- globals ---- */

/* Push the global whose name is at `name`: raw if the table has it, else as the script would see
** it. */
static int get_global(lua_State *L, int env, int name) {
    lua_pushvalue(L, name);
    if (lua_rawget(L, env) != LUA_TNIL || !lua_getmetatable(L, env))
        return lua_type(L, -1);
    lua_pop(L, 2);
    lua_pushvalue(L, name);
    get_field(L, env);
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

static int encode_held(struct encoder *e, enum wire_held why) {
    int err = room(e, PACK_MAX);
    if (!err)
        pack_bytes(e->out, (unsigned char[]){0xd4, EXT_HELD, (unsigned char)why}, 3);
    return err;
}

/* The pairs of name and value; *count of them. The list of names and the environment are on top. */
static int encode_globals(struct encoder *e, const struct code *code, int fn, uint32_t *count,
                          const struct step *up) {
    lua_State *L = e->L;
    int env = lua_gettop(L), names = env - 1, err = 0;
    for (uint32_t i = 1; i <= code->nreads + code->nassigns && !err; i++) {
        lua_rawgeti(L, names, i);
        if (get_global(L, env, env + 1) == LUA_TNIL) {
            lua_settop(L, env);
            continue;
        }
        struct step step = {.up = up, .kind = STEP_GLOBAL, .at = env + 1, .n = fn};
        if ((err = tine__encode_value(e, env + 1, up)))
            return err;
        if (i > code->nreads)
            err = encode_held(e, HELD_ASSIGNED);
        else if (!e->c->options.send_globals)
            err = encode_held(e, HELD_NONE);
        else
            err = encode_global(e, &step);
        if (err)
            return err;
        ++*count;
        lua_settop(L, env);
    }
    return err;
}

/* The globals that the function at `fn` names: environment number, then pairs. */
static int encode_fn_globals(struct encoder *e, const struct code *code, int fn, int env,
                             uint32_t *count, const struct step *up) {
    lua_State *L = e->L;
    size_t start = e->out->len;
    int top = lua_gettop(L), err;
    lua_rawgeti(L, e->self, ST_GLOBALS);
    lua_rawgetp(L, -1, code);
    lua_replace(L, -2);
    lua_getupvalue(L, fn, code->env);
    if (env == 0 && (env = env_number(e, -1)) < 0)
        return env;
    if (env == 0) {
        lua_settop(L, top);
        return 0;
    }
    if ((err = room(e, PACK_MAX)))
        return err;
    pack_uint8(e->out, (uint8_t)env);
    if ((err = encode_globals(e, code, fn, count, up)))
        return err;
    if (*count == 0)
        e->out->len = start;
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

/* A function by value; its entry has been numbered. */
static int encode_by_value(struct encoder *e, struct code *code, int fn, uint32_t ordinal,
                           const struct step *up) {
    size_t head = e->out->len;
    bool names = code->nreads + code->nassigns > 0;
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
    put_be32(e->out->data + head + 1, 2u + code->nups + (globals ? 1 + 2 * globals : 0));
    return 0;
}

static int encode_lua(struct encoder *e, int fn, const struct step *step) {
    struct code *code;
    int top = lua_gettop(e->L);
    int err = tine__code_of(e, fn, &code);
    if (err)
        return err;
    struct seen_entry *s = &e->seen.entries[e->seen.len - 1];
    tine__encode_number(e, s, fn);
    if (unlikely(++e->levels > MAX_LEVELS))
        return tine__encode_fail(e, step, "nested more than %d levels deep", MAX_LEVELS);
    err = encode_by_value(e, code, fn, s->ordinal, step);
    e->levels--;
    if (!err)
        lua_settop(e->L, top);
    return err;
}

static int encode_c(struct encoder *e, int fn, const struct step *step) {
    int err = tine__name_encode(e, fn, lua_topointer(e->L, fn), false, NULL);
    if (err)
        return err < 0 ? err : 0;
    err = tine__name_missing(e);
    return err ? err
               : tine__encode_fail(e, step,
                                   "cannot send a C function that no loaded module holds; "
                                   "make it in the task");
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
    if (likely(!name_possible(&e->c->names, p) ||
               (err = tine__name_encode(e, fn, p, false, NULL)) == 0))
        return encode_lua(e, fn, step);
    seen_cut(&e->seen, e->seen.len - 1);
    return err < 0 ? err : 0;
}

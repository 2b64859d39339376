/* Encoding of functions: code, upvalues, and the globals that the code names. */
#include <lua.h>
#include "base/hot.h"
#include "codec/changes/libraries.h"
#include "codec/encode/change.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/encode/environment.h"
#include "codec/encode/function.h"
#include "codec/encode/globals.h"
#include "codec/encode/name.h"
#include "codec/encode/seen.h"
#include "codec/encode/value.h"
#include "codec/lua/globals.h"
#include "codec/lua/standard.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/pack.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ---- upvalues ---- */

/* Append the value on top, of an upvalue whose box is not in the message yet. *env is the number of
** the function's call environment, 0: not determined. */
static int encode_upvalue_value(struct encoder *e, const struct code *code, const struct step *step,
                                int *env) {
    lua_State *L = e->L;
    if (unlikely(step->n == code->env)) {
        if (*env == 0)
            *env = tine__env_number(e, -1, step);
        if (*env < 0)
            return *env;
        if (*env > 0)
            return tine__encode_env(e, (unsigned)*env);
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
    int err = encode_meet(e, fn, box, step, &found);
    if (err || found)
        return err;
    struct seen_entry *s = &e->seen.entries[e->seen.len - 1];
    s->ordinal = ordinal;
    s->upvalue = (uint8_t)i;
    size_t from = e->out->len;
    const char *name = lua_getupvalue(L, fn, i);
    err = encode_upvalue_value(e, code, step, env);
    if (err)
        return err;
    encode_note_load(e, from, false, name);
    lua_pop(L, 1);
    return 0;
}

/* ---- Lua functions ---- */

static int encode_code(struct encoder *e, struct code *code) {
    if (unlikely(!code->linked)) /* forgotten since it was found, for what a finalizer has sent */
        return ENCODE_AGAIN;
    uint64_t id = code_id(code);
    int err = tine__known_name(e, &code->known);
    if (err || (err = encode_room(e, id ? PACK_MAX : code->len + 8 + PACK_MAX)))
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

/* May there be anything to send behind the upvalues? `plain`: the standard globals that the
** function names are unchanged. */
static bool has_names(struct encoder *e, const struct code *code, int fn, bool plain) {
    const struct global_uses *g = &code->globals;
    if (g->reads + g->assigns + g->by_g > 0 || g->escapes || !plain)
        return true;
    if (g->standards == 0)
        return false;
    lua_getupvalue(e->L, fn, code->env);
    /* in another environment they may be replaced */
    bool own = lua_topointer(e->L, -1) != e->c->globals;
    lua_pop(e->L, 1);
    return own;
}

/* Append the function by value. It has its ordinal already. */
static int encode_by_value(struct encoder *e, struct code *code, int fn, uint32_t ordinal,
                           bool plain, const struct step *up) {
    size_t head = e->out->len;
    bool names = code->env && has_names(e, code, fn, plain);
    struct step step = {.up = up, .kind = STEP_UPVALUE, .at = fn};
    uint32_t globals = 0;
    int env = 0, err;
    if ((err = encode_room(e, PACK_MAX)))
        return err;
    if (names) /* the number of items is filled in at the end */
        buf_take(e->out, 5);
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
    if ((err = tine__encode_globals(e, code, fn, env, &globals, up)))
        return err;
    e->out->data[head] = (char)0xdd;
    put_be32(e->out->data + head + 1, 2u + code->nups + globals);
    return 0;
}

/* Push the changes that the program has made in standard libraries which the code names, and begin
** the operation CHANGED for them. Returns their number, 0: none; or an error. *plain: see
** has_names. */
static int begin_changes(struct encoder *e, struct code *code, bool *plain) {
    bool strings = code->sent < STRINGS_LOOKED || e->c->strings;
    *plain = tine__uses_watch(e->L, e->c, e->self, code);
    if (!e->changes || (*plain && !strings))
        return 0;
    int count = tine__changes_used(e, code, strings);
    code->sent += code->sent < STRINGS_LOOKED;
    if (count <= 0)
        return count;
    int err = encode_room(e, PACK_MAX);
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

/* ---- all functions ---- */

static int encode_c(struct encoder *e, int fn, const struct step *step) {
    const struct standard *s = tine__standard_of(lua_tocfunction(e->L, fn));
    if (s)
        return tine__standard_put(e->out, s->name) ? tine__encode_nomem(e) : 0;
    int err = tine__name_encode(e, fn, lua_topointer(e->L, fn), step);
    if (err || (err = tine__name_missing(e)))
        return err < 0 ? err : 0;
    if (tine__push_wrapped(e->L, fn))
        return tine__encode_fail(e, step, "cannot send a coroutine that coroutine.wrap has made%s",
                                 e->results ? "; give back what it makes"
                                            : "; wrap it in the task");
    if ((err = tine__library_encode(e, fn)))
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
    int err = encode_meet(e, fn, p, step, &found);
    if (unlikely(err || found))
        return err;
    if (unlikely(name_possible(&e->c->names, p))) {
        err = tine__name_encode(e, fn, p, step);
        if (err < 0 || err == NAME_DONE)
            return err < 0 ? err : 0;
    }
    return encode_lua(e, fn, step);
}

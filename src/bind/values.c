/* Outcomes: from bytes to Lua values. */
#include <string.h>
#include "bind/errors.h"
#include "bind/values.h"
#include "msg/label.h"
#include "worker/state/state.h"

/* --- scalars: most results --- */

int tine__scalars_push(lua_State *L, const struct outcome *o, bool strings) {
    if (o->state != OUTCOME_VALUES || o->storage != STORE_INLINE)
        return -1;
    return tine__decode_scalars(L, o->u.bytes, o->length, strings);
}

/* --- all other values, protected --- */

struct decoding {
    struct codec *codec;
    const char *bytes;
    size_t len;
    bool lenient; /* an error: functions and the like that do not exist here are left out */
};

/* A large result may become a large string, for which huge pages are used. */
static int call_with_huge_pages(lua_State *L, int nargs) {
    struct alloc alloc;
    tine__state_huge_pages(L, &alloc);
    int status = lua_pcall(L, nargs, LUA_MULTRET, 0);
    lua_setallocf(L, alloc.f, alloc.ud);
    return status;
}

static int decode(lua_State *L) {
    const struct decoding *d = lua_touserdata(L, 1);
    lua_settop(L, 0);
    return d->lenient ? tine__decode_error(L, d->codec, d->bytes, d->len)
                      : tine__decode_values(L, d->codec, d->bytes, d->len);
}

/* Decode the bytes of an outcome; returns the number of values pushed, or -1 or VALUES_SHORT with an
** error value pushed. A decode function of the script may decode the same outcome: its bytes stay
** while it has readers. */
static int decode_protected(lua_State *L, struct core *c, struct outcome *o, bool lenient) {
    struct decoding d = {.codec = c->codec, .lenient = lenient};
    int top = lua_gettop(L);
    d.bytes = tine__outcome_bytes(o, &d.len);
    if (!d.bytes) {
        lua_pushliteral(L, "its bytes are gone: the Lua state is being closed");
        return -1;
    }
    luaL_checkstack(L, 4, "too many values");
    lua_pushcfunction(L, decode);
    lua_pushlightuserdata(L, &d);
    o->readers++;
    int status = d.len < ALLOC_LARGE ? lua_pcall(L, 1, LUA_MULTRET, 0) : call_with_huge_pages(L, 1);
    o->readers--;
    if (status == LUA_OK)
        return lua_gettop(L) - top;
    if (tine__is_interrupt(L, -1))
        lua_error(L);
    return status == LUA_ERRMEM ? VALUES_SHORT : -1;
}

/* Replace the error of decoding on top by an error object. */
static void undecodable(lua_State *L, const struct task_name *name, uint32_t k) {
    int err = lua_gettop(L);
    const char *text = tine__text_push(L, err);
    const char *label = tine__label_push(L, name, k);
    tine__error_push(L, TINE_ESERIALIZE, "the result of %s cannot be decoded: %s", label, text);
    tine__error_set_task(L, name, k);
    lua_replace(L, err);
    lua_settop(L, err);
}

static void free_unread(struct outcome *o) {
    if (o->readers == 0)
        tine__outcome_free(o);
}

int tine__values_push(lua_State *L, struct core *c, struct outcome *o, const struct task_name *name,
                      uint32_t k) {
    int n = tine__scalars_push(L, o, true);
    if (n >= 0)
        return n;
    n = decode_protected(L, c, o, false);
    if (n == -1)
        undecodable(L, name, k);
    free_unread(o);
    return n;
}

/* The error object cannot be decoded, for the reason on top. Replace that by the object's text, and
** the traceback with the reason. False: it has no text. */
static bool push_text(lua_State *L, struct core *c, struct outcome *o) {
    int why = lua_gettop(L);
    if (decode_protected(L, c, o, true) != 3 || lua_type(L, -1) != LUA_TSTRING) {
        lua_settop(L, why);
        return false;
    }
    const char *traceback = lua_tostring(L, -2);
    lua_pushfstring(L, "%s\n(the error value arrives as text: %s)", traceback ? traceback : "",
                    tine__text_push(L, why));
    lua_copy(L, why + 3, why);
    lua_replace(L, why + 1);
    return true;
}

/* Push what the task raised: [error, traceback], and for an object its text. */
static int push_task_error(lua_State *L, struct core *c, struct outcome *o,
                           const struct task_name *name, uint32_t k) {
    int top = lua_gettop(L), n = decode_protected(L, c, o, false);
    if (n == -1 && !push_text(L, c, o))
        undecodable(L, name, k);
    lua_settop(L, top + 2);
    if (lua_type(L, -1) != LUA_TSTRING) {
        lua_pushliteral(L, "");
        lua_replace(L, -2);
    }
    return n == VALUES_SHORT ? n : -1;
}

/* Push the error object for a failure, or for a code with perhaps a text. */
static void push_failed(lua_State *L, struct core *c, struct outcome *o,
                        const struct task_name *name, uint32_t k) {
    struct failure *f = tine__outcome_failure(o);
    size_t len;
    const char *text = tine__outcome_bytes(o, &len);
    if (f)
        tine__error_failure(L, c, o->code, f);
    else if (text && len)
        tine__error_push(L, o->code, "%s", lua_pushlstring(L, text, len));
    else
        tine__error_push(L, o->code, "%s: %s", tine__label_push(L, name, k),
                         tine_error_text(o->code));
    if (!f || !f->task)
        tine__error_set_task(L, name, k);
}

int tine__failure_push(lua_State *L, struct core *c, struct outcome *o,
                       const struct task_name *name, uint32_t k) {
    int top = lua_gettop(L), n = -1;
    luaL_checkstack(L, 12, "too many values");
    if (o->state == OUTCOME_ERROR) {
        n = push_task_error(L, c, o, name, k);
    } else {
        push_failed(L, c, o, name, k);
        lua_insert(L, top + 1);
        lua_settop(L, top + 1);
        if (lua_getfield(L, -1, "traceback") != LUA_TSTRING) {
            lua_pop(L, 1);
            lua_pushliteral(L, "");
        }
    }
    free_unread(o);
    return n;
}

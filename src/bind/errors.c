/* Error objects: how Lua sees codes and failures. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "base/why.h"
#include "bind/errors.h"
#include "msg/label.h"

#define ERROR_METATABLE "tine.error"

static int error_tostring(lua_State *L) {
    lua_settop(L, 1);
    if (!lua_istable(L, 1) || lua_getfield(L, 1, "message") == LUA_TNIL)
        lua_pushliteral(L, "tine error");
    luaL_tolstring(L, -1, NULL);
    return 1;
}

void tine__errors_open(lua_State *L) {
    if (luaL_newmetatable(L, ERROR_METATABLE)) {
        lua_pushcfunction(L, error_tostring);
        lua_setfield(L, -2, "__tostring");
    }
}

bool tine__is_error(lua_State *L, int idx) {
    if (!lua_istable(L, idx) || !lua_getmetatable(L, idx))
        return false;
    luaL_getmetatable(L, ERROR_METATABLE);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

int tine__kind(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushliteral(L, "kind");
    if (tine__is_error(L, 1))
        lua_rawget(L, 1);
    else
        lua_pushnil(L);
    return 1;
}

/* Push an error object; the text on top (popped) is its message. */
static void make(lua_State *L, int code) {
    lua_createtable(L, 0, 4);
    lua_insert(L, -2);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, tine_error_kind(code));
    lua_setfield(L, -2, "kind");
    luaL_getmetatable(L, ERROR_METATABLE);
    lua_setmetatable(L, -2);
}

static void set_integer(lua_State *L, const char *field, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

static void push_formatted(lua_State *L, int code, const char *format, va_list args) {
    int error = code == TINE_ENOMEM ? ENOMEM : code == TINE_ESYSTEM ? errno : 0;
    lua_pushvfstring(L, format, args);
    make(L, code);
    if (error)
        set_integer(L, "errno", error);
}

void tine__error_push(lua_State *L, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    push_formatted(L, code, format, args);
    va_end(args);
}

int tine__error(lua_State *L, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    push_formatted(L, code, format, args);
    va_end(args);
    return lua_error(L);
}

/* --- tasks --- */

const char *tine__label_push(lua_State *L, const struct task_name *name, uint32_t k) {
    char room[256];
    size_t n = tine__label(name, k, room, sizeof room);
    if (n < sizeof room)
        return lua_pushlstring(L, room, n);
    luaL_Buffer b;
    char *at = luaL_buffinitsize(L, &b, n + 1);
    tine__label(name, k, at, n + 1);
    luaL_pushresultsize(&b, n);
    return lua_tostring(L, -1);
}

static void set_place(lua_State *L, const char *source, int line) {
    if (source && *source) {
        lua_pushstring(L, source);
        lua_setfield(L, -2, "source");
    }
    if (line > 0)
        set_integer(L, "line", line);
}

void tine__error_set_task(lua_State *L, const struct task_name *name, uint32_t k) {
    lua_createtable(L, 0, 4);
    set_integer(L, "id", (lua_Integer)(name->id + k));
    tine__label_push(L, name, k);
    lua_setfield(L, -2, "label");
    if (name->origin)
        set_place(L, name->origin->source, name->origin->line);
    lua_setfield(L, -2, "task");
}

/* --- failures --- */

static int tostring(lua_State *L) {
    luaL_tolstring(L, 1, NULL);
    return 1;
}

/* The value's __tostring may raise; the text is only needed for another error. */
const char *tine__text_push(lua_State *L, int idx) {
    idx = lua_absindex(L, idx);
    lua_pushcfunction(L, tostring);
    lua_pushvalue(L, idx);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        if (tine__is_interrupt(L, -1))
            lua_error(L);
        lua_pop(L, 1);
        lua_pushfstring(L, "(a %s whose __tostring raises an error)", luaL_typename(L, idx));
    }
    return lua_tostring(L, -1);
}

struct cause {
    struct codec *codec;
    const char *bytes;
    size_t len;
};

static int decode_cause(lua_State *L) {
    const struct cause *c = lua_touserdata(L, 1);
    lua_settop(L, 0);
    return tine__decode_values(L, c->codec, c->bytes, c->len);
}

/* Set `cause` and `traceback` of the error object on top. */
static void set_cause(lua_State *L, struct core *c, const struct failure *f) {
    struct cause cause = {c->codec, f->cause, f->cause_len};
    lua_pushcfunction(L, decode_cause);
    lua_pushlightuserdata(L, &cause);
    if (lua_pcall(L, 1, 2, 0) != LUA_OK) {
        lua_setfield(L, -2, "cause");
        return;
    }
    lua_setfield(L, -3, "traceback");
    lua_setfield(L, -2, "cause");
    /* append the cause to the message, for users who only print that */
    int err = lua_gettop(L);
    lua_getfield(L, err, "message");
    lua_pushliteral(L, ": ");
    lua_getfield(L, err, "cause");
    tine__text_push(L, -1);
    lua_remove(L, -2);
    lua_concat(L, 3);
    lua_setfield(L, err, "message");
}

static void set_text(lua_State *L, const char *field, const char *text) {
    if (!text)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, field);
}

static void set_status(lua_State *L, const struct failure *f) {
    if (f->pid)
        set_integer(L, "pid", f->pid);
    if (f->worker)
        set_integer(L, "worker", f->worker);
    if (f->has_status && WIFEXITED(f->status))
        set_integer(L, "exit_code", WEXITSTATUS(f->status));
    if (f->has_status && WIFSIGNALED(f->status))
        set_integer(L, "signal", WTERMSIG(f->status));
    if (f->error)
        set_integer(L, "errno", f->error);
}

/* The task that the worker was running; it need not be the one that fails. */
static void set_culprit(lua_State *L, const struct failure *f) {
    lua_createtable(L, 0, 4);
    set_integer(L, "id", (lua_Integer)f->task);
    lua_pushstring(L, f->label ? f->label : "");
    lua_setfield(L, -2, "label");
    set_place(L, f->source, f->line);
    lua_setfield(L, -2, "task");
}

void tine__error_failure(lua_State *L, struct core *c, int code, const struct failure *f) {
    lua_pushstring(L, f && f->message ? f->message : tine_error_text(code));
    make(L, code);
    if (!f)
        return;
    set_status(L, f);
    if (f->limit) {
        set_integer(L, "limit", (lua_Integer)f->limit);
        set_integer(L, "used", (lua_Integer)f->used);
    }
    if (f->cpu) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "cpu");
    }
    if (f->output) {
        lua_pushlstring(L, f->output, f->output_len);
        lua_setfield(L, -2, "output");
    }
    set_text(L, "host", f->host);
    set_text(L, "server", f->server);
    set_text(L, "phase", f->phase);
    set_text(L, "traceback", f->traceback);
    if (f->task)
        set_culprit(L, f);
    if (f->cause)
        set_cause(L, c, f);
}

/* Called protected, so that the failure is freed in any case. */
static int push_reason(lua_State *L) {
    struct failure *f = lua_touserdata(L, 2);
    tine__error_failure(L, lua_touserdata(L, 1), TINE_EBROKEN, f);
    return 1;
}

int tine__refused(lua_State *L, struct core *c, int code) {
    int error = errno;
    if (code == TINE_EBROKEN) {
        struct failure *f = c->p ? tine__pool_reason(c->p) : tine__failure_ref(c->reason);
        lua_pushcfunction(L, push_reason);
        lua_pushlightuserdata(L, c);
        lua_pushlightuserdata(L, f);
        lua_pcall(L, 2, 1, 0);
        tine__failure_unref(f);
        return lua_error(L);
    }
    errno = error;
    if (code == TINE_ESYSTEM)
        return tine__error(L, code, "%s", tine__why_text(error));
    return tine__error(L, code, "%s", tine_error_text(code));
}

/* --- interrupts --- */

bool tine__is_interrupt(lua_State *L, int idx) {
    static const char word[] = "interrupted!";
    size_t len, n = sizeof word - 1;
    if (lua_type(L, idx) != LUA_TSTRING)
        return false;
    const char *s = lua_tolstring(L, idx, &len);
    /* lua.c's message handler appends a traceback before __close methods see the error */
    const char *traceback = strstr(s, "\nstack traceback:");
    if (traceback)
        len = (size_t)(traceback - s);
    if (len < n || memcmp(s + len - n, word, n) != 0)
        return false;
    return len == n || (len > n + 1 && memcmp(s + len - n - 2, ": ", 2) == 0);
}

/* The messages of encoding errors: the way to the value, which is its steps (struct step), then what
** is wrong with it.
**
**     argument 2: key "handlers"[3]: upvalue 'db' of function at report.lua:12: cannot send ...
*/
#include <lauxlib.h>
#include <stdarg.h>
#include "base/error.h"
#include "codec/encode/encoder.h"
#include "codec/names/names.h"
#include "codec/names/step.h"

/* If a way has more steps, those in the middle are left out. */
#define SHOWN 24

static bool is_key(const struct step *s) {
    return s->kind == STEP_KEY || s->kind == STEP_INDEX;
}

const char *tine__push_place(lua_State *L, int fn) {
    lua_Debug ar;
    lua_pushvalue(L, fn);
    lua_getinfo(L, ">S", &ar);
    if (ar.linedefined > 0)
        return lua_pushfstring(L, "%s:%d", ar.short_src, ar.linedefined);
    return lua_pushfstring(L, "%s", ar.short_src);
}

static void push_quoted(lua_State *L, int idx) {
    size_t len;
    const char *s = lua_tolstring(L, idx, &len);
    if (len > 40)
        lua_pushfstring(L, "\"%s...\"", lua_pushlstring(L, s, 37));
    else
        lua_pushfstring(L, "\"%s\"", s);
}

/* Push the key of the step as it is shown in brackets. The key itself is not converted. */
static void push_key(lua_State *L, const struct step *s) {
    if (s->kind == STEP_INDEX) {
        lua_pushfstring(L, "%I", (LUAI_UACINT)s->n);
        return;
    }
    switch (lua_type(L, s->at)) {
    case LUA_TSTRING:
        push_quoted(L, s->at);
        break;
    case LUA_TNUMBER:
        lua_pushvalue(L, s->at);
        lua_tostring(L, -1);
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, s->at) ? "true" : "false");
        break;
    default:
        lua_pushfstring(L, "(a %s)", luaL_typename(L, s->at));
    }
}

static void push_in_function(lua_State *L, const char *what, const char *name, int fn) {
    const char *place = tine__push_place(L, fn);
    if (name)
        lua_pushfstring(L, "%s '%s' of function at %s", what, name, place);
    else
        lua_pushfstring(L, "%s of function at %s", what, place);
}

static void push_upvalue(lua_State *L, const struct step *s) {
    const char *name = lua_getupvalue(L, s->at, (int)s->n);
    if (name && name[0] && name[0] != '(')
        push_in_function(L, "upvalue", name, s->at);
    else
        push_in_function(L, "an upvalue", NULL, s->at);
}

/* Append the step of a change's path that is on top to the text below it. */
static void add_change(lua_State *L, bool first) {
    if (lua_type(L, -1) == LUA_TSTRING || lua_isinteger(L, -1) ||
        (lua_isboolean(L, -1) && lua_toboolean(L, -1))) {
        tine__push_step(L, first);
    } else {
        lua_pushfstring(L, "[a %s]", luaL_typename(L, -1));
        lua_remove(L, -2);
    }
    lua_concat(L, 2);
}

/* Push the text for a change with that path (changes/changes.h). */
static void push_change(struct encoder *e, int path, int module) {
    lua_State *L = e->L;
    lua_pushliteral(L, "what the program has put into '");
    if (!lua_istable(L, path)) {
        lua_pushvalue(L, path);
        add_change(L, true);
    } else {
        bool first = true;
        if (lua_rawgeti(L, path, 1) == LUA_TBOOLEAN && !lua_toboolean(L, -1)) {
            lua_pop(L, 1);
        } else {
            add_change(L, first);
            first = false;
        }
        lua_rawgeti(L, path, 2);
        if (lua_isinteger(L, -1) && lua_tointeger(L, -1) < 0)
            lua_pop(L, 1); /* a variable: the first step is its name */
        else
            add_change(L, first);
    }
    lua_pushfstring(L, "' of module '%s'",
                    module > 0 ? lua_tostring(L, module)
                               : tine__name_root(e, tine__name_at(e->c, (uint32_t)-module - 1)));
    lua_concat(L, 2);
}

/* Push the text of one step. Other values may be left below it. */
static void push_step(struct encoder *e, const struct step *s) {
    lua_State *L = e->L;
    switch (s->kind) {
    case STEP_ARGUMENT:
        lua_pushfstring(L, "argument %I", (LUAI_UACINT)s->n);
        break;
    case STEP_RESULT:
        lua_pushfstring(L, "result %I", (LUAI_UACINT)s->n);
        break;
    case STEP_ERROR:
        lua_pushliteral(L, "error value");
        break;
    case STEP_SHARED:
        lua_pushliteral(L, "shared value");
        break;
    case STEP_CHANGE:
        push_change(e, s->at, (int)s->n);
        break;
    case STEP_KEY:
    case STEP_INDEX:
        push_key(L, s);
        if (s->up && is_key(s->up))
            lua_pushfstring(L, "[%s]", lua_tostring(L, -1));
        else
            lua_pushfstring(L, "key %s", lua_tostring(L, -1));
        break;
    case STEP_KEY_SELF:
        lua_pushfstring(L, "a key that is a %s", luaL_typename(L, s->at));
        break;
    case STEP_UPVALUE:
        push_upvalue(L, s);
        break;
    case STEP_METATABLE:
        lua_pushliteral(L, "metatable");
        break;
    case STEP_KEPT:
        lua_pushfstring(L, "what module '%s' keeps about it",
                        tine__name_root(e, tine__name_at(e->c, (uint32_t)s->n)));
        break;
    case STEP_GLOBAL:
        push_in_function(L, "global", lua_tostring(L, s->at), (int)s->n);
        break;
    case STEP_ENCODED:
        lua_pushfstring(L, "encoded value of class '%s'", lua_tostring(L, s->at));
        break;
    case STEP_DECODE:
        lua_pushfstring(L, "decode function of class '%s'", lua_tostring(L, s->at));
        break;
    }
}

/* Push the text of the way to `s`, the outermost step first. `left` of the `all` steps are behind
** `s`. */
static void push_way(struct encoder *e, const struct step *s, int left, int all) {
    lua_State *L = e->L;
    int base = lua_gettop(L);
    bool shown = all <= SHOWN || left < SHOWN / 2 || left >= all - SHOWN / 2;
    bool last_hidden = !shown && left == SHOWN / 2;
    if (!s) {
        lua_pushliteral(L, "");
        return;
    }
    luaL_checkstack(L, 12, "error path");
    push_way(e, s->up, left + 1, all);
    if (!shown && !last_hidden)
        return;
    bool glued = is_key(s) && s->up && is_key(s->up);
    if (s->up && !glued)
        lua_pushliteral(L, ": ");
    else
        lua_pushliteral(L, "");
    if (shown)
        push_step(e, s);
    else
        lua_pushliteral(L, "...");
    lua_copy(L, -1, base + 3);
    lua_settop(L, base + 3);
    lua_concat(L, 3);
}

int tine__encode_fail(struct encoder *e, const struct step *step, const char *format, ...) {
    lua_State *L = e->L;
    int n = 0;
    va_list args;
    if (!lua_checkstack(L, 20))
        return tine__encode_nomem(e);
    for (const struct step *s = step; s; s = s->up)
        n++;
    push_way(e, step, 0, n);
    if (n)
        lua_pushliteral(L, ": ");
    else
        lua_pushliteral(L, "");
    va_start(args, format);
    lua_pushvfstring(L, format, args);
    va_end(args);
    lua_concat(L, 3);
    return TINE_ESERIALIZE;
}

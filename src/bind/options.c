/* Option tables: a wrong option is an argument error that names it. */
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/hot.h"
#include "bind/options.h"

/* --- the nearest known name --- */

static size_t least(size_t a, size_t b, size_t c) {
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Edit distance of two short words. */
static size_t distance(const char *a, const char *b) {
    size_t row[41], n = strlen(b);
    if (strlen(a) > 40 || n > 40)
        return 100;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t up = row[j];
            row[j] = least(row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
            corner = up;
        }
    }
    return row[n];
}

static const char *nearest(const char *name, const char *const *known) {
    const char *best = NULL;
    size_t shortest = 100;
    for (; *known; known++) {
        size_t d = distance(name, *known);
        if (strncmp(name, *known, strlen(name)) == 0)
            d = 0; /* `name` is an abbreviation of it */
        if (d < shortest) {
            shortest = d;
            best = *known;
        }
    }
    return shortest <= 2 + strlen(name) / 3 && shortest < strlen(name) ? best : NULL;
}

static bool is_known(const char *name, size_t len, const char *const *known) {
    for (; *known; known++)
        if (strlen(*known) == len && memcmp(name, *known, len) == 0)
            return true;
    return false;
}

static int not_a_name(lua_State *L, int arg, const char *prefix) {
    const char *got = luaL_typename(L, -2);
    if (!prefix[0])
        return luaL_argerror(L, arg, lua_pushfstring(L, "option names are strings, got a %s", got));
    lua_pushlstring(L, prefix, strlen(prefix) - 1); /* without the final dot */
    return luaL_argerror(L, arg,
                         lua_pushfstring(L, "option '%s': names in it are strings, got a %s",
                                         lua_tostring(L, -1), got));
}

static void push_known(lua_State *L, const char *const *known) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (const char *const *k = known; *k; k++) {
        if (k > known)
            luaL_addstring(&b, ", ");
        luaL_addstring(&b, *k);
    }
    luaL_pushresult(&b);
}

void tine__check_fields(lua_State *L, int arg, int idx, const char *prefix,
                        const char *const *known) {
    luaL_checkstack(L, 8, "options");
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        size_t len;
        if (lua_type(L, -2) != LUA_TSTRING)
            not_a_name(L, arg, prefix);
        const char *name = lua_tolstring(L, -2, &len);
        if (is_known(name, len, known))
            continue;
        const char *near = nearest(name, known);
        if (near)
            luaL_argerror(L, arg,
                          lua_pushfstring(L, "unknown option '%s%s', did you mean '%s%s'?", prefix,
                                          name, prefix, near));
        push_known(L, known);
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "unknown option '%s%s', known are: %s", prefix, name,
                                      lua_tostring(L, -1)));
    }
}

void tine__check_options(lua_State *L, int arg, const char *const *known) {
    luaL_checktype(L, arg, LUA_TTABLE);
    tine__check_fields(L, arg, arg, "", known);
}

/* --- one option --- */

int tine__option(lua_State *L, int arg, const char *name) {
    if (lua_isnoneornil(L, arg))
        return lua_pushnil(L), LUA_TNIL;
    return lua_getfield(L, arg, name);
}

/* Longest text that a message shows; of a longer one it shows the length. */
#define LONGEST_SHOWN 200

int tine__option_error(lua_State *L, int arg, const char *name, const char *wanted) {
    const char *got = luaL_typename(L, -1);
    size_t len;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    if (text && len > LONGEST_SHOWN)
        got = lua_pushfstring(L, "a string of %I bytes", (LUAI_UACINT)len);
    else if (text && strlen(text) < len)
        got = lua_pushfstring(L, "\"%s\" with a zero byte behind it", text);
    else if (text)
        got = lua_pushfstring(L, "\"%s\"", text);
    else if (lua_type(L, -1) == LUA_TNUMBER)
        got = luaL_tolstring(L, -1, NULL);
    return luaL_argerror(L, arg,
                         lua_pushfstring(L, "option '%s' must be %s, got %s", name, wanted, got));
}

bool tine__is_text(lua_State *L, int idx) {
    return lua_type(L, idx) == LUA_TSTRING && strlen(lua_tostring(L, idx)) == lua_rawlen(L, idx);
}

const char *tine__option_string(lua_State *L, int arg, const char *name, const char *none) {
    int type = tine__option(L, arg, name); /* stays on the stack */
    if (type == LUA_TNIL)
        return none;
    if (!tine__is_text(L, -1))
        tine__option_error(L, arg, name, "a string without zero bytes");
    return lua_tostring(L, -1);
}

const char *tine__option_label(lua_State *L, int arg, size_t *len) {
    int type = tine__option(L, arg, "label");
    if (type == LUA_TNIL)
        return NULL;
    if (!tine__is_text(L, -1))
        tine__option_error(L, arg, "label", "a string without zero bytes");
    return lua_tolstring(L, -1, len);
}

uint64_t tine__option_count(lua_State *L, int arg, const char *name, uint64_t max, uint64_t none) {
    int exact;
    int type = tine__option(L, arg, name);
    if (type == LUA_TNIL)
        return lua_pop(L, 1), none;
    lua_Integer n = lua_tointegerx(L, -1, &exact);
    if (type == LUA_TNUMBER && max == OPTION_ANY && lua_tonumber(L, -1) == HUGE_VAL)
        return lua_pop(L, 1), none ? max : 0;
    if (type != LUA_TNUMBER || !exact || n < 1)
        tine__option_error(L, arg, name, "an integer of 1 or more");
    if ((uint64_t)n > max) {
        const char *wanted = lua_pushfstring(L, "at most %I", (LUAI_UACINT)max);
        lua_insert(L, -2);
        tine__option_error(L, arg, name, wanted);
    }
    lua_pop(L, 1);
    return (uint64_t)n;
}

uint64_t tine__option_seconds(lua_State *L, int arg, const char *name, uint64_t none) {
    int type = tine__option(L, arg, name);
    if (type == LUA_TNIL)
        return lua_pop(L, 1), none;
    lua_Number s = lua_tonumber(L, -1);
    if (type != LUA_TNUMBER || s != s)
        tine__option_error(L, arg, name, "a number of seconds");
    lua_pop(L, 1);
    return clock_span(s);
}

uint64_t tine__option_limit(lua_State *L, int arg, const char *name, uint64_t none) {
    uint64_t ns = tine__option_seconds(L, arg, name, WAIT_FOREVER - 1);
    if (ns == WAIT_FOREVER - 1)
        return none;
    return ns == WAIT_FOREVER ? 0 : ns > 0 ? ns : 1;
}

HOT bool tine__is_callable(lua_State *L, int idx) {
    if (lua_isfunction(L, idx))
        return true;
    if (luaL_getmetafield(L, idx, "__call") == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

bool tine__option_flag(lua_State *L, int arg, const char *name, bool none) {
    int type = tine__option(L, arg, name);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        tine__option_error(L, arg, name, "true or false");
    bool flag = type == LUA_TNIL ? none : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

int tine__option_choice(lua_State *L, int arg, const char *name, const char *const *names) {
    int type = tine__option(L, arg, name);
    if (type == LUA_TNIL)
        return lua_pop(L, 1), 0;
    luaL_Buffer b;
    bool is_text = tine__is_text(L, -1);
    for (int i = 0; names[i] && is_text; i++)
        if (strcmp(lua_tostring(L, -1), names[i]) == 0)
            return lua_pop(L, 1), i;
    int value = lua_gettop(L);
    luaL_buffinit(L, &b);
    for (int i = 0; names[i]; i++) {
        if (i > 0)
            luaL_addstring(&b, names[i + 1] ? ", " : " or ");
        luaL_addstring(&b, "\"");
        luaL_addstring(&b, names[i]);
        luaL_addstring(&b, "\"");
    }
    luaL_pushresult(&b);
    const char *wanted = lua_tostring(L, -1);
    lua_pushvalue(L, value);
    return tine__option_error(L, arg, name, wanted);
}

/* --- for the Lua layer --- */

#define MOST_NAMES 31

/* core.nearest(name, list of known names): the nearest, or nil. */
int tine__nearest(lua_State *L) {
    const char *known[MOST_NAMES + 1] = {NULL};
    const char *name = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checkstack(L, MOST_NAMES + 1, "names");
    for (int i = 0; i < MOST_NAMES && lua_rawgeti(L, 2, i + 1) == LUA_TSTRING; i++)
        known[i] = lua_tostring(L, -1);
    lua_pushstring(L, nearest(name, known));
    return 1;
}

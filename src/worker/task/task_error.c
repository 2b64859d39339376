#include "worker/task/task_error.h"

#include <lauxlib.h>

#define NOTE "tine.traceback"
/* bytes of a traceback: nested tasks pass on the tracebacks of all tasks below them */
#define MOST 16384

void tine__task_error_note(lua_State *L, int label, int traceback) {
    int err = lua_gettop(L);
    label = lua_absindex(L, label);
    traceback = lua_absindex(L, traceback);
    if (lua_getfield(L, LUA_REGISTRYINDEX, NOTE) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 3);
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "v"); /* weak values, to keep no error alive */
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, NOTE);
    }
    lua_pushvalue(L, err);
    lua_setfield(L, -2, "error");
    lua_pushvalue(L, label);
    lua_setfield(L, -2, "label");
    lua_pushvalue(L, traceback);
    lua_setfield(L, -2, "traceback");
    lua_settop(L, err);
}

void tine__task_error_forget(lua_State *L) {
    if (lua_getfield(L, LUA_REGISTRYINDEX, NOTE) == LUA_TTABLE) {
        lua_pushnil(L);
        lua_setfield(L, -2, "error");
    }
    lua_pop(L, 1);
}

/* Is the value on top of the stack a note about the error at `err`? */
static bool is_about(lua_State *L, int err) {
    if (!lua_istable(L, -1))
        return false;
    lua_getfield(L, -1, "error");
    bool same = !lua_isnil(L, -1) && lua_rawequal(L, -1, err);
    lua_pop(L, 1);
    return same;
}

/* Replace the text on top by its first and last lines if it is long. */
static void shorten(lua_State *L) {
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    if (!text || len <= MOST)
        return;
    const char *head = text + MOST / 2, *tail = text + len - MOST / 2;
    while (head > text && head[-1] != '\n')
        head--;
    while (*tail && tail[-1] != '\n')
        tail++;
    lua_pushlstring(L, text, (size_t)(head - text));
    lua_pushliteral(L, "...\n");
    lua_pushstring(L, tail);
    lua_concat(L, 3);
    lua_remove(L, -2);
}

bool tine__task_error_push(lua_State *L, int err) {
    err = lua_absindex(L, err);
    lua_getfield(L, LUA_REGISTRYINDEX, NOTE);
    if (!is_about(L, err)) {
        lua_pop(L, 1);
        return false;
    }
    lua_getfield(L, -1, "label");
    lua_getfield(L, -2, "traceback");
    shorten(L);
    const char *label = lua_tostring(L, -2), *traceback = lua_tostring(L, -1);
    lua_pushfstring(L, "\nin task %s%s%s", label ? label : "?",
                    traceback && *traceback ? ", whose worker says:\n" : "",
                    traceback ? traceback : "");
    lua_replace(L, -4);
    lua_pop(L, 2);
    return true;
}

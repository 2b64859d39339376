#include "host/task_error.h"

#include <lauxlib.h>

#define NOTE "tine.traceback"

/* True when the table on top of the stack is a note about the error at `err`. */
static bool is_about(lua_State *L, int err) {
    if (!lua_istable(L, -1))
        return false;
    lua_getfield(L, -1, "error");
    bool same = lua_rawequal(L, -1, err);
    lua_pop(L, 1);
    return same;
}

bool push_task_report(lua_State *L, int err) {
    err = lua_absindex(L, err);
    lua_getfield(L, LUA_REGISTRYINDEX, NOTE);
    if (!is_about(L, err)) {
        lua_pop(L, 1);
        return false;
    }
    lua_getfield(L, -1, "label");
    lua_getfield(L, -2, "traceback");
    const char *label = lua_tostring(L, -2), *traceback = lua_tostring(L, -1);
    lua_pushfstring(L, "\nin task %s%s%s", label ? label : "?",
                    traceback && *traceback ? ", whose worker says:\n" : "",
                    traceback ? traceback : "");
    lua_replace(L, -4);
    lua_pop(L, 2);
    return true;
}

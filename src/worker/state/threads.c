/* After: lcorolib.c of Lua 5.4, by R. Ierusalimschy, L. H. de Figueiredo, W. Celes. */
#include "worker/state/threads.h"

#include <stdbool.h>
#include <lauxlib.h>
#include <lualib.h>
#include "codec/lua/standard.h"

_Thread_local lua_State *volatile tine__running_thread;

static lua_State *check_thread(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTHREAD);
    return lua_tothread(L, 1);
}

/* lua_closethread, under the name that all versions of 5.4 have. */
static int close_thread(lua_State *co) {
    lua_State *before = tine__running_thread;
    tine__running_thread = co;
    int status = lua_resetthread(co);
    tine__running_thread = before;
    return status;
}

/* lua_resume. Neither of the two raises. */
static int run(lua_State *co, lua_State *from, int nargs, int *nresults) {
    lua_State *before = tine__running_thread;
    tine__running_thread = co;
    int status = lua_resume(co, from, nargs, nresults);
    tine__running_thread = before;
    return status;
}

/* Resume with the `nargs` arguments on top of the stack. Returns the number of results on top; -1:
** an error is on top. */
static int resume(lua_State *L, lua_State *co, int nargs) {
    int nresults;
    if (!lua_checkstack(co, nargs)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, nargs);
    int status = run(co, L, nargs, &nresults);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, nresults + 1)) {
        lua_pop(co, nresults);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, nresults);
    return nresults;
}

static int co_resume(lua_State *L) {
    lua_State *co = check_thread(L);
    int n = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, n >= 0);
    lua_insert(L, n >= 0 ? -(n + 1) : -2);
    return n >= 0 ? n + 1 : 2;
}

static int call_wrapped(lua_State *L) {
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int n = resume(L, co, lua_gettop(L));
    if (n >= 0)
        return n;
    int status = lua_status(co);
    /* an error in the coroutine: close its variables */
    if (status != LUA_OK && status != LUA_YIELD) {
        status = close_thread(co);
        lua_xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int co_wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

/* What the coroutine is doing that forbids closing it; NULL: nothing. */
static const char *busy(lua_State *L, lua_State *co) {
    lua_Debug ar;
    if (L == co)
        return "running";
    return lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar) ? "normal" : NULL;
}

static int co_close(lua_State *L) {
    lua_State *co = check_thread(L);
    const char *what = busy(L, co);
    if (what)
        return luaL_error(L, "cannot close a %s coroutine", what);
    bool ok = close_thread(co) == LUA_OK;
    lua_pushboolean(L, ok);
    if (ok)
        return 1;
    lua_xmove(co, L, 1);
    return 2;
}

static const luaL_Reg functions[] = {
    {"resume", co_resume}, {"wrap", co_wrap}, {"close", co_close}, {NULL, NULL}};

void tine__threads_open(lua_State *L) {
    tine__running_thread = L;
    for (const luaL_Reg *r = functions; r->name; r++)
        tine__standard_instead(L, LUA_COLIBNAME, r->name, r->func);
}

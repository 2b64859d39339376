#include "worker/task/worker_table.h"

#include <string.h>
#include <unistd.h>
#include <lauxlib.h>

#include "worker/state/state.h"
#include "worker/task/emit.h"
#include "worker/task/nest.h"

/* The label of task `k`, exactly as the submitter makes it. */
static void push_label(lua_State *L, const struct call *c, uint32_t k) {
    struct codec_origin origin;
    const struct task_name name = call_name(c, &origin);
    luaL_Buffer b;
    size_t n = tine__label(&name, k, NULL, 0);
    char *at = luaL_buffinitsize(L, &b, n + 1);
    tine__label(&name, k, at, n + 1);
    luaL_pushresultsize(&b, n);
}

static void push_seed(lua_State *L, const uint64_t seed[2]) {
    lua_createtable(L, 2, 0);
    for (int i = 0; i < 2; i++) {
        lua_pushinteger(L, (lua_Integer)seed[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* tine.worker.task; upvalue: the loop */
static int worker_index(lua_State *L) {
    const struct loop *loop = lua_touserdata(L, lua_upvalueindex(1));
    const char *key = lua_tostring(L, 2);
    if (!loop->call || !key || strcmp(key, "task") != 0)
        return 0;
    lua_Integer id = (lua_Integer)(loop->call->shown + loop->k);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, loop->call->attempt);
    lua_setfield(L, -2, "attempt");
    lua_pushinteger(L, id);
    lua_setfield(L, -2, "id");
    push_label(L, loop->call, loop->k);
    lua_setfield(L, -2, "label");
    uint64_t seed[2];
    if (loop_seed(loop, seed)) {
        push_seed(L, seed);
        lua_setfield(L, -2, "seed");
    }
    return 1;
}

static struct progress_number number(lua_State *L, int arg) {
    struct progress_number n = {.is_integer = lua_isinteger(L, arg)};
    if (n.is_integer)
        n.u.i = lua_tointeger(L, arg);
    else
        n.u.f = luaL_checknumber(L, arg);
    return n;
}

/* tine.worker.progress(done [, total [, text]]); upvalue: the loop */
static int worker_progress(lua_State *L) {
    struct loop *loop = lua_touserdata(L, lua_upvalueindex(1));
    struct progress *p = &loop->said;
    size_t len = 0;
    p->done = number(L, 1);
    p->has_total = !lua_isnoneornil(L, 2);
    if (p->has_total)
        p->total = number(L, 2);
    const char *text = luaL_optlstring(L, 3, NULL, &len);
    p->has_text = text != NULL;
    p->length = (uint8_t)(len < PROGRESS_TEXT ? len : PROGRESS_TEXT);
    if (text)
        memcpy(p->text, text, p->length);
    p->id = loop->call ? loop->call->id + loop->k : 0;
    if (p->id)
        loop->channel->progress(loop->channel, p);
    return 0;
}

/* tine.worker.stopping(); upvalue: the loop */
static int worker_stopping(lua_State *L) {
    const struct loop *loop = lua_touserdata(L, lua_upvalueindex(1));
    lua_pushboolean(L, loop->call && loop->channel->asked(loop->channel));
    return 1;
}

void tine__worker_table(lua_State *L, struct loop *loop, lua_Integer id) {
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, id);
    lua_setfield(L, -2, "id");
    lua_pushinteger(L, getpid());
    lua_setfield(L, -2, "pid");
    lua_newtable(L);
    lua_setfield(L, -2, "state");
    lua_pushlightuserdata(L, loop);
    lua_pushcclosure(L, worker_stopping, 1);
    lua_setfield(L, -2, "stopping");
    lua_pushlightuserdata(L, loop);
    lua_pushcclosure(L, worker_progress, 1);
    lua_setfield(L, -2, "progress");
    lua_pushlightuserdata(L, loop);
    lua_pushcclosure(L, tine__emit, 1);
    lua_setfield(L, -2, "emit");
    lua_createtable(L, 0, 1);
    lua_pushlightuserdata(L, loop);
    lua_pushcclosure(L, worker_index, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, TINE_WORKER_FIELD);
    tine__nest_open(L, loop);
}

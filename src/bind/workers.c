/* A pool's workers, as their program sees and changes them. */
#include "bind/bind.h"

/* pool:resize(n) */
int tine__pool_resize_lua(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_argcheck(L, n >= 1, 2, "a number of workers of 1 or more expected");
    luaL_argcheck(L, n <= (lua_Integer)POOL_MAX_WORKERS, 2, "at most 4095 workers");
    if (!c->p)
        tine__refuse_ended(L, c);
    int err = tine__pool_resize(c->p, (unsigned)n);
    if (err == TINE_EINVALID)
        return tine__error(L, err, "a pool without processes (workers = 0) cannot be resized");
    if (err)
        tine__refused(L, c, err);
    c->workers = (unsigned)n;
    return 0;
}

static void set_count(lua_State *L, const char *name, uint64_t n) {
    lua_pushinteger(L, (lua_Integer)n);
    lua_setfield(L, -2, name);
}

static void push_worker(lua_State *L, const struct worker_info *w) {
    lua_createtable(L, 0, 4);
    set_count(L, "id", w->id);
    if (w->pid)
        set_count(L, "pid", (uint64_t)w->pid);
    lua_pushstring(L, w->state);
    lua_setfield(L, -2, "state");
    set_count(L, "tasks", w->tasks);
}

/* Push memory with what is known of all of them; how many. More of them may come to be meanwhile. */
static unsigned push_infos(lua_State *L, struct core *c) {
    unsigned room = 0, n = tine__pool_workers(c->p, NULL, 0);
    struct worker_info *info;
    do {
        room = n + 4;
        info = lua_newuserdatauv(L, room * sizeof *info, 0);
        n = c->p ? tine__pool_workers(c->p, info, room) : 0; /* a finalizer may have ended it */
    } while (n > room);
    return n;
}

/* pool:workers() */
int tine__pool_workers_lua(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    lua_settop(L, 1);
    luaL_checkstack(L, 20, "workers");
    if (c->p)
        tine__pool_poll(c->p);
    unsigned n = c->p ? push_infos(L, c) : 0;
    const struct worker_info *info = lua_touserdata(L, -1);
    lua_createtable(L, (int)n, 0);
    for (unsigned i = 0; i < n; i++) {
        push_worker(L, &info[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

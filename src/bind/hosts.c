/* pool:workers(), and the hosts of pools with workers on other machines. */
#include <string.h>
#include "bind/hosts.h"
#include "bind/workers.h"
#include "site/far/far.h"

static void push_host(lua_State *L, const struct far_host *h) {
    lua_createtable(L, 0, 5);
    lua_pushstring(L, h->name);
    lua_setfield(L, -2, "host");
    lua_pushinteger(L, h->slots);
    lua_setfield(L, -2, "slots");
    lua_pushinteger(L, h->running);
    lua_setfield(L, -2, "running");
    lua_pushinteger(L, (lua_Integer)h->tasks);
    lua_setfield(L, -2, "tasks");
}

#define SOME_HOSTS 16u /* a first guess, quadrupled while there are more */
#define MOST_HOSTS 65536u

/* Push a userdata with all hosts; returns it and their number. */
static struct far_host *push_list(lua_State *L, struct core *c, unsigned *n) {
    for (unsigned room = SOME_HOSTS;; room *= 4) {
        struct far_host *hosts = lua_newuserdatauv(L, room * sizeof *hosts, 0);
        *n = c->p ? tine__pool_hosts(c->p, hosts, room) : 0;
        if (*n < room || room >= MOST_HOSTS)
            return hosts;
        lua_pop(L, 1);
    }
}

unsigned tine__far_workers(lua_State *L, struct core *c) {
    unsigned n, slots = 0;
    const struct far_host *hosts = push_list(L, c, &n);
    for (unsigned i = 0; i < n; i++)
        slots += hosts[i].slots;
    lua_pop(L, 1);
    return slots ? slots : c->workers;
}

/* Set `workers` of the host on top to its workers in the list at `all`. */
static void set_workers(lua_State *L, int all, const char *host) {
    lua_newtable(L);
    for (lua_Integer i = 1, n = 0; lua_rawgeti(L, all, i) != LUA_TNIL; i++) {
        bool its = lua_getfield(L, -1, "host") == LUA_TSTRING && !strcmp(lua_tostring(L, -1), host);
        lua_pop(L, 1);
        if (its)
            lua_rawseti(L, -2, ++n);
        else
            lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_setfield(L, -2, "workers");
}

static void push_hosts(lua_State *L, struct core *c) {
    unsigned n;
    tine__push_workers(L, c, false);
    int all = lua_gettop(L);
    const struct far_host *hosts = push_list(L, c, &n);
    lua_createtable(L, (int)n, 0);
    for (unsigned i = 0; i < n; i++) {
        push_host(L, &hosts[i]);
        set_workers(L, all, hosts[i].name);
        lua_rawseti(L, -2, i + 1);
    }
    lua_replace(L, all);
    lua_settop(L, all);
}

/* pool:workers() */
int tine__pool_workers_lua(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    if (c->p)
        tine__pool_poll(c->p);
    if (c->far)
        push_hosts(L, c);
    else
        tine__push_workers(L, c, false);
    return 1;
}

/* pool:stats(), pool:report(). */
#include <string.h>
#include "base/error.h"
#include "bind/heavy.h"
#include "bind/hosts.h"
#include "bind/workers.h"

static void set_number(lua_State *L, const char *name, double n) {
    lua_pushnumber(L, n);
    lua_setfield(L, -2, name);
}

static void set_times(lua_State *L, const char *name, const struct histogram_summary *h) {
    lua_createtable(L, 0, 7);
    set_count(L, "count", h->count);
    set_number(L, "mean", h->mean);
    set_number(L, "max", h->max);
    set_number(L, "p50", h->p50);
    set_number(L, "p90", h->p90);
    set_number(L, "p99", h->p99);
    set_number(L, "p999", h->p999);
    lua_setfield(L, -2, name);
}

static void set_kinds(lua_State *L, const struct pool_stats *s) {
    lua_createtable(L, 0, 4);
    for (int i = 1; i < FIGURES_CODES; i++) {
        uint64_t n = tine__stats_of_kind(s, i);
        if (n > 0)
            set_count(L, error_kind_of(-i), n);
    }
    lua_setfield(L, -2, "by_kind");
}

static void push_stats(lua_State *L, const struct pool_stats *s) {
    lua_createtable(L, 0, 20);
    set_count(L, "submitted", s->submitted);
    set_count(L, "pending", s->pending);
    set_count(L, "running", s->running);
    set_count(L, "finished", s->finished);
    set_count(L, "failed", s->failed);
    set_count(L, "cancelled", s->cancelled);
    set_count(L, "workers_started", s->workers_started);
    set_count(L, "workers_lost", s->workers_lost);
    set_times(L, "wait", &s->wait);
    set_times(L, "run", &s->run);
    set_times(L, "round_trip", &s->round_trip);
    set_count(L, "bytes_in", s->bytes_in);
    set_count(L, "bytes_out", s->bytes_out);
    set_kinds(L, s);
    set_number(L, "cpu", s->cpu);
    set_number(L, "busy", s->busy);
}

int tine__pool_stats_lua(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    luaL_checkstack(L, 20, "statistics");
    struct pool_stats s = c->stats;
    if (c->p) {
        tine__pool_poll(c->p);
        tine__pool_stats(c->p, &s);
    }
    push_stats(L, &s);
    tine__push_workers(L, c, true);
    lua_setfield(L, -2, "workers");
    return 1;
}

/* --- for pool:report --- */

static void push_task(lua_State *L, const struct figures_task *t) {
    lua_createtable(L, 0, 6);
    set_count(L, "id", t->id);
    set_count(L, "worker", t->worker);
    set_number(L, "seconds", (double)t->ran / 1e9);
    lua_pushstring(L, t->label);
    lua_setfield(L, -2, "label");
    if (!t->code)
        return;
    lua_pushstring(L, error_kind_of(t->code));
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, t->text);
    lua_setfield(L, -2, "error");
}

static void set_tasks(lua_State *L, const char *name, const struct figures_task *list) {
    lua_createtable(L, FIGURES_TOLD, 0);
    for (int i = 0; i < FIGURES_TOLD && list[i].id; i++) {
        push_task(L, &list[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, name);
}

static bool place_of(const struct core *c, unsigned i, struct remote *out) {
    if (c->p)
        return tine__pool_remote(c->p, i, out);
    if (i > c->nplaces)
        return false;
    *out = c->places[i - 1];
    return true;
}

/* How many workers there may be, or could have been when the pool ended. */
static unsigned most_workers(lua_State *L, struct core *c) {
    if (!c->far)
        return c->workers;
    return !c->p && c->told.slots ? c->told.slots : tine__far_workers(L, c);
}

/* The workers on other machines that have run tasks. */
static void set_places(lua_State *L, struct core *c) {
    struct remote remote;
    lua_newtable(L);
    for (unsigned i = 1; place_of(c, i, &remote); i++) {
        lua_createtable(L, 0, 4);
        lua_pushstring(L, remote.host);
        lua_setfield(L, -2, "host");
        set_count(L, "worker", remote.worker);
        set_count(L, "tasks", remote.tasks);
        set_number(L, "seconds", (double)remote.ran / 1e9);
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "places");
}

/* told(pool): what lua/tine/report.lua needs beyond the statistics. */
int tine__pool_told_lua(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    luaL_checkstack(L, 20, "report");
    struct figures_told *t = lua_newuserdatauv(L, sizeof *t, 0);
    *t = c->told;
    if (c->p)
        tine__pool_told(c->p, t);
    lua_createtable(L, 0, 10);
    set_tasks(L, "slowest", t->slowest);
    set_tasks(L, "failed", t->last);
    tine__heavy_push(L, c);
    lua_setfield(L, -2, "heavy");
    set_places(L, c);
    set_number(L, "lived", t->lived);
    set_number(L, "starting", t->starting);
    set_number(L, "elapsed", t->elapsed);
    set_number(L, "encoding", core_encoding_time(c) / 1e9);
    set_count(L, "calls", t->calls);
    set_count(L, "workers", most_workers(L, c));
    lua_getiuservalue(L, 1, VIEW_CORE);
    lua_getiuservalue(L, -1, CORE_NAME);
    lua_remove(L, -2);
    lua_setfield(L, -2, "name");
    return 1;
}

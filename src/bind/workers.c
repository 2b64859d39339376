/* pool:resize(), lists of workers, on_worker_exit. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bind/callbacks.h"
#include "bind/errors.h"
#include "bind/extras.h"
#include "bind/submit.h"
#include "bind/workers.h"

/* pool:resize(n) */
int tine__pool_resize_lua(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    lua_Integer n = luaL_checkinteger(L, 2);
    if (n < 1 || n > (lua_Integer)POOL_MAX_WORKERS)
        luaL_argerror(L, 2,
                      lua_pushfstring(L, "a number of workers from 1 to %d expected, got %I",
                                      POOL_MAX_WORKERS, (LUAI_UACINT)n));
    if (!c->p)
        tine__refuse_ended(L, c);
    int err = tine__pool_resize(c->p, (unsigned)n);
    if (err == TINE_EINVALID)
        return tine__error(L, err,
                           c->far ? "a pool whose workers are on other machines cannot be resized: "
                                    "each host says how many it has (tine serve -j)"
                                  : "a pool without processes (workers = 0) cannot be resized");
    if (err)
        tine__refused(L, c, err);
    c->workers = (unsigned)n;
    return 0;
}

/* Set `task` of the table on top. False: it runs none. */
static bool set_task(lua_State *L, const struct worker_info *w) {
    if (!w->task)
        return false;
    lua_createtable(L, 0, 2);
    set_count(L, "id", w->task);
    lua_pushstring(L, w->label);
    lua_setfield(L, -2, "label");
    lua_setfield(L, -2, "task");
    return true;
}

static void set_since(lua_State *L, const struct worker_info *w) {
    lua_pushnumber(L, (lua_Number)w->since / 1e9);
    lua_setfield(L, -2, "since");
}

static void push_worker(lua_State *L, const struct worker_info *w) {
    lua_createtable(L, 0, 9);
    set_count(L, "id", w->id);
    if (w->pid)
        set_count(L, "pid", (uint64_t)w->pid);
    lua_pushstring(L, w->state);
    lua_setfield(L, -2, "state");
    set_count(L, "tasks", w->tasks);
    if (set_task(L, w))
        set_since(L, w);
}

/* Named by gethostname; "" if that fails. */
void tine__push_machine(lua_State *L) {
    char host[256] = "";
    if (gethostname(host, sizeof host - 1))
        host[0] = '\0';
    lua_pushstring(L, host);
}

static void add_figures(lua_State *L, const struct worker_info *w) {
    lua_pushnumber(L, w->busy);
    lua_setfield(L, -2, "busy");
    set_count(L, "memory", tine__worker_memory(w));
    set_since(L, w);
}

static void set_host(lua_State *L, const struct worker_info *w) {
    if (w->host[0])
        lua_pushstring(L, w->host);
    else
        tine__push_machine(L);
    lua_setfield(L, -2, "host");
}

/* Push a userdata with all workers; returns their number, which may grow meanwhile. */
static unsigned push_infos(lua_State *L, struct core *c) {
    for (unsigned n = tine__pool_workers(c->p, NULL, 0);; lua_pop(L, 1)) {
        unsigned room = n + 4;
        struct worker_info *info = lua_newuserdatauv(L, room * sizeof *info, 0);
        /* A finalizer may have ended the pool. */
        n = c->p ? tine__pool_workers(c->p, info, room) : 0;
        if (n <= room)
            return n;
    }
}

void tine__push_workers(lua_State *L, struct core *c, bool figures) {
    luaL_checkstack(L, 20, "workers");
    unsigned n = c->p ? push_infos(L, c) : (lua_pushnil(L), 0u);
    const struct worker_info *info = lua_touserdata(L, -1);
    lua_createtable(L, (int)n, 0);
    for (unsigned i = 0; i < n; i++) {
        push_worker(L, &info[i]);
        if (figures)
            add_figures(L, &info[i]);
        if (figures || c->far)
            set_host(L, &info[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_remove(L, -2);
}

/* --- on_worker_exit --- */

static void push_exit(lua_State *L, const struct worker_exit *x) {
    lua_createtable(L, 0, 7);
    set_count(L, "id", x->worker);
    if (x->pid)
        set_count(L, "pid", (uint64_t)x->pid);
    lua_pushstring(L, tine__parting_name(x->why));
    lua_setfield(L, -2, "reason");
    if (x->has_status && WIFEXITED(x->status))
        set_count(L, "exit_code", (uint64_t)WEXITSTATUS(x->status));
    if (x->has_status && WIFSIGNALED(x->status))
        set_count(L, "signal", (uint64_t)WTERMSIG(x->status));
    set_count(L, "tasks", x->tasks);
    lua_pushnumber(L, (lua_Number)x->lasted / 1e9);
    lua_setfield(L, -2, "seconds");
}

/* Callback (future); upvalues: the user's function, its argument. */
static int tell_user(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_call(L, 1, 0);
    return 0;
}

struct future *tine__carrier_push(lua_State *L, struct core *c, int meta, const char *label) {
    struct future *f = tine__future_new_manual(L);
    int idx = lua_gettop(L);
    lua_pushvalue(L, meta);
    lua_setmetatable(L, idx);
    f->core = c;
    f->done = true;
    lua_pushstring(L, label);
    tine__extras_set_label(L, f, idx, idx + 1);
    lua_pop(L, 1);
    return f;
}

void tine__exits_due(lua_State *L, struct core *c) {
    struct worker_exit x;
    int top = lua_gettop(L);
    luaL_checkstack(L, 16, "exits");
    /* Fetched first: the pool may be joined as soon as its last exit was taken. */
    push_kept(L, KEPT_CORES);
    lua_rawgetp(L, -1, c);
    lua_getiuservalue(L, -1, CORE_ON_EXIT); /* top + 3 */
    tine__core_push_meta(L, c);
    if (!tine__inbox_next_exit(&c->inbox, &x)) {
        lua_settop(L, top);
        return;
    }
    lua_pushfstring(L, "worker %I", (LUAI_UACINT)x.worker);
    struct future *f = tine__carrier_push(L, c, top + 4, lua_tostring(L, -1)); /* top + 6 */
    lua_pushvalue(L, top + 3);
    push_exit(L, &x);
    lua_pushcclosure(L, tell_user, 2);
    tine__callback_add(L, f, top + 6, lua_gettop(L));
    tine__callbacks_due(L, f, top + 6);
    lua_settop(L, top);
}

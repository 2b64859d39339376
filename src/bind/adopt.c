/* Pools and futures of the C library as Lua values (include/tine_lua.h).
**
** A pool of the program gets a core like any other, with an inbox of its own in the same struct
** pool, but its end is up to the program. A future of the program becomes an ordinary future whose
** item follows the program's item (pool/follow.c). In the other direction, the future of a task
** that a script submitted is given to the program as a tine_future that follows it. The link
** between the two is a *handle*, a userdata in the future's extras that holds the tine_future.
*/
#include <string.h>
#include "api/api.h"
#include "bind/adopt.h"
#include "bind/box.h"
#include "bind/errors.h"
#include "bind/extras.h"
#include "bind/submit.h"
#include "msg/settings.h"
#include "tine_lua.h"

/* --- pools --- */

static struct core *find_core(struct state *S, const struct tine_pool *program) {
    for (struct list *n = S->cores.next; n != &S->cores; n = n->next) {
        struct core *c = LIST_ITEM(n, struct core, node);
        if (c->program == program)
            return c;
    }
    return NULL;
}

/* Push a pool userdata for a pool of the program that has none in this state yet. */
static void adopt(lua_State *L, struct state *S, struct tine_pool *program) {
    struct core *c = tine__core_push(L);
    int core = lua_gettop(L);
    tine__api_ref(program);
    c->program = program;
    c->p = c->held = tine__pool_ref(program->core);
    c->settings = tine__settings_ref(tine__pool_settings(c->p));
    lua_pushvalue(L, UP(UP_POOL));
    lua_setmetatable(L, core - 1);
    tine__view_adopt_settings(L, core - 1, 0);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, program->name);
    lua_setfield(L, -2, "name");
    tine__core_equip(L, c, core, core + 1, true);
    lua_pushvalue(L, core - 1); /* push the same userdata every time */
    lua_setiuservalue(L, core, CORE_HANDLE);
    tine__core_start(S, c, program->workers);
    lua_settop(L, core - 1);
}

static void push_pool(lua_State *L, struct tine_pool *program) {
    struct state *S = state_of(L);
    if (S->closed)
        tine__error(L, TINE_EINVALID, "this Lua state is being closed");
    if (tine__pool_is_forked(program->core))
        tine__error(L, TINE_EFORKED, "this pool belongs to the parent process");
    tine__state_check(L, S);
    struct core *c = find_core(S, program);
    if (!c) {
        adopt(L, S, program);
        return;
    }
    push_kept(L, KEPT_CORES);
    lua_rawgetp(L, -1, c);
    lua_getiuservalue(L, -1, CORE_HANDLE);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* (tine_pool) -> pool */
int tine__program_push_pool(lua_State *L) {
    push_pool(L, lua_touserdata(L, 1));
    return 1;
}

/* (value) -> tine_pool, or nothing */
int tine__program_pool_of(lua_State *L) {
    const struct view *v = tine__to_pool(L, 1);
    if (!v || !v->core->program)
        return 0;
    lua_pushlightuserdata(L, v->core->program);
    return 1;
}

/* --- handles --- */

int tine__handle_gc(lua_State *L) {
    tine_future **handle = lua_touserdata(L, 1);
    tine_future_free(*handle);
    *handle = NULL;
    return 0;
}

/* Push an empty handle. */
static tine_future **push_handle(lua_State *L) {
    tine_future **handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = NULL;
    push_kept(L, KEPT_HANDLE);
    lua_setmetatable(L, -2);
    return handle;
}

/* Make the handle on top (popped) that of the future at `idx`. */
static void set_handle(lua_State *L, struct future *f, int idx) {
    tine_future *const *handle = lua_touserdata(L, -1);
    tine__extras_push(L, f, idx);
    lua_insert(L, -2);
    lua_setfield(L, -2, "handle");
    lua_pop(L, 1);
    push_kept(L, KEPT_FUTURES);
    lua_pushvalue(L, idx);
    lua_rawsetp(L, -2, *handle);
    lua_pop(L, 1);
}

/* --- futures of the program --- */

/* Push the label of the program's future. */
static void push_label(lua_State *L, tine_future *given) {
    size_t n = tine_future_label(given, NULL, 0);
    luaL_Buffer b;
    char *at = luaL_buffinitsize(L, &b, n + 1);
    tine_future_label(given, at, n + 1);
    luaL_pushresultsize(&b, n);
}

/* Give the future at `idx` the outcome of the program's future, which has ended. */
static void settle(lua_State *L, struct future *f, int idx, const struct tine_future *given) {
    const struct outcome *from = &given->outcome;
    struct outcome empty = {0};
    struct outcome *box = outcome_owns(from) ? tine__box(L, &empty) : NULL;
    tine__outcome_share(&f->outcome, from);
    if (box) {
        outcome_move(&f->outcome, box);
        lua_setiuservalue(L, idx, FUTURE_VALUE);
    }
    f->done = true;
    f->failed = f->outcome.state != OUTCOME_VALUES && f->outcome.code != TINE_ECANCELLED;
    if (item_printed(&given->item))
        tine__extras_set_printed(L, f, idx, item_printed(&given->item));
}

/* Push a new future, of the pool at `pool`, that follows the program's future. */
static void push_follower(lua_State *L, int pool, tine_future *given) {
    struct view *v = lua_touserdata(L, pool);
    struct future *f = tine__future_new(L, v, pool);
    int idx = lua_gettop(L);
    push_label(L, given);
    f->id = given->item.name.id;
    tine__extras_set_label(L, f, idx, idx + 1);
    tine_future **handle = push_handle(L);
    *handle = tine_future_ref(given);
    set_handle(L, f, idx);
    struct draft d = {.name = tine__future_name(L, f, idx),
                      .count = 1,
                      .outcomes = &f->outcome,
                      .anchor = &f->anchor,
                      .idx = idx};
    if (outcome_settled(&given->outcome) || !tine__follow(L, v->core, &d, &given->item))
        settle(L, f, idx, given);
    lua_settop(L, idx);
}

/* (tine_future) -> future */
int tine__program_push_future(lua_State *L) {
    tine_future *given = lua_touserdata(L, 1);
    push_kept(L, KEPT_FUTURES);
    if (lua_rawgetp(L, -1, given) != LUA_TNIL)
        return 1;
    lua_settop(L, 1);
    push_pool(L, given->pool);
    push_follower(L, 2, given);
    return 1;
}

/* --- futures of scripts, for the program --- */

/* Make and push a handle for the future at 1, which a script has submitted. */
static void make_handle(lua_State *L, struct future *f) {
    const char *label = tine__future_label(L, f, 1);
    tine_future **handle = push_handle(L);
    const struct outcome *outcome = tine__future_outcome(L, f, 1);
    if (!outcome) {
        tine__future_push_finalized(L);
        lua_error(L);
    }
    struct item *leader = f->done ? NULL : f->anchor.item;
    *handle = tine__api_follow(f->core->program, label, leader, outcome);
    lua_pop(L, 1);
    if (!*handle)
        luaL_error(L, "not enough memory");
    lua_pushvalue(L, -1);
    set_handle(L, f, 1);
}

/* (value) -> tine_future, or nothing */
int tine__program_future_of(lua_State *L) {
    struct future *f = tine__to_future(L, 1);
    if (!f || !f->core || !f->core->program)
        return 0;
    tine__check_process(L, f->core);
    lua_settop(L, 1);
    if (f->extras == EXTRA_TABLE) {
        tine__extras_push(L, f, 1);
        lua_getfield(L, -1, "handle");
    }
    if (lua_isnil(L, -1) || f->extras != EXTRA_TABLE)
        make_handle(L, f);
    lua_pushlightuserdata(L, *(tine_future **)lua_touserdata(L, -1));
    return 1;
}

/* --- the C functions --- */

/* Call one of the functions above with the value on top, which is replaced by the result. */
static void call(lua_State *L, enum kept which) {
    int arg = lua_gettop(L);
    luaL_checkstack(L, 10, "tine");
    if (lua_getfield(L, LUA_REGISTRYINDEX, "tine.state") != LUA_TUSERDATA) {
        luaopen_tine(L);
        lua_getfield(L, LUA_REGISTRYINDEX, "tine.state");
    }
    lua_getiuservalue(L, -1, which);
    lua_pushvalue(L, arg);
    lua_call(L, 1, 1);
    lua_replace(L, arg);
    lua_settop(L, arg);
}

static void push(lua_State *L, void *what, enum kept which) {
    luaL_checkstack(L, 1, "tine");
    if (!what) {
        lua_pushnil(L);
        return;
    }
    lua_pushlightuserdata(L, what);
    call(L, which);
}

static void *check(lua_State *L, int arg, enum kept which, const char *wanted) {
    luaL_checkstack(L, 1, "tine");
    lua_pushvalue(L, arg);
    call(L, which);
    void *what = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (!what)
        luaL_typeerror(L, arg, wanted);
    return what;
}

void tine_lua_push_pool(lua_State *L, tine_pool *pool) {
    push(L, pool, KEPT_PUSH_POOL);
}

void tine_lua_push_future(lua_State *L, tine_future *future) {
    push(L, future, KEPT_PUSH_FUTURE);
}

tine_pool *tine_lua_check_pool(lua_State *L, int arg) {
    return check(L, arg, KEPT_POOL_OF, "tine.pool of the program");
}

tine_future *tine_lua_check_future(lua_State *L, int arg) {
    return check(L, arg, KEPT_FUTURE_OF, "tine.future of a pool of the program");
}

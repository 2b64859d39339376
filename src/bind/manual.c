/* Manual futures, which the script itself completes. */
#include "bind/callbacks.h"
#include "bind/errors.h"

void tine__manual_prepare(lua_State *L, struct future *f, int idx, int n) {
    tine__future_pack(L, n);
    tine__future_room(L, f, idx);
}

/* The script is its executor, so its callbacks run here. */
void tine__manual_end(lua_State *L, struct future *f, int idx, int n, enum phase phase) {
    struct state *S = state_of(L);
    tine__future_keep(L, f, idx, n);
    f->phase = phase;
    f->done = true;
    f->failed = n < 0 && !tine__future_cancelled(f);
    tine__future_ended(L, f, idx);
    if (callbacks_due(S))
        tine__callbacks_run(L);
}

int tine__future_manual(lua_State *L) {
    tine__future_new_manual(L);
    return 1;
}

static struct future *check_manual(lua_State *L) {
    struct future *f = tine__check_future(L, 1);
    if (f->core || f->nested)
        tine__error(L, TINE_EINVALID, "the future of a task is settled by its pool");
    return f;
}

static void check_open(lua_State *L, struct future *f) {
    if (f->phase > PHASE_RUNNING)
        tine__error(L, TINE_EINVALID, "the future is %s already", tine__future_state(f));
}

/* Complete the future at 1 with what is on top. */
static int complete(lua_State *L, int n) {
    struct future *f = check_manual(L);
    check_open(L, f);
    tine__manual_prepare(L, f, 1, n);
    check_open(L, f); /* a finalizer may have completed it meanwhile */
    tine__manual_end(L, f, 1, n, PHASE_FINISHED);
    return 0;
}

int tine__manual_run(lua_State *L) {
    struct future *f = check_manual(L);
    bool run = f->phase == PHASE_PENDING;
    if (!run && f->phase != PHASE_CANCELLED)
        return tine__error(L, TINE_EINVALID, "the future is %s already", tine__future_state(f));
    f->phase = run ? PHASE_RUNNING : PHASE_NOTIFIED;
    lua_pushboolean(L, run);
    return 1;
}

int tine__manual_set_result(lua_State *L) {
    int n = lua_gettop(L) - 1;
    return complete(L, n < 0 ? 0 : n);
}

int tine__manual_set_exception(lua_State *L) {
    luaL_optstring(L, 3, "");
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_pushliteral(L, "");
        lua_replace(L, 3);
    }
    return complete(L, -1);
}

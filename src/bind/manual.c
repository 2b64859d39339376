/* Manual futures, which the script itself completes. */
#include "bind/callbacks.h"
#include "bind/errors.h"

/* The script is its executor, so its callbacks run here. */
void tine__manual_end(lua_State *L, struct future *f, int idx, int n) {
    struct state *S = state_of(L);
    if (n >= 0)
        tine__future_keep_values(L, f, idx, n);
    else
        tine__future_keep_error(L, f, idx);
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

/* The future at 1, to be completed; raises if it is completed already. */
static struct future *check_open(lua_State *L) {
    struct future *f = check_manual(L);
    if (f->phase > PHASE_RUNNING)
        tine__error(L, TINE_EINVALID, "the future is %s already", tine__future_state(f));
    f->phase = PHASE_FINISHED;
    return f;
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
    tine__manual_end(L, check_open(L), 1, n < 0 ? 0 : n);
    return 0;
}

int tine__manual_set_exception(lua_State *L) {
    luaL_optstring(L, 3, "");
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_pushliteral(L, "");
        lua_replace(L, 3);
    }
    tine__manual_end(L, check_open(L), 1, -1);
    return 0;
}

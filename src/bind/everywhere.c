/* pool:everywhere: a call that each worker runs once. */
#include <string.h>
#include "base/buf.h"
#include "bind/callbacks.h"
#include "bind/submit.h"
#include "bind/values.h"
#include "bind/workers.h"
#include "msg/errand.h"
#include "msg/label.h"
#include "msg/settings.h"

/* Encode the call at 2 with `n` arguments behind a head. 0, or a code with the message pushed. */
static int encode(lua_State *L, struct core *c, struct draft *d, struct buf *b, int n,
                  uint32_t *function) {
    const struct errand_head head = {.function = 0};
    if (buf_append(b, &head, sizeof head)) {
        lua_pushstring(L, tine_error_text(TINE_ENOMEM));
        return TINE_ENOMEM;
    }
    return tine__encode_call(L, c, d, &tine__settings_none, n, b, function);
}

static void send_out(lua_State *L, struct core *c, struct draft *d, struct call_buf *cb, int n) {
    uint32_t function = 0;
    size_t len;
    int err = encode(L, c, d, &cb->b, n, &function);
    if (!err) {
        tine__send(L, c, d, cb, function);
        return;
    }
    const char *text = lua_tolstring(L, -1, &len);
    tine__call_buf_drop(cb);
    tine__send_failed(L, c, d, err, text, len);
}

/* pool:everywhere(fn, ...) */
int tine__everywhere(lua_State *L) {
    struct core *c = tine__check_pool(L, 1);
    struct view *v = lua_touserdata(L, 1);
    if (!tine__is_task(L, 2))
        luaL_typeerror(L, 2, "function");
    int n = lua_gettop(L) - 2, future = n + 3;
    luaL_checkstack(L, 12, "too many arguments");
    if (!c->p)
        tine__refuse_ended(L, c);
    struct future *f = tine__future_new(L, v, 1);
    const void *meta = v->meta;
    if (!c->p)
        tine__refuse_ended(L, c);
    struct draft d = {.count = 1,
                      .everywhere = true,
                      .outcomes = &f->outcome,
                      .anchor = &f->anchor,
                      .idx = future,
                      .meta = meta};
    core_begin_encoding(c);
    struct room *r = tine__room_take(L, c, 1);
    send_out(L, c, &d, &r->call, n);
    tine__room_put(c, r);
    tine__core_end_encoding(c);
    return tine__submitted(L, &d);
}

/* --- errors in workers that nobody waits for --- */

/* Callback (future); two more upvalues: error, traceback. */
static int report(lua_State *L) {
    /* Tracebacks of callbacks begin with the message. */
    if (lua_type(L, lua_upvalueindex(UP_LAST + 1)) == LUA_TSTRING)
        lua_pushfstring(L, "%s\n%s", lua_tostring(L, lua_upvalueindex(UP_LAST + 1)),
                        lua_tostring(L, lua_upvalueindex(UP_LAST + 2)));
    else
        lua_pushvalue(L, lua_upvalueindex(UP_LAST + 2));
    lua_setiuservalue(L, UP(UP_STATE), KEPT_TRACEBACK);
    lua_pushvalue(L, lua_upvalueindex(UP_LAST + 1));
    tine__callback_error(L, 1);
    return 0;
}

void tine__faults_due(lua_State *L, struct core *c) {
    struct outcome error;
    uint64_t number;
    int top = lua_gettop(L);
    luaL_checkstack(L, 20, "faults");
    /* fetched first: the pool may be joined as soon as its last fault was taken */
    tine__core_push_meta(L, c);
    if (!tine__inbox_next_fault(&c->inbox, &number, NULL, &error)) {
        lua_settop(L, top);
        return;
    }
    lua_pushfstring(L, "everywhere #%I", (LUAI_UACINT)number);
    struct future *f = tine__carrier_push(L, c, top + 1, lua_tostring(L, -1)); /* top + 3 */
    push_upvalues(L);
    const struct task_name name = {.id = number};
    tine__failure_push(L, c, &error, &name, 0);
    lua_pushcclosure(L, report, UP_LAST + 2);
    tine__callback_add(L, f, top + 3, lua_gettop(L));
    tine__callbacks_due(L, f, top + 3);
    lua_settop(L, top);
}

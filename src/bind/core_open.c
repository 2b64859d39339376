/* Making a core, and giving it a pool. */
#include <string.h>
#include "base/buf.h"
#include "bind/future.h"
#include "bind/options.h"
#include "msg/origin.h"
#include "worker/root/root.h"

struct core *tine__core_push(lua_State *L) {
    struct view *v = lua_newuserdatauv(L, sizeof *v, VIEW_LAST);
    *v = (struct view){0};
    struct core *c = lua_newuserdatauv(L, sizeof *c, CORE_LAST);
    memset(c, 0, sizeof *c);
    list_init(&c->node);
    list_init(&c->busy);
    c->state = state_of(L);
    tine__items_init(&c->items);
    c->epoll = c->due = c->alarm = -1;
    push_kept(L, KEPT_CORE);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, -3, VIEW_CORE);
    v->core = c;
    tine__future_push_meta(L, lua_gettop(L));
    c->meta = lua_topointer(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, c);
    push_kept(L, KEPT_CORES);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, c); /* for a moment also if opening fails */
    lua_pop(L, 1);
    return c;
}

void tine__core_start(struct state *S, struct core *c, unsigned workers) {
    c->workers = workers;
    c->far = tine__pool_is_far(c->p);
    c->here = tine__pool_is_here(c->p);
    c->generation = tine__root_generation();
    c->inbox.stirred = &S->stirred;
    tine__inbox_open(&c->inbox, c->p);
    list_push(&S->cores, &c->node);
    S->ncores++;
    S->changes++;
}

/* --- the pool's store, as the codec uses it --- */

/* NULL if the pool ended while a call is being encoded, or if this is a forked child: the call will
** not be sent. */
static struct store *store_of(const struct core *c) {
    struct pool *p = c->p ? c->p : c->held;
    return p && tine__core_is_ours(c) ? tine__pool_store(p) : NULL;
}

static const struct codec_stored *put_function(void *core, const struct codec_code *code,
                                               const struct codec_origin *origin) {
    struct store *s = store_of(core);
    return s ? tine__store_put(s, code, origin) : NULL;
}

static void drop_function(void *core, const struct codec_stored *stored) {
    struct store *s = store_of(core);
    if (s)
        tine__store_drop(s, stored);
}

/* Calls are encoded into call buffers (struct room, struct map). */
static int hold_function(void *core, struct buf *out, const struct codec_stored *stored) {
    struct call_buf *cb = (struct call_buf *)out;
    (void)core; /* the memory of its pool stays until the encoding has ended */
    return tine__store_hold(&cb->refs, stored);
}

/* Code that the shared value which is being decoded refers to. */
static bool get_stored(void *core, uint64_t id, struct codec_code *out) {
    const struct core *c = core;
    const struct codec_stored *found = c->reading ? tine__store_named(c->reading, id) : NULL;
    if (found)
        *out = found->code;
    return found != NULL;
}

void tine__core_equip(lua_State *L, struct core *c, int core, int arg, bool send_globals) {
    struct codec_options co = {.send_globals = send_globals,
                               .store = {.put = put_function,
                                         .drop = drop_function,
                                         .hold = hold_function,
                                         .get = get_stored,
                                         .keep = tine__core_origin,
                                         .age = &c->origins_age,
                                         .ctx = c}};
    c->codec = tine__codec_new(L, &co);
    lua_setiuservalue(L, core, CORE_CODEC);
    tine__option(L, arg, "on_callback_error");
    lua_setiuservalue(L, core, CORE_ON_ERROR);
    tine__option(L, arg, "on_worker_exit");
    lua_setiuservalue(L, core, CORE_ON_EXIT);
    lua_pushstring(L, tine__option_string(L, arg, "name", "tine"));
    lua_setiuservalue(L, core, CORE_NAME);
    (void)tine__room_make(L, c, core); /* the pool may have ended already, if its preload failed */
    tine__closer_renew(L);
    tine__sweep_later(L);
}

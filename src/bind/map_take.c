/* Taking the results of a map, and waiting for them (map.h). */
#include "bind/await.h"
#include "bind/errors.h"
#include "bind/map.h"
#include "bind/reap.h"
#include "bind/values.h"
#include "worker/task/task_error.h"

/* --- the current chunk --- */

/* All results of the current chunk were taken. */
static void leave_chunk(lua_State *L, struct map *m) {
    struct chunk *c = m->chunk;
    m->chunk = NULL;
    c->next = c->count;
    lua_getiuservalue(L, 1, MAP_QUEUE);
    lua_pushnil(L);
    lua_rawseti(L, -2, c->serial);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, MAP_CHUNK);
    lua_pop(L, 1);
}

/* Make the chunk on top (popped) the current one. */
static void enter_chunk(lua_State *L, struct map *m) {
    m->chunk = lua_touserdata(L, -1);
    m->k = m->chunk->next;
    lua_setiuservalue(L, 1, MAP_CHUNK);
}

static bool can_take(const struct map *m) {
    return m->chunk && outcome_settled(&m->chunk->outcomes[m->k]);
}

/* Unordered: make a chunk with results the current one. */
static void enter_fresh(lua_State *L, struct map *m) {
    while (!can_take(m) && !list_empty(&m->news)) {
        struct chunk *c = LIST_ITEM(m->news.next, struct chunk, fresh);
        list_remove(&c->fresh);
        if (m->chunk)
            m->chunk->next = m->k;
        lua_getiuservalue(L, 1, MAP_QUEUE);
        lua_rawgeti(L, -1, c->serial);
        enter_chunk(L, m);
        lua_pop(L, 1);
    }
}

/* Ordered: make the oldest chunk the current one. */
static void enter_oldest(lua_State *L, struct map *m) {
    if (m->chunk || m->head >= m->tail)
        return;
    lua_getiuservalue(L, 1, MAP_QUEUE);
    lua_rawgeti(L, -1, ++m->head);
    enter_chunk(L, m);
    lua_pop(L, 1);
}

/* Make the chunk with the next result the current one, if there is one. */
static void enter_any(lua_State *L, struct map *m) {
    if (m->ordered)
        enter_oldest(L, m);
    else
        enter_fresh(L, m);
}

bool tine__map_look(lua_State *L, struct map *m) {
    struct core *c = m->core;
    if (c->p)
        tine__pool_poll(c->p);
    if (inbox_has_news(&c->inbox))
        tine__reap_core(L, c);
    if (!m->closed)
        enter_any(L, m);
    return can_take(m);
}

/* --- taking --- */

/* Raise or return the error of a task, as the map wants it. Error and traceback are on top. */
static int take_failure(lua_State *L, struct map *m, struct chunk *c, uint32_t k) {
    if (m->return_errors) { /* [index, error, traceback] */
        lua_pushnil(L);
        lua_insert(L, -3);
        return 4;
    }
    lua_insert(L, -2);
    tine__label_push(L, &c->name, k);
    lua_insert(L, -2); /* [traceback, label, error] */
    tine__task_error_note(L, lua_gettop(L) - 1, lua_gettop(L) - 2);
    return lua_error(L);
}

/* Return the result of task `k` of the chunk at 2; the task's index is at 3. */
static int push_taken(lua_State *L, struct map *m, struct chunk *c, uint32_t k) {
    struct outcome *o = &c->outcomes[k];
    int n = -1;
    if (o->state != OUTCOME_VALUES)
        tine__failure_push(L, m->core, o, &c->name, k);
    else if ((n = tine__values_push(L, m->core, o, &c->name, k)) < 0)
        lua_pushliteral(L, "");
    return n >= 0 ? n + 1 : take_failure(L, m, c, k);
}

/* Can a result be taken? Delivers the events of its chunk first. The callbacks may take that result
** themselves, and more, or close the map. */
static bool can_take_heard(lua_State *L, struct map *m) {
    const struct chunk *heard = NULL;
    while (can_take(m) && m->chunk->events && m->chunk != heard) {
        heard = m->chunk;
        lua_settop(L, 1);
        lua_getiuservalue(L, 1, MAP_CHUNK);
        tine__chunk_hear_all(L, m->chunk, 2);
        lua_settop(L, 1);
    }
    return can_take(m);
}

/* Take the result that is there. No Lua code runs before the chunk was left. */
static int take(lua_State *L, struct map *m) {
    struct chunk *c = m->chunk;
    uint32_t k = m->k++;
    bool last = m->k == c->count;
    m->returned++;
    lua_pushinteger(L, (lua_Integer)(c->name.index + k));
    int n = tine__scalars_push(L, &c->outcomes[k], false);
    if (n < 0) {
        lua_settop(L, 1);
        lua_getiuservalue(L, 1, MAP_CHUNK); /* keeps the chunk alive while it is read */
        lua_pushinteger(L, (lua_Integer)(c->name.index + k));
    }
    if (last)
        leave_chunk(L, m);
    return n >= 0 ? n + 1 : push_taken(L, m, c, k);
}

/* Return what map.lua has returned, also after a yield. */
static int advanced(lua_State *L, int status, lua_KContext ctx) {
    (void)status;
    (void)ctx;
    return lua_gettop(L) - 1;
}

/* The iterator's __call: takes a result that is there; map.lua does the rest. */
int tine__map_call(lua_State *L) {
    struct map *m = map_at(L, 1);
    if (!m || m->closed)
        return 0;
    tine__check_process(L, m->core);
    if (!m->followed && can_take_heard(L, m))
        return take(L, m);
    if (m->closed) /* by a callback */
        return 0;
    lua_settop(L, 1);
    push_kept(L, KEPT_ADVANCE);
    lua_pushvalue(L, 1);
    lua_callk(L, 1, LUA_MULTRET, 0, advanced);
    return advanced(L, LUA_OK, 0);
}

/* --- waiting --- */

static bool take_met(const struct aim *aim) {
    const struct map *m = aim->what;
    bool left = m->ordered && !m->chunk; /* a callback has taken all that was in the current one, */
    bool none = m->sent == m->returned;  /* or the last result */
    return m->closed || can_take(m) || !list_empty(&m->news) || left || none;
}

int tine__map_peek(lua_State *L) {
    struct map *m = check_map(L, 1);
    if (!m->closed && m->ordered)
        enter_oldest(L, m);
    struct aim aim = {.what = m};
    lua_pushboolean(L, take_met(&aim));
    return 1;
}

/* The deadline has passed: end the map; tasks that have not begun do not run. */
static int time_is_over(lua_State *L, struct map *m) {
    uint64_t all = m->is_list ? m->length : m->read, open = tine__map_unfinished(m, all);
    tine__map_end(m);
    return tine__error(L, TINE_ETIMEOUT,
                       "the map has not finished in the time allowed: %I of %I unfinished",
                       (LUAI_UACINT)open, (LUAI_UACINT)all);
}

/* Wait until a result can be taken or the map is over. 0 or TINE_ETIMEOUT. */
static int await_take(lua_State *L, struct map *m, uint64_t deadline) {
    struct aim aim = {.met = take_met, .what = m, .core = m->core, .ends = tine__all_ends};
    return tine__await(L, &aim, deadline);
}

/* Whether there is more is known of a list, also where it was not looked for any more. */
static bool all_given(const struct map *m) {
    return m->is_list && m->returned == m->length;
}

int tine__map_ready(lua_State *L) {
    struct map *m = check_map(L, 1);
    uint64_t deadline = (uint64_t)luaL_checkinteger(L, 2);
    if (m->closed)
        return lua_pushboolean(L, false), 1;
    if (m->ordered)
        enter_oldest(L, m);
    if (m->sent != m->returned) {
        do {
            if (await_take(L, m, deadline))
                return time_is_over(L, m);
            if (m->closed)
                return lua_pushboolean(L, false), 1;
            enter_any(L, m);
        } while (!can_take(m) && m->sent != m->returned);
    } else if (lua_toboolean(L, 3) && !all_given(m) && tine__now() >= deadline) {
        return time_is_over(L, m);
    }
    lua_pushboolean(L, can_take(m));
    return 1;
}

int tine__map_take(lua_State *L) {
    struct map *m = check_map(L, 1);
    lua_settop(L, 1);
    return can_take_heard(L, m) ? take(L, m) : 0;
}

int tine__map_doze(lua_State *L) {
    struct map *m = check_map(L, 1);
    uint64_t deadline = (uint64_t)luaL_checkinteger(L, 2), until = tine__check_deadline(L, 3);
    if (!m->closed && m->ordered)
        enter_oldest(L, m);
    int err = m->closed ? 0 : await_take(L, m, until < deadline ? until : deadline);
    lua_pushboolean(L, err == 0);
    return 1;
}

int tine__map_followed(lua_State *L) {
    struct map *m = check_map(L, 1);
    tine__reap(L);
    lua_pushinteger(L, (lua_Integer)m->ended);
    lua_pushinteger(L, (lua_Integer)m->failed);
    return 2;
}

/* read, sent, returned, settled, settled_at (seconds), ready = counts(map), after taking in
** results. `ready`: a result must be given before more is read. */
int tine__map_counts(lua_State *L) {
    struct map *m = check_map(L, 1);
    tine__reap(L);
    bool ready = m->patient && tine__map_look(L, m);
    lua_pushinteger(L, (lua_Integer)m->read);
    lua_pushinteger(L, (lua_Integer)m->sent);
    lua_pushinteger(L, (lua_Integer)m->returned);
    lua_pushinteger(L, (lua_Integer)m->settled);
    lua_pushnumber(L, (lua_Number)m->settled_at / 1e9);
    lua_pushboolean(L, ready);
    return 6;
}

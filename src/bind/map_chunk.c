/* Chunks of a map: in flight, their news, their end (map.h). */
#include <string.h>
#include "bind/callbacks.h"
#include "bind/events.h"
#include "bind/map.h"
#include "bind/reap.h"
#include "msg/label.h"

/* --- making and queueing --- */

struct draft tine__chunk_new(lua_State *L, struct map *m, uint32_t count, uint64_t index) {
    struct chunk *c = lua_newuserdatauv(L, sizeof *c + count * sizeof c->outcomes[0], 3);
    memset(c, 0, sizeof *c + count * sizeof c->outcomes[0]);
    c->anchor.kind = ANCHOR_CHUNK;
    c->core = m->core;
    c->name = m->name;
    c->name.index = index;
    c->count = count;
    list_init(&c->fresh);
    list_init(&c->node);
    push_kept(L, KEPT_CHUNK);
    lua_setmetatable(L, -2);
    lua_getiuservalue(L, 1, MAP_CORE);
    lua_setiuservalue(L, -2, 1);
    lua_getiuservalue(L, 1, MAP_VIEW);
    lua_setiuservalue(L, -2, 2);
    lua_getiuservalue(L, 1, MAP_ON_EVENT);
    lua_setiuservalue(L, -2, 3);
    return (struct draft){.name = c->name,
                          .serial = m->serial,
                          .count = count,
                          .mute = !m->hears,
                          .settings = m->settings,
                          .outcomes = c->outcomes,
                          .anchor = &c->anchor,
                          .idx = lua_gettop(L)};
}

bool tine__chunk_enqueue(lua_State *L, struct map *m) {
    struct chunk *c = lua_touserdata(L, -1);
    if (m->closed)
        return false;
    lua_getiuservalue(L, 1, MAP_QUEUE);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, m->tail + 1);
    lua_pop(L, 1);
    c->serial = m->unsent = ++m->tail;
    c->map = m;
    list_push(&m->chunks, &c->node);
    return true;
}

static void leave_map(struct map *m, struct chunk *c) {
    (void)m;
    c->map = NULL;
    if (c->events)
        tine__events_drop(c->events);
    list_remove(&c->fresh);
    list_remove(&c->node);
}

void tine__chunk_dequeue(lua_State *L, struct map *m) {
    if (!m->unsent)
        return;
    if (lua_getiuservalue(L, 1, MAP_QUEUE) == LUA_TTABLE) {
        lua_rawgeti(L, -1, m->unsent);
        struct chunk *c = lua_touserdata(L, -1);
        if (c)
            leave_map(m, c);
        lua_pushnil(L);
        lua_rawseti(L, -3, m->unsent);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    m->tail--;
    m->unsent = 0;
}

void tine__chunk_sent(lua_State *L, struct map *m, const struct draft *d) {
    struct chunk *c = lua_touserdata(L, d->idx);
    c->name.id = d->name.id;
    if (m->hears && c->anchor.item && m->core->p)
        c->events = tine__item_events(m->core->p, c->anchor.item);
    if (c->events)
        tine__events_read(c->events);
    m->sent += c->count;
    m->unsent = 0;
    if (m->closed && c->anchor.item && m->core->p) /* closed while it was being sent */
        tine__item_cancel(m->core->p, c->anchor.item);
}

static struct chunk *chunk_of(struct anchor *a) {
    return (struct chunk *)((char *)a - offsetof(struct chunk, anchor));
}

/* Tasks end in order, except that the last ones may be cancelled before. */
static void count_ended(struct map *m, struct chunk *c) {
    for (; c->told < c->count && outcome_settled(&c->outcomes[c->told]); c->told++) {
        m->ended++;
        m->failed += c->outcomes[c->told].state != OUTCOME_VALUES;
    }
}

void tine__chunk_news(struct item *item) {
    struct chunk *c = chunk_of(item->owner);
    struct map *m = c->map;
    if (!m)
        return;
    if (m->followed)
        count_ended(m, c);
    if (item->released) {
        m->settled += c->count;
        m->settled_at = tine__now();
    }
    /* The chunk may have no result to take: its last one was taken before this news was read, or
    ** the news is an event, or a failed attempt that may be followed by another one. */
    bool fresh = c->next < c->count && outcome_settled(&c->outcomes[c->next]);
    if (!m->ordered && c != m->chunk && fresh && list_empty(&c->fresh))
        list_push(&m->news, &c->fresh);
}

static void free_outcomes(struct chunk *c) {
    for (uint32_t k = 0; k < c->count; k++)
        if (outcome_owns(&c->outcomes[k]))
            tine__outcome_free(&c->outcomes[k]);
}

int tine__chunk_gc(lua_State *L) {
    struct chunk *c = lua_touserdata(L, 1);
    list_remove(&c->node);
    list_remove(&c->fresh);
    c->map = NULL;
    c->collected = true;
    tine__events_unref(c->events);
    c->events = NULL;
    if (!c->anchor.slot)
        free_outcomes(c);
    return 0;
}

struct core *tine__chunk_core(struct anchor *a) {
    return chunk_of(a)->core;
}

struct core *tine__chunk_when(lua_State *L, int idx, struct task_name *name) {
    const struct chunk *c = lua_touserdata(L, idx);
    *name = c->name;
    lua_getiuservalue(L, idx, 2);
    lua_getiuservalue(L, -1, VIEW_WHEN);
    lua_remove(L, -2);
    return c->core;
}

/* --- events --- */

void tine__chunk_heard(lua_State *L, int idx) {
    struct chunk *c = lua_touserdata(L, idx);
    if (c->hearing || !c->events)
        return;
    tine__due_push(L, idx);
    c->hearing = true;
}

void tine__chunk_hear_all(lua_State *L, struct chunk *c, int idx) {
    int top = lua_gettop(L);
    struct outcome o;
    uint32_t k;
    luaL_checkstack(L, 20, "callbacks too deep");
    lua_getiuservalue(L, idx, 3);
    uint64_t n = c->events ? tine__events_unread(c->events) : 0;
    /* events that come meanwhile make the chunk due again; a closed map gets no more */
    for (; n > 0 && c->map && c->events && tine__events_take(c->events, &o, &k); n--)
        tine__events_call(L, c->core, &o, &c->name, k, idx, top + 1);
    lua_settop(L, top);
}

void tine__chunk_hear(lua_State *L, int idx) {
    struct chunk *c = lua_touserdata(L, idx);
    c->hearing = false;
    tine__chunk_hear_all(L, c, idx);
}

void tine__chunk_released(lua_State *L, struct anchor *a) {
    struct chunk *c = chunk_of(a);
    if (c->events && tine__events_unread(c->events) > 0 && tine__anchored_push(L, a)) {
        tine__chunk_heard(L, lua_gettop(L));
        lua_pop(L, 1);
    }
    if (!a->slot)
        return; /* a finalizer that ran meanwhile has taken the item back */
    tine__landed(L, a, c->core);
    /* Nothing can come any more that the map must know of. */
    if (!c->events || tine__events_unread(c->events) == 0)
        list_remove(&c->node);
    if (c->collected)
        free_outcomes(c);
}

/* --- the end of a map --- */

static void each_chunk(struct map *m, void (*act)(struct map *m, struct chunk *c)) {
    for (struct list *n = m->chunks.next, *next; n != &m->chunks; n = next) {
        next = n->next;
        act(m, LIST_ITEM(n, struct chunk, node));
    }
}

static void cancel_chunk(struct map *m, struct chunk *c) {
    if (c->anchor.item && !c->anchor.item->released)
        tine__item_cancel(m->core->p, c->anchor.item);
}

void tine__map_drop_buffer(struct map *m) {
    if (m->call.pool && m->core->p)
        tine__call_buf_drop(&m->call);
    else
        tine__call_buf_abandon(&m->call);
    m->begun = false;
    m->count = 0;
}

void tine__map_end(struct map *m) {
    if (m->closed || !m->core)
        return;
    m->closed = true;
    m->chunk = NULL;
    if (tine__core_is_ours(m->core)) {
        if (m->core->p)
            each_chunk(m, cancel_chunk);
        if (m->filling == 0)
            tine__map_drop_buffer(m);
    }
    each_chunk(m, leave_map);
    while (list_pop(&m->news))
        ; /* chunks that have landed */
}

uint64_t tine__map_unfinished(const struct map *m, uint64_t all) {
    uint64_t n = all - m->sent;
    for (const struct list *node = m->chunks.next; node != &m->chunks; node = node->next) {
        const struct chunk *c = LIST_ITEM(node, struct chunk, node);
        for (uint32_t k = 0; k < c->count; k++)
            n += !outcome_settled(&c->outcomes[k]);
    }
    return n;
}

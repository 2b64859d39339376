/* pool:map, the half that is done for every item: reading, encoding, sending in chunks, and taking
** results. How many items make a chunk and how far to read ahead is decided above, in lua/tine/map.lua.
**
** A *map* is the iterator that the script holds. Items are encoded as soon as they are read (so each is
** sent as it was then) behind one another in the map's own buffer; `flush` makes a chunk of them: a
** userdata with the item and its outcomes, anchored while in flight and queued in the map until its
** results are taken. The map knows its chunks by a C list, and each chunk its map, which may be
** collected first.
*/
#include <assert.h>
#include <string.h>
#include "bind/bind.h"

enum {               /* user values of a map */
       MAP_CORE = 1, /* or a metatable of futures, which holds the core, and the origin */
       MAP_VIEW,     /* keeps the label */
       MAP_FUNCTION,
       MAP_ITEMS, /* list or iterator */
       MAP_QUEUE, /* serial -> chunk */
       MAP_CONTROL,
       MAP_CHUNK, /* the current one */
       MAP_LAST = MAP_CHUNK
};

struct map {
    struct core *core;
    struct task_name name;     /* of the chunks: label and origin */
    struct settings *settings; /* of the view in MAP_VIEW */
    struct call_buf call;
    uint32_t function; /* bytes of the function segment in the buffer */
    uint32_t count;    /* argument segments in it */
    bool begun;        /* label and function segment are in it */
    bool is_list, ordered, return_errors, closed;
    unsigned filling;   /* calls of map_fill, one inside the other: they own the buffer */
    lua_Integer unsent; /* the newest chunk's serial while it is being sent, or 0 */
    uint64_t message;   /* core->messages when it was begun */
    uint64_t first;     /* index of the first item in the buffer */
    uint64_t read, sent, returned; /* items */
    uint64_t length;               /* of a list */
    lua_Integer head, tail;        /* serials of the oldest and the newest chunk */
    struct list chunks;            /* not collected */
    struct list news;              /* unordered: chunks that have results to take */
    struct chunk *chunk;           /* current */
    uint32_t k;                    /* its next task */
    uint64_t settled;              /* items of chunks that are done */
    uint64_t settled_at;           /* when the last of them was taken in */
    char bytes[ROOM_SIZE];
};

struct chunk {
    struct anchor anchor;
    struct core *core;
    struct map *map;   /* NULL: collected, or closed */
    struct list node;  /* in map->chunks */
    struct list fresh; /* in map->news */
    bool collected;    /* its __gc has run: at lua_close that may be before it is done */
    lua_Integer serial;
    uint32_t next; /* unordered: the first task that was not taken */
    uint32_t count;
    struct task_name name;
    struct outcome outcomes[];
};

static struct map *check_map(lua_State *L, int arg) {
    struct map *m = luaL_checkudata(L, arg, "tine.map");
    tine__check_process(L, m->core);
    return m;
}

/* --- chunks --- */

/* Push a chunk of `count` items, the first with this index; the draft of its item. */
static struct draft new_chunk(lua_State *L, struct map *m, uint32_t count, uint64_t index) {
    struct chunk *c = lua_newuserdatauv(L, sizeof *c + count * sizeof c->outcomes[0], 2);
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
    return (struct draft){.name = c->name,
                          .count = count,
                          .settings = m->settings,
                          .outcomes = c->outcomes,
                          .anchor = &c->anchor,
                          .idx = lua_gettop(L)};
}

/* The chunk on top is about to be sent. What its results need is made first, so that nothing can fail once
** it is on its way. False: the map has been closed. */
static bool enqueue(lua_State *L, struct map *m) {
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

/* It was not sent. */
static void dequeue(lua_State *L, struct map *m) {
    if (!m->unsent)
        return;
    if (lua_getiuservalue(L, 1, MAP_QUEUE) == LUA_TTABLE) {
        lua_pushnil(L);
        lua_rawseti(L, -2, m->unsent);
    }
    lua_pop(L, 1);
    m->tail--;
    m->unsent = 0;
}

/* The chunk on top (popped) has been sent as it was drafted. */
static void sent(lua_State *L, struct map *m, const struct draft *d) {
    struct chunk *c = lua_touserdata(L, -1);
    c->name.id = d->name.id;
    m->sent += c->count;
    m->unsent = 0;
    if (m->closed && c->anchor.item && m->core->p) /* while it was being sent */
        tine__item_cancel(m->core->p, c->anchor.item);
    lua_pop(L, 1);
}

static struct chunk *chunk_of(struct anchor *a) {
    return (struct chunk *)((char *)a - offsetof(struct chunk, anchor));
}

void tine__chunk_news(struct item *item) {
    struct chunk *c = chunk_of(item->owner);
    struct map *m = c->map;
    if (!m)
        return;
    if (item->released) {
        m->settled += c->count;
        m->settled_at = tine__now();
    }
    if (!m->ordered && c != m->chunk && list_empty(&c->fresh))
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
    if (!c->anchor.slot)
        free_outcomes(c);
    return 0;
}

void tine__chunk_released(lua_State *L, struct anchor *a) {
    struct chunk *c = chunk_of(a);
    tine__landed(L, a, c->core);
    if (c->collected)
        free_outcomes(c);
}

/* --- reading and sending --- */

static void drop_buffer(struct map *m) {
    if (m->call.pool && m->core->p)
        tine__call_buf_drop(&m->call);
    else
        tine__call_buf_abandon(&m->call);
    m->begun = false;
    m->count = 0;
}

/* Send what is in the buffer. The map is at 1, as in all that follows. Whatever calls the script, or
** allocates, may find the map closed afterwards. */
static void flush(lua_State *L, struct map *m) {
    if (m->count == 0 || m->closed)
        return;
    struct draft d = new_chunk(L, m, m->count, m->first);
    if (!enqueue(L, m))
        return lua_pop(L, 1);
    m->begun = false;
    m->count = 0;
    tine__send(L, m->core, &d, &m->call, m->function);
    sent(L, m, &d);
}

/* An item that cannot be sent, for the reason on top of the stack (popped). */
static void send_failed(lua_State *L, struct map *m, uint64_t index, int code) {
    size_t len;
    int text = lua_gettop(L);
    const char *s = lua_tolstring(L, text, &len);
    flush(L, m);
    struct draft d = new_chunk(L, m, 1, index);
    if (enqueue(L, m)) {
        tine__send_failed(L, m->core, &d, code, s, len);
        sent(L, m, &d);
    }
    lua_settop(L, text - 1);
}

/* The origin of what was encoded just now lives as long as the map; and as its chunks. */
static void hold_origin(lua_State *L, const struct map *m) {
    tine__core_push_meta(L, m->core);
    if (lua_isnil(L, -1))
        lua_pop(L, 1);
    else
        lua_setiuservalue(L, 1, MAP_CORE);
}

/* Have the head of a call in the buffer, of the message that the codec encoded last. 0, or a code with
** the message pushed. */
static int begin(lua_State *L, struct map *m) {
    if (!m->core->p) /* the input may have ended it */
        tine__refuse_ended(L, m->core);
    if (m->begun && m->message == m->core->messages)
        return 0;
    flush(L, m); /* another call was encoded in between: its segments end here */
    drop_buffer(m);
    lua_getiuservalue(L, 1, MAP_FUNCTION);
    int err = tine__encode_head(L, m->core, &m->name, lua_gettop(L), &m->call.b, &m->function);
    hold_origin(L, m);
    if (err)
        return err;
    lua_pop(L, 1);
    m->begun = true;
    m->message = m->core->messages;
    return 0;
}

/* Encode the `n` values at stack index `at` behind the others. 0, or a code with the message pushed. */
static int encode(lua_State *L, struct map *m, int at, int n) {
    struct core *c = m->core;
    /* scalars have nothing to do with what the codec knows of the message */
    if (m->begun && c->p && tine__encode_scalars(L, at, n, &m->call.b))
        return 0;
    core_begin_encoding(c);
    int err = begin(L, m);
    if (!err)
        err = tine__encode_arguments(L, c->codec, at, n, &m->call.b);
    tine__core_end_encoding(c);
    return err;
}

/* Add the item whose `n` values start at stack index `at`. */
static void add(lua_State *L, struct map *m, int at, int n) {
    uint64_t index = ++m->read;
    int err = encode(L, m, at, n);
    if (m->closed) {
        /* by an encode function, or __index: nothing of it is wanted any more */
    } else if (err) {
        if (m->count == 0)
            drop_buffer(m);
        send_failed(L, m, index, err);
    } else if (m->count++ == 0) {
        m->first = index;
    }
    lua_settop(L, at - 1);
}

/* Push the values of the next item; how many, 0: there are no more. */
static int next_input(lua_State *L, struct map *m, int items) {
    if (m->is_list) {
        if (m->read >= m->length)
            return 0;
        lua_geti(L, items, (lua_Integer)m->read + 1);
        return 1;
    }
    int top = lua_gettop(L);
    lua_pushvalue(L, items);
    lua_call(L, 0, LUA_MULTRET);
    int n = lua_gettop(L) - top;
    return n > 0 && lua_isnil(L, top + 1) ? 0 : n;
}

/* (map, n, size) */
static int fill(lua_State *L) {
    struct map *m = lua_touserdata(L, 1);
    uint64_t n = (uint64_t)lua_tointeger(L, 2);
    uint32_t size = (uint32_t)lua_tointeger(L, 3);
    luaL_checkstack(L, 20, "map");
    lua_getiuservalue(L, 1, MAP_ITEMS);
    for (; n > 0 && !m->closed; n--) {
        int values = next_input(L, m, 4);
        if (values == 0 || m->closed)
            break;
        add(L, m, 5, values);
        if (m->count >= size)
            flush(L, m);
    }
    flush(L, m);
    lua_pushboolean(L, n > 0);
    return 1;
}

/* (map) */
static int flush_rest(lua_State *L) {
    flush(L, lua_touserdata(L, 1));
    return 0;
}

/* Call `f` with the arguments that are there, as their owner of the buffer: a map that is closed meanwhile
** leaves it to us. */
static int own_buffer(lua_State *L, struct map *m, lua_CFunction f) {
    int n = lua_gettop(L);
    lua_pushvalue(L, 1); /* stays */
    lua_insert(L, 1);
    for (int up = 1; up <= UP_LAST; up++)
        lua_pushvalue(L, UP(up));
    lua_pushcclosure(L, f, UP_LAST);
    lua_insert(L, 2);
    m->filling++;
    int status = lua_pcall(L, n, LUA_MULTRET, 0);
    m->filling--;
    dequeue(L, m);
    if (m->closed && m->filling == 0)
        drop_buffer(m);
    return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

/* fill(map, n, size): read up to `n` items more and send them in chunks of `size`. True when the input
** has ended. What the input raises leaves the buffer as it is. */
static int map_fill(lua_State *L) {
    struct map *m = check_map(L, 1);
    luaL_checkinteger(L, 2);
    luaL_checkinteger(L, 3);
    lua_settop(L, 3);
    return own_buffer(L, m, fill);
}

static int map_flush(lua_State *L) {
    struct map *m = check_map(L, 1);
    lua_settop(L, 1);
    return own_buffer(L, m, flush_rest);
}

/* read, sent, returned, settled, settled_at (seconds) = counts(map): takes in what has ended. */
static int map_counts(lua_State *L) {
    struct map *m = check_map(L, 1);
    tine__reap(L);
    lua_pushinteger(L, (lua_Integer)m->read);
    lua_pushinteger(L, (lua_Integer)m->sent);
    lua_pushinteger(L, (lua_Integer)m->returned);
    lua_pushinteger(L, (lua_Integer)m->settled);
    lua_pushnumber(L, (lua_Number)m->settled_at / 1e9);
    return 5;
}

/* --- taking results --- */

/* Nothing of the chunk is to be taken any more. */
static void leave_chunk(lua_State *L, struct map *m) {
    struct chunk *c = m->chunk;
    m->chunk = NULL;
    lua_getiuservalue(L, 1, MAP_QUEUE);
    lua_pushnil(L);
    lua_rawseti(L, -2, c->serial);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, MAP_CHUNK);
    lua_pop(L, 1);
}

/* The chunk on top (popped) is the current one. */
static void enter_chunk(lua_State *L, struct map *m) {
    m->chunk = lua_touserdata(L, -1);
    m->k = m->chunk->next;
    lua_setiuservalue(L, 1, MAP_CHUNK);
}

static bool can_take(const struct map *m) {
    return m->chunk && outcome_settled(&m->chunk->outcomes[m->k]);
}

/* What a task failed with, as the map says: raised, or returned. */
static int take_failure(lua_State *L, struct map *m, struct chunk *c, uint32_t k) {
    if (m->return_errors) { /* index, error, traceback */
        lua_pushnil(L);
        lua_insert(L, -3);
        return 4;
    }
    lua_insert(L, -2);
    tine__label_push(L, &c->name, k);
    lua_insert(L, -2); /* traceback, label, error */
    tine__error_note(L, lua_gettop(L) - 1, lua_gettop(L) - 2);
    return lua_error(L);
}

/* What task `k` of the chunk at 2 ended with; its index is at 3. */
static int push_taken(lua_State *L, struct map *m, struct chunk *c, uint32_t k) {
    struct outcome *o = &c->outcomes[k];
    int n = -1;
    if (o->state != OUTCOME_VALUES)
        tine__failure_push(L, m->core, o, &c->name, k);
    else if ((n = tine__values_push(L, m->core, o, &c->name, k)) < 0)
        lua_pushliteral(L, "");
    return n >= 0 ? n + 1 : take_failure(L, m, c, k);
}

static int take(lua_State *L, struct map *m) {
    struct chunk *c = m->chunk;
    uint32_t k = m->k++;
    bool last = m->k == c->count;
    m->returned++;
    lua_pushinteger(L, (lua_Integer)(c->name.index + k));
    int n = tine__scalars_push(L, &c->outcomes[k], false);
    if (n < 0) {
        lua_settop(L, 1);
        lua_getiuservalue(L, 1, MAP_CHUNK); /* keeps it while it is read */
        lua_pushinteger(L, (lua_Integer)(c->name.index + k));
    }
    if (last)
        leave_chunk(L, m);
    return n >= 0 ? n + 1 : push_taken(L, m, c, k);
}

/* The iterator itself: what is there at once is taken here, the rest is map.lua's. */
static int map_call(lua_State *L) {
    struct map *m = lua_touserdata(L, 1);
    if (m->closed)
        return 0;
    tine__check_process(L, m->core);
    if (can_take(m))
        return take(L, m);
    lua_settop(L, 1);
    push_kept(L, KEPT_ADVANCE);
    lua_pushvalue(L, 1);
    lua_call(L, 1, LUA_MULTRET);
    return lua_gettop(L) - 1;
}

static bool take_met(const struct aim *aim) {
    const struct map *m = aim->what;
    /* sent == returned: a callback has taken the last result */
    return m->closed || can_take(m) || !list_empty(&m->news) || m->sent == m->returned;
}

/* Unordered: make a chunk that has results the current one. */
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

/* --- closing --- */

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

static void leave_map(struct map *m, struct chunk *c) {
    (void)m;
    c->map = NULL;
    list_remove(&c->fresh);
    list_remove(&c->node);
}

/* Cancel what has not started; what has ended is forgotten. */
static void close_map(struct map *m) {
    if (m->closed || !m->core)
        return;
    m->closed = true;
    m->chunk = NULL;
    if (tine__core_is_ours(m->core)) {
        if (m->core->p)
            each_chunk(m, cancel_chunk);
        if (m->filling == 0)
            drop_buffer(m);
    }
    each_chunk(m, leave_map);
}

/* Items whose tasks have not ended, of those that there are or were read. */
static uint64_t unfinished(const struct map *m, uint64_t all) {
    uint64_t n = all - m->sent;
    for (const struct list *node = m->chunks.next; node != &m->chunks; node = node->next) {
        const struct chunk *c = LIST_ITEM(node, struct chunk, node);
        for (uint32_t k = 0; k < c->count; k++)
            n += !outcome_settled(&c->outcomes[k]);
    }
    return n;
}

/* Its time has passed: it ends, and what has not begun does not run. */
static int time_is_over(lua_State *L, struct map *m) {
    uint64_t all = m->is_list ? m->length : m->read, open = unfinished(m, all);
    close_map(m);
    return tine__error(L, TINE_ETIMEOUT,
                       "the map has not finished in the time allowed: %I of %I unfinished",
                       (LUAI_UACINT)open, (LUAI_UACINT)all);
}

/* --- waiting --- */

/* ready(map, deadline): wait until a result can be taken; true, or false: nothing is under way. */
static int map_ready(lua_State *L) {
    struct map *m = check_map(L, 1);
    uint64_t deadline = (uint64_t)luaL_checkinteger(L, 2);
    if (m->closed)
        return lua_pushboolean(L, false), 1;
    if (m->ordered)
        enter_oldest(L, m);
    if (m->sent != m->returned) {
        struct aim aim = {.met = take_met, .what = m, .core = m->core};
        if (tine__await(L, &aim, deadline))
            return time_is_over(L, m);
        if (m->closed)
            return lua_pushboolean(L, false), 1;
        if (m->ordered)
            enter_oldest(L, m);
        else
            enter_fresh(L, m);
    }
    lua_pushboolean(L, can_take(m));
    return 1;
}

/* --- the map itself --- */

static int map_close(lua_State *L) {
    close_map(luaL_checkudata(L, 1, "tine.map"));
    for (int value = MAP_VIEW; value <= MAP_CHUNK; value++) {
        lua_pushnil(L);
        lua_setiuservalue(L, 1, value);
    }
    return 0;
}

static int map_gc(lua_State *L) {
    close_map(lua_touserdata(L, 1));
    return 0;
}

/* map(pool or view, function, items, length or nil, control, ordered, return errors): a new map. Its
** arguments were checked in map.lua. */
static int map_new(lua_State *L) {
    struct view *v = tine__check_view(L, 1);
    lua_settop(L, 7);
    struct map *m = lua_newuserdatauv(L, sizeof *m, MAP_LAST);
    memset(m, 0, offsetof(struct map, bytes));
    list_init(&m->chunks);
    list_init(&m->news);
    m->is_list = !lua_isnil(L, 4);
    m->length = (uint64_t)lua_tointeger(L, 4);
    m->ordered = lua_toboolean(L, 6);
    m->return_errors = lua_toboolean(L, 7);
    m->settings = v->settings;
    m->name.label = v->label;
    m->name.label_len = (uint32_t)v->label_len;
    lua_getiuservalue(L, 1, VIEW_CORE);
    lua_setiuservalue(L, 8, MAP_CORE);
    static const int from[] = {
        [MAP_VIEW] = 1, [MAP_FUNCTION] = 2, [MAP_ITEMS] = 3, [MAP_CONTROL] = 5};
    for (int value = MAP_VIEW; value <= MAP_CONTROL; value++)
        if (from[value]) {
            lua_pushvalue(L, from[value]);
            lua_setiuservalue(L, 8, value);
        }
    lua_createtable(L, 0, 0);
    lua_setiuservalue(L, 8, MAP_QUEUE);
    m->core = v->core;
    tine__call_buf_init(&m->call, v->core->p, m->bytes, sizeof m->bytes);
    luaL_setmetatable(L, "tine.map");
    return 1;
}

static int map_control(lua_State *L) {
    luaL_checkudata(L, 1, "tine.map");
    lua_getiuservalue(L, 1, MAP_CONTROL);
    return 1;
}

/* workers(pool or view): at most so many. */
static int map_workers(lua_State *L) {
    lua_pushinteger(L, tine__check_view(L, 1)->core->workers);
    return 1;
}

/* task(value): an argument error unless it may be a task; which argument: 2. */
static int map_check_task(lua_State *L) {
    tine__check_task(L, 1);
    return 0;
}

/* deadline(seconds or nil): as `ready` wants it. */
static int map_deadline(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)tine__check_deadline(L, 1));
    return 1;
}

/* on_advance(function): what the iterator does when nothing is there at once. */
static int map_on_advance(lua_State *L) {
    lua_settop(L, 1);
    lua_setiuservalue(L, UP(UP_STATE), KEPT_ADVANCE);
    return 0;
}

static int map_is_interrupt(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, tine__is_interrupt(L, 1));
    return 1;
}

const luaL_Reg tine__map_functions[] = {
    {"new", map_new},
    {"fill", map_fill},
    {"flush", map_flush},
    {"counts", map_counts},
    {"ready", map_ready},
    {"control", map_control},
    {"workers", map_workers},
    {"check_task", map_check_task},
    {"deadline", map_deadline},
    {"on_advance", map_on_advance},
    {"is_interrupt", map_is_interrupt},
    {NULL, NULL},
};

const luaL_Reg tine__map_methods[] = {
    {"close", map_close},
    {NULL, NULL},
};

const luaL_Reg tine__map_meta[] = {
    {"__call", map_call},
    {"__close", map_close},
    {"__gc", map_gc},
    {NULL, NULL},
};

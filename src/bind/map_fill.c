/* Reading the input of a map, encoding it, and sending it in chunks (map.h). The map is at stack
** index 1. Whatever allocates or calls the script may have closed it. */
#include "bind/map.h"
#include "bind/needs.h"
#include "msg/settings.h"

/* --- sending --- */

/* The chunk on top (popped) could not be sent: its items are still in the buffer. */
static bool put_back(lua_State *L, struct map *m, uint32_t count) {
    m->begun = true;
    m->count = count;
    tine__chunk_dequeue(L, m);
    lua_pop(L, 1);
    return false;
}

/* Send the buffer as a chunk. False: there is no room, and `wait` is false. `needs` (NULL: none)
** are those of its only item; the table of their futures is at `futures`. */
static bool flush_with(lua_State *L, struct map *m, bool wait, struct needs **needs, int futures) {
    if (m->count == 0 || m->closed)
        return true;
    struct draft d = tine__chunk_new(L, m, m->count, m->first);
    d.needs = needs;
    d.futures = futures;
    if (!tine__chunk_enqueue(L, m))
        return lua_pop(L, 1), true;
    m->begun = false;
    m->count = 0;
    if (wait)
        tine__send(L, m->core, &d, &m->call, m->function);
    else if (!tine__try_send(L, m->core, &d, &m->call, m->function))
        return put_back(L, m, d.count);
    tine__chunk_sent(L, m, &d);
    if (needs)
        tine__needs_await(L, &d);
    lua_pop(L, 1);
    return true;
}

static void flush(lua_State *L, struct map *m) {
    flush_with(L, m, true, NULL, 0);
}

/* Send an item that could not be encoded, for the reason on top of the stack (popped). */
static void send_failed(lua_State *L, struct map *m, uint64_t index, int code) {
    size_t len;
    int text = lua_gettop(L);
    const char *s = lua_tolstring(L, text, &len);
    flush(L, m);
    struct draft d = tine__chunk_new(L, m, 1, index);
    if (tine__chunk_enqueue(L, m)) {
        tine__send_failed(L, m->core, &d, code, s, len);
        tine__chunk_sent(L, m, &d);
    }
    lua_settop(L, text - 1);
}

/* Let the map, and so its chunks, hold the origin of the function that was just encoded. */
static void hold_origin(lua_State *L, const struct map *m) {
    tine__core_push_meta(L, m->core);
    if (lua_isnil(L, -1))
        lua_pop(L, 1);
    else
        lua_setiuservalue(L, 1, MAP_CORE);
}

/* Make sure that the buffer begins with the label and function segment of the codec's latest
** message. 0, or a code with the message pushed. */
static int begin(lua_State *L, struct map *m) {
    if (!m->core->p) /* the input may have ended the pool */
        tine__refuse_ended(L, m->core);
    if (m->begun && tine__codec_has(m->core->codec, m->message))
        return 0;
    flush(L, m); /* the codec has encoded another call since: the chunk ends here */
    tine__map_drop_buffer(m);
    lua_getiuservalue(L, 1, MAP_FUNCTION);
    struct head h = {&m->name, m->settings, m->serial, 0};
    int err = tine__encode_head(L, m->core, &h, lua_gettop(L), &m->call.b, &m->function);
    hold_origin(L, m);
    if (err)
        return err;
    lua_pop(L, 1);
    m->begun = true;
    m->message = h.function;
    return 0;
}

/* Append the `n` values at stack index `at` as an argument segment. 0, or a code with the message
** pushed. */
static int encode(lua_State *L, struct map *m, int at, int n) {
    struct core *c = m->core;
    int err, times = 0;
    core_begin_encoding(c);
    do {
        if (times > 0) /* a finalizer has submitted something in between */
            lua_pop(L, 1);
        err = begin(L, m);
        uint64_t since = core_begin_look(c);
        if (!err)
            err = tine__encode_arguments(L, c->codec, m->message, at, n, &m->call.b);
        core_end_look(c, since);
    } while (err == CODEC_AGAIN && ++times < CODEC_AGAIN_MOST);
    tine__core_end_encoding(c);
    return err == CODEC_AGAIN ? TINE_ESERIALIZE : err;
}

static void count_item(struct map *m, uint64_t index) {
    if (m->count++ == 0)
        m->first = index;
}

/* Append values that are all scalars, which do not depend on the codec's message and are no
** futures. */
static inline bool put_scalars(lua_State *L, struct map *m, int at, int n, uint64_t index) {
    if (!m->begun || !m->core->p || !tine__encode_scalars(L, at, n, &m->call.b))
        return false;
    count_item(m, index);
    return true;
}

/* Append an item's values to the buffer, or send its failure. */
static void put(lua_State *L, struct map *m, int at, int n, uint64_t index) {
    int err = encode(L, m, at, n);
    if (m->closed) {
        /* closed by an encode function, or __index: the item is dropped */
    } else if (err) {
        if (m->count == 0)
            tine__map_drop_buffer(m);
        send_failed(L, m, index, err);
    } else {
        count_item(m, index);
    }
}

static bool has_future(lua_State *L, int at, int n) {
    for (int i = at; i < at + n; i++)
        if (lua_type(L, i) == LUA_TUSERDATA && tine__to_future(L, i))
            return true;
    return false;
}

/* An item with futures gets a chunk of its own, which waits for them. */
static void put_waiting(lua_State *L, struct map *m, int at, int n, uint64_t index) {
    luaL_checkstack(L, 20, "map");
    flush(L, m);
    lua_pushnil(L);
    struct needs *needs = tine__needs_collect(L, m->core, at, n, at + n);
    put(L, m, at, n, index);
    if (needs)
        flush_with(L, m, true, lua_touserdata(L, at + n + 1), at + n);
}

/* Add the item whose `n` values start at stack index `at`. */
static void add(lua_State *L, struct map *m, int at, int n) {
    uint64_t index = ++m->read;
    if (put_scalars(L, m, at, n, index))
        ; /* most items */
    else if (has_future(L, at, n))
        put_waiting(L, m, at, n, index);
    else
        put(L, m, at, n, index);
    lua_settop(L, at - 1);
}

/* Push the values of the next item and return their number; 0: the input has ended. */
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
    luaL_checkstack(L, 20, "too many values");
    int n = lua_gettop(L) - top;
    return n > 0 && lua_isnil(L, top + 1) ? 0 : n;
}

/* --- reading --- */

/* ns: while results are there, fast reading may still go on for this long */
#define QUICK 100000u
#define LOOK_EVERY 16u /* items, when reading is fast */

/* Before reading an item, which may take any time: must results be given first? Not when reading
** has only just begun, since chunks would stay small. */
static bool must_give(lua_State *L, struct map *m, uint64_t began) {
    return m->patient && m->count % LOOK_EVERY == 0 && tine__map_look(L, m) &&
           tine__now() - began >= QUICK;
}

/* Was the last item read slowly? Then the next one may be slow, too: send the buffer now. */
static bool was_slow(struct map *m) {
    uint64_t tick = m->patient ? tine__now_coarse() : 0;
    bool slow = tick != m->tick;
    m->tick = tick;
    return slow;
}

/* (map, n, size) */
static int fill(lua_State *L) {
    struct map *m = map_at(L, 1);
    uint64_t n = (uint64_t)lua_tointeger(L, 2), began = tine__now();
    bool single = settings_retry(m->settings); /* each item is tried again by itself */
    uint32_t size = single ? 1 : (uint32_t)lua_tointeger(L, 3);
    bool ended = false, full = !flush_with(L, m, !m->yields, NULL, 0);
    lua_settop(L, 3);
    luaL_checkstack(L, 20, "map");
    lua_getiuservalue(L, 1, MAP_ITEMS);
    was_slow(m);
    for (; n > 0 && !full && !m->closed && !must_give(L, m, began); n--) {
        int values = next_input(L, m, 4);
        ended = values == 0;
        if (ended || m->closed)
            break;
        add(L, m, 5, values);
        if (m->count >= size || was_slow(m))
            full = !flush_with(L, m, !m->yields, NULL, 0);
    }
    lua_pushboolean(L, ended || m->closed);
    lua_pushboolean(L, full || !flush_with(L, m, !m->yields, NULL, 0));
    return 2;
}

/* (map) */
static int flush_rest(lua_State *L) {
    struct map *m = map_at(L, 1);
    lua_pushboolean(L, !flush_with(L, m, !m->yields, NULL, 0));
    return 1;
}

/* Call `f` with the present arguments as an owner of the buffer: the buffer of a map that is closed
** meanwhile is dropped here. */
static int own_buffer(lua_State *L, struct map *m, lua_CFunction f) {
    int n = lua_gettop(L);
    lua_pushvalue(L, 1); /* keeps the map alive */
    lua_insert(L, 1);
    push_upvalues(L);
    lua_pushcclosure(L, f, UP_LAST);
    lua_insert(L, 2);
    m->filling++;
    int status = lua_pcall(L, n, LUA_MULTRET, 0);
    m->filling--;
    tine__chunk_dequeue(L, m);
    if (m->closed && m->filling == 0)
        tine__map_drop_buffer(m);
    return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

int tine__map_fill(lua_State *L) {
    struct map *m = check_map(L, 1);
    luaL_checkinteger(L, 2);
    luaL_checkinteger(L, 3);
    m->yields = lua_toboolean(L, 4);
    lua_settop(L, 3);
    return own_buffer(L, m, fill);
}

int tine__map_flush(lua_State *L) {
    struct map *m = check_map(L, 1);
    m->yields = lua_toboolean(L, 2);
    lua_settop(L, 1);
    return own_buffer(L, m, flush_rest);
}

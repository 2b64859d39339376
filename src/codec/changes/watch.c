/* Watches: recording what was looked at for changes, and comparing (watch.h).
**
** Scans (changes.c) take long. So what they have looked at is recorded: fields, each with its
** value, and whole tables, each as a hash of the keys and addresses in it. A scan is repeated only
** if something differs; else there is one raw comparison for each field.
**
** A recorded value is kept alive by the watch's list (table, key and value of each item), so that
** no other object gets its address. Functions in a hashed table are kept alive by its record
** (scan.h) or by the company's list.
*/
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/hot.h"
#include "base/sys.h"
#include "codec/changes/watch.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/state.h"

void tine__watch_free(struct watch *w) {
    free(w->items);
    *w = (struct watch){0};
}

static struct watched *add(struct watch *w) {
    if (w->n == w->cap) {
        uint32_t cap = w->cap ? w->cap * 2 : 4;
        struct watched *items = sys.realloc(w->items, cap * sizeof *items);
        if (!items)
            return NULL;
        w->items = items;
        w->cap = cap;
    }
    w->items[w->n] = (struct watched){0};
    return &w->items[w->n++];
}

/* ---- hashes of tables ---- */

struct count {
    lua_State *L;
    uint64_t hash;
    uint32_t fields;
    bool values;       /* hash scalars, too */
    bool keys;         /* hash the keys of values that have no address */
    bool functions;    /* hash functions only */
    const void *outer; /* the table that is hashed */
};

static inline void mix(struct count *c, uint64_t x) {
    c->hash = (c->hash ^ x) * UINT64_C(0x9E3779B97F4A7C15);
    c->hash ^= c->hash >> 29;
}

/* An integer key has no address: the order of the keys tells which is which. */
static inline uint64_t word_of(lua_State *L, int idx) {
    return (uint64_t)(uintptr_t)lua_topointer(L, idx);
}

static void count_table(struct count *c, int t, int depth);

/* Hash the table on top, which is a field's value: its metatable, as it may be callable, and its
** content. */
static void count_inner(struct count *c, int depth) {
    lua_State *L = c->L;
    if (lua_topointer(L, -1) == c->outer)
        return;
    if (lua_getmetatable(L, -1)) {
        mix(c, word_of(L, -1));
        lua_pop(L, 1);
    }
    if (depth > 0)
        count_table(c, lua_gettop(L), depth - 1);
}

/* What stands for the value on top, a scalar. For a string that is its text: nobody keeps the string
** alive, so another one may get its address. */
static uint64_t word_of_scalar(lua_State *L, int type) {
    lua_Number x;
    size_t len;
    const char *text;
    switch (type) {
    case LUA_TSTRING:
        text = lua_tolstring(L, -1, &len);
        return tine__hash(text, len);
    case LUA_TNUMBER:
        if (lua_isinteger(L, -1))
            return (uint64_t)lua_tointeger(L, -1);
        x = lua_tonumber(L, -1);
        return tine__hash(&x, sizeof x);
    case LUA_TBOOLEAN:
        return (uint64_t)lua_toboolean(L, -1);
    default:
        return word_of(L, -1);
    }
}

/* Hash the field whose key and value are on top. */
static inline void count_field(struct count *c, int depth) {
    lua_State *L = c->L;
    int type = lua_type(L, -1);
    if (c->functions && type != LUA_TFUNCTION) {
        if (type == LUA_TTABLE && depth > 0 && lua_topointer(c->L, -1) != c->outer)
            count_table(c, lua_gettop(c->L), depth - 1);
        return;
    }
    if (type == LUA_TFUNCTION || type == LUA_TTABLE || type == LUA_TUSERDATA)
        mix(c, word_of(L, -2) + 3 * word_of(L, -1));
    else if (c->values)
        mix(c, word_of(L, -2) + (uint64_t)type + 3 * word_of_scalar(L, type));
    else if (c->keys)
        mix(c, word_of(L, -2));
    if (type == LUA_TTABLE && !c->values)
        count_inner(c, depth);
}

static void count_table(struct count *c, int t, int depth) {
    lua_State *L = c->L;
    uint32_t most = c->functions ? KEPT_FIELDS : MODULE_FIELDS;
    for (lua_pushnil(L); c->fields++ < most && lua_next(L, t); lua_pop(L, 1))
        count_field(c, depth);
    lua_settop(L, t);
}

/* The hash of the table on top. *large is set if the table has more than is hashed. */
static uint64_t count_whole(lua_State *L, enum watch_how how, bool *large) {
    struct count c = {.L = L,
                      .values = how == WATCH_VALUES,
                      .keys = how == WATCH_KEYS,
                      .functions = how == WATCH_FUNCTIONS,
                      .outer = lua_topointer(L, -1)};
    if (!lua_istable(L, -1))
        return 0;
    if (lua_getmetatable(L, -1)) {
        mix(&c, word_of(L, -1));
        lua_pop(L, 1);
    }
    count_table(&c, lua_gettop(L), 1);
    *large |= c.fields > MODULE_FIELDS;
    return c.hash;
}

/* ---- recording ---- */

static bool is_globals(lua_State *L, int t) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    bool is = lua_rawequal(L, -1, t);
    lua_pop(L, 1);
    return is;
}

/* Add an item for the table or function at `t`. NULL: no memory. */
static struct watched *begin(lua_State *L, struct watch *w, int list, int t) {
    lua_Integer at = 3 * (lua_Integer)w->n + 1;
    struct watched *item = add(w);
    if (!item)
        return NULL;
    if (w->table) {
        lua_rawgeti(L, list, w->table);
        item->again = lua_rawequal(L, -1, t);
        lua_pop(L, 1);
    }
    if (!item->again) {
        w->table = at;
        lua_pushvalue(L, t);
        lua_rawseti(L, list, at);
    }
    return item;
}

bool tine__watch_field(lua_State *L, struct watch *w, int list, int t, int key) {
    struct watched *item = begin(L, w, list, t);
    if (!item)
        return false;
    lua_Integer at = 3 * (lua_Integer)(w->n - 1);
    item->global = is_globals(L, t);
    lua_pushvalue(L, key);
    lua_rawseti(L, list, at + 2);
    lua_pushvalue(L, key);
    int type = lua_rawget(L, t);
    if (type == LUA_TFUNCTION || type == LUA_TTABLE)
        item->expected = lua_topointer(L, -1);
    lua_rawseti(L, list, at + 3);
    return true;
}

bool tine__watch_table(lua_State *L, struct watch *w, int list, int t, enum watch_how how) {
    struct watched *item = begin(L, w, list, t);
    if (!item)
        return false;
    item->how = how;
    lua_pushvalue(L, t);
    item->count = count_whole(L, how, &w->large);
    lua_pop(L, 1);
    if (w->large)
        w->tick = tine__tick();
    return true;
}

/* What stands for the value at `idx`: the address of a function or table; else one of three
** addresses: for nil, false, any other value. */
static const void *object_in(lua_State *L, int idx) {
    static const char none, no, other;
    switch (lua_type(L, idx)) {
    case LUA_TFUNCTION:
    case LUA_TTABLE:
        return lua_topointer(L, idx);
    case LUA_TNIL:
        return &none;
    case LUA_TBOOLEAN:
        return lua_toboolean(L, idx) ? &other : &no;
    default:
        return &other;
    }
}

bool tine__watch_upvalue(lua_State *L, struct watch *w, int list, int fn, int i) {
    struct watched *item = begin(L, w, list, fn);
    if (!item || !lua_getupvalue(L, fn, i))
        return false;
    item->how = WATCH_UPVALUE;
    item->count = (uint64_t)i;
    item->expected = object_in(L, -1);
    lua_rawseti(L, list, 3 * (lua_Integer)w->n);
    return true;
}

bool tine__watch_file(struct watch *w, const struct file *f) {
    struct watched *item = add(w);
    if (!item)
        return false;
    item->how = WATCH_FILE;
    item->expected = f;
    return true;
}

/* ---- comparing ---- */

/* The item's function is at `fn`. */
static bool upvalue_holds(lua_State *L, const struct watched *item, int fn) {
    return lua_getupvalue(L, fn, (int)item->count) && object_in(L, -1) == item->expected;
}

/* Are the values at `a` and `b` the same? 5 and 5.0 are not, nor are 0.0 and -0.0; NaN is the same
** as NaN. */
static bool is_same(lua_State *L, int a, int b) {
    lua_Number x = lua_tonumber(L, a), y = lua_tonumber(L, b);
    if (lua_type(L, a) != LUA_TNUMBER || lua_isinteger(L, a))
        return lua_rawequal(L, a, b) && lua_isinteger(L, a) == lua_isinteger(L, b);
    return lua_type(L, b) == LUA_TNUMBER && !lua_isinteger(L, b) && memcmp(&x, &y, sizeof x) == 0;
}

/* The item's table is at `t`, its key at `at` + 2 in the list. */
static inline bool field_holds(lua_State *L, const struct watched *item, int list, lua_Integer at,
                               int t) {
    lua_rawgeti(L, list, at + 2);
    lua_rawget(L, t);
    if (likely(item->expected))
        return lua_topointer(L, -1) == item->expected;
    lua_rawgeti(L, list, at + 3);
    return is_same(L, -1, -2);
}

static bool table_holds(lua_State *L, const struct watch *w, const struct watched *item) {
    bool large = false;
    if (w->large)
        return w->tick == tine__tick();
    return count_whole(L, item->how, &large) == item->count;
}

/* Is the item's file as it was? *now is the time (tine__tick), 0: it has not been asked yet. */
static inline bool file_holds(const struct watched *item, uint64_t *now) {
    const struct file *f = item->expected;
    if (unlikely(!*now))
        *now = tine__tick();
    return likely(f->tick == *now) ? f->found : tine__file_is_current(f);
}

bool tine__watch_files_hold(const struct watch *w) {
    bool same = true;
    uint64_t now = 0;
    for (uint32_t i = 0; same && i < w->n; i++)
        same = w->items[i].how != WATCH_FILE || file_holds(&w->items[i], &now);
    return same;
}

bool tine__watch_holds(lua_State *L, const struct watch *w, int list, int env) {
    const struct watched *item = w->items, *end = item + w->n;
    int t = env;
    bool same = true;
    uint64_t now = 0;
    for (lua_Integer at = 0; same && item < end; item++, at += 3) {
        if (item->how == WATCH_FILE) { /* t remains the table of the item before */
            same = file_holds(item, &now);
            continue;
        }
        if (at > 0)
            lua_settop(L, list + (t > list && item->again));
        if (!item->again && item->global && env) {
            t = env;
        } else if (!item->again) {
            lua_rawgeti(L, list, at + 1);
            t = list + 1;
        }
        same = item->how == WATCH_FIELD     ? field_holds(L, item, list, at, t)
               : item->how == WATCH_UPVALUE ? upvalue_holds(L, item, t)
                                            : table_holds(L, w, item);
    }
    return same;
}

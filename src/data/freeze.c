/* Freezing: from a table to an image. All access is raw, and no Lua code runs.
**
** A table is written after everything that it contains, so that all places are known, except in
** cycles. This recurses for MAX_DEPTH levels; deeper tables are put into a queue and written
** later.
*/
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "data/build.h"
#include "data/internal.h"
#include "tine.h"

#define MAX_DEPTH 150
#define STACK_ROOM 12
#define MOST_FIELDS ((uint64_t)1 << 30) /* the buckets of a shape have fewer than 2^32 */

struct freezer {
    lua_State *L;
    struct build b;
    int queue; /* stack index of the queue, a table: number -> table */
    uint64_t *numbers;
    lua_Integer queued, done;
};

/* One step on the path to a value: a key, at a stack index, or an item. */
struct step {
    const struct step *up;
    int key; /* 0: item `n` */
    lua_Integer n;
};

/* --- errors --- */

static int fail_memory(struct freezer *f) {
    luaL_checkstack(f->L, 1, NULL);
    lua_pushstring(f->L, tine_error_text(TINE_ENOMEM));
    return TINE_ENOMEM;
}

static void name_key(lua_State *L, const struct step *s) {
    size_t len;
    if (!s->key) {
        lua_pushfstring(L, "%I", (LUAI_UACINT)s->n);
    } else if (lua_type(L, s->key) == LUA_TSTRING) {
        const char *text = lua_tolstring(L, s->key, &len);
        lua_pushfstring(L, len > 40 ? "\"%s...\"" : "\"%s\"",
                        lua_pushlstring(L, text, len > 40 ? 37 : len));
        lua_remove(L, -2);
    } else {
        lua_pushvalue(L, s->key);
        luaL_tolstring(L, -1, NULL);
        lua_remove(L, -2);
    }
}

/* Push the path as text: key "a"[3]["b"] */
static void push_path(lua_State *L, const struct step *s) {
    luaL_checkstack(L, 8, "frozen too deeply");
    if (!s) {
        lua_pushliteral(L, "");
        return;
    }
    push_path(L, s->up);
    name_key(L, s);
    if (s->up)
        lua_pushfstring(L, "%s[%s]", lua_tostring(L, -2), lua_tostring(L, -1));
    else
        lua_pushfstring(L, "key %s", lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static int refuse(struct freezer *f, const struct step *step, bool key, const char *type) {
    lua_State *L = f->L;
    push_path(L, step);
    const char *path = lua_tostring(L, -1);
    lua_pushfstring(L, "%s%scannot freeze a %s%s", path, path[0] ? ": " : "", type,
                    key ? " as a key" : "");
    return TINE_ESERIALIZE;
}

/* --- values --- */

static int push_table(struct freezer *f, int t, int depth, const struct step *step);

static int pushed(struct freezer *f, int err) {
    return err ? fail_memory(f) : 0;
}

static int push_string(struct freezer *f, int idx, const struct step *step) {
    size_t len;
    const char *s = lua_tolstring(f->L, idx, &len);
    if (len > UINT32_MAX)
        return refuse(f, step, false, "string of 4 GiB or more");
    return pushed(f, tine__build_push_string(&f->b, s, len));
}

static int push_number(struct freezer *f, int idx) {
    uint64_t value;
    int err = lua_isinteger(f->L, idx)
                  ? tine__build_integer(&f->b, lua_tointeger(f->L, idx), &value)
                  : tine__build_number(&f->b, lua_tonumber(f->L, idx), &value);
    return pushed(f, err ? err : build_push(&f->b, value));
}

static int push_boolean(struct freezer *f, int idx) {
    uint64_t which = lua_toboolean(f->L, idx) ? SPECIAL_TRUE : SPECIAL_FALSE;
    return pushed(f, build_push(&f->b, image_value(TAG_SPECIAL, which)));
}

static int refuse_value(struct freezer *f, int idx, bool key, const struct step *step) {
    const char *type = luaL_typename(f->L, idx);
    if (tine__data_of(f->L, idx, NULL))
        type = tine__view_is(f->L, idx) ? "view of another frozen table (thaw it first)" : "buffer";
    return refuse(f, step, key, type);
}

static int push_value(struct freezer *f, int idx, int depth, const struct step *step) {
    switch (lua_type(f->L, idx)) {
    case LUA_TSTRING:
        return push_string(f, idx, step);
    case LUA_TNUMBER:
        return push_number(f, idx);
    case LUA_TTABLE:
        return push_table(f, lua_absindex(f->L, idx), depth, step);
    case LUA_TBOOLEAN:
        return push_boolean(f, idx);
    case LUA_TNIL:
        return pushed(f, build_push(&f->b, IMAGE_NIL));
    default:
        return refuse_value(f, idx, false, step);
    }
}

static int push_key(struct freezer *f, int idx, int type, const struct step *step) {
    switch (type) {
    case LUA_TSTRING:
        return push_string(f, idx, step);
    case LUA_TNUMBER:
        return push_number(f, idx);
    case LUA_TBOOLEAN:
        return push_boolean(f, idx);
    default:
        return refuse_value(f, idx, true, step->up);
    }
}

/* --- tables --- */

/* The table that is being written. */
struct layout {
    int t, depth;
    const struct step *up;
    uint64_t base;
    lua_Integer items, length;
    uint64_t fields;
    bool out_of_turn; /* an integer key that may be an item came after other keys */
    bool again;
};

static int push_holes(struct freezer *f, lua_Integer n) {
    int err = 0;
    for (; n > 0 && !err; n--)
        err = build_push(&f->b, IMAGE_NIL);
    return pushed(f, err);
}

/* Push items, beginning at key nil, while they come in order with few holes. 1: the pair on the
** stack is no such item. */
static int freeze_items(struct freezer *f, struct layout *o) {
    lua_State *L = f->L;
    struct step step = {.up = o->up};
    lua_Integer holes = 0;
    int err = 0;
    while (lua_next(L, o->t)) {
        lua_Integer k = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0, gap = k - o->items - 1;
        if (k <= o->items || k > INT_MAX || (gap && holes + gap > (o->items - holes) / 2 + 8))
            return 1;
        step.n = k;
        if ((gap && (err = push_holes(f, gap))) || (err = push_value(f, -1, o->depth, &step)))
            return err;
        holes += gap;
        o->items = k;
        lua_pop(L, 1);
    }
    return 0;
}

/* An item that came late, for which a hole was left. In a second pass (`again`) it was pushed
** already. */
static int fill_hole(struct freezer *f, const struct layout *o, const struct step *step,
                     lua_Integer k) {
    if (o->again)
        return 0;
    int err = push_value(f, step->key + 1, o->depth, step);
    if (!err && !(err = pushed(f, tine__build_settle(&f->b))))
        f->b.stack[o->base + (uint64_t)k - 1] = f->b.stack[--f->b.nstack];
    return err;
}

static int freeze_field(struct freezer *f, struct layout *o, const struct step *step) {
    lua_State *L = f->L;
    int type = lua_type(L, step->key);
    if (type == LUA_TNUMBER && lua_isinteger(L, step->key)) {
        lua_Integer k = lua_tointeger(L, step->key);
        if (k >= 1 && k <= o->items)
            return fill_hole(f, o, step, k);
        o->out_of_turn = true;
    }
    o->fields++;
    int err = push_key(f, step->key, type, step);
    return err ? err : push_value(f, step->key + 1, o->depth, step);
}

/* Push the pair behind the one on top. Its objects are in no cache: they are prefetched while the
** pair on top is handled. */
static bool look_ahead(lua_State *L, int t) {
    lua_pushvalue(L, -2);
    if (!lua_next(L, t))
        return false;
    __builtin_prefetch(lua_topointer(L, -2));
    __builtin_prefetch(lua_topointer(L, -1));
    return true;
}

/* Push all pairs that are no items, beginning with the one on the stack. */
static int freeze_fields(struct freezer *f, struct layout *o) {
    lua_State *L = f->L;
    struct step step = {.up = o->up, .key = lua_gettop(L) - 1};
    for (;;) {
        bool more = look_ahead(L, o->t);
        int err = freeze_field(f, o, &step);
        if (err)
            return err;
        if (!more)
            break;
        lua_copy(L, -2, step.key);
        lua_copy(L, -1, step.key + 1);
        lua_settop(L, step.key + 1);
    }
    lua_settop(L, step.key - 1);
    return 0;
}

/* A sequence with items in the hash part, which come in no order: push it again, item by item. */
static int freeze_again(struct freezer *f, struct layout *o) {
    lua_State *L = f->L;
    struct step step = {.up = o->up};
    int err = pushed(f, tine__build_cut(&f->b, o->base));
    for (step.n = 1; step.n <= o->length && !err; step.n++) {
        lua_rawgeti(L, o->t, step.n);
        err = push_value(f, -1, o->depth, &step);
        if (!err)
            lua_pop(L, 1);
    }
    if (err)
        return err;
    o->again = true;
    o->items = o->length;
    o->fields = 0;
    lua_pushnil(L);
    return lua_next(L, o->t) ? freeze_fields(f, o) : 0;
}

/* Are most of the items up to the length among the fields? Otherwise the length was found among a
** few of them, and a sequence would consist of holes. */
static bool is_sequence(const struct layout *o) {
    return o->out_of_turn && o->length > o->items &&
           (uint64_t)(o->length - o->items) <= 2 * o->fields + 8;
}

/* Write the table with the number in `value`. */
static int write_table(struct freezer *f, uint64_t value, int t, int depth,
                       const struct step *step) {
    lua_State *L = f->L;
    struct layout o = {.t = t, .depth = depth + 1, .up = step, .base = f->b.nstack};
    o.length = (lua_Integer)lua_rawlen(L, t);
    lua_pushnil(L);
    int err = freeze_items(f, &o);
    if (err == 1)
        err = freeze_fields(f, &o);
    if (!err && is_sequence(&o))
        err = freeze_again(f, &o);
    if (err)
        return err;
    if (o.length > UINT32_MAX || o.fields > MOST_FIELDS)
        return refuse(f, step, false, "table with so many fields");
    return pushed(f, tine__build_table(&f->b, value, o.base, (uint32_t)o.items, (uint32_t)o.length,
                                       (uint32_t)o.fields));
}

/* Put a table that is nested too deeply into the queue. */
static void put_off(struct freezer *f, uint64_t value, int t) {
    lua_State *L = f->L;
    lua_pushvalue(L, t);
    lua_rawseti(L, f->queue, ++f->queued);
    lua_pushinteger(L, (lua_Integer)image_payload(value));
    lua_rawseti(L, f->queue, -f->queued);
}

static int push_table(struct freezer *f, int t, int depth, const struct step *step) {
    lua_State *L = f->L;
    uint64_t value;
    bool fresh;
    int err = 0;
    if (tine__build_meet(&f->b, lua_topointer(L, t), &value, &fresh))
        return fail_memory(f);
    if (fresh) {
        luaL_checkstack(L, STACK_ROOM, "frozen too deeply");
        if (depth >= MAX_DEPTH)
            put_off(f, value, t);
        else if (!(err = write_table(f, value, t, depth, step))) /* now it has a place */
            value = image_value(TAG_TABLE, f->b.table[image_payload(value)].place);
    }
    return err ? err : pushed(f, build_push(&f->b, value));
}

static int freeze_queue(struct freezer *f) {
    lua_State *L = f->L;
    int err = 0;
    while (!err && f->done < f->queued) {
        int top = lua_gettop(L);
        lua_rawgeti(L, f->queue, -++f->done);
        uint64_t number = (uint64_t)lua_tointeger(L, -1);
        lua_rawgeti(L, f->queue, f->done);
        err = write_table(f, image_value(TAG_PENDING, number), top + 2, 0, NULL);
        if (err)
            return err;
        lua_pushnil(L);
        lua_rawseti(L, f->queue, f->done);
        lua_settop(L, top);
    }
    return err;
}

/* --- the whole --- */

static int freezer_gc(lua_State *L) {
    struct freezer *f = lua_touserdata(L, 1);
    tine__build_free(&f->b);
    return 0;
}

/* Push a freezer, which the collector frees after an error. */
static struct freezer *push_freezer(lua_State *L) {
    static const luaL_Reg functions[] = {{"__gc", freezer_gc}, {NULL, NULL}};
    tine__data_class(L, "tine.freezer", functions);
    struct freezer *f = lua_newuserdatauv(L, sizeof *f, 0);
    memset(f, 0, sizeof *f);
    tine__build_init(&f->b);
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
    f->L = L;
    return f;
}

static int publish(struct freezer *f, struct region **out) {
    struct region *r;
    int err = tine__region_new(&r, REGION_IMAGE, f->b.out.len);
    if (err)
        return err;
    err = tine__region_seal(r, f->b.out.data);
    if (err)
        tine__region_unref(r);
    *out = r;
    return err;
}

int tine__freeze(lua_State *L, int idx) {
    struct region *r;
    uint64_t root;
    bool fresh;
    luaL_checkstack(L, 20, "freeze");
    idx = lua_absindex(L, idx);
    struct freezer *f = push_freezer(L);
    lua_newtable(L);
    f->queue = lua_gettop(L);
    if (tine__build_begin(&f->b) || tine__build_meet(&f->b, lua_topointer(L, idx), &root, &fresh))
        return fail_memory(f);
    int err = write_table(f, root, idx, 0, NULL);
    if (!err)
        err = freeze_queue(f);
    if (err)
        return err;
    tine__build_end(&f->b, root);
    err = publish(f, &r);
    tine__build_free(&f->b);
    if (err)
        return lua_pushnil(L), err;
    tine__view_push(L, r, 0);
    return 0;
}

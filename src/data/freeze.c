/* Freezing: from a table to an image. Access is raw throughout, and no Lua code runs.
**
** A table is written when all that it holds is (so places are known, but in circles), by recursion down to MAX_DEPTH
** levels; what lies deeper is put into a queue, from where it goes on.
*/
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "data/build.h"
#include "data/internal.h"
#include "tine.h"

#define MAX_DEPTH 150
#define STACK_ROOM 8

struct freezer {
    lua_State *L;
    struct build b;
    int queue; /* stack index of a table: number -> table, of those that are too deep */
    uint64_t *numbers;
    lua_Integer queued, done;
};

/* On the way to a value: the key at a stack index, or an item. */
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

static void push_key(lua_State *L, const struct step *s) {
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

/* Push the way: key "a"[3]["b"] */
static void push_path(lua_State *L, const struct step *s) {
    luaL_checkstack(L, 8, "frozen too deeply");
    if (!s) {
        lua_pushliteral(L, "");
        return;
    }
    push_path(L, s->up);
    push_key(L, s);
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

static int freeze_table(struct freezer *f, int t, int depth, const struct step *step,
                        uint64_t *value);

static int freeze_string(struct freezer *f, int idx, const struct step *step, uint64_t *value) {
    size_t len;
    const char *s = lua_tolstring(f->L, idx, &len);
    if (len > UINT32_MAX)
        return refuse(f, step, false, "string of 4 GiB or more");
    return tine__build_string(&f->b, s, len, value) ? fail_memory(f) : 0;
}

static int freeze_number(struct freezer *f, int idx, uint64_t *value) {
    int err = lua_isinteger(f->L, idx) ? tine__build_integer(&f->b, lua_tointeger(f->L, idx), value)
                                       : tine__build_number(&f->b, lua_tonumber(f->L, idx), value);
    return err ? fail_memory(f) : 0;
}

static int freeze_other(struct freezer *f, int idx, bool key, const struct step *step) {
    const char *type = luaL_typename(f->L, idx);
    if (tine__data_of(f->L, idx, NULL))
        type = tine__view_is(f->L, idx) ? "view of another frozen table (thaw it first)" : "buffer";
    return refuse(f, step, key, type);
}

static int freeze_value(struct freezer *f, int idx, int depth, const struct step *step,
                        uint64_t *value) {
    lua_State *L = f->L;
    switch (lua_type(L, idx)) {
    case LUA_TNUMBER:
        return freeze_number(f, idx, value);
    case LUA_TSTRING:
        return freeze_string(f, idx, step, value);
    case LUA_TBOOLEAN:
        *value = image_value(TAG_SPECIAL, lua_toboolean(L, idx) ? SPECIAL_TRUE : SPECIAL_FALSE);
        return 0;
    case LUA_TTABLE:
        return freeze_table(f, lua_absindex(L, idx), depth, step, value);
    case LUA_TNIL:
        *value = IMAGE_NIL;
        return 0;
    default:
        return freeze_other(f, idx, false, step);
    }
}

static int push_frozen(struct freezer *f, int idx, int depth, const struct step *step) {
    uint64_t value = 0;
    int err = freeze_value(f, idx, depth, step, &value);
    if (!err && build_push(&f->b, value))
        err = fail_memory(f);
    return err;
}

static int push_frozen_key(struct freezer *f, int idx, const struct step *step) {
    int type = lua_type(f->L, idx);
    if (type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN)
        return push_frozen(f, idx, 0, step);
    return type == LUA_TTABLE ? refuse(f, step->up, true, "table")
                              : freeze_other(f, idx, true, step->up);
}

/* --- tables --- */

/* What is being written. */
struct layout {
    int t, depth;
    const struct step *up;
    uint64_t base;
    lua_Integer items, length;
    uint64_t fields;
    bool out_of_turn; /* some integer key came late that may be an item */
};

static int push_holes(struct freezer *f, lua_Integer n) {
    int err = 0;
    for (; n > 0 && !err; n--)
        err = build_push(&f->b, IMAGE_NIL);
    return err ? fail_memory(f) : 0;
}

/* Items from the key nil on, as long as they come in order, with few holes. 1: the pair on the stack is none. */
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
        if ((gap && (err = push_holes(f, gap))) || (err = push_frozen(f, -1, o->depth, &step)))
            return err;
        holes += gap;
        o->items = k;
        lua_pop(L, 1);
    }
    return 0;
}

static bool is_item(lua_State *L, const struct layout *o) {
    if (!lua_isinteger(L, -2))
        return false;
    lua_Integer k = lua_tointeger(L, -2);
    return k >= 1 && k <= o->items;
}

/* All pairs that are no items, from the one on the stack on. */
static int freeze_fields(struct freezer *f, struct layout *o) {
    lua_State *L = f->L;
    struct step step = {.up = o->up, .key = lua_gettop(L) - 1};
    int err;
    do {
        if (!is_item(L, o)) {
            if ((err = push_frozen_key(f, -2, &step)) ||
                (err = push_frozen(f, -1, o->depth, &step)))
                return err;
            o->fields++;
            o->out_of_turn |= lua_isinteger(L, -2);
        }
        lua_pop(L, 1);
    } while (lua_next(L, o->t));
    return 0;
}

/* A sequence whose items lie in the hash part: they come in no order. */
static int freeze_again(struct freezer *f, struct layout *o) {
    lua_State *L = f->L;
    struct step step = {.up = o->up};
    int err;
    f->b.nstack = o->base;
    o->fields = 0;
    for (lua_Integer i = 1; i <= o->length; i++) {
        lua_rawgeti(L, o->t, i);
        step.n = i;
        if ((err = push_frozen(f, -1, o->depth, &step)))
            return err;
        lua_pop(L, 1);
    }
    o->items = o->length;
    lua_pushnil(L);
    return lua_next(L, o->t) ? freeze_fields(f, o) : 0;
}

/* The table whose number `value` has. */
static int write_table(struct freezer *f, uint64_t value, int t, int depth,
                       const struct step *step) {
    lua_State *L = f->L;
    struct layout o = {.t = t, .depth = depth + 1, .up = step, .base = f->b.nstack};
    o.length = (lua_Integer)lua_rawlen(L, t);
    lua_pushnil(L);
    int err = freeze_items(f, &o);
    if (err == 1)
        err = freeze_fields(f, &o);
    if (!err && o.out_of_turn && o.length > o.items)
        err = freeze_again(f, &o);
    if (err)
        return err;
    if (o.length > UINT32_MAX || o.fields >= (uint64_t)1 << 31)
        return refuse(f, step, false, "table with so many fields");
    return tine__build_table(&f->b, value, o.base, (uint32_t)o.items, (uint32_t)o.length,
                             (uint32_t)o.fields)
               ? fail_memory(f)
               : 0;
}

/* Later: it lies too deep. */
static int put_off(struct freezer *f, uint64_t value, int t) {
    lua_State *L = f->L;
    lua_pushvalue(L, t);
    lua_rawseti(L, f->queue, ++f->queued);
    lua_pushinteger(L, (lua_Integer)image_payload(value));
    lua_rawseti(L, f->queue, -f->queued);
    return 0;
}

static int freeze_table(struct freezer *f, int t, int depth, const struct step *step,
                        uint64_t *value) {
    lua_State *L = f->L;
    bool fresh;
    if (tine__build_meet(&f->b, lua_topointer(L, t), value, &fresh))
        return fail_memory(f);
    if (!fresh)
        return 0;
    luaL_checkstack(L, STACK_ROOM, "frozen too deeply");
    if (depth >= MAX_DEPTH)
        return put_off(f, *value, t);
    uint64_t pending = *value;
    int err = write_table(f, pending, t, depth, step);
    if (!err) /* where it is, is known by now */
        *value = image_value(TAG_TABLE, f->b.tables[image_payload(pending)].place);
    return err;
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

/* Push one, which is freed however this ends. */
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

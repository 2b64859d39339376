/* Views: tables in an image as Lua values. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/hot.h"
#include "data/image.h"
#include "data/internal.h"

/* User value 1: a table that all views of the image share. At 0 it has the image's object, from 1
** on the views that were used last, each in the slot of its place, so that repeated access, like
** t[key].field, makes no new view. */
struct view {
    const struct object *image;
    uint64_t place;
};

#define SLOTS 128

static inline lua_Integer slot_of(uint64_t place) {
    return (lua_Integer)(image_mix(place) % SLOTS) + 1;
}

#define CLASS_VIEW "tine.frozen"

static int damaged(lua_State *L) {
    return luaL_error(L, "the image of this frozen table is damaged, or gone");
}

static inline struct image image_of(const struct object *o) {
    return (struct image){o->base, o->size};
}

/* Raises in a forked child, where the image reads as zeros. */
static inline void check_process(lua_State *L, const struct object *o) {
    if (unlikely(o->region && !tine__region_is_ours(o->region)))
        atomic_load (&tine__data_forked)(L);
}

static struct view *check(lua_State *L) {
    struct view *v = data_check(L, CLASS_VIEW);
    check_process(L, v->image);
    return v;
}

static inline void read_table(lua_State *L, const struct image *m, uint64_t place,
                              struct image_table *t) {
    if (unlikely(!tine__image_table(m, place, t)))
        damaged(L);
}

/* --- values --- */

/* Push a new view. The image's table is at `table`, the metatable at `meta`. */
static void push_view(lua_State *L, const struct object *image, uint64_t place, int table,
                      int meta) {
    struct view *v = lua_newuserdatauv(L, sizeof *v, 1);
    *v = (struct view){image, place};
    lua_pushvalue(L, table);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, meta);
    lua_setmetatable(L, -2);
}

/* The same, or the view that is in its slot. The image's table is on top. */
static void push_kept_view(lua_State *L, const struct object *image, uint64_t place, int meta) {
    lua_Integer slot = slot_of(place);
    int table = lua_gettop(L);
    lua_rawgeti(L, table, slot);
    const struct view *kept = lua_touserdata(L, -1);
    if (kept && kept->place == place)
        return;
    push_view(L, image, place, table, meta);
    lua_pushvalue(L, -1);
    lua_rawseti(L, table, slot);
}

static void push_string(lua_State *L, const struct image *m, uint64_t place) {
    size_t len;
    const char *s = tine__image_string(m, place, &len);
    if (!s)
        damaged(L);
    lua_pushlstring(L, s, len);
}

static void push_special(lua_State *L, uint64_t which) {
    if (which == SPECIAL_NIL)
        lua_pushnil(L);
    else
        lua_pushboolean(L, which == SPECIAL_TRUE);
}

static void push_double(lua_State *L, uint64_t bits) {
    double d;
    memcpy(&d, &bits, sizeof d);
    lua_pushnumber(L, d);
}

static void push_cell(lua_State *L, const struct image *m, uint64_t v) {
    const char *p = image_at(m, image_payload(v), 8, 8);
    if (!p)
        damaged(L);
    if (image_tag(v) == TAG_BIG)
        lua_pushinteger(L, (lua_Integer)image_read64(p));
    else
        push_double(L, image_read64(p));
}

/* Push a value that is no table. */
static void push_plain(lua_State *L, const struct image *m, uint64_t v) {
    if (!image_is_boxed(v)) {
        push_double(L, v);
        return;
    }
    switch (image_tag(v)) {
    case TAG_STRING:
        push_string(L, m, image_payload(v));
        break;
    case TAG_INTEGER:
        lua_pushinteger(L, image_integer(v));
        break;
    case TAG_SPECIAL:
        push_special(L, image_payload(v));
        break;
    case TAG_BIG:
    case TAG_FLOAT:
        push_cell(L, m, v);
        break;
    default:
        damaged(L);
    }
}

static inline bool is_table(uint64_t v) {
    return image_is_boxed(v) && image_tag(v) == TAG_TABLE;
}

/* --- reading --- */

static uint64_t by_number(lua_State *L, const struct image *m, const struct image_table *t) {
    lua_Integer i;
    if (lua_isinteger(L, 2))
        return tine__image_by_integer(m, t, lua_tointeger(L, 2));
    double d = lua_tonumber(L, 2);
    uint64_t bits;
    if (lua_numbertointeger(floor(d), &i) && (double)i == d)
        return tine__image_by_integer(m, t, i);
    memcpy(&bits, &d, sizeof bits);
    return isnan(d) ? IMAGE_NIL : tine__image_by_value(m, t, bits);
}

static uint64_t by_key(lua_State *L, const struct image *m, const struct image_table *t) {
    size_t len;
    const char *s;
    switch (lua_type(L, 2)) {
    case LUA_TSTRING:
        s = lua_tolstring(L, 2, &len);
        return tine__image_by_string(m, t, s, len);
    case LUA_TNUMBER:
        return by_number(L, m, t);
    case LUA_TBOOLEAN:
        return tine__image_by_value(
            m, t, image_value(TAG_SPECIAL, lua_toboolean(L, 2) ? SPECIAL_TRUE : SPECIAL_FALSE));
    default:
        return IMAGE_NIL;
    }
}

/* view[key] */
static int index_view(lua_State *L) {
    const struct view *v = check(L);
    const struct image m = image_of(v->image);
    struct image_table t;
    read_table(L, &m, v->place, &t);
    uint64_t value = by_key(L, &m, &t);
    if (!is_table(value)) {
        push_plain(L, &m, value);
        return 1;
    }
    lua_getiuservalue(L, 1, 1);
    push_kept_view(L, v->image, image_payload(value), lua_upvalueindex(1));
    return 1;
}

static int length(lua_State *L) {
    const struct view *v = check(L);
    const struct image m = image_of(v->image);
    struct image_table t;
    read_table(L, &m, v->place, &t);
    lua_pushinteger(L, t.length);
    return 1;
}

/* The operand of a comparison, or NULL: it is no view. Lua asks the second operand's metatable for
** this where the first one's, that of any other userdata, says nothing. */
static const struct view *operand(lua_State *L, int idx) {
    const struct view *v = lua_touserdata(L, idx);
    if (!v || !lua_getmetatable(L, idx) || !lua_rawequal(L, -1, lua_upvalueindex(1)))
        return NULL;
    check_process(L, v->image);
    return v;
}

static int equal(lua_State *L) {
    const struct view *v = operand(L, 1), *w = operand(L, 2);
    lua_pushboolean(L, v && w && v->image == w->image && v->place == w->place);
    return 1;
}

/* --- pairs --- */

/* User data of the iterator. Its upvalues: the metatable, the image's table, this. */
struct scan {
    const struct object *image;
    const char *base;
    struct image_table t;
    uint64_t at;
};

static void push_value(lua_State *L, const struct image *m, const struct object *o, uint64_t v) {
    if (is_table(v))
        push_view(L, o, image_payload(v), lua_upvalueindex(2), lua_upvalueindex(1));
    else
        push_plain(L, m, v);
}

static int next_pair(lua_State *L) {
    struct scan *s = lua_touserdata(L, lua_upvalueindex(3));
    const struct image m = image_of(s->image);
    const struct image_table *t = &s->t;
    check_process(L, s->image);
    if (m.base != s->base)
        damaged(L);
    while (s->at < t->items) {
        uint64_t v = image_item(t, s->at++);
        if (v == IMAGE_NIL)
            continue;
        lua_pushinteger(L, (lua_Integer)s->at);
        push_value(L, &m, s->image, v);
        return 2;
    }
    uint64_t field = s->at - t->items;
    if (field >= t->fields)
        return lua_pushnil(L), 1;
    s->at++;
    push_plain(L, &m, image_read64(t->keys + 8 * field));
    push_value(L, &m, s->image, image_item(t, t->items + field));
    return 2;
}

static int pairs(lua_State *L) {
    const struct view *v = check(L);
    const struct image m = image_of(v->image);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_getiuservalue(L, 1, 1);
    struct scan *s = lua_newuserdatauv(L, sizeof *s, 0);
    *s = (struct scan){.image = v->image, .base = m.base};
    read_table(L, &m, v->place, &s->t);
    lua_pushcclosure(L, next_pair, 3);
    lua_pushvalue(L, 1);
    return 2;
}

/* --- the class --- */

static int refuse_writing(lua_State *L) {
    if (lua_type(L, 2) == LUA_TSTRING)
        return luaL_error(L,
                          "attempt to write field '%s' of a frozen table (tine.thaw gives a copy)",
                          lua_tostring(L, 2));
    return luaL_error(L, "attempt to write a field of a frozen table (tine.thaw gives a copy)");
}

static void push_class(lua_State *L) {
    static const luaL_Reg functions[] = {{"__index", index_view}, {"__newindex", refuse_writing},
                                         {"__len", length},       {"__eq", equal},
                                         {"__pairs", pairs},      {NULL, NULL}};
    tine__data_class(L, CLASS_VIEW, functions);
}

static void push_image_class(lua_State *L) {
    static const luaL_Reg functions[] = {{"__gc", tine__object_gc}, {NULL, NULL}};
    tine__data_class(L, CLASS_IMAGE, functions);
}

/* Push the image's table, making it if needed. Its object is on top. */
static void push_image_table(lua_State *L) {
    if (lua_getiuservalue(L, -1, 1) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, SLOTS, 1);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, 0);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, -3, 1);
}

void tine__view_push(lua_State *L, struct region *r, uint64_t place) {
    int top = lua_gettop(L);
    const struct object *o = tine__object_push(L, r, push_image_class);
    const struct image m = image_of(o);
    struct image_head head;
    struct image_table t;
    if (!tine__image_check(&m))
        damaged(L);
    memcpy(&head, m.base, sizeof head);
    place = place ? place : head.root;
    read_table(L, &m, place, &t); /* checks it, and maps its pages, which will be read next */
    push_class(L);
    lua_insert(L, -2);
    push_image_table(L);
    push_kept_view(L, o, place, top + 1);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

bool tine__view_is(lua_State *L, int idx) {
    return luaL_testudata(L, idx, CLASS_VIEW) != NULL;
}

struct region *tine__view_region(lua_State *L, int idx, uint64_t *place) {
    const struct view *v = lua_touserdata(L, idx);
    *place = v->place;
    return v->image->region;
}

/* --- thawing --- */

/* Stack indices. */
enum { VIEW = 1, SEEN, QUEUE };

struct thaw {
    lua_State *L;
    struct image m;
    lua_Integer queued, done;
};

/* Push the table for a place: an existing one, or a new one that is filled later. */
static void push_thawed(struct thaw *w, uint64_t place) {
    lua_State *L = w->L;
    struct image_table t;
    if (lua_rawgeti(L, SEEN, (lua_Integer)place) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    read_table(L, &w->m, place, &t);
    lua_createtable(L, (int)(t.items & INT32_MAX), (int)t.fields);
    lua_pushvalue(L, -1);
    lua_rawseti(L, SEEN, (lua_Integer)place);
    lua_pushinteger(L, (lua_Integer)place);
    lua_rawseti(L, QUEUE, ++w->queued);
}

static void push_any(struct thaw *w, uint64_t v) {
    if (is_table(v))
        push_thawed(w, image_payload(v));
    else
        push_plain(w->L, &w->m, v);
}

/* Fill the table on top. */
static void fill(struct thaw *w, uint64_t place) {
    lua_State *L = w->L;
    struct image_table t;
    read_table(L, &w->m, place, &t);
    for (uint32_t i = 0; i < t.items; i++) {
        push_any(w, image_item(&t, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    for (uint32_t i = 0; i < t.fields; i++) {
        push_plain(L, &w->m, image_read64(t.keys + 8 * (size_t)i));
        if (lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TNUMBER && !lua_rawequal(L, -1, -1)))
            damaged(L);
        push_any(w, image_item(&t, (uint64_t)t.items + i));
        lua_rawset(L, -3);
    }
}

int tine__thaw(lua_State *L) {
    if (!tine__view_is(L, VIEW))
        return luaL_typeerror(L, VIEW, "frozen table");
    const struct view *v = lua_touserdata(L, VIEW);
    check_process(L, v->image);
    struct thaw w = {.L = L, .m = image_of(v->image)};
    lua_settop(L, VIEW);
    lua_newtable(L);
    lua_newtable(L);
    push_thawed(&w, v->place);
    while (w.done < w.queued) {
        lua_rawgeti(L, QUEUE, ++w.done);
        uint64_t place = (uint64_t)lua_tointeger(L, -1);
        lua_rawgeti(L, SEEN, (lua_Integer)place);
        fill(&w, place);
        lua_settop(L, QUEUE + 1);
    }
    return 1;
}

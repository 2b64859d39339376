/* Names to bytes, and what goes along with them: what the program has changed. */
#include <lua.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "codec/base.h"
#include "codec/changes/changes.h"
#include "codec/changes/company.h"
#include "codec/changes/uses.h"
#include "codec/encode/encoder.h"
#include "codec/encode/name.h"
#include "codec/encode/seen.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/lua/own.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/pack.h"
#include "codec/scalars.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ---- changes ---- */

/* Is this the first time in the message that `key` is asked for? Negative: error. */
static int is_new(struct encoder *e, const void *key) {
    bool found;
    return tine__seen_put(&e->seen, key, &found) ? !found : tine__encode_nomem(e);
}

/* A step of a path, on top, which is popped. */
static int put_step(struct encoder *e, const struct step *up) {
    lua_State *L = e->L;
    int err = 0;
    if (lua_type(L, -1) == LUA_TBOOLEAN || lua_type(L, -1) == LUA_TSTRING || lua_isinteger(L, -1))
        err = tine__encode_scalar(L, -1, e->out) ? 0 : tine__encode_nomem(e);
    else
        err = tine__encode_value(e, lua_gettop(L), up);
    if (!err)
        lua_pop(L, 1);
    return err;
}

/* The path is no object of the program: it is written here, and counted as the decoder will. */
static int put_path(struct encoder *e, int path, const struct step *up) {
    lua_State *L = e->L;
    int err = 0;
    if (!lua_istable(L, path)) {
        lua_pushvalue(L, path);
        return put_step(e, up);
    }
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    pack_array(e->out, 2);
    e->ordinals++;
    for (int i = 1; !err && i <= 2; i++) {
        lua_rawgeti(L, path, i);
        err = put_step(e, up);
    }
    return err;
}

/* In place of a path that cannot travel, which began at that point, and of the value. */
static int put_nowhere(struct encoder *e, const struct encode_point *start) {
    tine__encode_rewind(e, start);
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    pack_false(e->out);
    return tine__encode_held(e, HELD_ADDED);
}

/* `stays`: why the value may stay here, if it cannot travel; HELD_NONE: it may not. */
static int put_change(struct encoder *e, int path, const struct step *up, enum wire_held stays) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    struct step step = {.up = up, .kind = STEP_CHANGE, .at = path};
    struct encode_point start = tine__encode_mark(e);
    int err = put_path(e, path, &step);
    if (err == TINE_ESERIALIZE) { /* nobody there could ask for what is under that key */
        err = put_nowhere(e, &start);
        lua_settop(L, err ? lua_gettop(L) : top);
        return err;
    }
    if (err)
        return err;
    const void *outer = e->added;
    if (lua_istable(L, path + 1))
        e->added = lua_topointer(L, path + 1);
    struct encode_point point = tine__encode_mark(e);
    err = tine__encode_value(e, path + 1, &step);
    e->added = outer;
    if (err == TINE_ESERIALIZE && stays != HELD_NONE) {
        tine__encode_rewind(e, &point);
        err = tine__encode_held(e, stays);
    }
    if (!err)
        lua_settop(L, top);
    return err;
}

int tine__changes_put(struct encoder *e, int list, int count, const struct step *step) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    for (int i = 0; i < count; i++) {
        for (int k = 1; k <= 3; k++)
            lua_rawgeti(L, list, 3 * i + k);
        int err = tine__encode_value(e, top + 1, step);
        if (err || (err = put_change(e, top + 2, step, HELD_REPLACED)))
            return err;
        lua_settop(L, top);
    }
    return 0;
}

static int put_wire(struct encoder *e, const struct name *n) {
    if (buf_append(e->out, e->c->names.bytes.data + n->wire, n->wire_len))
        return tine__encode_nomem(e);
    return NAME_DONE;
}

static int put_head(struct encoder *e, unsigned count, enum wire_op op) {
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    pack_array(e->out, count);
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_OP, (unsigned char)op}, 3);
    return 0;
}

/* ---- with what the program has changed ---- */

/* A name, and what goes along with it. */
struct company {
    struct encoder *e;
    uint32_t id; /* of the name */
    const struct step *step;
    int list;    /* stack index: see company.c */
    size_t head; /* where it begins */
    uint32_t count;
    bool inner;        /* it comes in the company of another */
    lua_Integer group; /* the number of the name whose items are put just now: */
    int wanted;        /* are they? */
};

/* It is not alone: its operation begins, how many there are is known at the end. */
static int begin_company(struct company *p) {
    struct encoder *e = p->e;
    if (p->count)
        return 0;
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    p->head = e->out->len;
    e->out->data[p->head] = (char)0xdd;
    e->out->len += 5;
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_OP, OP_CHANGED}, 3);
    int err = put_wire(e, &e->c->names.list[p->id]);
    return err < 0 ? err : 0;
}

static int put_target(struct encoder *e, const struct name *n) {
    if (n->builtin != BUILTIN_LUA)
        return put_wire(e, n);
    const char *root = tine__name_root(e, n);
    size_t len = strlen(root);
    if (buf_reserve(e->out, len + PACK_MAX))
        return tine__encode_nomem(e);
    pack_str(e->out, len);
    pack_bytes(e->out, root, len);
    return 0;
}

/* May the value at `path` + 1 stay, if it cannot travel? What the module may have put there itself: the other side's own
** does. And what it keeps for the program among its own things: most tasks do without. */
static enum wire_held may_stay(struct encoder *e, const struct name *n, int path) {
    lua_State *L = e->L;
    if (n->filled || (n->file && lua_istable(L, path + 1)))
        return HELD_ADDED;
    if (!n->file || !lua_isfunction(L, path + 1))
        return n->builtin ? HELD_REPLACED : HELD_NONE;
    return change_is_field(L, path) && tine__origin(e, n->file, path + 1) == ORIGIN_ONCE
               ? HELD_REPLACED
               : HELD_NONE;
}

/* Data under the path at `path`, with the value behind it and the table before it, may be other data by now. */
static void renew_data(lua_State *L, int path) {
    int type = lua_type(L, path + 1);
    if ((type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) ||
        !change_is_field(L, path) || !lua_istable(L, path - 1))
        return;
    lua_pushvalue(L, path - 1);
    if (lua_istable(L, path)) {
        lua_rawgeti(L, path, 1);
        if (lua_isboolean(L, -1) || lua_rawget(L, -2) != LUA_TTABLE)
            return lua_settop(L, path + 1);
        lua_rawgeti(L, path, 2);
    } else {
        lua_pushvalue(L, path);
    }
    lua_rawget(L, -2);
    lua_replace(L, path + 1);
    lua_settop(L, path + 1);
}

/* Put one item, whose four parts are on top. */
static int put_item(struct company *p, int item) {
    struct encoder *e = p->e;
    lua_State *L = e->L;
    int path = item + 2, err;
    enum wire_held stays = HELD_REPLACED;
    if (lua_isinteger(L, item)) {
        const struct name *n = &e->c->names.list[lua_tointeger(L, item) - 1];
        renew_data(L, path);
        stays = may_stay(e, n, path);
        err = put_target(e, n);
    } else {
        err = tine__encode_value(e, item, p->step);
    }
    if (err < 0 || (err = put_change(e, path, p->step, stays)))
        return err;
    p->count++;
    return 0;
}

/* Is what has that number in a module that was looked at for the name in whose company it goes? Then all that was changed
** there is in that company. */
static bool is_known(struct encoder *e, lua_Integer number) {
    lua_State *L = e->L;
    if (!e->reach || !number)
        return false;
    lua_pushstring(L, tine__name_root(e, &e->c->names.list[number - 1]));
    bool known = lua_rawget(L, e->reach) != LUA_TNIL;
    lua_pop(L, 1);
    return known;
}

/* Is the item on top to be put? All of one name are, and all of libraries, once in a message. A metatable, which may come
** behind what others have, is by itself. */
static int is_wanted(struct company *p, int item) {
    struct encoder *e = p->e;
    lua_Integer group = lua_tointeger(e->L, item); /* 0: a library's */
    const struct file *f = e->c->names.list[p->id].file;
    if (group && lua_isboolean(e->L, item + 2))
        return p->inner && is_known(e, group)
                   ? 0
                   : is_new(e, (const char *)e->c->names.list[group - 1].key + 4);
    if (group == p->group)
        return p->wanted;
    p->group = group;
    if (p->inner && is_known(e, group))
        p->wanted = 0;
    else if (group)
        p->wanted = is_new(e, (const char *)e->c->names.list[group - 1].key + 2);
    else
        p->wanted = f ? is_new(e, (const char *)f + 3) : 1;
    return p->wanted;
}

static int put_items(struct company *p, int count) {
    lua_State *L = p->e->L;
    int item = p->list + 1, err = 0;
    for (lua_Integer at = 0; at < COMPANY_ITEM * (lua_Integer)count; at += COMPANY_ITEM) {
        for (int i = 1; i <= COMPANY_ITEM; i++)
            lua_rawgeti(L, p->list, at + i);
        int wanted = is_wanted(p, item);
        if (wanted < 0 || (wanted && ((err = begin_company(p)) || (err = put_item(p, item)))))
            return wanted < 0 ? wanted : err;
        lua_settop(L, p->list);
    }
    return 0;
}

/* Put the company's name, and the items of its list: so many. */
static int put_all(struct company *p, int count) {
    struct encoder *e = p->e;
    int err = put_items(p, count);
    if (err)
        return err;
    if (!p->count)
        return put_wire(e, &e->c->names.list[p->id]);
    put_be32(e->out->data + p->head + 1, 2 + 3 * p->count);
    return NAME_DONE;
}

/* The name `n`, and what goes along with it: so many items of the list on top. */
static int put_company(struct encoder *e, const struct name *n, int count,
                       const struct step *step) {
    lua_State *L = e->L;
    int list = lua_gettop(L), outer = e->reach;
    if (!outer && n->file && n->file->lua) {
        tine__push_uses_of(e, n);
        lua_rawgeti(L, -1, 0);
        lua_replace(L, list + 1);
        lua_pushvalue(L, list);
        e->reach = list + 1;
    }
    struct company p = {.e = e,
                        .id = (uint32_t)(n - e->c->names.list),
                        .step = step,
                        .list = lua_gettop(L),
                        .inner = outer,
                        .group = -1};
    int err = put_all(&p, count);
    e->reach = outer;
    if (err >= 0)
        lua_settop(L, list - 1);
    return err;
}

/* The name `n` of what is at `idx`, and what the program has changed in it, and in what its code reaches. */
static int put_changed(struct encoder *e, int idx, struct name *n, const struct step *step) {
    int count = tine__company_push(e, idx, n);
    if (count < 0)
        return count;
    if (count)
        return put_company(e, n, count, step);
    lua_pop(e->L, 1);
    return put_wire(e, n);
}

/* What goes by name is no object of the message: forget that it was met just now. */
static void forget_met(struct encoder *e, const void *p) {
    if (e->seen.len && e->seen.entries[e->seen.len - 1].key == p)
        seen_cut(&e->seen, e->seen.len - 1);
}

/* Does the way to what `n` names lead over what the program has added to a module, and which is encoded just now? Then the
** other side does not have it. */
static bool is_in_added(const struct encoder *e, const struct name *n) {
    const struct names *names = &e->c->names;
    uint32_t id = (uint32_t)(n - names->list);
    if (n->kind != NAME_USERDATA && n->kind != NAME_CFUNCTION)
        return false;
    for (; id != n->root; id = tine__name_parent(e, id))
        if (names->index->list[id].key == e->added)
            return true;
    return false;
}

/* Do the names in what was found last have their operations still? Their files may have changed meanwhile. */
static bool is_company_known(struct encoder *e, const struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L), count = tine__company_push_kept(e, n);
    bool known = true;
    for (lua_Integer i = 0; known && i < count; i++) {
        if (lua_rawgeti(L, top + 1, COMPANY_ITEM * i + 1) == LUA_TNUMBER)
            known = e->c->names.list[lua_tointeger(L, -1) - 1].wire_len > 0;
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return known;
}

int tine__name_encode(struct encoder *e, int idx, const void *p, const struct step *step) {
    struct name *n = tine__name_find(e->c, p);
    const char *own = tine__own_table(e->c, p);
    int r;
    if (unlikely(own)) {
        forget_met(e, p);
        return tine__standard_put(e->out, own) ? tine__encode_nomem(e) : NAME_DONE;
    }
    if (likely(!n))
        return likely(e->c->names.built) ? NAME_BY_VALUE : tine__name_missing(e);
    if (unlikely(e->added) && is_in_added(e, n))
        return NAME_BY_VALUE;
    bool known = e->reach && is_known(e, n - e->c->names.list + 1);
    if (e->changes && !known && tine__name_holds(e->L, e->c, e->self, n) &&
        is_company_known(e, n)) {
        forget_met(e, p);
        return n->company ? put_company(e, n, tine__company_push_kept(e, n), step) : put_wire(e, n);
    }
    if ((r = tine__name_consider(e, idx, n)) <= 0)
        return r;
    if (r == GOES_BY_NAME)
        forget_met(e, p);
    if (r == GOES_BY_BOTH) {
        if ((r = put_head(e, 3, OP_SAME)) || (r = put_wire(e, n)) < 0)
            return r;
        return NAME_SAME;
    }
    if (!e->changes || known) /* what was changed there goes along already */
        return put_wire(e, n);
    return put_changed(e, idx, n, step);
}

int tine__name_of(struct encoder *e, int idx, struct name **out) {
    int r = e->c->names.built ? 0 : tine__name_missing(e);
    if (r && r != ENCODE_AGAIN) /* the index was made just now */
        return r;
    *out = tine__name_find(e->c, lua_topointer(e->L, idx));
    return *out && (r = tine__name_consider(e, idx, *out)) ? r : 0;
}

/* ---- C functions ---- */

int tine__standard_put(struct buf *out, const char *name) {
    size_t len = strlen(name);
    if (buf_reserve(out, len + (size_t)2 * PACK_MAX))
        return TINE_ENOMEM;
    pack_array(out, 2);
    pack_bytes(out, (unsigned char[]){0xd4, EXT_OP, OP_STANDARD}, 3);
    pack_str(out, len);
    pack_bytes(out, name, len);
    return 0;
}

/* Have the C functions at these indices the same values as upvalues? */
static bool same_upvalues(lua_State *L, int a, int b) {
    bool same = true;
    for (int i = 1; same && lua_getupvalue(L, a, i); i++) {
        same = lua_getupvalue(L, b, i) && lua_rawequal(L, -1, -2);
        lua_settop(L, b);
    }
    return same;
}

/* Is the C function that `n` names, a module's, of the library of the one at `fn`, and do they share what they
** know? Then that module holds, or held, both. */
static bool is_sibling(struct encoder *e, const struct name *n, int fn, const char *library) {
    lua_State *L = e->L;
    const char *path;
    int top = lua_gettop(L);
    bool is = tine__name_walk(e, n) && lua_iscfunction(L, -1) &&
              tine__library_hash(lua_tocfunction(L, -1), &path) && strcmp(path, library) == 0;
    if (is && lua_getupvalue(L, fn, 1)) {
        lua_settop(L, top + 1);
        is = same_upvalues(L, fn, top + 1);
    }
    lua_settop(L, top);
    return is;
}

/* A C function that is not, or no longer, where modules hold theirs: it goes by the module that others of its
** library are in, where the other side looks for it. */
int tine__library_encode(struct encoder *e, int fn) {
    struct names *names = &e->c->names;
    const char *path = NULL;
    uint64_t hash = tine__library_hash(lua_tocfunction(e->L, fn), &path);
    const struct name *n = NULL;
    if (!hash || !lua_checkstack(e->L, 40))
        return 0;
    for (uint32_t i = 0; names->index && i < names->index->used && !n; i++)
        if (names->index->list[i].kind == NAME_CFUNCTION &&
            is_sibling(e, tine__name_at(e->c, i), fn, path))
            n = &names->list[i];
    if (!n)
        return 0;
    struct name found = {.root = n->root, .kind = NAME_CFUNCTION};
    int err = tine__name_make_wire(e, fn, &found);
    if (!err && (err = put_wire(e, &found)) == NAME_DONE)
        names->bytes.len -= found.wire_len;
    return err;
}

/* Encoding of names together with their company: changes in modules (company.h). */
#include <lua.h>
#include <string.h>
#include "base/buf.h"
#include "codec/changes/changes.h"
#include "codec/changes/company.h"
#include "codec/changes/uses.h"
#include "codec/encode/change.h"
#include "codec/encode/company.h"
#include "codec/encode/encoder.h"
#include "codec/encode/name.h"
#include "codec/encode/seen.h"
#include "codec/encode/value.h"
#include "codec/files/record.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/pack.h"
#include "codec/state.h"
#include "codec/wire.h"

/* Does the message ask for `key` for the first time? Returns 1 or 0, or an error. */
static int is_new(struct encoder *e, const void *key) {
    bool found;
    return tine__seen_put(&e->seen, key, &found) ? !found : tine__encode_nomem(e);
}

/* The writing of a name with its company. */
struct company {
    struct encoder *e;
    uint32_t id; /* number of the name */
    const struct step *step;
    int list;       /* stack index of the list (changes/company.h) */
    size_t head;    /* offset of the operation CHANGED */
    uint32_t count; /* changes written */
    bool inner;     /* this name is sent inside the company of another one */
    /* The number + 1 of the name whose changes are being written, 0: those of libraries; and
    ** whether they are wanted (is_wanted). */
    lua_Integer group;
    int wanted;
};

/* Before the first change: begin the operation CHANGED. How many items it has is filled in at the
** end. */
static int begin_company(struct company *p) {
    struct encoder *e = p->e;
    if (p->count)
        return 0;
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    p->head = e->out->len;
    *buf_take(e->out, 5) = (char)0xdd;
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_OP, OP_CHANGED}, 3);
    int err = tine__name_put(e, &e->c->names.list[p->id]);
    return err < 0 ? err : 0;
}

/* Append where the change is: the name, or the name of a standard library as a string. */
static int put_target(struct encoder *e, const struct name *n) {
    if (n->builtin != BUILTIN_LUA)
        return tine__name_put(e, n);
    const char *root = tine__name_root(e, n);
    size_t len = strlen(root);
    if (buf_reserve(e->out, len + PACK_MAX))
        return tine__encode_nomem(e);
    pack_str(e->out, len);
    pack_bytes(e->out, root, len);
    return 0;
}

/* What to send in place of the value at `path` + 1 if that cannot be sent; HELD_NONE: it is an
** error then. What the module may have put there itself is left out: the receiver's module has its
** own. So are values in tables that functions of the module fill, as most tasks do without them. */
static enum wire_held may_stay(struct encoder *e, const struct name *n, int path) {
    lua_State *L = e->L;
    if (n->filled || (n->file && lua_istable(L, path + 1)) ||
        (lua_isboolean(L, path - 1) && lua_toboolean(L, path - 1)))
        return HELD_ADDED;
    if (!n->file || !lua_isfunction(L, path + 1))
        return n->builtin ? HELD_REPLACED : HELD_NONE;
    return change_is_field(L, path) && tine__origin(e, n->file, path + 1) == ORIGIN_ONCE
               ? HELD_REPLACED
               : HELD_NONE;
}

/* The value behind the path at `path` is a scalar of a table's field: take the one that the table
** has now, as scalars may change after the list was made. The table is in front of the path. */
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

/* Append one change, whose four parts are on the stack from `item` on. */
static int put_item(struct company *p, int item) {
    struct encoder *e = p->e;
    lua_State *L = e->L;
    int path = item + 2, module = item, err;
    enum wire_held stays = HELD_REPLACED;
    if (lua_isinteger(L, item)) {
        const struct name *n = &e->c->names.list[lua_tointeger(L, item) - 1];
        renew_data(L, path);
        module = -(int)lua_tointeger(L, item);
        stays = may_stay(e, n, path);
        err = put_target(e, n);
    } else {
        err = tine__encode_value(e, item, p->step);
    }
    if (err < 0 || (err = tine__change_put(e, module, path, p->step, stays)))
        return err;
    p->count++;
    return 0;
}

bool tine__company_covers(struct encoder *e, lua_Integer number) {
    lua_State *L = e->L;
    if (!e->reach || !number)
        return false;
    lua_pushstring(L, tine__name_root(e, &e->c->names.list[number - 1]));
    bool known = lua_rawget(L, e->reach) != LUA_TNIL;
    lua_pop(L, 1);
    return known;
}

/* Is the change on top wanted? Those in one object, and those in libraries, are sent once in a
** message, and not if the outer company has them. The keys of e->seen are addresses inside the
** object: + 2 its changes, + 4 its metatable; in a struct file: + 3 the libraries that its code
** uses. A metatable is asked for by itself, since it may come after changes of other tables. */
static int is_wanted(struct company *p, int item) {
    struct encoder *e = p->e;
    lua_Integer group = lua_tointeger(e->L, item); /* 0: of a library */
    const struct file *f = e->c->names.list[p->id].file;
    if (group && lua_isboolean(e->L, item + 2))
        return p->inner && tine__company_covers(e, group)
                   ? 0
                   : is_new(e, (const char *)e->c->names.list[group - 1].key + 4);
    if (group == p->group)
        return p->wanted;
    p->group = group;
    if (p->inner && tine__company_covers(e, group))
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

/* Append the name with the wanted ones of the `count` changes in its list. */
static int put_all(struct company *p, int count) {
    struct encoder *e = p->e;
    int err = put_items(p, count);
    if (err)
        return err;
    if (!p->count)
        return tine__name_put(e, &e->c->names.list[p->id]);
    put_be32(e->out->data + p->head + 1, 2 + 3 * p->count);
    return NAME_DONE;
}

int tine__company_put(struct encoder *e, const struct name *n, int count, const struct step *step) {
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

int tine__company_put_new(struct encoder *e, int idx, struct name *n, const struct step *step) {
    int count = tine__company_push(e, idx, n);
    if (count < 0)
        return count;
    if (count)
        return tine__company_put(e, n, count, step);
    lua_pop(e->L, 1);
    return tine__name_put(e, n);
}

bool tine__company_is_known(struct encoder *e, const struct name *n) {
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

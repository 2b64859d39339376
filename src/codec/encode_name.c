/* Names to bytes, and what goes along with them: what the program has changed. */
#include "codec/modules.h"
#include "codec/pack.h"
#include "codec/standard.h"

#include <string.h>

/* ---- changes ---- */

/* The path is no object of the program: it is written here, and counted as the decoder will. */
static int put_path(struct encoder *e, int path) {
    lua_State *L = e->L;
    bool good = true;
    if (lua_istable(L, path)) {
        if (buf_reserve(e->out, PACK_MAX))
            return tine__encode_nomem(e);
        pack_array(e->out, 2);
        e->ordinals++;
        for (int i = 1; i <= 2 && good; i++) {
            if (lua_rawgeti(L, path, i) == LUA_TBOOLEAN) {
                if ((good = !buf_reserve(e->out, PACK_MAX)))
                    pack_true(e->out);
            } else {
                good = tine__encode_scalar(L, -1, e->out);
            }
            lua_pop(L, 1);
        }
    } else {
        good = tine__encode_scalar(L, path, e->out);
    }
    return good ? 0 : tine__encode_nomem(e);
}

/* `stays`: why the value may stay here, if it cannot travel; HELD_NONE: it may not. */
static int put_change(struct encoder *e, int path, const struct step *up, enum wire_held stays) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    struct step step = {.up = up, .kind = STEP_CHANGE, .at = path};
    int err = put_path(e, path);
    if (err)
        return err;
    struct encode_point point = tine__encode_mark(e);
    const void *outer = e->added;
    if (lua_istable(L, path + 1))
        e->added = lua_topointer(L, path + 1);
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

/* ---- names ---- */

static void put_hash(char *out, uint64_t hash) {
    put_le32(out, (uint32_t)hash);
    put_le32(out + 4, (uint32_t)(hash >> 32));
}

/* What the other side compares: eight bytes, of a table in a module eight more, and for its message the end of the file's
** name. */
static size_t write_check(struct encoder *e, int idx, const struct name *n, char *out) {
    lua_State *L = e->L;
    const char *path = n->file ? n->file->path : "";
    uint64_t hash = 0;
    if (n->kind == NAME_CFUNCTION && n->depth > 0 && tine__library_is_ours(lua_tocfunction(L, idx)))
        return 0; /* the other side may have us in a library, or in its program */
    if (n->builtin && n->kind != NAME_CFUNCTION)
        return 0;
    if (n->kind == NAME_CFUNCTION)
        hash = tine__library_hash(lua_tocfunction(L, idx), &path);
    else if (n->kind == NAME_FUNCTION)
        hash = tine__hash_function(L, e->self, idx);
    else if (n->kind == NAME_USERDATA)
        hash = tine__userdata_hash(L, idx);
    else if (n->going == GOES_BY_NAME && n->file->lua)
        hash = n->file->hash;
    else
        return 0;
    if (n->kind == NAME_USERDATA && !hash)
        return 0;
    size_t len = strlen(path), head = check_head(n->kind);
    size_t part = len > CHECK_MAX - head ? CHECK_MAX - head : len;
    put_hash(out, hash);
    if (n->kind == NAME_HELD)
        put_hash(out + 8, tine__witness(L, e->self, n->file, idx));
    memcpy(out + head, path + len - part, part);
    return head + part;
}

/* Its operation on the wire, made at first use. */
static int make_wire(struct encoder *e, int idx, struct name *n) {
    struct buf *b = &e->c->names.bytes;
    size_t start = b->len;
    const char *root = tine__name_root(e, n);
    char check[CHECK_MAX];
    size_t len = strlen(root), nchecks = write_check(e, idx, n, check);
    if (buf_reserve(b, len + CHECK_MAX + (size_t)4 * PACK_MAX))
        return tine__encode_nomem(e);
    pack_array(b, 4u + (unsigned)tine__name_steps(e, n));
    pack_bytes(b, (unsigned char[]){0xd4, EXT_OP, OP_NAME}, 3);
    pack_str(b, len);
    pack_bytes(b, root, len);
    pack_uint8(b, n->kind);
    pack_str(b, nchecks);
    pack_bytes(b, check, nchecks);
    int err = tine__name_pack(e, n, b);
    if (err) {
        b->len = start;
        return err;
    }
    n->wire = (uint32_t)start;
    n->wire_len = (uint32_t)(b->len - start);
    return 0;
}

/* Is the module's file another one than it was, so that it does not say any more what is here? */
static bool has_changed(struct encoder *e, const struct name *n) {
    return n->file && n->file->lua &&
           tine__version(e->L, e->self, tine__name_root(e, n), n->file) != n->file->hash;
}

/* Is it a table, perhaps of data, that functions of its module have for good and put things into: a registry? */
static bool is_filled(struct encoder *e, const struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    uint32_t id = (uint32_t)(n - e->c->names.list);
    bool filled = false;
    if (n->kind != NAME_HELD || !n->file || !n->file->lua)
        return false;
    tine__name_push_step(e, id);
    lua_Integer step = lua_tointeger(L, -1);
    if (step < 0 && tine__name_walk(e, tine__name_at(e->c, tine__name_parent(e, id))) &&
        lua_isfunction(L, -1))
        filled =
            tine__file_fills(n->file, tine__hash_function(L, e->self, lua_gettop(L)), (int)-step);
    lua_settop(L, top);
    return filled;
}

/* The name is new, or its file has changed: see what it is now. */
static int learn(struct encoder *e, int idx, struct name *n) {
    lua_State *L = e->L;
    n->file = n->builtin ? NULL : tine__file_of(L, e->c, e->self, tine__name_root(e, n));
    n->going = (uint8_t)(has_changed(e, n) ? GOES_BY_VALUE : tine__judge(e, idx, n));
    n->wire_len = 0;
    n->known = true;
    tine__watch_free(&n->watch);
    if (n->going == GOES_BY_VALUE)
        return 0;
    lua_rawgeti(L, e->self, ST_ANCHORS); /* so that the address stays its own */
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, (lua_Integer)(n - e->c->names.list) + 1);
    lua_pop(L, 1);
    tine__choose_way(e, n, false);
    n->filled = is_filled(e, n);
    return make_wire(e, idx, n);
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

/* Can it be what the name is of? Another object may have the address of a dead one. */
static bool is_kind(lua_State *L, int idx, enum name_kind kind) {
    switch (lua_type(L, idx)) {
    case LUA_TTABLE:
        return kind == NAME_MODULE || kind == NAME_HELD;
    case LUA_TFUNCTION:
        return kind == (lua_iscfunction(L, idx) ? NAME_CFUNCTION : NAME_FUNCTION);
    case LUA_TUSERDATA:
    case LUA_TLIGHTUSERDATA:
        return kind == NAME_USERDATA;
    default:
        return false;
    }
}

/* Is the object at `idx` where its name says? */
static bool is_there(struct encoder *e, int idx, const struct name *n) {
    int top = lua_gettop(e->L);
    bool there = tine__name_walk(e, n) && lua_rawequal(e->L, -1, idx);
    lua_settop(e->L, top);
    return there;
}

/* It is not; but the index has only one of its names. */
static bool is_elsewhere(struct encoder *e, int idx, struct name *n) {
    if (n->known || n->builtin || e->c->names.list[n->root].ranked)
        return false;
    n->file = tine__file_of(e->L, e->c, e->self, tine__name_root(e, n));
    tine__choose_way(e, n, true);
    e->c->names.list[n->root].ranked = true; /* nor need one look again where there is no file */
    return n->moved && is_there(e, idx, n);
}

/* How the object at `idx` goes, which may be where its name says; or an error. */
static int consider(struct encoder *e, int idx, struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L), err;
    if (unlikely(!lua_checkstack(L, 40)))
        return tine__encode_nomem(e);
    if (!is_kind(L, idx, n->kind) || (!is_there(e, idx, n) && !is_elsewhere(e, idx, n)))
        return GOES_BY_VALUE;
    if (unlikely(!n->known || (n->file && !tine__file_is_current(n->file)))) {
        if ((err = learn(e, idx, n)))
            return err;
        lua_settop(L, top);
    }
    return n->going;
}

/* ---- with what the program has changed ---- */

/* A name, and what goes along with it. */
struct company {
    struct encoder *e;
    uint32_t id; /* of the name */
    const struct step *step;
    size_t head; /* where it begins */
    uint32_t count;
    uint32_t look; /* names.looks when modules were begun to be looked at */
};

/* It is not alone: its operation begins, how many there are is known at the end. */
static int begin_company(struct company *p) {
    struct encoder *e = p->e;
    if (p->count)
        return 0;
    if (buf_reserve(e->out, PACK_MAX))
        return tine__encode_nomem(e);
    p->head = e->out->len;
    e->changed = true;
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

/* Is this the first time in the message that `key` is asked for? Negative: error. */
static int is_new(struct encoder *e, const void *key) {
    bool found;
    return tine__seen_put(&e->seen, key, &found) ? !found : tine__encode_nomem(e);
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

/* What the program has changed in the table at `t`, whose name has that number: once in a message. */
static int put_changes_of(struct company *p, int t, uint32_t id) {
    struct encoder *e = p->e;
    lua_State *L = e->L;
    int err = is_new(e, (const char *)e->c->names.list[id].key + 2);
    int list = lua_gettop(L) + 1;
    int count = err > 0 ? tine__changes_of(e, t, &e->c->names.list[id]) : err;
    if (count <= 0)
        return count;
    if ((err = begin_company(p)))
        return err;
    for (lua_Integer i = 1; i <= count; i++) {
        const struct name *n = &e->c->names.list[id];
        lua_rawgeti(L, list, 2 * i - 1);
        lua_rawgeti(L, list, 2 * i);
        if ((err = put_target(e, n)) < 0 ||
            (err = put_change(e, list + 1, p->step, may_stay(e, n, list + 1))))
            return err;
        lua_settop(L, list);
    }
    p->count += (uint32_t)count;
    lua_settop(L, list - 1);
    return 0;
}

/* Does the file of the module fill its table with functions? The program may have replaced all of them. */
static bool has_definitions(const struct name *n) {
    bool has = false;
    for (uint32_t i = 0; n->file && !has && i < n->file->ndefinitions; i++)
        has = n->file->definitions[i].field;
    return has;
}

/* The same for the loaded module whose name is on top, and taken. */
static int put_changes_in(struct company *p) {
    struct encoder *e = p->e;
    lua_State *L = e->L;
    int name = lua_gettop(L), r = 0;
    lua_rawgeti(L, e->self, ST_LOADED);
    lua_pushvalue(L, name);
    if (lua_rawget(L, name + 1) == LUA_TTABLE) {
        struct name *n = tine__name_find(e->c, lua_topointer(L, -1));
        if (n && n->kind == NAME_MODULE) {
            n->look = p->look;
            if ((r = consider(e, name + 2, n)) == GOES_BY_NAME || (r > 0 && has_definitions(n)))
                r = put_changes_of(p, name + 2, (uint32_t)(n - e->c->names.list));
        }
    }
    if (r >= 0)
        lua_settop(L, name - 1);
    return r < 0 ? r : 0;
}

/* Is that a table farther away in a module that was looked at, at the look of that number or, on behalf of what went along,
** since, than where one looks with the module itself: a private class, a metatable? It is pushed then, and has a name. */
static struct name *push_inner(struct encoder *e, uint32_t id, uint32_t look) {
    const struct names *names = &e->c->names;
    const struct place *p = &names->index->list[id];
    if (p->kind != NAME_HELD || p->builtin || names->list[p->root].look < look ||
        (p->depth < 2 && !p->meta))
        return NULL;
    struct name *n = tine__name_at(e->c, id);
    if (!tine__name_walk(e, n))
        return NULL;
    if (lua_topointer(e->L, -1) == n->key)
        return n;
    lua_pop(e->L, 1);
    return NULL;
}

/* Is the value on top a function of the program's, which it has given to the module? */
static bool is_given(struct encoder *e, const struct name *n) {
    lua_State *L = e->L;
    return tine__is_programs(e, n->file, lua_gettop(L)) && !tine__is_of_text(L);
}

/* May the table at `t`, which functions of its module fill, be a registry, and no cache? Of few fields, with those of the
** tables in it, it may be either; of many it is one if there is something given among those that are looked at. */
static bool is_registry(struct encoder *e, const struct name *n, int t) {
    lua_State *L = e->L;
    int left = KEPT_FIELDS;
    bool given = false;
    for (lua_pushnil(L); left >= 0 && !given && lua_next(L, t); lua_pop(L, 1)) {
        left--;
        given = is_given(e, n);
        if (!lua_istable(L, -1))
            continue;
        for (lua_pushnil(L); left >= 0 && !given && lua_next(L, t + 2); lua_pop(L, 1)) {
            left--;
            given = is_given(e, n);
        }
        lua_settop(L, t + 2);
    }
    lua_settop(L, t);
    return given || left >= 0;
}

/* Does what the program has changed in the table on top, at `t`, go along? */
static bool may_be_changed(struct encoder *e, const struct name *n, int t) {
    return n->going == GOES_BY_NAME || (n->filled && is_registry(e, n, t));
}

static int put_changes_inside(struct company *p) {
    struct encoder *e = p->e;
    struct names *names = &e->c->names;
    struct name *n;
    int top = lua_gettop(e->L), r = 0;
    for (uint32_t id = 0; r >= 0 && id < names->index->used; id++) {
        if (!(n = push_inner(e, id, p->look)))
            continue;
        if ((r = consider(e, top + 1, n)) > 0 && may_be_changed(e, n, top + 1))
            r = put_changes_of(p, top + 1, id);
        if (r >= 0)
            lua_settop(e->L, top);
    }
    return r < 0 ? r : 0;
}

static bool watch_inside(struct encoder *e, struct watch *w, int list) {
    const struct name *n;
    bool good = true;
    for (uint32_t id = 0; good && id < e->c->names.index->used; id++) {
        if (!(n = push_inner(e, id, e->c->names.looks)))
            continue;
        if (n->known && may_be_changed(e, n, lua_gettop(e->L)))
            good = tine__watch_table(e->L, w, list, lua_gettop(e->L), WATCH_OBJECTS);
        lua_pop(e->L, 1);
    }
    return good;
}

/* What it has changed in modules that the code reaches, and in Lua's own libraries unless that has been put already. */
static int put_changes_under(struct company *p, int uses, bool libraries) {
    struct encoder *e = p->e;
    lua_State *L = e->L;
    int top = lua_gettop(L), err = 0;
    p->look = ++e->c->names.looks;
    lua_rawgeti(L, uses, 0);
    for (lua_Integer i = 1; !err && lua_rawgeti(L, top + 1, i) != LUA_TNIL; i++)
        err = put_changes_in(p);
    if (err || (err = put_changes_inside(p)))
        return err;
    lua_settop(L, top);
    int count = libraries ? tine__changes_under(e, uses) : 0;
    if (count > 0 &&
        ((err = begin_company(p)) || (err = tine__changes_put(e, top + 1, count, p->step))))
        return err;
    p->count += count > 0 ? (uint32_t)count : 0;
    lua_settop(L, top);
    return count < 0 ? count : 0;
}

/* Nothing was changed: note what was looked at. `uses`: see tine__push_uses_of, or 0. */
static void make_watch(struct encoder *e, int idx, uint32_t id, int uses) {
    lua_State *L = e->L;
    struct name *n = &e->c->names.list[id];
    int list = lua_gettop(L) + 1;
    tine__watch_free(&n->watch);
    lua_newtable(L);
    bool table = n->kind == NAME_MODULE || n->kind == NAME_HELD;
    n->fields = tine__name_watch(e, n, list);
    bool good = !table || tine__watch_table(L, &n->watch, list, idx,
                                            n->builtin ? WATCH_VALUES : WATCH_OBJECTS);
    if (good && n->builtin && strcmp(tine__name_root(e, n), "string") == 0) {
        lua_pushliteral(L, "");
        if (lua_getmetatable(L, -1))
            good = tine__watch_table(L, &n->watch, list, list + 2, WATCH_VALUES);
        lua_settop(L, list);
    }
    good =
        good && (!uses || (tine__changes_watch(e, &n->watch, list, uses, table ? n->key : NULL) &&
                           watch_inside(e, &n->watch, list)));
    lua_rawgeti(L, e->self, ST_WATCHES);
    lua_pushvalue(L, list);
    lua_rawseti(L, -2, (lua_Integer)id + 1);
    lua_settop(L, list - 1);
    n->watch.made = good;
}

/* What goes by name, and what the program has changed in it, and in what its code reaches: each once in a message. */
static int put_changed(struct encoder *e, int idx, const struct name *n, const struct step *step) {
    lua_State *L = e->L;
    struct company p = {.e = e, .id = (uint32_t)(n - e->c->names.list), .step = step};
    int top = lua_gettop(L), err = 0, uses = 0;
    if (n->kind == NAME_MODULE || n->kind == NAME_HELD)
        err = put_changes_of(&p, idx, p.id);
    if (!err && n->file && n->file->lua) {
        tine__push_uses_of(e, n);
        uses = top + 1;
        if ((err = is_new(e, (const char *)n->file + 3)) >= 0)
            err = put_changes_under(&p, uses, err);
    }
    if (err < 0)
        return err;
    n = &e->c->names.list[p.id];
    if (p.count) {
        put_be32(e->out->data + p.head + 1, 2 + 3 * p.count);
    } else {
        if (!e->changed) /* so it is not that something of it went along with another */
            make_watch(e, idx, p.id, uses);
        err = put_wire(e, n);
    }
    lua_settop(L, top);
    return err < 0 ? err : NAME_DONE;
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
    if (e->changes && tine__name_holds(e->L, e->c, e->self, n)) {
        forget_met(e, p);
        return put_wire(e, n);
    }
    if ((r = consider(e, idx, n)) <= 0)
        return r;
    if (r == GOES_BY_NAME)
        forget_met(e, p);
    if (r == GOES_BY_BOTH) {
        if ((r = put_head(e, 3, OP_SAME)) || (r = put_wire(e, n)) < 0)
            return r;
        return NAME_SAME;
    }
    if (!e->changes)
        return put_wire(e, n);
    if (n->kind != NAME_CFUNCTION && n->kind != NAME_USERDATA)
        return put_changed(e, idx, n, step);
    make_watch(e, idx, (uint32_t)(n - e->c->names.list), 0);
    return put_wire(e, n);
}

int tine__name_of(struct encoder *e, int idx, struct name **out) {
    int r = e->c->names.built ? 0 : tine__name_missing(e);
    if (r && r != ENCODE_AGAIN) /* the index was made just now */
        return r;
    *out = tine__name_find(e->c, lua_topointer(e->L, idx));
    return *out && (r = consider(e, idx, *out)) ? r : 0;
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
    int err = make_wire(e, fn, &found);
    if (!err && (err = put_wire(e, &found)) == NAME_DONE)
        names->bytes.len -= found.wire_len;
    return err;
}

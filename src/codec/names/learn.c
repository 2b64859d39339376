/* Learning about a name: its way, how its object travels, and the operation that encodes it.
**
** This is done when the name is first used, and again when the module's file has changed, or that of
** a module that its code reaches.
*/
#include <lua.h>
#include <string.h>
#include "base/buf.h"
#include "base/hot.h"
#include "codec/changes/uses.h"
#include "codec/changes/watch.h"
#include "codec/encode/encoder.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/limits.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/names/witness.h"
#include "codec/pack.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ---- on the wire ---- */

static void put_hash(char *out, uint64_t hash) {
    put_le32(out, (uint32_t)hash);
    put_le32(out + 4, (uint32_t)(hash >> 32));
}

/* Write the check of a name (codec.h): a hash, for a table in a module its witness, and the end of
** the path of the file or library, for error messages. Returns the number of bytes; 0: nothing can
** be compared. */
static size_t write_check(struct encoder *e, int idx, const struct name *n, char *out) {
    lua_State *L = e->L;
    const char *path = n->file ? n->file->path : "";
    uint64_t hash = 0;
    if (n->kind == NAME_CFUNCTION && n->depth > 0 && tine__library_is_ours(lua_tocfunction(L, idx)))
        return 0; /* the other side may have Tine in another library or program */
    if (n->builtin && n->kind != NAME_CFUNCTION)
        return 0;
    if (n->kind == NAME_CFUNCTION)
        hash = tine__library_hash(lua_tocfunction(L, idx), &path);
    else if (n->kind == NAME_FUNCTION)
        hash = tine__hash_function(L, e->self, idx);
    else if (n->kind == NAME_USERDATA)
        hash = tine__userdata_hash(L, idx);
    else if (n->going == GOES_BY_NAME && !n->keeps && n->file && n->file->lua)
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

int tine__name_make_wire(struct encoder *e, int idx, struct name *n) {
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

/* ---- how its object travels ---- */

/* Has the module's file changed since the module was loaded? Then it does not say what the module
** holds. */
static bool has_changed(struct encoder *e, const struct name *n) {
    return n->file && n->file->lua &&
           tine__version(e->L, e->self, tine__name_root(e, n), n->file) != n->file->hash;
}

/* Has the file of a module that this one's code reaches changed? The other side would load the new
** one. */
static bool reaches_changed(struct encoder *e, const struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool changed = false;
    if (!n->file || !n->file->lua)
        return false;
    tine__push_uses_of(e, n);
    lua_rawgeti(L, -1, 0);
    for (lua_Integer i = 1; !changed && lua_rawgeti(L, top + 2, i) == LUA_TSTRING; i++) {
        const char *module = lua_tostring(L, -1);
        const struct file *f = tine__file_of(L, e->c, e->self, module);
        changed = f && f->lua && tine__version(L, e->self, module, f) != f->hash;
        lua_settop(L, top + 2);
    }
    lua_settop(L, top);
    return changed;
}

/* How an object travels whose module's file has changed: a table (a class, a sentinel) may still be
** the same on the other side. */
static enum going goes_changed(const struct name *n) {
    return n->kind == NAME_HELD ? GOES_BY_BOTH : GOES_BY_VALUE;
}

/* A fact about an upvalue of a function that the file's record has. */
typedef bool saying(const struct file *f, uint64_t function, int upvalue);

/* Does the function on top have the table `t` as an upvalue for which `says` is true? */
static bool fills(struct encoder *e, const struct name *n, const void *t, saying *says) {
    lua_State *L = e->L;
    int fn = lua_gettop(L);
    bool it = false;
    for (int i = 1; !it && lua_getupvalue(L, fn, i); lua_settop(L, fn), i++)
        it = lua_topointer(L, -1) == t && says(n->file, tine__hash_function(L, e->self, fn), i);
    return it;
}

/* The same for any of the functions in the module's own table. */
static bool is_filled_field(struct encoder *e, const struct name *n, saying *says) {
    lua_State *L = e->L;
    int top = lua_gettop(L), left = MODULE_FIELDS;
    bool filled = false;
    if (!tine__name_walk(e, tine__name_at(e->c, n->root)) || !lua_istable(L, -1)) {
        lua_settop(L, top);
        return false;
    }
    for (lua_pushnil(L); !filled && --left >= 0 && lua_next(L, top + 1); lua_settop(L, top + 2))
        filled = lua_isfunction(L, -1) && !lua_iscfunction(L, -1) && fills(e, n, n->key, says);
    lua_settop(L, top);
    return filled;
}

/* Do functions of the module have this table as an upvalue for which `says` is true (they always
** have this table, and store values in it)? Then it may be a registry. */
static bool is_filled(struct encoder *e, const struct name *n, saying *says) {
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
        filled = says(n->file, tine__hash_function(L, e->self, lua_gettop(L)), (int)-step);
    lua_settop(L, top);
    return filled ||
           (n->depth == 1 && !n->meta && n->going == GOES_BY_BOTH && is_filled_field(e, n, says));
}

/* How the object at `idx` travels. A table that seems to be a class, since it holds functions of its
** module, may be an object with its methods in its fields. */
static enum going judge(struct encoder *e, int idx, struct name *n) {
    enum going going = tine__judge(e, idx, n);
    bool class = going == GOES_BY_NAME && n->kind == NAME_HELD && !n->keeps;
    return class && n->file && n->file->lua && !tine__way_is_constant(e, n) ? GOES_BY_BOTH : going;
}

/* Fill in all that is known about the name of the object at `idx`. 0 or an error. */
static int learn(struct encoder *e, int idx, struct name *n) {
    lua_State *L = e->L;
    n->file = n->builtin ? NULL : tine__file_of(L, e->c, e->self, tine__name_root(e, n));
    n->going =
        (uint8_t)(has_changed(e, n) || reaches_changed(e, n) ? goes_changed(n) : judge(e, idx, n));
    n->wire_len = 0;
    n->known = true;
    tine__watch_free(&n->watch);
    if (n->going == GOES_BY_VALUE)
        return 0;
    lua_rawgeti(L, e->self, ST_ANCHORS); /* so that no other object gets its address */
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, (lua_Integer)(n - e->c->names.list) + 1);
    lua_pop(L, 1);
    tine__choose_way(e, n, false);
    n->filled = is_filled(e, n, tine__file_fills);
    n->told = n->filled && is_filled(e, n, tine__file_tells);
    return tine__name_make_wire(e, idx, n);
}

/* Can the object at `idx` be of this kind? Another object may have the address of a dead one. */
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

/* Does the way of the name lead to the object at `idx`? */
static bool is_there(struct encoder *e, int idx, const struct name *n) {
    int top = lua_gettop(e->L);
    bool there = tine__name_walk(e, n) && lua_rawequal(e->L, -1, idx);
    lua_settop(e->L, top);
    return there;
}

/* It does not. Does another way, which the index does not have, lead to it? Then the name is
** moved. */
static bool is_elsewhere(struct encoder *e, int idx, struct name *n) {
    if (n->known || n->builtin || e->c->names.list[n->root].ranked)
        return false;
    n->file = tine__file_of(e->L, e->c, e->self, tine__name_root(e, n));
    tine__choose_way(e, n, true);
    /* without a file there is no need to look again, either */
    e->c->names.list[n->root].ranked = true;
    return n->moved && is_there(e, idx, n);
}

int tine__name_consider(struct encoder *e, int idx, struct name *n) {
    lua_State *L = e->L;
    int top = lua_gettop(L), err;
    if (unlikely(!lua_checkstack(L, 40)))
        return tine__encode_nomem(e);
    if (!is_kind(L, idx, n->kind) || (!is_there(e, idx, n) && !is_elsewhere(e, idx, n)))
        return GOES_BY_VALUE;
    if (unlikely(!n->known || (n->file && !tine__file_is_current(n->file)) ||
                 !tine__watch_files_hold(&n->watch))) {
        if ((err = learn(e, idx, n)))
            return err;
        lua_settop(L, top);
    }
    return n->going;
}

int tine__name_consider_anew(struct encoder *e, int idx, struct name *n) {
    if (n->known && n->going == GOES_BY_NAME && lua_checkstack(e->L, 40) && reaches_changed(e, n))
        n->known = false;
    return tine__name_consider(e, idx, n);
}

/* Encoding of names (name.h). */
#include <lua.h>
#include <string.h>
#include "base/buf.h"
#include "base/error.h"
#include "base/hot.h"
#include "codec/changes/company.h"
#include "codec/encode/company.h"
#include "codec/encode/encoder.h"
#include "codec/encode/kept.h"
#include "codec/encode/name.h"
#include "codec/encode/seen.h"
#include "codec/files/files.h"
#include "codec/lua/own.h"
#include "codec/names/index.h"
#include "codec/names/names.h"
#include "codec/names/proof.h"
#include "codec/pack.h"
#include "codec/state.h"
#include "codec/wire.h"

int tine__name_put(struct encoder *e, const struct name *n) {
    if (buf_append(e->out, e->c->names.bytes.data + n->wire, n->wire_len))
        return tine__encode_nomem(e);
    return NAME_DONE;
}

/* What is sent by name is no object of the message: drop the entry that was just made for it. */
static void forget_met(struct encoder *e, const void *p) {
    if (e->seen.len && e->seen.entries[e->seen.len - 1].key == p)
        seen_cut(&e->seen, e->seen.len - 1);
}

/* Is the object of `n`, a userdata or a C function, in the table that is being encoded as something
** that the program has put into a module? Then the receiver does not have it under its name. */
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

/* Is it a table that the module has made at run time, and about which a module keeps something?
** Other such tables may have the same content, so comparing that does not tell which one it is. */
static bool is_object(struct encoder *e, int idx, const struct name *n) {
    return kept_possible(e) && n->kind == NAME_HELD && tine__kept_has(e, idx) &&
           !tine__is_files(e, (uint32_t)(n - e->c->names.list));
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
    bool known = e->reach && tine__company_covers(e, n - e->c->names.list + 1);
    if (e->changes && !known && tine__name_holds(e->L, e->c, e->self, n) &&
        tine__company_is_known(e, n)) {
        forget_met(e, p);
        return n->company ? tine__company_put(e, n, tine__company_push_kept(e, n), step)
                          : tine__name_put(e, n);
    }
    r = e->changes && !known && !n->watch.made ? tine__name_consider_anew(e, idx, n)
                                               : tine__name_consider(e, idx, n);
    if (r <= 0)
        return r;
    if (r == GOES_BY_NAME)
        forget_met(e, p);
    if (r == GOES_BY_BOTH) {
        bool object = is_object(e, idx, n);
        if ((r = tine__encode_op(e, 3, OP_SAME)) || (r = tine__name_put(e, n)) < 0)
            return r;
        return object ? NAME_OBJECT : NAME_SAME;
    }
    if (!e->changes || known) /* the outer company has its changes already */
        return tine__name_put(e, n);
    return tine__company_put_new(e, idx, n, step);
}

int tine__name_of(struct encoder *e, int idx, struct name **out) {
    int r = e->c->names.built ? 0 : tine__name_missing(e);
    if (r && r != ENCODE_AGAIN) /* ENCODE_AGAIN: the index was just made */
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

/* Have the C functions at `a` and `b` the same values as upvalues? */
static bool same_upvalues(lua_State *L, int a, int b) {
    bool same = true;
    for (int i = 1; same && lua_getupvalue(L, a, i); i++) {
        same = lua_getupvalue(L, b, i) && lua_rawequal(L, -1, -2);
        lua_settop(L, b);
    }
    return same;
}

/* Is the object of `n` a C function of the same shared library as that at `fn`, with the same
** upvalues? Then its module holds both, or held both once. */
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

/* A C function that no module holds, or that is no longer where it was, is named by the module of
** other functions of its library; the receiver searches that module for it. */
int tine__library_encode(struct encoder *e, int fn) {
    struct names *names = &e->c->names;
    const char *path = NULL;
    uint64_t hash = tine__library_hash(lua_tocfunction(e->L, fn), &path);
    const struct name *n = NULL;
    if (!hash || !lua_checkstack(e->L, 40))
        return 0;
    for (uint32_t i = 0; i < names->count && !n; i++)
        if (names->index->list[i].kind == NAME_CFUNCTION &&
            is_sibling(e, tine__name_at(e->c, i), fn, path))
            n = &names->list[i];
    if (!n)
        return 0;
    struct name found = {.root = n->root, .kind = NAME_CFUNCTION};
    int err = tine__name_make_wire(e, fn, &found);
    if (!err && (err = tine__name_put(e, &found)) == NAME_DONE)
        names->bytes.len -= found.wire_len;
    return err;
}

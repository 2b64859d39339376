/* Simple functions: those whose upvalues are scalars, the globals table, or go by name.
**
** Most tasks are such functions, and most functions are sent many times. Their segment is
**
**     [FUNCTION, code, scalar or globals table or name ...]
**
** so what encodes and decodes anything is not needed for them.
**
** The sender recognizes them by address. It keeps those alive that it sent twice of late, a few of them, so
** that an address is never another function's. Their upvalues are looked at each time.
**
** The receiver makes a new closure for each call, as always, but for functions without state: one that
** has no upvalue is called again and again, and nobody can tell. So is one with nothing but _ENV, which
** a call may assign: it must be the globals table still when the next one comes, else that closure is
** left to whoever has it, and this code gets new ones from then on. Functions inside of a function
** share its _ENV and may outlive the call, so a later assignment would reach them: a function that has
** any is not called again.
*/
#include <lauxlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/hot.h"
#include "codec/changes/libraries.h"
#include "codec/changes/watch.h"
#include "codec/codec.h"
#include "codec/decode/loaded.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/encode/name.h"
#include "codec/encode/seen.h"
#include "codec/lua/dump.h"
#include "codec/lua/globals.h"
#include "codec/lua/standard.h"
#include "codec/names/names.h"
#include "codec/pack.h"
#include "codec/scalars.h"
#include "codec/segment.h"
#include "codec/simple.h"
#include "codec/state.h"
#include "codec/wire.h"

/* ---- sending ---- */

static uint32_t slot_of(const void *fn) {
    return (uint32_t)((uintptr_t)fn >> 5) % SENT_SLOTS;
}

/* Of the value on top, an upvalue: 0, it is a scalar; SENT_STANDARD; the number + 1 of its name. False: it is none of
** these, or what it names has changed. */
static bool find_name(lua_State *L, const struct codec *c, struct sent *s, uint32_t *out) {
    int type = lua_type(L, -1);
    *out = 0;
    if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING)
        return true;
    if (lua_iscfunction(L, -1) && tine__standard_of(lua_tocfunction(L, -1))) {
        *out = SENT_STANDARD;
        return true;
    }
    const struct name *n = tine__name_find(c, lua_topointer(L, -1));
    s->complex = !n || (n->known && n->going != GOES_BY_NAME);
    if (!n || !n->watch.made || n->company)
        return false;
    *out = (uint32_t)(n - c->names.list) + 1;
    return true;
}

static bool find_names(lua_State *L, const struct codec *c, int fn, const struct code *code,
                       struct sent *s) {
    bool good = true;
    for (int i = 1; good && i <= code->nups; i++) {
        s->names[i] = 0;
        lua_getupvalue(L, fn, i);
        if (i != code->env)
            good = find_name(L, c, s, &s->names[i]);
        lua_pop(L, 1);
    }
    return good;
}

/* Have the list of the code's watch at hand for slot `i`. `self` is the state table. */
static void keep_watch(lua_State *L, struct codec *c, int self, const struct code *code, int i) {
    lua_rawgeti(L, self, ST_GLOBALS);
    lua_rawgetp(L, -1, code);
    lua_rawgeti(L, -1, 0);
    if (c->watches[i])
        lua_rawseti(L, LUA_REGISTRYINDEX, c->watches[i]);
    else
        c->watches[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 2);
}

void tine__simple_note(lua_State *L, struct codec *c, int fn, struct code *code) {
    const void *p = lua_topointer(L, fn);
    int top = lua_gettop(L);
    uint32_t i = slot_of(p);
    struct sent *s = &c->sent[i];
    const struct global_uses *g = &code->globals;
    if (s->fn != p) {
        *s = (struct sent){.fn = p};
        return;
    }
    if (c->strings || s->complex || !code_id(code) || g->reads + g->assigns + g->by_g > 0 ||
        code->nups > SIMPLE_MAX || tine__name_find(c, p) || !find_names(L, c, fn, code, s))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    s->watched = g->standards + g->uses > 0;
    if (!s->watched || tine__uses_watch(L, c, top + 1, code)) {
        if (s->watched)
            keep_watch(L, c, top + 1, code, (int)i);
        lua_rawgeti(L, top + 1, ST_SENT);
        lua_pushvalue(L, fn);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
        s->code = code;
    }
    lua_settop(L, top);
}

/* Where each upvalue was written, to find those that are one variable: upvalues may have been joined, and then their
** values are the same, too. */
struct written {
    size_t at[SIMPLE_MAX + 2];
    uint64_t met; /* a bit for length and first byte of each */
};

/* Upvalue `i` was written, up to at[i + 1]. Is it a variable of its own? */
static inline bool is_own(lua_State *L, int fn, int i, struct written *w, const char *bytes) {
    size_t len = w->at[i + 1] - w->at[i];
    uint64_t bit = UINT64_C(1) << ((len * 8 + (unsigned char)bytes[w->at[i]]) & 63);
    bool maybe = w->met & bit;
    w->met |= bit;
    for (int k = i - 1; maybe && k > 0; k--)
        if (w->at[k + 1] - w->at[k] == len &&
            memcmp(bytes + w->at[k], bytes + w->at[i], len) == 0 &&
            lua_upvalueid(L, fn, k) == lua_upvalueid(L, fn, i))
            return false;
    return true;
}

/* The value on top by the name of that number. */
static bool encode_name(lua_State *L, const struct codec *c, uint32_t id, struct buf *out) {
    if (id == SENT_STANDARD) {
        const struct standard *known =
            lua_iscfunction(L, -1) ? tine__standard_of(lua_tocfunction(L, -1)) : NULL;
        return known && tine__standard_put(out, known->name) == 0;
    }
    struct name *n = &c->names.list[id - 1];
    if (lua_topointer(L, -1) != n->key)
        return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    bool good = !n->company && tine__name_holds(L, c, lua_gettop(L), n) &&
                !buf_append(out, c->names.bytes.data + n->wire, n->wire_len);
    lua_pop(L, 1);
    return good;
}

/* Upvalue `i` of the function at `fn`, which is left on the stack. False: it is no simple one, or there is no room. */
static inline bool encode_upvalue(lua_State *L, struct codec *c, const struct sent *s, int fn,
                                  int i, struct buf *out) {
    size_t from = out->len;
    const char *name = lua_getupvalue(L, fn, i);
    if (i == s->code->env) {
        if (lua_topointer(L, -1) != c->globals || buf_reserve(out, PACK_MAX))
            return false;
        pack_bytes(out, (unsigned char[]){0xd4, EXT_ENV, 1}, 3);
        return true;
    }
    if (s->names[i])
        return encode_name(L, c, s->names[i], out);
    bool good = tine__encode_scalar(L, -1, out);
    tine__load_note(c, out->len - from, false, name);
    return good;
}

/* The message in `out` names this code. */
static bool hold(struct codec *c, struct code *code, struct buf *out) {
    const struct codec_store *store = &c->options.store;
    if (store->hold && store->hold(store->ctx, out, code->known.stored))
        return false;
    code->cached.used = true;
    code->known.message = ++c->message;
    return true;
}

/* Are Lua's own functions that the code names what they were? Its upvalues are on the stack, above `top`. */
static inline bool is_unchanged(lua_State *L, const struct codec *c, const struct sent *s,
                                int top) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->watches[s - c->sent]);
    return tine__watch_holds(L, &s->code->watch, top + s->code->nups + 1, top + s->code->env);
}

/* All upvalues. False: one is not simple, or something was changed. */
static bool encode_upvalues(lua_State *L, struct codec *c, const struct sent *s, int fn,
                            struct buf *out) {
    int top = lua_gettop(L), n = s->code->nups;
    bool good = true;
    struct written w;
    w.met = 0;
    w.at[1] = out->len;
    for (int i = 1; good && i <= n; i++) {
        good = encode_upvalue(L, c, s, fn, i, out);
        w.at[i + 1] = out->len;
        good = good && is_own(L, fn, i, &w, out->data);
    }
    good = good && (!s->watched || is_unchanged(L, c, s, top));
    lua_settop(L, top);
    return good;
}

struct code *tine__simple_encode(lua_State *L, struct codec *c, int fn, struct buf *out) {
    const void *p = lua_topointer(L, fn);
    struct sent *s = &c->sent[slot_of(p)];
    struct code *code = s->code;
    size_t start = out->len;
    c->last = NULL;
    if (s->fn != p || !code || c->strings || lua_type(L, fn) != LUA_TFUNCTION ||
        (code->nups > 0 && !lua_checkstack(L, 60)) || buf_reserve(out, SEGMENT_HEAD + 2 * PACK_MAX))
        return NULL;
    out->len += SEGMENT_HEAD;
    pack_array(out, 2u + code->nups);
    pack_bytes(out, (unsigned char[]){0xd4, EXT_OP, OP_FUNCTION}, 3);
    pack_id(out, code_id(code));
    bool good = (code->nups == 0 || encode_upvalues(L, c, s, fn, out)) && hold(c, code, out);
    if (!good) { /* the long way tells whether it is simple again, next time */
        s->code = NULL;
        out->len = start;
        return NULL;
    }
    segment_set_head(out->data + start, out->len - start - SEGMENT_HEAD);
    c->last = s;
    return code;
}

static struct seen_entry *put(struct encoder *e, const void *p) {
    bool found;
    return tine__seen_put(&e->seen, p, &found);
}

/* As encode/function.c would have entered it: the function, its upvalues, its environment. */
int tine__simple_meet(struct encoder *e, int fn) {
    lua_State *L = e->L;
    const struct code *code = e->c->last->code;
    struct seen_entry *s = put(e, lua_topointer(L, fn));
    if (!s)
        return tine__encode_nomem(e);
    tine__encode_number(e, s, fn);
    for (int i = 1; i <= code->nups; i++) {
        if (!(s = put(e, lua_upvalueid(L, fn, i))))
            return tine__encode_nomem(e);
        s->upvalue = (uint8_t)i;
    }
    if (code->env && !(s = put(e, (const char *)e->c->globals + 1)))
        return tine__encode_nomem(e);
    if (code->env) {
        s->kind = SEEN_ENV;
        s->ordinal = ++e->nenvs;
    }
    return 0;
}

void tine__simple_push_last(lua_State *L, const struct codec *c) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_rawgeti(L, -1, ST_SENT);
    lua_rawgeti(L, -1, (lua_Integer)(c->last - c->sent) + 1);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* ---- receiving ---- */

/* Read a uint and give what follows it; NULL: it is none. */
static const unsigned char *read_id(const unsigned char *p, const unsigned char *end,
                                    uint64_t *id) {
    unsigned type = *p++;
    if (likely(type == 0xcf && end - p >= 8)) {
        *id = (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
        return p + 8;
    }
    *id = type;
    if (type < 0x80)
        return p;
    int width = type >= 0xcc && type <= 0xce ? 1 << (type - 0xcc) : 0;
    if (width == 0 || end - p < width)
        return NULL;
    for (*id = 0; width > 0; width--)
        *id = *id << 8 | *p++;
    return p;
}

/* The code of a segment that may be a simple function's, loaded before, and where the upvalues are in
** it; NULL: it is another one. */
static struct loaded *code_of(struct codec *c, const char *segment, size_t len,
                              const unsigned char **upvalues) {
    static const unsigned char op[] = {0xd4, EXT_OP, OP_FUNCTION};
    const unsigned char *p = (const unsigned char *)segment + SEGMENT_HEAD;
    uint64_t id;
    if (len < SEGMENT_HEAD + 5 || !segment_is_plain(segment, len) || (*p & 0xf0) != 0x90 ||
        memcmp(p + 1, op, sizeof op) != 0)
        return NULL;
    *upvalues = read_id(p + 4, (const unsigned char *)segment + len, &id);
    struct loaded *code = *upvalues ? tine__loaded_find(c, id) : NULL;
    return code && (*p & 15) == 2 + code->nups ? code : NULL;
}

/* Set the upvalues of the closure on top; false: they are not simple ones. */
static bool set_upvalues(lua_State *L, int n, const unsigned char *p, const unsigned char *end) {
    for (int i = 1; i <= n; i++) {
        if (p == end)
            return false;
        if (end - p >= 3 && p[0] == 0xd4 && p[1] == EXT_ENV) { /* which one, there is but the one */
            lua_pushglobaltable(L);
            p += 3;
        } else if (!(p = tine__decode_scalar(L, p, end, true))) {
            return false;
        }
        if (!lua_setupvalue(L, -2, i))
            return false;
    }
    return p == end;
}

bool tine__stateless(const struct loaded *code, const char *dump, size_t len) {
    struct dump_function f;
    return code->nups == 0 ||
           (code->nups == 1 && code->env && tine__dump_main(dump, len, &f) && !f.child_end);
}

/* May the closure with the upvalues at `p` serve all calls? */
static bool is_stateless(const struct loaded *code, const unsigned char *p,
                         const unsigned char *end) {
    return code->stateless &&
           (code->nups == 0 || (end - p == 3 && p[0] == 0xd4 && p[1] == EXT_ENV));
}

/* Push the closure that serves all calls, unless its _ENV was changed. */
static bool push_kept(lua_State *L, const struct codec *c, struct loaded *code) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, code->closure);
    if (code->nups == 0)
        return true;
    lua_getupvalue(L, -1, 1);
    bool good = lua_topointer(L, -1) == c->globals;
    lua_pop(L, good ? 1 : 2);
    if (!good) {
        luaL_unref(L, LUA_REGISTRYINDEX, code->closure);
        code->closure = 0;
        code->stateless = false;
    }
    return good;
}

bool tine__simple_push_again(lua_State *L, struct codec *c, const char *segment) {
    return c->callee == segment && c->latest->closure && push_kept(L, c, c->latest);
}

bool tine__simple_push(lua_State *L, struct codec *c, const char *segment, size_t len, bool make) {
    const unsigned char *p, *end = (const unsigned char *)segment + len;
    struct loaded *code = code_of(c, segment, len, &p);
    bool kept = code && is_stateless(code, p, end);
    if (kept && code->closure && push_kept(L, c, code)) {
        c->callee = segment;
        return true;
    }
    if (!code || !make || !lua_checkstack(L, 20))
        return false;
    int top = lua_gettop(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    tine__loaded_push(L, c, top + 1, code);
    lua_replace(L, top + 1);
    if (!set_upvalues(L, code->nups, p, end)) {
        lua_settop(L, top);
        return false;
    }
    if (kept && code->stateless) {
        lua_pushvalue(L, -1);
        code->closure = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    return true;
}

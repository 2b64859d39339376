/* Simple functions: their upvalues are scalars, the globals table, or objects that travel by name.
**
** Most tasks are such functions, and most functions are sent many times. Their segment is
**
**     [FUNCTION, code, scalar or globals table or name ...]
**
** so the general encoder and decoder are not needed for them.
**
** The sender recognizes a few functions by address. It keeps those alive that it has sent twice
** lately, so that no other function can get the address. It checks their upvalues each time.
**
** The receiver makes a new closure for each call, as always, except for functions without state. A
** function without upvalues can be called again and again: nobody can tell. So can one whose only
** upvalue is _ENV, as long as that is the globals table: a call may assign another one to it. Then
** whoever has that closure keeps it, and each later call of this code gets a new one. Functions
** inside of a function share its _ENV and may outlive the call, so a later assignment would affect
** them; therefore a function that contains others is not called again.
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

/* Classify the upvalue on top: *out is 0 (a scalar), SENT_STANDARD, or the number of its name + 1.
** False: it is none of these, or what it names has changed. */
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

/* Make the list of the code's watch available as c->watches[i]. `self` is the state table. */
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
    uint64_t message = c->message;
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
    lua_rawgeti(L, top + 1, ST_CODES);
    lua_rawgetp(L, -1, code); /* holds it, if it is forgotten meanwhile */
    bool watched = g->standards + g->uses > 0;
    bool good = !watched || tine__uses_watch(L, c, top + 1, code);
    /* Finalizers may have run. If one has encoded something, the slot may be another function's. */
    if (good && c->message == message) {
        s->watched = watched;
        if (watched)
            keep_watch(L, c, top + 1, code, (int)i);
        lua_rawgeti(L, top + 1, ST_SENT);
        lua_pushvalue(L, fn);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
        s->code = code;
    }
    lua_settop(L, top);
}

/* Where the bytes of each upvalue begin in `out`, in order to find upvalues that are joined (one
** variable): these have the same values, too. */
struct written {
    size_t at[SIMPLE_MAX + 2];
    uint64_t met; /* a set of bits, hashed from length and first byte of each upvalue */
};

/* Upvalue `i` was written, up to at[i + 1]. Is it not joined with an earlier one? */
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

/* Append the name that `id` (see find_name) stands for, if the value on top is still what it
** names. */
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

/* Append upvalue `i` of the function at `fn`; its value is left on the stack. False: it is not
** simple any more, or there is no memory. */
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

/* The message in `out` names this code: have the store keep it. */
static bool hold(struct codec *c, struct code *code, struct buf *out) {
    const struct codec_store *store = &c->options.store;
    if (store->hold && store->hold(store->ctx, out, code->known.stored))
        return false;
    code->cached.used = true;
    code->known.message = ++c->message;
    return true;
}

/* Are Lua's own functions that the code names unchanged? The upvalues are on the stack, above
** `top`. */
static inline bool is_unchanged(lua_State *L, const struct codec *c, const struct sent *s,
                                int top) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->watches[s - c->sent]);
    return tine__watch_holds(L, &s->code->watch, top + s->code->nups + 1, top + s->code->env);
}

/* Append all upvalues. False: one is not simple, there is no memory, or something was changed. */
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
    buf_take(out, SEGMENT_HEAD);
    pack_array(out, 2u + code->nups);
    pack_bytes(out, (unsigned char[]){0xd4, EXT_OP, OP_FUNCTION}, 3);
    pack_id(out, code_id(code));
    bool good = (code->nups == 0 || encode_upvalues(L, c, s, fn, out)) && hold(c, code, out);
    if (!good) { /* the general encoder finds out whether it is simple again */
        s->code = NULL;
        out->len = start;
        return NULL;
    }
    segment_set_head(out->data + start, out->len - start - SEGMENT_HEAD);
    c->last = s;
    c->last_message = c->message;
    return code;
}

static struct seen_entry *put(struct encoder *e, const void *p) {
    bool found;
    return tine__seen_put(&e->seen, p, &found);
}

/* Enter what encode/function.c would have entered: the function, its upvalues, its environment. */
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

/* Read a uint, and return what follows it; NULL: it is none. */
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

/* The code of a segment that may be a simple function's, if that code is loaded; *upvalues is where
** the upvalues begin. NULL: it is another kind of segment. */
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

/* Set the upvalues of the closure on top. False: they are not simple. */
static bool set_upvalues(lua_State *L, int n, const unsigned char *p, const unsigned char *end) {
    for (int i = 1; i <= n; i++) {
        if (p == end)
            return false;
        /* in a segment without environments, any number stands for the globals table */
        if (end - p >= 3 && p[0] == 0xd4 && p[1] == EXT_ENV) {
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

/* Push the closure that serves all calls. False, and nothing is pushed: its _ENV was changed, so
** the closure is given up. */
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
    int top = lua_gettop(L), nups = code->nups;
    uint64_t id = code->id;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    tine__loaded_push(L, c, top + 1, code);
    lua_replace(L, top + 1);
    if (!set_upvalues(L, nups, p, end)) {
        lua_settop(L, top);
        return false;
    }
    /* Found again: finalizers may have run, and have had it forgotten. */
    if (kept && (code = tine__loaded_find(c, id)) && code->stateless && !code->closure) {
        lua_pushvalue(L, -1);
        code->closure = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    return true;
}

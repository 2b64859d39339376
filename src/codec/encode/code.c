/* The code of functions that are sent: finding the code of a function, dumping and storing it.
**
** A function is looked up in a weak table first (ST_CACHE). A closure that is not there may still
** be of a known code (made in a loop, or by `load` again): it is dumped, and the code is looked up
** by the hash of the dump. Such closures enter the weak table only when they are sent a second
** time.
**
** A code is a userdata. The codec holds those that were used recently, up to a limit of bytes
** (ST_CODES, cache.h). While a function is encoded its code is on the Lua stack, so a code that is
** forgotten meanwhile lives until then. A code that is stored holds its entry in the store until it
** is forgotten.
*/
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/hot.h"
#include "base/list.h"
#include "base/sys.h"
#include "codec/cache.h"
#include "codec/changes/watch.h"
#include "codec/codec.h"
#include "codec/encode/code.h"
#include "codec/encode/encoder.h"
#include "codec/lua/class.h"
#include "codec/lua/globals.h"
#include "codec/names/index.h"
#include "codec/state.h"

/* ---- the store ---- */

static void drop_stored(struct known *k) {
    const struct codec_store *store = &k->c->options.store;
    if (k->stored && store->drop)
        store->drop(store->ctx, k->stored);
    k->stored = NULL;
}

/* The codec or the struct known ends: separate them. */
static void part(struct known *k) {
    drop_stored(k);
    list_remove(&k->node);
    k->c = NULL;
}

void tine__known_put(struct known *k, const struct codec_code *code,
                     const struct codec_origin *origin) {
    const struct codec_store *store = &k->c->options.store;
    if (store->put)
        k->stored = store->put(store->ctx, code, origin);
}

int tine__known_name(struct encoder *e, struct known *k) {
    const struct codec_store *store = &e->c->options.store;
    if (!k->stored || !store->hold || k->message == e->message)
        return 0;
    if (store->hold(store->ctx, e->out, k->stored))
        return tine__encode_nomem(e);
    k->message = e->message;
    return 0;
}

const struct codec_origin *tine__known_origin(lua_State *L, struct known *k) {
    const struct codec_store *store = &k->c->options.store;
    if (!k->stored || !store->keep)
        return k->stored ? &k->stored->origin : NULL;
    if (unlikely(!k->origin || k->age != *store->age)) {
        k->origin = store->keep(store->ctx, L, &k->stored->origin);
        k->age = *store->age;
    }
    return k->origin;
}

static int known_gc(lua_State *L) {
    struct known *k = lua_touserdata(L, 1);
    if (k->c)
        part(k);
    return 0;
}

struct known *tine__known_new(lua_State *L, struct codec *c) {
    struct known *k = lua_newuserdatauv(L, sizeof *k, 0);
    *k = (struct known){.c = c, .node = {&k->node, &k->node}};
    tine__set_class(L, "tine.known", known_gc);
    list_push(&c->knowns, &k->node);
    return k;
}

/* ---- forgetting ---- */

static struct code *code_of_cached(struct cached *cached) {
    return (struct code *)((char *)cached - offsetof(struct code, cached));
}

static struct code **bucket_of(struct codec *c, uint64_t hash) {
    return &c->buckets[hash % CODE_BUCKETS];
}

/* Forget the code: take it out of the bucket and of the cache, and drop it from the store. */
static void unlink_code(struct code *code) {
    struct codec *c = code->known.c;
    struct code **at = bucket_of(c, code->hash);
    while (*at != code)
        at = &(*at)->next;
    *at = code->next;
    cache_leave(&c->codes, &code->cached);
    code->linked = false;
    c->forgotten++;
    for (int i = 0; i < SENT_SLOTS; i++)
        if (c->sent[i].code == code)
            c->sent[i] = (struct sent){0};
    drop_stored(&code->known);
    code->dump = code->own;
}

static int code_gc(lua_State *L) {
    struct code *code = lua_touserdata(L, 1);
    struct codec *c = code->known.c;
    if (code->linked)
        unlink_code(code);
    if (c)
        part(&code->known);
    free(code->own);
    code->own = NULL;
    tine__watch_free(&code->watch);
    if (!c || !code->listed)
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_rawgeti(L, -1, ST_GLOBALS);
    lua_pushnil(L);
    lua_rawsetp(L, -2, code);
    return 0;
}

void tine__code_free(struct codec *c) {
    while (c->codes.count > 0)
        unlink_code(code_of_cached(LIST_ITEM(c->codes.order.next, struct cached, node)));
    while (!list_empty(&c->knowns))
        part(LIST_ITEM(c->knowns.next, struct known, node));
    free(c->buckets);
    c->buckets = NULL;
    tine__buf_free(&c->scratch);
}

static void forget_code(lua_State *L, int self, struct code *code) {
    unlink_code(code);
    lua_rawgeti(L, self, ST_CODES);
    lua_pushnil(L);
    lua_rawsetp(L, -2, code);
    lua_pop(L, 1);
}

/* Have the codec remember the code on top. */
static void link_code(lua_State *L, int self, struct code *code) {
    struct codec *c = code->known.c;
    struct cached *old;
    while ((old = cache_victim(&c->codes, code->len, CODES_KEPT)))
        forget_code(L, self, code_of_cached(old));
    lua_rawgeti(L, self, ST_CODES);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, code); /* may run finalizers, which may use this codec */
    lua_pop(L, 1);
    struct code **bucket = bucket_of(c, code->hash);
    code->next = *bucket;
    *bucket = code;
    cache_enter(&c->codes, &code->cached, code->len);
    code->linked = true;
}

/* ---- dumping ---- */

/* The chunk name of a function made by load() is its source text, and is part of the dump. If it is
** at least this long, its short form is dumped instead: messages show no more of it. */
#define LONG_SOURCE 256

#define LARGE_SCRATCH ((size_t)64 << 10)

struct dumping {
    struct buf *out;
    /* The long chunk name that is to be replaced; NULL: none, or it was replaced. */
    const char *source;
    size_t source_len;
    const char *shorter;
};

static size_t varint_len(size_t n) {
    size_t len = 1;
    while (n >>= 7)
        len++;
    return len;
}

/* Append the short chunk name in place of the long one, of which only the length was appended. */
static int append_short(struct dumping *d) {
    size_t n = strlen(d->shorter); /* at most LUA_IDSIZE */
    /* the length, in one byte; '=': the rest is shown as it is */
    const char head[] = {(char)(0x80 | (n + 2)), '='};
    d->source = NULL;
    d->out->len -= varint_len(d->source_len + 1);
    int err = buf_append(d->out, head, sizeof head);
    return err ? err : buf_append(d->out, d->shorter, n);
}

/* The writer for lua_dump, which gives a dump in many pieces, most of them one byte long. */
static int append_some(lua_State *L, const void *p, size_t n, void *ud) {
    struct dumping *d = ud;
    struct buf *b = d->out;
    (void)L;
    if (unlikely(p == d->source) && n == d->source_len)
        return append_short(d);
    if (unlikely(n != 1 || b->cap == b->len))
        return buf_append(b, p, n);
    b->data[b->len++] = *(const char *)p;
    return 0;
}

/* Append the dump of the function at `fn`. Returns 0 or TINE_ENOMEM. Allocates nothing in Lua. */
static int dump(lua_State *L, int fn, const lua_Debug *ar, struct buf *out) {
    struct dumping d = {.out = out, .source_len = ar->srclen, .shorter = ar->short_src};
    if (ar->srclen >= LONG_SOURCE && *ar->source != '@' && *ar->source != '=')
        d.source = ar->source;
    lua_pushvalue(L, fn);
    int err = lua_dump(L, append_some, &d, 0);
    lua_pop(L, 1);
    return err ? TINE_ENOMEM : 0;
}

/* ---- looking up ---- */

static struct code *recognize(const struct codec *c, uint64_t hash, const struct buf *dump) {
    struct code *code = c->buckets[hash % CODE_BUCKETS];
    while (code && (code->hash != hash || code->len != dump->len ||
                    memcmp(code->dump, dump->data, dump->len) != 0))
        code = code->next;
    return code;
}

/* Was this closure looked up by its dump before, recently? Then it is not made anew for each
** call. */
static bool comes_again(struct codec *c, const void *p) {
    for (int i = 0; i < 8; i++)
        if (c->lately[i] == p)
            return true;
    c->lately[c->lately_at++ % 8] = p;
    return false;
}

/* The code on top is that of the function at `fn`: enter it in ST_CACHE. */
static void remember(lua_State *L, int self, int fn) {
    lua_rawgeti(L, self, ST_CACHE);
    lua_pushvalue(L, fn);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

static void push_code(lua_State *L, int self, const struct code *code) {
    lua_rawgeti(L, self, ST_CODES);
    lua_rawgetp(L, -1, code);
    lua_replace(L, -2);
}

/* ---- new code ---- */

int tine__find_env(lua_State *L, int fn, int nups, const void *globals) {
    for (int i = 1; i <= nups; i++) {
        const char *name = lua_getupvalue(L, fn, i);
        bool is = strcmp(name, "_ENV") == 0 ||
                  (globals && strcmp(name, "(no name)") == 0 && lua_topointer(L, -1) == globals);
        lua_pop(L, 1);
        if (is)
            return i;
    }
    return 0;
}

/* Find the upvalue _ENV and the names of globals in the dump. */
static void describe(lua_State *L, int self, int fn, struct code *code, const void *globals) {
    code->env = (uint8_t)tine__find_env(L, fn, code->nups, globals);
    if (!tine__globals_of(L, code->dump, code->len, code->env, false, &code->globals))
        return;
    lua_rawgeti(L, self, ST_GLOBALS);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, code);
    lua_pop(L, 1);
    code->listed = true;
}

const char *tine__global_name(lua_State *L, int fn) {
    const char *name = "function";
    int top = lua_gettop(L);
    lua_pushglobaltable(L);
    for (lua_pushnil(L); lua_next(L, top + 1); lua_pop(L, 1))
        if (lua_rawequal(L, -1, fn) && lua_type(L, -2) == LUA_TSTRING) {
            name = lua_tostring(L, -2); /* stays valid: the globals table has it as a key */
            break;
        }
    lua_settop(L, top);
    return name;
}

/* Push an empty struct code. */
static struct code *new_code(lua_State *L, struct codec *c) {
    struct code *code = lua_newuserdatauv(L, sizeof *code, 0);
    *code = (struct code){.known = {.c = c, .node = {&code->known.node, &code->known.node}}};
    tine__set_class(L, "tine.code", code_gc);
    list_push(&c->knowns, &code->known.node);
    return code;
}

/* Dump the function again, now for good: c->scratch may have another dump by now, as making the
** userdata may have run finalizers that use the codec. */
static int take_dump(lua_State *L, int fn, const lua_Debug *ar, struct code *code) {
    struct buf out;
    tine__buf_init(&out);
    int err = dump(L, fn, ar, &out);
    code->dump = code->own = out.data; /* tine__buf_free would be free() */
    code->len = out.len;
    return err;
}

/* Put the code into the store. If the store has it, the copy here is freed. */
static void put_code(lua_State *L, int fn, const lua_Debug *ar, struct code *code) {
    const struct codec_code bytes = {code->dump, code->len, code->hash};
    tine__known_put(
        &code->known, &bytes,
        &(struct codec_origin){tine__global_name(L, fn), ar->short_src, ar->linedefined});
    if (!code_id(code))
        return;
    code->dump = code->known.stored->code.bytes;
    free(code->own);
    code->own = NULL;
}

/* Make a code for the function at `fn`, whose dump has that hash, and push it. Returns 0 or
** TINE_ENOMEM, without a message. */
static int make_code(struct encoder *e, int fn, const lua_Debug *ar, uint64_t hash) {
    lua_State *L = e->L;
    struct code *code = new_code(L, e->c);
    if (take_dump(L, fn, ar, code))
        return TINE_ENOMEM;
    code->hash = hash;
    code->nups = ar->nups;
    describe(L, e->self, fn, code, e->c->globals);
    put_code(L, fn, ar, code);
    link_code(L, e->self, code);
    remember(L, e->self, fn);
    return 0;
}

/* Push the code of the function, found by its dump or new. */
static int code_by_dump(struct encoder *e, int fn) {
    lua_State *L = e->L;
    struct codec *c = e->c;
    lua_Debug ar;
    if (!c->buckets && !(c->buckets = sys.calloc(CODE_BUCKETS, sizeof *c->buckets)))
        return tine__encode_nomem(e);
    lua_pushvalue(L, fn);
    lua_getinfo(L, ">Su", &ar);
    c->scratch.len = 0;
    if (dump(L, fn, &ar, &c->scratch))
        return tine__encode_nomem(e);
    uint64_t hash = tine__hash(c->scratch.data, c->scratch.len);
    struct code *code = recognize(c, hash, &c->scratch);
    if (c->scratch.cap > LARGE_SCRATCH)
        tine__buf_free(&c->scratch);
    if (code) {
        push_code(L, e->self, code);
        if (comes_again(c, lua_topointer(L, fn)))
            remember(L, e->self, fn);
        return 0;
    }
    int err = tine__name_missing(e);
    if (err)
        return err;
    return make_code(e, fn, &ar, hash) ? tine__encode_nomem(e) : 0;
}

/* Push the code that ST_CACHE has for the function; NULL, and nothing is pushed: it has none. */
static struct code *cached(lua_State *L, const struct encoder *e, int fn) {
    lua_rawgeti(L, e->self, ST_CACHE);
    lua_pushvalue(L, fn);
    lua_rawget(L, -2);
    lua_replace(L, -2);
    struct code *code = lua_touserdata(L, -1);
    if (code && code->linked)
        return code;
    lua_pop(L, 1);
    return NULL;
}

struct code *tine__code_memo(const struct encoder *e, const void *p) {
    return e->memo_fn == p && e->memo_at == e->c->forgotten ? e->memo_code : NULL;
}

int tine__code_of(struct encoder *e, int fn, struct code **out) {
    lua_State *L = e->L;
    const void *p = lua_topointer(L, fn);
    if ((*out = tine__code_memo(e, p))) {
        push_code(L, e->self, *out);
        return 0;
    }
    if (!(*out = cached(L, e, fn))) {
        int err = code_by_dump(e, fn);
        if (err)
            return err;
        *out = lua_touserdata(L, -1);
    }
    (*out)->cached.used = true;
    e->memo_fn = p;
    e->memo_code = *out;
    e->memo_at = e->c->forgotten;
    return 0;
}

/* The code of functions: recognized, dumped, stored, loaded.
**
** A function is looked up in a weak table first. A closure that is not there may still be of known
** code (made in a loop): it is compared with the codes defined in the same lines of the same source,
** by its dump without the chunk's name (which the key has). So functions that differ in nothing but lines or names of
** locals are different ones: their errors must name their own. Such closures enter the weak table only when they
** come a second time.
*/
#include "codec/dump.h"
#include "codec/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

uint64_t tine__code_hash(const char *p, size_t len) {
    uint64_t h = UINT64_C(0x9E3779B97F4A7C15) ^ len, x;
    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&x, p, 8);
        h = (h ^ x) * UINT64_C(0xFF51AFD7ED558CCD);
        h ^= h >> 32;
    }
    x = 0;
    memcpy(&x, p, len);
    h = (h ^ x) * UINT64_C(0xC4CEB9FE1A85EC53);
    return h ^ h >> 29;
}

/* ---- memory ---- */

static void code_free(struct code *code) {
    if (code) {
        free(code->dump);
        free(code->plain);
        free(code);
    }
}

void tine__codes_free(struct code **list) {
    for (struct code *code = *list, *next; code; code = next) {
        next = code->next;
        code_free(code);
    }
    *list = NULL;
}

void tine__code_free(lua_State *L, struct codec *c) {
    for (uint32_t i = 0; i < c->ncodes; i++) {
        if (c->codes[i]->closure)
            luaL_unref(L, LUA_REGISTRYINDEX, c->codes[i]->closure);
        code_free(c->codes[i]);
    }
    code_free(c->making);
    free(c->codes);
    free(c->by_id);
    c->codes = c->by_id = NULL;
    c->making = NULL;
    c->ncodes = c->codes_cap = c->by_id_len = 0;
}

/* Room for one more in `codes`, and for `id` in `by_id`. */
static bool make_room(struct codec *c, uint32_t id) {
    if (c->ncodes == c->codes_cap) {
        uint32_t cap = c->codes_cap ? c->codes_cap * 2 : 32;
        struct code **codes = sys.realloc(c->codes, cap * sizeof *codes);
        if (!codes)
            return false;
        c->codes = codes;
        c->codes_cap = cap;
    }
    if (id >= c->by_id_len) {
        size_t len = (size_t)id + id / 2 + 32;
        struct code **by_id = sys.realloc(c->by_id, len * sizeof *by_id);
        if (!by_id)
            return false;
        memset(by_id + c->by_id_len, 0, (len - c->by_id_len) * sizeof *by_id);
        c->by_id = by_id;
        c->by_id_len = (uint32_t)len;
    }
    return true;
}

static struct code **bucket(struct codec *c, const struct code *key) {
    uint64_t x = (uint64_t)key->line * 31 + (uint64_t)key->last * 17 + key->nups;
    return &c->buckets[(x * UINT64_C(0x9E3779B97F4A7C15)) >> 56];
}

static void keep(struct codec *c, struct code *code) {
    struct code **b = bucket(c, code);
    code->next = *b;
    *b = code;
    c->codes[c->ncodes++] = code;
    if (code->id && code->id < c->by_id_len)
        c->by_id[code->id] = code;
}

/* ---- recognizing ---- */

/* What a closure says of itself without a dump. */
static struct code key_of(lua_State *L, int fn) {
    lua_Debug ar;
    lua_pushvalue(L, fn);
    lua_getinfo(L, ">Su", &ar);
    return (struct code){.source = ar.source,
                         .source_len = ar.srclen,
                         .line = ar.linedefined,
                         .last = ar.lastlinedefined,
                         .nparams = ar.nparams + (ar.isvararg ? 256 : 0),
                         .nups = ar.nups};
}

/* Of a code that is kept the chunk name may be gone: its hash stays. */
static uint64_t source_hash(const struct code *key) {
    size_t n = key->source_len;
    return n <= 128
               ? tine__code_hash(key->source, n)
               : tine__code_hash(key->source, 64) ^ tine__code_hash(key->source + n - 64, 64) ^ n;
}

/* The same pointer is the same chunk in nearly all cases, and the code is compared anyway. */
static bool same_source(const struct code *code, const struct code *key) {
    return code->source == key->source ||
           (code->source_len == key->source_len && code->source_hash == source_hash(key));
}

static bool same_key(const struct code *code, const struct code *key) {
    return code->line == key->line && code->last == key->last && code->nups == key->nups &&
           code->nparams == key->nparams && code->plain && same_source(code, key);
}

/* Where the chunk's name lies in a dump: behind the header and the number of upvalues, its length first. */
#define SOURCE_AT (DUMP_HEADER + 1)

/* What of a dump has come. */
struct progress {
    size_t at, source; /* bytes that came; that are still to come of the chunk's name */
};

/* Is this piece of a dump the chunk's name, or its length? lua_dump gives each of them as a piece. */
static bool is_source(struct progress *d, const void *p, size_t n) {
    const unsigned char *c = p;
    size_t at = d->at;
    d->at += n;
    if (unlikely(at == SOURCE_AT)) {
        size_t len = 0;
        for (size_t i = 0; i < n; i++)
            len = len << 7 | (c[i] & 0x7f);
        d->source = len ? len - 1 : 0;
        return true;
    }
    if (likely(d->source == 0 || at < SOURCE_AT))
        return false;
    d->source -= n < d->source ? n : d->source;
    return true;
}

struct comparison {
    const char *p;
    size_t left;
    struct progress progress;
};

static int compare_some(lua_State *L, const void *p, size_t n, void *ud) {
    struct comparison *with = ud;
    (void)L;
    if (is_source(&with->progress, p, n))
        return 0;
    const char *a = p, *b = with->p;
    if (n > with->left)
        return 1;
    if (n > 16) {
        if (memcmp(a, b, n) != 0)
            return 1;
    } else { /* most pieces are of a few bytes */
        for (size_t i = 0; i < n; i++)
            if (a[i] != b[i])
                return 1;
    }
    with->p += n;
    with->left -= n;
    return 0;
}

/* Stripped code has no names of upvalues: there it is the one that is the globals table (at `globals`, if that is
** to count). */
static bool is_env(lua_State *L, int fn, int i, const void *globals) {
    const char *name = lua_getupvalue(L, fn, i);
    bool is = strcmp(name, "_ENV") == 0 ||
              (globals && strcmp(name, "(no name)") == 0 && lua_topointer(L, -1) == globals);
    lua_pop(L, 1);
    return is;
}

static int find_env(lua_State *L, int fn, int nups, const void *globals) {
    for (int i = 1; i <= nups; i++)
        if (is_env(L, fn, i, globals))
            return i;
    return 0;
}

static bool same_code(lua_State *L, const struct codec *c, int fn, const struct code *code) {
    struct comparison with = {.p = code->plain, .left = code->plain_len};
    lua_pushvalue(L, fn);
    bool same = lua_dump(L, compare_some, &with, 0) == 0 && with.left == 0;
    lua_pop(L, 1);
    if (!same)
        return false;
    return code->env ? is_env(L, fn, code->env, c->globals)
                     : find_env(L, fn, code->nups, c->globals) == 0;
}

static struct code *recognize(lua_State *L, struct codec *c, int fn, const struct code *key) {
    for (struct code *code = *bucket(c, key); code; code = code->next)
        if (same_key(code, key) && same_code(L, c, fn, code))
            return code;
    return NULL;
}

/* Was this closure recognized lately, too? Then it is one that stays. */
static bool comes_again(struct codec *c, const void *p) {
    for (int i = 0; i < 8; i++)
        if (c->lately[i] == p)
            return true;
    c->lately[c->lately_at++ % 8] = p;
    return false;
}

static void remember(lua_State *L, int self, int fn, const struct code *code) {
    lua_rawgeti(L, self, ST_CACHE);
    lua_pushvalue(L, fn);
    lua_pushinteger(L, code->index);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* ---- new code ---- */

static int append_some(lua_State *L, const void *p, size_t n, void *ud) {
    (void)L;
    return buf_append(ud, p, n);
}

struct plain_dump {
    struct buf b;
    struct progress progress;
};

static int append_plain(lua_State *L, const void *p, size_t n, void *ud) {
    struct plain_dump *d = ud;
    (void)L;
    return is_source(&d->progress, p, n) ? 0 : buf_append(&d->b, p, n);
}

static bool dump(lua_State *L, int fn, bool plain, char **out, size_t *len) {
    struct plain_dump d = {0};
    tine__buf_init(&d.b);
    lua_pushvalue(L, fn);
    int err = plain ? lua_dump(L, append_plain, &d, 0) : lua_dump(L, append_some, &d.b, 0);
    lua_pop(L, 1);
    if (err) {
        tine__buf_free(&d.b);
        return false;
    }
    *out = d.b.data; /* tine__buf_free is free() */
    *len = d.b.len;
    return true;
}

/* The source text of a function made by load() is its chunk name, and travels with the dump. Of a
** long one the short form, which is all that messages show, is enough. */
static bool shorten(lua_State *L, int fn, struct code *code) {
    struct dump_function f;
    lua_Debug ar;
    if (!tine__dump_main(code->dump, code->len, &f) || f.source_len < 256 ||
        strchr("@=", *f.source))
        return true;
    lua_pushvalue(L, fn);
    lua_getinfo(L, ">S", &ar);
    size_t n = strlen(ar.short_src);
    char *bytes = sys.malloc(code->len);
    if (!bytes)
        return false;
    memcpy(bytes, code->dump, f.start);
    char *p = bytes + f.start;
    *p++ = (char)(0x80 | (n + 2)); /* "=" and the name, LUA_IDSIZE at most */
    *p++ = '=';
    memcpy(p, ar.short_src, n);
    memcpy(p + n, code->dump + f.source_end, code->len - f.source_end);
    free(code->dump);
    code->dump = bytes;
    code->len = (size_t)(p + n - bytes) + code->len - f.source_end;
    return true;
}

/* Upvalue _ENV and the names of globals; may raise a memory error. */
static void describe(lua_State *L, int self, int fn, struct code *code, const char *bytes,
                     size_t len, const void *globals) {
    code->env = (uint8_t)find_env(L, fn, code->nups, globals);
    if (!tine__globals_of(L, bytes, len, code->env, &code->globals))
        return;
    lua_rawgeti(L, self, ST_GLOBALS);
    lua_insert(L, -2);
    lua_rawseti(L, -2, code->index);
    lua_pop(L, 1);
}

/* A new code in c->making: what is left there by an error that passed through is dropped. */
static struct code *begin_code(struct codec *c, const struct code *key) {
    code_free(c->making);
    c->making = sys.malloc(sizeof *c->making);
    if (c->making) {
        *c->making = *key;
        c->making->source_hash = source_hash(key);
    }
    return c->making;
}

static const char *global_name(lua_State *L, int fn) {
    const char *name = "function";
    int top = lua_gettop(L);
    lua_pushglobaltable(L);
    for (lua_pushnil(L); lua_next(L, top + 1); lua_pop(L, 1))
        if (lua_rawequal(L, -1, fn) && lua_type(L, -2) == LUA_TSTRING) {
            name = lua_tostring(L, -2); /* stays: the globals table has it as a key */
            break;
        }
    lua_settop(L, top);
    return name;
}

const struct codec_origin *tine__origin_of(struct encoder *e, int fn, const char *name) {
    lua_State *L = e->L;
    const struct codec_store *store = &e->c->options.store;
    lua_Debug ar;
    if (!store->origin)
        return NULL;
    lua_pushvalue(L, fn);
    lua_getinfo(L, ">S", &ar);
    struct codec_origin o = {
        .name = name ? name : global_name(L, fn), .source = ar.short_src, .line = ar.linedefined};
    return store->origin(store->ctx, &o);
}

static void put(struct codec *c, struct code *code) {
    struct codec_code bytes = {code->dump, code->len, code->hash};
    if (!c->options.store.put || !(code->id = c->options.store.put(c->options.store.ctx, &bytes)))
        return;
    free(code->dump);
    code->dump = NULL;
}

/* 0 or TINE_ENOMEM without a message. */
static int make_code(struct encoder *e, int fn, const struct code *key, struct code **out) {
    lua_State *L = e->L;
    struct codec *c = e->c;
    struct code *code = begin_code(c, key);
    bool kept = c->ncodes < MAX_CODES;
    if (!code || !dump(L, fn, false, &code->dump, &code->len) || !shorten(L, fn, code) ||
        !make_room(c, 0))
        return TINE_ENOMEM;
    if (kept && !dump(L, fn, true, &code->plain, &code->plain_len))
        return TINE_ENOMEM;
    code->hash = tine__code_hash(code->dump, code->len);
    code->index = kept ? (int32_t)c->ncodes + 1 : e->passing ? e->passing->index - 1 : -1;
    describe(L, e->self, fn, code, code->dump, code->len, c->globals);
    code->origin = tine__origin_of(e, fn, NULL);
    if (kept) {
        remember(L, e->self, fn, code);
        put(c, code);
        (void)make_room(c, code->id); /* without: a function that comes back is a code of its own */
    }
    c->making = NULL;
    if (kept) {
        keep(c, code);
    } else {
        code->next = e->passing;
        e->passing = code;
    }
    *out = code;
    return 0;
}

static struct code *cached(lua_State *L, const struct encoder *e, int fn) {
    lua_rawgeti(L, e->self, ST_CACHE);
    lua_pushvalue(L, fn);
    lua_rawget(L, -2);
    lua_Integer i = lua_tointeger(L, -1);
    lua_pop(L, 2);
    return i > 0 && i <= e->c->ncodes ? e->c->codes[i - 1] : NULL;
}

int tine__code_of(struct encoder *e, int fn, struct code **out) {
    lua_State *L = e->L;
    const void *p = lua_topointer(L, fn);
    int err;
    if (p == e->memo_fn) {
        *out = e->memo_code;
        return 0;
    }
    *out = cached(L, e, fn);
    if (!*out) {
        struct code key = key_of(L, fn);
        *out = recognize(L, e->c, fn, &key);
        if (*out && comes_again(e->c, p))
            remember(L, e->self, fn, *out);
        if (!*out && (err = tine__name_missing(e)))
            return err;
        if (!*out && make_code(e, fn, &key, out))
            return tine__encode_nomem(e);
    }
    e->memo_fn = p;
    e->memo_code = *out;
    return 0;
}

/* ---- loading ---- */

struct reading {
    const char *p;
    size_t len;
};

static const char *read_all(lua_State *L, void *ud, size_t *len) {
    struct reading *r = ud;
    const char *p = r->p;
    (void)L;
    *len = r->len;
    r->p = NULL;
    r->len = 0;
    return p;
}

/* Push the function of a dump whose hash has been checked. */
void tine__load_dump(lua_State *L, const char *p, size_t len) {
    struct reading r = {p, len};
    if (lua_load(L, read_all, &r, "=(task)", "b") != LUA_OK)
        luaL_error(L, "cannot load the code of a function: %s", lua_tostring(L, -1));
}

static struct codec_code stored(lua_State *L, const struct codec *c, lua_Integer id) {
    const struct codec_store *store = &c->options.store;
    struct codec_code bytes = {0};
    if (id < 1 || id > UINT32_MAX - 1 || !store->get ||
        !store->get(store->ctx, (uint32_t)id, &bytes))
        luaL_error(L, "malformed message: no code has the number %I", (LUAI_UACINT)id);
    return bytes;
}

/* A code met first as an id: so that functions of it in results are named by that id. */
static struct code *adopt(lua_State *L, struct codec *c, int self, uint32_t id, int fn,
                          const struct codec_code *bytes) {
    struct code key = key_of(L, fn);
    struct code *code = begin_code(c, &key);
    if (!code || !make_room(c, id) || !dump(L, fn, true, &code->plain, &code->plain_len))
        luaL_error(L, "not enough memory to load a function");
    code->id = id;
    code->hash = bytes->hash;
    code->index = (int32_t)c->ncodes + 1;
    describe(L, self, fn, code, bytes->bytes, bytes->len, NULL);
    c->making = NULL;
    keep(c, code);
    return code;
}

const struct code *tine__code_by_id(lua_State *L, struct codec *c, int self, lua_Integer id) {
    struct code *code = id > 0 && id < c->by_id_len ? c->by_id[id] : NULL;
    if (likely(code && code->loaded))
        return code;
    struct codec_code bytes = stored(L, c, id);
    if (tine__code_hash(bytes.bytes, bytes.len) != bytes.hash)
        luaL_error(L, "the code of a function was damaged on its way");
    tine__load_dump(L, bytes.bytes, bytes.len);
    if (!code)
        code = adopt(L, c, self, (uint32_t)id, lua_gettop(L), &bytes);
    lua_rawgeti(L, self, ST_MAKERS);
    if (!tine__push_maker(L, bytes.bytes, bytes.len, code->nups))
        lua_pushboolean(L, 0);
    lua_rawseti(L, -2, id);
    lua_pop(L, 2);
    code->stateless = tine__stateless(code, bytes.bytes, bytes.len);
    code->loaded = true;
    return code;
}

void tine__code_push(lua_State *L, struct codec *c, int self, const struct code *code) {
    lua_rawgeti(L, self, ST_MAKERS);
    if (likely(lua_rawgeti(L, -1, code->id) == LUA_TFUNCTION)) {
        lua_call(L, 0, 1);
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 2);
    struct codec_code bytes = stored(L, c, code->id);
    tine__load_dump(L, bytes.bytes, bytes.len);
}

int tine__code_push_inline(lua_State *L, const char *p, size_t len) {
    lua_Debug ar;
    if (len < 8)
        luaL_error(L, "malformed message: code of %d bytes", (int)len);
    uint64_t hash = get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
    if (tine__code_hash(p + 8, len - 8) != hash)
        luaL_error(L, "the code of a function was damaged on its way");
    tine__load_dump(L, p + 8, len - 8);
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">u", &ar);
    return ar.nups;
}

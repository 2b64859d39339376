#include <lua.h>
#include <string.h>
#include "base/buf.h"
#include "codec/lua/dump.h"
#include "codec/state.h"

static int append(lua_State *L, const void *p, size_t n, void *ud) {
    (void)L;
    return buf_append(ud, p, n);
}

bool tine__dump_append(lua_State *L, int fn, bool strip, struct buf *out) {
    lua_pushvalue(L, fn);
    bool good = lua_dump(L, append, out, strip) == 0;
    lua_pop(L, 1);
    return good;
}

const unsigned char *tine__dump_skip(struct dump_cursor *c, size_t n) {
    const unsigned char *at = c->p;
    if (!c->ok || n > (size_t)(c->end - c->p)) {
        c->ok = false;
        return NULL;
    }
    c->p += n;
    return at;
}

unsigned tine__dump_byte(struct dump_cursor *c) {
    const unsigned char *p = tine__dump_skip(c, 1);
    return p ? *p : 0;
}

/* Seven bits a byte, the highest first; the last byte has its top bit set. */
size_t tine__dump_number(struct dump_cursor *c) {
    size_t x = 0;
    for (int i = 0; i < 10 && c->ok; i++) {
        unsigned b = tine__dump_byte(c);
        x = x << 7 | (b & 0x7f);
        if (b & 0x80)
            return x;
    }
    c->ok = false;
    return 0;
}

const char *tine__dump_string(struct dump_cursor *c, size_t *len) {
    size_t n = tine__dump_number(c);
    *len = n ? n - 1 : 0;
    return n ? (const char *)tine__dump_skip(c, n - 1) : NULL;
}

const char *tine__dump_constant(struct dump_cursor *c, size_t *len) {
    switch (tine__dump_byte(c)) {
    case 0x00: /* nil */
    case 0x01: /* false */
    case 0x11: /* true */
        return NULL;
    case 0x03: /* integer */
    case 0x13: /* float */
        tine__dump_skip(c, 8);
        return NULL;
    case 0x04: /* a short or a long string */
    case 0x14:
        return tine__dump_string(c, len);
    default:
        c->ok = false;
        return NULL;
    }
}

void tine__dump_debug(struct dump_cursor *c) {
    size_t len, n = tine__dump_number(c);
    tine__dump_skip(c, n);                                /* the line of each instruction */
    for (n = tine__dump_number(c); n > 0 && c->ok; n--) { /* absolute lines */
        tine__dump_number(c);
        tine__dump_number(c);
    }
    for (n = tine__dump_number(c); n > 0 && c->ok; n--) { /* local variables */
        tine__dump_string(c, &len);
        tine__dump_number(c);
        tine__dump_number(c);
    }
    for (n = tine__dump_number(c); n > 0 && c->ok; n--) /* upvalue names */
        tine__dump_string(c, &len);
}

struct dump_cursor tine__dump_open(const char *dump, size_t len) {
    const unsigned char *p = (const unsigned char *)dump;
    struct dump_cursor c = {p, p + len, LUA_VERSION_NUM == 504, NULL};
    const unsigned char *h = tine__dump_skip(&c, DUMP_HEADER + 1);
    /* DUMP_HEADER assumes 4-byte instructions, 8-byte integers and floats */
    c.ok = h && memcmp(h, LUA_SIGNATURE, 4) == 0 && h[4] == 0x54 && h[5] == 0 && h[12] == 4 &&
           h[13] == 8 && h[14] == 8;
    return c;
}

void tine__dump_push_constants(lua_State *L, struct dump_cursor *c) {
    size_t len, n = tine__dump_number(c);
    lua_newtable(L);
    for (size_t i = 0; i < n && c->ok; i++) {
        const char *p = tine__dump_constant(c, &len);
        if (!p)
            continue;
        lua_pushlstring(L, p, len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

const char *tine__dump_push_constant(lua_State *L, unsigned k) {
    if (lua_rawgeti(L, -1, (lua_Integer)k + 1) == LUA_TSTRING)
        return lua_tostring(L, -1);
    lua_pop(L, 1);
    return NULL;
}

static void walk_constants(struct dump_cursor *c) {
    size_t len;
    for (size_t n = tine__dump_number(c); n > 0 && c->ok; n--) {
        const char *s = tine__dump_constant(c, &len);
        if (s && c->ok && c->visitor)
            c->visitor->text(c->visitor->ud, s, len);
    }
}

static void walk(struct dump_cursor *c, const unsigned char *base, int level,
                 struct dump_function *out) {
    struct dump_function child;
    size_t n;
    *out = (struct dump_function){.start = (size_t)(c->p - base)};
    out->source = tine__dump_string(c, &out->source_len);
    out->source_end = (size_t)(c->p - base);
    tine__dump_number(c); /* first and last line */
    tine__dump_number(c);
    tine__dump_skip(c, 3); /* parameters, vararg, registers */
    n = tine__dump_number(c);
    c->ok = c->ok && n <= (size_t)(c->end - c->p);
    tine__dump_skip(c, 4 * n);
    walk_constants(c);
    out->nups = tine__dump_number(c);
    out->upvalues = (size_t)(c->p - base);
    c->ok = c->ok && out->nups <= 255 && level < 250;
    tine__dump_skip(c, 3 * out->nups);
    for (n = tine__dump_number(c); n > 0 && c->ok; n--) {
        walk(c, base, level + 1, &child);
        if (!out->child_end) {
            out->child_start = child.start;
            out->child_end = child.end;
        }
    }
    tine__dump_debug(c);
    out->end = (size_t)(c->p - base);
    if (c->ok && c->visitor)
        c->visitor->function(c->visitor->ud, out, level);
}

bool tine__dump_visit(const char *dump, size_t len, const struct dump_visitor *visitor) {
    struct dump_cursor c = tine__dump_open(dump, len);
    struct dump_function f;
    c.visitor = visitor;
    walk(&c, (const unsigned char *)dump, 0, &f);
    return c.ok && c.p == c.end;
}

bool tine__dump_main(const char *dump, size_t len, struct dump_function *out) {
    struct dump_cursor c = tine__dump_open(dump, len);
    walk(&c, (const unsigned char *)dump, 0, out);
    return c.ok && c.p == c.end;
}

void tine__dump_at(const char *dump, size_t len, size_t at, struct dump_function *out) {
    const unsigned char *p = (const unsigned char *)dump;
    struct dump_cursor c = {p + at, p + len, at <= len, NULL};
    walk(&c, p, 0, out);
    if (!c.ok)
        out->end = 0;
}

/* ---- comparing ---- */

static bool dump(lua_State *L, int fn, struct buf *b, struct dump_function *f) {
    return tine__dump_append(L, fn, false, b) && tine__dump_main(b->data, b->len, f);
}

/* Are the dumps equal except for the chunk's name and the descriptions of upvalues? A closure that
** the codec has made (maker.c) takes its upvalues from another function than the original. */
static bool same_dumps(const char *a, const struct dump_function *f, const char *b,
                       const struct dump_function *g) {
    size_t head = f->upvalues - f->source_end, from = f->upvalues + 3 * f->nups,
           to = g->upvalues + 3 * g->nups;
    return f->nups == g->nups && g->upvalues - g->source_end == head &&
           f->end - from == g->end - to &&
           memcmp(a + f->source_end, b + g->source_end, head) == 0 &&
           memcmp(a + from, b + to, f->end - from) == 0;
}

bool tine__same_code(lua_State *L, int a, int b) {
    struct dump_function f, g;
    struct buf x, y;
    tine__buf_init(&x);
    tine__buf_init(&y);
    bool good = dump(L, a, &x, &f) && dump(L, b, &y, &g) && same_dumps(x.data, &f, y.data, &g);
    tine__buf_free(&x);
    tine__buf_free(&y);
    return good;
}

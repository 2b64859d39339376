/* Which globals a function reads and assigns: read from its own dump, nested functions included.
**
** A global is a field of the upvalue _ENV. The compiler reads one with GETTABUP and assigns one with
** SETTABUP, whose key is a short string constant; with many constants in a function, or a long name,
** it takes GETUPVAL, LOADK and GETTABLE or SETTABLE. What numbers these instructions have is learnt
** from probes that this Lua compiles. If a dump does not look as expected, no name is found, and
** globals then do not travel.
*/
#include "codec/dump.h"
#include "codec/internal.h"

#include <stdatomic.h>
#include <string.h>

#include "base/buf.h"

/* ---- instructions ---- */

struct opcodes {
    unsigned char gettabup, settabup, getupval, loadk, gettable, settable;
    bool known;
};

static unsigned op_of(uint32_t i) {
    return i & 0x7f;
}
static unsigned a_of(uint32_t i) {
    return i >> 7 & 0xff;
}
static unsigned b_of(uint32_t i) {
    return i >> 16 & 0xff;
}
static unsigned c_of(uint32_t i) {
    return i >> 24;
}
static unsigned bx_of(uint32_t i) {
    return i >> 15;
}

static uint32_t instruction(const unsigned char *code, size_t i) {
    uint32_t x;
    memcpy(&x, code + 4 * i, 4);
    return x;
}

static int write_some(lua_State *L, const void *p, size_t n, void *ud) {
    struct buf *b = ud; /* of fixed size: probes are short */
    (void)L;
    return buf_append(b, p, n);
}

static int no_growth(struct buf *b, size_t need) {
    (void)b;
    (void)need;
    return TINE_ENOMEM;
}

/* The opcode of instruction `at` of a chunk; 0x7f when something is odd. */
static unsigned char probe(lua_State *L, const char *text, size_t at) {
    char bytes[512];
    struct buf b = {.data = bytes, .cap = sizeof bytes, .grow = no_growth};
    size_t unused;
    unsigned char op = 0x7f;
    if (luaL_loadbufferx(L, text, strlen(text), "=p", "t") != LUA_OK) {
        lua_pop(L, 1);
        return op;
    }
    if (lua_dump(L, write_some, &b, 1) == 0) {
        struct dump_cursor c = tine__dump_open(bytes, b.len);
        tine__dump_string(&c, &unused);
        tine__dump_number(&c), tine__dump_number(&c);
        tine__dump_skip(&c, 3);
        size_t n = tine__dump_number(&c);
        const unsigned char *code = tine__dump_skip(&c, 4 * n);
        if (c.ok && at < n)
            op = (unsigned char)op_of(instruction(code, at));
    }
    lua_pop(L, 1);
    return op;
}

static struct opcodes learn(lua_State *L) {
    struct opcodes o = {
        .gettabup = probe(L, "return x", 1),
        .settabup = probe(L, "x = nil", 1),
        .getupval = probe(L, "return _ENV", 1),
        .loadk = probe(L, "return 'x'", 1),
        .gettable = probe(L, "local a, b; return a[b]", 2),
        .settable = probe(L, "local a, b; a[b] = a", 2),
    };
    o.known = o.gettabup != 0x7f && o.settabup != 0x7f && o.gettabup != o.settabup;
    return o;
}

/* Learnt once for the whole program: one word, so that threads may learn it at the same time. */
static struct opcodes opcodes(lua_State *L) {
    static _Atomic uint64_t kept;
    uint64_t word = atomic_load_explicit(&kept, memory_order_relaxed);
    struct opcodes o;
    _Static_assert(sizeof o <= sizeof word, "opcodes fit into a word");
    if (word) {
        memcpy(&o, &word, sizeof o);
        return o;
    }
    o = learn(L);
    memcpy(&word, &o, sizeof o);
    atomic_store_explicit(&kept, word, memory_order_relaxed);
    return o;
}

/* ---- functions ---- */

struct scan {
    lua_State *L;
    struct dump_cursor c;
    struct opcodes ops;
    int set; /* stack index: name -> true if assigned, false if only read */
};

/* Lua's own globals: every worker has them. */
static bool is_standard(const char *name) {
    static const char *const names[] = {
        "_G",       "_VERSION",     "assert",   "collectgarbage", "coroutine",
        "debug",    "dofile",       "error",    "getmetatable",   "io",
        "ipairs",   "load",         "loadfile", "math",           "next",
        "os",       "package",      "pairs",    "pcall",          "print",
        "rawequal", "rawget",       "rawlen",   "rawset",         "require",
        "select",   "setmetatable", "string",   "table",          "tonumber",
        "tostring", "type",         "utf8",     "warn",           "xpcall",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Note the global whose name is constant `k` of the function whose constants are on top. */
static void note(struct scan *s, unsigned k, bool assigned) {
    lua_State *L = s->L;
    if (lua_rawgeti(L, -1, (lua_Integer)k + 1) != LUA_TSTRING || is_standard(lua_tostring(L, -1))) {
        lua_pop(L, 1);
        return;
    }
    lua_pushvalue(L, -1);
    if (lua_rawget(L, s->set) == LUA_TBOOLEAN)
        assigned |= lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_pushboolean(L, assigned);
    lua_rawset(L, s->set);
}

/* GETUPVAL r; LOADK q k; ... GETTABLE x r q or SETTABLE r q x. */
static void note_long(struct scan *s, const unsigned char *code, size_t n, size_t at) {
    if (at + 1 >= n || op_of(instruction(code, at + 1)) != s->ops.loadk)
        return;
    unsigned r = a_of(instruction(code, at)), q = a_of(instruction(code, at + 1));
    for (size_t i = at + 2; i < n; i++) {
        uint32_t x = instruction(code, i);
        bool get = op_of(x) == s->ops.gettable && b_of(x) == r && c_of(x) == q;
        bool set = op_of(x) == s->ops.settable && a_of(x) == r && b_of(x) == q;
        if (get || set) {
            note(s, bx_of(instruction(code, at + 1)), set);
            return;
        }
    }
}

static void scan_code(struct scan *s, const unsigned char *code, size_t n, int env) {
    for (size_t i = 0; i < n; i++) {
        uint32_t x = instruction(code, i);
        if (op_of(x) == s->ops.gettabup && b_of(x) == (unsigned)env)
            note(s, c_of(x), false);
        else if (op_of(x) == s->ops.settabup && a_of(x) == (unsigned)env)
            note(s, b_of(x), true);
        else if (op_of(x) == s->ops.getupval && b_of(x) == (unsigned)env)
            note_long(s, code, n, i);
    }
}

/* Push a table of the string constants, by number. */
static void push_constants(struct scan *s) {
    size_t len, n = tine__dump_number(&s->c);
    lua_newtable(s->L);
    for (size_t i = 0; i < n && s->c.ok; i++) {
        const char *p = tine__dump_constant(&s->c, &len);
        if (!p)
            continue;
        lua_pushlstring(s->L, p, len);
        lua_rawseti(s->L, -2, (lua_Integer)i + 1);
    }
}

/* The number of the upvalue that is the enclosing function's upvalue `env`; -1: none. */
static int find_upvalue(struct scan *s, int env) {
    int found = -1;
    size_t n = tine__dump_number(&s->c);
    for (size_t i = 0; i < n && s->c.ok; i++) {
        unsigned instack = tine__dump_byte(&s->c), index = tine__dump_byte(&s->c);
        tine__dump_byte(&s->c); /* kind */
        if (!instack && env >= 0 && index == (unsigned)env)
            found = (int)i;
    }
    return found;
}

/* `outer` is the environment's number among the enclosing function's upvalues, or with `main` among
** its own. */
static void scan_function(struct scan *s, int outer, bool main) {
    size_t len;
    luaL_checkstack(s->L, 8, "nested functions");
    tine__dump_string(&s->c, &len);
    tine__dump_number(&s->c), tine__dump_number(&s->c);
    tine__dump_skip(&s->c, 3);
    size_t n = tine__dump_number(&s->c);
    const unsigned char *code =
        n <= (size_t)(s->c.end - s->c.p) ? tine__dump_skip(&s->c, 4 * n) : NULL;
    s->c.ok = s->c.ok && code;
    push_constants(s);
    int env = find_upvalue(s, outer);
    if (main)
        env = outer;
    if (s->c.ok && env >= 0)
        scan_code(s, code, n, env);
    lua_pop(s->L, 1);
    for (n = tine__dump_number(&s->c); n > 0 && s->c.ok; n--)
        scan_function(s, env, false);
    tine__dump_debug(&s->c);
}

/* Append the names of `set` that are assigned, or are not, to the list on top. */
static uint32_t collect(lua_State *L, int set, bool assigned, lua_Integer at) {
    int list = lua_gettop(L);
    uint32_t n = 0;
    for (lua_pushnil(L); lua_next(L, set); lua_pop(L, 1)) {
        if (lua_toboolean(L, -1) != assigned)
            continue;
        lua_pushvalue(L, -2);
        lua_rawseti(L, list, at + ++n);
    }
    return n;
}

bool tine__globals_of(lua_State *L, const char *dump, size_t len, int env, uint32_t *nreads,
                      uint32_t *nassigns) {
    struct scan s = {.L = L, .c = tine__dump_open(dump, len), .ops = opcodes(L)};
    if (!s.c.ok || !s.ops.known)
        return false;
    lua_newtable(L);
    s.set = lua_gettop(L);
    scan_function(&s, env - 1, true);
    if (!s.c.ok || s.c.p != s.c.end) {
        lua_pop(L, 1);
        return false;
    }
    lua_newtable(L);
    *nreads = collect(L, s.set, false, 0);
    *nassigns = collect(L, s.set, true, *nreads);
    lua_remove(L, s.set);
    return true;
}

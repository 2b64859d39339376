/* Globals: which globals a function reads and assigns, found in its bytecode and that of the
** functions inside of it.
**
** A global is a field of the upvalue _ENV. The compiler reads one with GETTABUP and assigns one
** with SETTABUP; the key is a short string constant. If a function has many constants, or the name
** is long, it emits GETUPVAL, LOADK, and GETTABLE or SETTABLE instead. If a dump does not look as
** expected, no names are found, and globals do not travel.
*/
#include <lauxlib.h>
#include <string.h>
#include "base/buf.h"
#include "codec/lua/dump.h"
#include "codec/lua/globals.h"
#include "codec/lua/ops.h"
#include "codec/lua/standard.h"

struct scan {
    lua_State *L;
    struct dump_cursor c;
    struct opcodes ops;
    int set;  /* stack index of a table: name -> bits of enum use */
    int uses; /* stack index of a set: "module.field", or "module" for any field */
    struct global_uses *out;
    bool inner; /* leave out the main function itself */
};

enum use {
    USE_READ = 1,   /* as a plain name */
    USE_READ_G = 2, /* as _G.name */
    USE_ASSIGNED = 4,
};

/* Note a use of the global whose name is constant `k`. */
static void note(struct scan *s, unsigned k, enum use use) {
    lua_State *L = s->L;
    if (!tine__dump_push_constant(s->L, k))
        return;
    lua_pushvalue(L, -1);
    lua_rawget(L, s->set);
    lua_Integer bits = lua_tointeger(L, -1) | (lua_Integer)use;
    lua_pop(L, 1);
    lua_pushinteger(L, bits);
    lua_rawset(L, s->set);
}

/* Note the use of a field of one of Lua's own libraries: constant `k`, or -1 for any field. */
static void note_use(struct scan *s, const char *module, int k) {
    lua_State *L = s->L;
    const char *field = k < 0 ? NULL : tine__dump_push_constant(s->L, (unsigned)k);
    if (field)
        lua_pushfstring(L, "%s.%s", module, field);
    else
        lua_pushstring(L, module);
    lua_pushboolean(L, 1);
    lua_rawset(L, s->uses);
    if (field)
        lua_pop(L, 1);
}

static bool is_library(const char *name) {
    static const char *const names[] = {"coroutine", "debug",  "io",    "math", "os",
                                        "package",   "string", "table", "utf8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* If instruction `at` loads a constant, the number of the constant, and its register in *q; else
** -1. */
static int constant_loaded(const struct scan *s, const unsigned char *code, size_t n, size_t at,
                           unsigned *q) {
    uint32_t x = at + 1 < n ? instruction(code, at) : 0;
    *q = a_of(x);
    if (at + 1 < n && op_of(x) == s->ops.loadk)
        return (int)bx_of(x);
    if (at + 1 < n && op_of(x) == s->ops.loadk + 1u) /* LOADKX follows LOADK in Lua's list */
        return (int)ax_of(instruction(code, at + 1));
    return -1;
}

/* If instruction `at` loads a field of the table in register `r`, the number of the constant that
** is the key; the key may also have been loaded into a register right before. Else -1. */
static int field_at(const struct scan *s, const unsigned char *code, size_t n, size_t at,
                    unsigned r) {
    unsigned q;
    uint32_t x = at < n ? instruction(code, at) : 0;
    if (at >= n || b_of(x) != r)
        return -1;
    if (op_of(x) == s->ops.getfield || (op_of(x) == s->ops.self && k_of(x)))
        return (int)c_of(x);
    for (size_t back = 1; op_of(x) == s->ops.gettable && back <= 2 && back <= at; back++) {
        int k = constant_loaded(s, code, n, at - back, &q);
        if (k >= 0 && q == c_of(x))
            return k;
    }
    return -1;
}

/* The same for the instruction after `at`. */
static int field_after(const struct scan *s, const unsigned char *code, size_t n, size_t at,
                       unsigned r) {
    return field_at(s, code, n, at + 1, r);
}

/* Instruction `at` has put the table of globals into register `r`: note the fields that are loaded
** from it, until the register gets another value. */
static void note_fields(struct scan *s, const unsigned char *code, size_t n, size_t at, unsigned r,
                        enum use use) {
    for (size_t i = at + 1; i < n; i++) {
        uint32_t x = instruction(code, i);
        int field = field_at(s, code, n, i, r);
        if (field >= 0)
            note(s, (unsigned)field, use);
        if (a_of(x) == r && op_of(x) != s->ops.setfield && op_of(x) != s->ops.settable)
            return;
    }
}

/* Note a read: instruction `at`, or the instructions up to it, loads the global whose name is
** constant `k` into register `r`. */
static void note_read(struct scan *s, const unsigned char *code, size_t n, size_t at, unsigned k,
                      unsigned r) {
    const char *name = tine__dump_push_constant(s->L, k);
    if (!name)
        return;
    lua_pop(s->L, 1); /* valid: the table of constants keeps it */
    int field = field_after(s, code, n, at, r);
    note(s, k, USE_READ);
    if (is_library(name))
        note_use(s, name, field);
    if (strcmp(name, "_G") != 0)
        return;
    note_fields(s, code, n, at, r, USE_READ_G);
    if (field < 0 || !tine__dump_push_constant(s->L, (unsigned)field))
        return;
    name = lua_tostring(s->L, -1);
    lua_pop(s->L, 1);
    if (is_library(name))
        note_use(s, name, field_after(s, code, n, at + 1, a_of(instruction(code, at + 1))));
}

/* If GETUPVAL at `at` is part of an access to a global, note that: GETUPVAL r; LOADK q k (or LOADKX
** q, EXTRAARG k); ...; GETTABLE x r q or SETTABLE r q x. Else false. */
static bool note_long(struct scan *s, const unsigned char *code, size_t n, size_t at) {
    unsigned r = a_of(instruction(code, at)), q;
    int k = constant_loaded(s, code, n, at + 1, &q);
    if (k < 0)
        return false;
    for (size_t i = at + 2; i < n; i++) {
        uint32_t x = instruction(code, i);
        if (op_of(x) == s->ops.gettable && b_of(x) == r && c_of(x) == q) {
            note_read(s, code, n, i, (unsigned)k, a_of(x));
            return true;
        }
        if (op_of(x) == s->ops.settable && a_of(x) == r && b_of(x) == q) {
            note(s, (unsigned)k, USE_ASSIGNED);
            return true;
        }
    }
    return false;
}

/* Instruction `at` loads _ENV itself: note that, fields that are loaded from it, and whether any is
** set. */
static void note_escape(struct scan *s, const unsigned char *code, size_t n, size_t at) {
    unsigned r = a_of(instruction(code, at));
    s->out->escapes = true;
    note_fields(s, code, n, at, r, USE_READ);
    for (size_t i = at + 1; i < n; i++) {
        uint32_t x = instruction(code, i);
        if ((op_of(x) == s->ops.settable || op_of(x) == s->ops.setfield) && a_of(x) == r)
            s->out->stores = true;
    }
}

static void scan_code(struct scan *s, const unsigned char *code, size_t n, int env) {
    for (size_t i = 0; i < n; i++) {
        uint32_t x = instruction(code, i);
        if (op_of(x) == s->ops.self && k_of(x))
            note_use(s, "string", (int)c_of(x)); /* it may be a method of strings */
        if (env < 0)
            continue;
        if (op_of(x) == s->ops.gettabup && b_of(x) == (unsigned)env)
            note_read(s, code, n, i, c_of(x), a_of(x));
        else if (op_of(x) == s->ops.settabup && a_of(x) == (unsigned)env)
            note(s, b_of(x), USE_ASSIGNED);
        else if (op_of(x) == s->ops.getupval && b_of(x) == (unsigned)env &&
                 !note_long(s, code, n, i))
            note_escape(s, code, n, i);
    }
}

/* Read the descriptions of upvalues: the index of the one that is upvalue `env` of the enclosing
** function; -1: none. */
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

/* Read a function. `outer` is the index of _ENV among the enclosing function's upvalues; for the
** main function, among its own. */
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
    tine__dump_push_constants(s->L, &s->c);
    int env = find_upvalue(s, outer);
    if (main)
        env = outer;
    if (s->c.ok && !(main && s->inner))
        scan_code(s, code, n, env);
    lua_pop(s->L, 1);
    for (n = tine__dump_number(&s->c); n > 0 && s->c.ok; n--)
        scan_function(s, env, false);
    tine__dump_debug(&s->c);
}

/* Append the names in `set` that `wanted` accepts to the list on top, from number *at + 1 on.
** Returns how many. */
static uint32_t collect(lua_State *L, int set, bool (*wanted)(const char *name, lua_Integer bits),
                        lua_Integer *at) {
    int list = lua_gettop(L);
    uint32_t n = 0;
    for (lua_pushnil(L); lua_next(L, set); lua_pop(L, 1)) {
        if (!wanted(lua_tostring(L, -2), lua_tointeger(L, -1)))
            continue;
        lua_pushvalue(L, -2);
        lua_rawseti(L, list, ++*at);
        n++;
    }
    return n;
}

static bool is_read(const char *name, lua_Integer bits) {
    return bits & USE_READ && !(bits & USE_ASSIGNED) && !tine__standard_global(name);
}

static bool is_read_by_g(const char *name, lua_Integer bits) {
    (void)name;
    return bits & USE_READ_G;
}

static bool is_assigned(const char *name, lua_Integer bits) {
    (void)name;
    return bits & USE_ASSIGNED;
}

static bool is_standard_read(const char *name, lua_Integer bits) {
    return bits & USE_READ && !(bits & USE_ASSIGNED) && tine__standard_global(name) &&
           strcmp(name, "_G") != 0;
}

/* Append the uses of libraries to the list on top: "module", then "field" or false. Returns how
** many. */
static uint32_t collect_uses(lua_State *L, int uses, lua_Integer at) {
    int list = lua_gettop(L);
    uint32_t n = 0;
    for (lua_pushnil(L); lua_next(L, uses); lua_pop(L, 1)) {
        const char *use = lua_tostring(L, -2), *dot = strchr(use, '.');
        lua_pushlstring(L, use, dot ? (size_t)(dot - use) : strlen(use));
        lua_rawseti(L, list, ++at);
        if (dot)
            lua_pushstring(L, dot + 1);
        else
            lua_pushboolean(L, 0);
        lua_rawseti(L, list, ++at);
        n++;
    }
    return n;
}

bool tine__globals_of(lua_State *L, const char *dump, size_t len, int env, bool inner,
                      struct global_uses *out) {
    struct scan s = {.L = L,
                     .c = tine__dump_open(dump, len),
                     .ops = tine__opcodes(L),
                     .out = out,
                     .inner = inner};
    lua_Integer at = 0;
    *out = (struct global_uses){0};
    if (!s.c.ok || !s.ops.known)
        return false;
    lua_newtable(L);
    s.set = lua_gettop(L);
    lua_newtable(L);
    s.uses = s.set + 1;
    scan_function(&s, env - 1, true);
    if (!s.c.ok || s.c.p != s.c.end) {
        lua_settop(L, s.set - 1);
        return false;
    }
    lua_newtable(L);
    out->reads = collect(L, s.set, is_read, &at);
    out->assigns = collect(L, s.set, is_assigned, &at);
    out->by_g = collect(L, s.set, is_read_by_g, &at);
    out->standards = collect(L, s.set, is_standard_read, &at);
    out->uses = collect_uses(L, s.uses, at);
    lua_replace(L, s.set);
    lua_settop(L, s.set);
    return true;
}

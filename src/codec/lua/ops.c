#include <lauxlib.h>
#include <stdatomic.h>
#include <string.h>
#include "base/buf.h"
#include "base/error.h"
#include "codec/lua/dump.h"
#include "codec/lua/ops.h"

#define WORDS 5

/* A buffer of fixed size cannot grow; probes are short. */
static int no_growth(struct buf *b, size_t need) {
    (void)b;
    (void)need;
    return TINE_ENOMEM;
}

/* The opcode of instruction `at` of the chunk `text`; 0x7f: something is not as expected. */
static unsigned char probe(lua_State *L, const char *text, size_t at) {
    char bytes[512];
    struct buf b = {.data = bytes, .cap = sizeof bytes, .grow = no_growth};
    size_t unused;
    unsigned char op = 0x7f;
    if (luaL_loadbufferx(L, text, strlen(text), "=p", "t") != LUA_OK) {
        lua_pop(L, 1);
        return op;
    }
    if (tine__dump_append(L, -1, true, &b)) {
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
        .setupval = probe(L, "_ENV = 1", 2),
        .loadk = probe(L, "return 'x'", 1),
        .gettable = probe(L, "local a, b; return a[b]", 2),
        .settable = probe(L, "local a, b; a[b] = a", 2),
        .getfield = probe(L, "local a; return a.x", 2),
        .setfield = probe(L, "local a; a.x = a", 2),
        .self = probe(L, "local a; a:x()", 2),
        .newtable = probe(L, "return {}", 1),
        .setlist = probe(L, "return {1}", 4),
        .closure = probe(L, "return function() end", 1),
        .vararg = probe(L, "return ...", 1),
        .call = probe(L, "x()", 2),
        .tailcall = probe(L, "return x()", 2),
        .jump = probe(L, "goto x ::x::", 1),
        .forloop = probe(L, "for i = 1, 2 do end", 5),
        .forprep = probe(L, "for i = 1, 2 do end", 4),
        .tforprep = probe(L, "for k in x do end", 3),
        .tforcall = probe(L, "for k in x do end", 4),
        .tforloop = probe(L, "for k in x do end", 5),
        .ret = probe(L, "local a; return a", 2),
        .move = probe(L, "local a; local b = a", 2),
        .loadi = probe(L, "return 1", 1),
        .loadf = probe(L, "return 1.0", 1),
        .loadnil = probe(L, "local a", 1),
        .loadfalse = probe(L, "return false", 1),
        .lfalseskip = probe(L, "local a, b; return a == b", 4),
        .loadtrue = probe(L, "return true", 1),
        .extraarg = probe(L, "return {}", 2),
    };
    o.loadkx = o.loadk + 1; /* follows LOADK; a probe would need too many constants */
    o.known = o.gettabup != 0x7f && o.settabup != 0x7f && o.gettabup != o.settabup;
    return o;
}

/* The opcodes are found once for the whole program. They are a few words, the same for whoever
** finds them, so threads may do it at the same time. */
struct opcodes tine__opcodes(lua_State *L) {
    static _Atomic uint64_t kept[WORDS];
    uint64_t words[WORDS] = {0};
    struct opcodes o;
    bool learnt = true;
    _Static_assert(sizeof o <= sizeof words, "opcodes fit");
    for (int i = 0; i < WORDS; i++) {
        words[i] = atomic_load_explicit(&kept[i], memory_order_relaxed);
        learnt = learnt && words[i];
    }
    if (learnt) {
        memcpy(&o, words, sizeof o);
        return o;
    }
    o = learn(L);
    memcpy(words, &o, sizeof o);
    for (int i = 0; i < WORDS; i++)
        atomic_store_explicit(&kept[i], words[i], memory_order_relaxed);
    return o;
}

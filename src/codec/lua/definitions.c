/* Definitions: which functions the code of a file defines as fields of tables. The bytecode of its
** main function is read from a dump: which functions it makes, and in which fields it stores them.
** Where the code leaves a fact uncertain, it is not reported.
*/
#include "codec/lua/definitions.h"

#include <string.h>
#include "codec/lua/dump.h"
#include "codec/lua/ops.h"

#define NO_REGISTER 256u

/* The register with the single value of the last return statement that returns anything;
** NO_REGISTER: it returns several values, or there is none. */
static unsigned returned(const struct opcodes *ops, const unsigned char *code, size_t n) {
    for (size_t i = n; i > 0; i--) {
        uint32_t x = instruction(code, i - 1);
        if (op_of(x) == ops->ret && b_of(x) != 1)
            return b_of(x) == 2 ? a_of(x) : NO_REGISTER;
    }
    return NO_REGISTER;
}

/* Update which function each register has: `made` is its index, or NO_FUNCTION. Registers are
** forgotten rather too early than too late. */
static void note_made(const struct opcodes *ops, uint32_t x, uint32_t made[static NO_REGISTER]) {
    if (op_of(x) == ops->setfield || op_of(x) == ops->jump)
        return;
    for (unsigned r = a_of(x); r < NO_REGISTER; r++)
        made[r] = NO_FUNCTION;
    if (op_of(x) == ops->closure)
        made[a_of(x)] = bx_of(x);
}

/* The state of reading a main function. The stack has at `defined` a table "register.field" ->
** index of a function, and on top the table of constants. */
struct defining {
    lua_State *L;
    struct dump_cursor c;
    struct opcodes ops;
    int defined;
    uint32_t made[NO_REGISTER];   /* index of each register's function, if certain */
    bool got[NO_REGISTER];        /* the function was taken from a field */
    uint32_t tables[NO_REGISTER]; /* number of each register's table; 0: not known */
    uint32_t count;
    size_t certain; /* instructions before this one may be skipped at run time */
};

/* If instruction `i`, which is `x`, is a jump forwards or begins a loop, the code up to its target
** may be skipped. If it returns in such a part, all code that follows may be skipped. */
static void note_jump(struct defining *d, size_t i, uint32_t x) {
    const struct opcodes *ops = &d->ops;
    unsigned op = op_of(x);
    size_t to = 0;
    if (op == ops->ret && i < d->certain)
        to = SIZE_MAX;
    else if (op == ops->jump && jump_of(x) > 0)
        to = i + 1 + (size_t)jump_of(x);
    else if (op == ops->forprep || op == ops->tforprep)
        to = i + 1 + bx_of(x);
    d->certain = to > d->certain ? to : d->certain;
}

/* Update which table each register has. Registers are forgotten rather too early than too late. */
static void note_table(struct defining *d, uint32_t x) {
    const struct opcodes *ops = &d->ops;
    unsigned op = op_of(x), a = a_of(x);
    if ((op >= ops->settabup && op <= ops->setfield) || op == ops->setlist || op == ops->jump ||
        op == ops->extraarg)
        return; /* the first range is consecutive in Lua's list of opcodes */
    for (unsigned r = a; r < NO_REGISTER; r++)
        d->tables[r] = 0;
    if (op == ops->newtable)
        d->tables[a] = ++d->count;
}

/* Push the string constant `k`, then "register.field" made of `r` and it. False, and nothing is
** pushed: the constant is no string. */
static bool push_place(struct defining *d, unsigned r, unsigned k) {
    const char *key = tine__dump_push_constant(d->L, k);
    if (key)
        lua_pushfstring(d->L, "%d.%s", (int)r, key);
    return key;
}

/* For M.now = M.first: if `x` loads a field that is known to have a function, its register has that
** function. */
static void note_got(struct defining *d, uint32_t x) {
    lua_State *L = d->L;
    if (op_of(x) != d->ops.getfield || !push_place(d, b_of(x), c_of(x)))
        return;
    if (lua_rawget(L, d->defined) == LUA_TNUMBER) {
        d->made[a_of(x)] = (uint32_t)lua_tointeger(L, -1);
        d->got[a_of(x)] = true;
    }
    lua_pop(L, 2);
}

/* The field whose key and "register.field" are on top (the latter is popped) is set by `x`. Fill in
** `out`; its function is NO_FUNCTION if it is not known what is stored. */
static void note_set(struct defining *d, uint32_t x, struct definition *out) {
    lua_State *L = d->L;
    out->function = k_of(x) ? NO_FUNCTION : d->made[c_of(x)];
    out->key = lua_tolstring(L, -2, &out->len);
    if (out->function == NO_FUNCTION)
        lua_pushnil(L);
    else
        lua_pushinteger(L, out->function);
    lua_rawset(L, d->defined);
}

bool tine__definitions_of(lua_State *L, const char *dump, size_t len,
                          void (*found)(void *ud, const struct definition *d), void *ud) {
    struct defining d = {.L = L, .c = tine__dump_open(dump, len), .ops = tine__opcodes(L)};
    size_t n;
    tine__dump_string(&d.c, &n);
    tine__dump_number(&d.c), tine__dump_number(&d.c);
    tine__dump_skip(&d.c, 3);
    n = tine__dump_number(&d.c);
    const unsigned char *code =
        n <= (size_t)(d.c.end - d.c.p) ? tine__dump_skip(&d.c, 4 * n) : NULL;
    if (!d.c.ok || !code || !d.ops.known)
        return false;
    lua_newtable(L);
    d.defined = lua_gettop(L);
    tine__dump_push_constants(L, &d.c);
    memset(d.made, 0xff, sizeof d.made);
    unsigned module = returned(&d.ops, code, n);
    for (size_t i = 0; i < n && d.c.ok; i++) {
        uint32_t x = instruction(code, i);
        note_made(&d.ops, x, d.made);
        note_table(&d, x);
        note_jump(&d, i, x);
        if (op_of(x) == d.ops.closure)
            d.got[a_of(x)] = false;
        note_got(&d, x);
        if (op_of(x) != d.ops.setfield || !push_place(&d, a_of(x), b_of(x)))
            continue;
        struct definition definition = {.of_module =
                                            a_of(x) == module && !k_of(x) && !d.got[c_of(x)],
                                        .table = k_of(x) || d.got[c_of(x)] ? 0 : d.tables[a_of(x)],
                                        .maybe = i < d.certain};
        note_set(&d, x, &definition);
        if (!k_of(x)) /* a constant is no function */
            found(ud, &definition);
        lua_pop(L, 1);
    }
    lua_settop(L, d.defined - 1);
    return d.c.ok;
}

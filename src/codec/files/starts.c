#include <string.h>
#include "base/buf.h"
#include "codec/files/starts.h"
#include "codec/lua/ops.h"
#include "codec/state.h"

#define MAX_LISTED 16 /* entries in the list for one variable */

/* What a register may have. */
struct content {
    unsigned kinds;
    bool shared;       /* some function has it as an upvalue */
    bool foreign;      /* it is a global, or a field of a global */
    uint64_t function; /* hash of the function that it may be; 0: none */
    uint64_t key;      /* hash of the key of the field that it may come from; 0: none */
};

struct run {
    const struct opcodes *ops;
    const struct main_code *code;
    struct content registers[REGISTERS];
    size_t certain; /* instructions before this one may be skipped at run time */
    struct starts *out;
    bool failed;
};

static void list(struct run *r, unsigned reg, uint64_t what) {
    struct start start = {.variable = reg, .what = what};
    if (r->out->count[reg] == MAX_LISTED)
        r->out->kinds[reg] |= 1u << START_UNKNOWN;
    else if (buf_append(&r->out->list, &start, sizeof start) != 0)
        r->failed = true;
    else
        r->out->count[reg]++;
}

/* Does the function with this hash assign this variable? A function that replaces itself
** initializes something once. */
static bool assigns(const struct run *r, uint64_t function, unsigned reg) {
    for (size_t k = 0; k < r->code->nchildren; k++) {
        const struct child *c = &r->code->children[k];
        for (size_t i = 0; c->hash == function && i < c->n && i < 64; i++)
            if (c->variables[i] == reg && (c->assigns >> i & 1))
                return true;
    }
    return false;
}

static void note(struct run *r, unsigned reg) {
    const struct content *c = &r->registers[reg];
    r->out->kinds[reg] |= c->kinds;
    r->out->own[reg] |= c->kinds;
    if (r->out->kinds[reg] >> START_UNKNOWN & 1)
        return;
    if (c->function)
        list(r, reg, c->function);
    if (c->key)
        list(r, reg, c->key);
    if (c->function && assigns(r, c->function, reg))
        r->out->kinds[reg] |= 1u << START_UNKNOWN;
}

/* Instruction `i` puts `new` into the register, or, if the instruction may be skipped, may do
** so. */
static void put(struct run *r, size_t i, unsigned reg, struct content new) {
    struct content *c = &r->registers[reg];
    if (i < r->certain) {
        bool two = (c->function && new.function && c->function != new.function) ||
                   (c->key && new.key && c->key != new.key);
        new.kinds |= c->kinds | (two ? 1u << START_UNKNOWN : 0);
        new.function = new.function ? new.function : c->function;
        new.key = new.key ? new.key : c->key;
        new.foreign = new.foreign && c->foreign;
    }
    new.shared = c->shared;
    *c = new;
    if (c->shared)
        note(r, reg);
}

static void put_kind(struct run *r, size_t i, unsigned reg, enum start_kind kind) {
    put(r, i, reg, (struct content){.kinds = 1u << kind});
}

/* The function is made: the registers that are its upvalues are shared from now on. */
static void share(struct run *r, const struct child *c) {
    for (size_t i = 0; i < c->n; i++) {
        if (c->variables[i] >= REGISTERS || r->registers[c->variables[i]].shared)
            continue;
        r->registers[c->variables[i]].shared = true;
        note(r, c->variables[i]);
    }
}

/* The function in register `a` is called. Unless it is foreign, it may be one of the file's own, or
** call one, which assigns variables. */
static void call(struct run *r, unsigned a) {
    for (unsigned reg = 0; !r->registers[a].foreign && reg < REGISTERS; reg++)
        if (r->registers[reg].shared)
            r->out->kinds[reg] |= 1u << START_UNKNOWN;
}

/* The last register that the instruction may write to. */
static unsigned last_of(const struct opcodes *ops, uint32_t x) {
    unsigned op = op_of(x), a = a_of(x), c = c_of(x);
    if (op == ops->call || op == ops->vararg)
        return a + (c > 2 ? c - 2 : 0);
    if (op == ops->forloop || op == ops->forprep)
        return a + 3;
    if (op == ops->tforcall)
        return a + 3 + c;
    return a + (op == ops->self);
}

/* A field is read: of a global, of the table in register `b`, or of the globals table. */
static void take_field(struct run *r, size_t i, uint32_t x) {
    struct content new = {.kinds = 1u << START_FIELD};
    new.foreign = op_of(x) == r->ops->gettabup || r->registers[b_of(x)].foreign;
    if (c_of(x) < r->code->nconstants)
        new.key = r->code->constants[c_of(x)];
    if (!new.key)
        new.kinds = 1u << START_UNKNOWN;
    put(r, i, a_of(x), new);
}

static void take_anything(struct run *r, size_t i, uint32_t x) {
    unsigned a = a_of(x), op = op_of(x);
    struct content new = {.kinds = 1u << START_UNKNOWN};
    new.foreign = op == r->ops->self && r->registers[b_of(x)].foreign;
    for (unsigned reg = a; reg <= last_of(r->ops, x) && reg < REGISTERS; reg++)
        put(r, i, reg, new);
}

static void step(struct run *r, size_t i, uint32_t x) {
    const struct opcodes *ops = r->ops;
    unsigned op = op_of(x), a = a_of(x);
    if (op == ops->call || op == ops->tailcall)
        call(r, a);
    if (only_reads(ops, op))
        return;
    if (op == ops->loadnil) {
        for (unsigned reg = a; reg <= a + b_of(x) && reg < REGISTERS; reg++)
            put_kind(r, i, reg, START_NIL);
    } else if (op == ops->loadfalse || op == ops->lfalseskip) {
        put_kind(r, i, a, START_FALSE);
    } else if (op == ops->loadtrue || op == ops->loadi || op == ops->loadf || op == ops->loadk ||
               op == ops->loadkx) {
        put_kind(r, i, a, START_OTHER);
    } else if (op == ops->newtable) {
        put_kind(r, i, a, START_TABLE);
    } else if (op == ops->closure && bx_of(x) < r->code->nchildren) {
        const struct child *c = &r->code->children[bx_of(x)];
        put(r, i, a, (struct content){.kinds = 1u << START_FUNCTION, .function = c->hash});
        share(r, c);
    } else if (op == ops->move) {
        put(r, i, a, r->registers[b_of(x)]);
    } else if (op == ops->getfield || op == ops->gettabup) {
        take_field(r, i, x);
    } else {
        take_anything(r, i, x);
    }
}

bool tine__starts_of(const struct opcodes *ops, const struct main_code *code, struct starts *out) {
    struct run r = {.ops = ops, .code = code, .out = out};
    memset(out->kinds, 0, sizeof out->kinds);
    memset(out->own, 0, sizeof out->own);
    memset(out->count, 0, sizeof out->count);
    for (size_t i = 0; i < code->n; i++) {
        uint32_t x = instruction(code->code, i);
        size_t to = jump_target(ops, i, x);
        step(&r, i, x);
        r.certain = to > r.certain ? to : r.certain;
    }
    return !r.failed;
}

#include <string.h>
#include "base/buf.h"
#include "codec/files/starts.h"
#include "codec/lua/ops.h"
#include "codec/state.h"

#define NO_CHILD UINT32_MAX

/* What a register has. */
struct content {
    bool some;      /* not nil */
    bool shared;    /* a function has it as an upvalue */
    uint32_t child; /* the number of the function that it is, or NO_CHILD */
};

struct run {
    const struct opcodes *ops;
    const struct child *children;
    size_t nchildren;
    struct content registers[REGISTERS];
    struct starts *out;
    bool failed;
};

static void note(struct run *r, unsigned reg) {
    const struct content *c = &r->registers[reg];
    r->out->some[reg] |= c->some;
    if (c->child == NO_CHILD)
        return;
    struct start start = {.variable = reg, .function = r->children[c->child].hash};
    r->failed |= buf_append(&r->out->functions, &start, sizeof start) != 0;
}

static void put(struct run *r, unsigned reg, bool some, uint32_t child) {
    struct content *c = &r->registers[reg];
    c->some = some;
    c->child = child;
    if (c->shared)
        note(r, reg);
}

/* The registers that function number `child` has as upvalues are shared from now on. */
static void share(struct run *r, uint32_t child) {
    const struct child *c = &r->children[child];
    for (size_t i = 0; i < c->n; i++) {
        if (c->variables[i] >= REGISTERS || r->registers[c->variables[i]].shared)
            continue;
        r->registers[c->variables[i]].shared = true;
        note(r, c->variables[i]);
    }
}

/* Does the instruction put nothing into its first register? Of those that compare, and the like, that is not asked. */
static bool only_reads(const struct opcodes *ops, unsigned op) {
    return op == ops->setupval || (op >= ops->settabup && op <= ops->setfield) || op == ops->ret ||
           op == ops->jump || op == ops->setlist || op == ops->tailcall;
}

static void step(struct run *r, uint32_t x) {
    const struct opcodes *ops = r->ops;
    unsigned op = op_of(x), a = a_of(x);
    if (only_reads(ops, op))
        return;
    if (op == ops->loadnil) {
        for (unsigned i = a; i <= a + b_of(x) && i < REGISTERS; i++)
            put(r, i, false, NO_CHILD);
    } else if (op == ops->closure && bx_of(x) < r->nchildren) {
        put(r, a, true, bx_of(x));
        share(r, bx_of(x));
    } else if (op == ops->move) {
        put(r, a, r->registers[b_of(x)].some, r->registers[b_of(x)].child);
    } else {
        unsigned last = op == ops->call && c_of(x) > 2 ? a + c_of(x) - 2 : a + (op == ops->self);
        for (unsigned i = a; i <= last && i < REGISTERS; i++)
            put(r, i, true, NO_CHILD);
    }
}

bool tine__starts_of(const struct opcodes *ops, const unsigned char *code, size_t n,
                     const struct child *children, size_t nchildren, struct starts *out) {
    struct run r = {.ops = ops, .children = children, .nchildren = nchildren, .out = out};
    memset(out->some, 0, sizeof out->some);
    for (unsigned i = 0; i < REGISTERS; i++)
        r.registers[i].child = NO_CHILD;
    for (size_t i = 0; i < n; i++)
        step(&r, instruction(code, i));
    return !r.failed;
}

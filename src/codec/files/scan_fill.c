/* Into which tables the code stores under keys that it computes: in these any field may be its own doing, a counter of the kind
** `counts[kind] = counts[kind] + 1`. It is followed what each register has, for tables that the function has just made itself are
** of no interest, nor are keys that are numbers or stand in the code. Where the code may come from several places, what was put
** into a register since the first of them, or is in a loop, is forgotten: a table too many is found rather than one too few.
*/
#include "codec/files/scan.h"

/* What a register has: one of these, or what was in a field of a table: the hash of its name. KNOWN is a number, or a string
** that the code has, and that is among its values (tine__file_has_value). To VARIABLE is added which one of the main
** function's it is. */
#define ANYTHING 0
#define KNOWN 1
#define NEW_TABLE 2
#define VARIABLE 3
#define NAMES (VARIABLE + REGISTERS)

#define MAX_JUMPS 64

struct jump {
    size_t from, to;
};

struct following {
    const struct opcodes *ops;
    const struct function *f;
    uint64_t has[REGISTERS];
    size_t since[REGISTERS];      /* the instruction that put it there */
    struct jump jumps[MAX_JUMPS]; /* those that lead farther on */
    struct jump loops[MAX_JUMPS]; /* and those that lead back */
    unsigned njumps, nloops;
    bool lost; /* there were too many */
};

/* Lua's list of instructions has the arithmetic ones behind OP_SELF: so many give numbers, */
#define ARITHMETIC 25
#define METAMETHODS 3 /* so many follow these for operands that are none, */
#define LENGTH 32     /* and OP_LEN is there */

static bool is_known(const struct opcodes *ops, unsigned op) {
    return op == ops->loadk || op == ops->loadkx || op == ops->loadi || op == ops->loadf ||
           op == (unsigned)ops->self + LENGTH ||
           (op > (unsigned)ops->self && op <= (unsigned)ops->self + ARITHMETIC);
}

/* Nor do those that follow the arithmetic ones put anything into their first register. */
static bool puts_nothing(const struct opcodes *ops, unsigned op) {
    return only_reads(ops, op) || (op > (unsigned)ops->self + ARITHMETIC &&
                                   op <= (unsigned)ops->self + ARITHMETIC + METAMETHODS);
}

/* How many registers it may put something into, from its first one on. */
static unsigned width(const struct opcodes *ops, uint32_t x) {
    unsigned op = op_of(x);
    if (op == ops->loadnil)
        return 1 + b_of(x);
    if (op == ops->call || op == ops->vararg || op == ops->forprep || op == ops->tforprep)
        return REGISTERS;
    return op == ops->self ? 2 : 1;
}

static uint64_t result_of(const struct following *w, uint32_t x) {
    unsigned op = op_of(x);
    if (op == w->ops->newtable)
        return NEW_TABLE;
    if (op == w->ops->move)
        return w->has[b_of(x)];
    if (op == w->ops->getfield || op == w->ops->gettabup)
        return hash_at(&w->f->constants, c_of(x));
    if (op == w->ops->getupval && b_of(x) < w->f->nups && w->f->ups[b_of(x)] < REGISTERS)
        return VARIABLE + w->f->ups[b_of(x)];
    return is_known(w->ops, op) ? KNOWN : ANYTHING;
}

/* Instruction `i` puts anything into its registers. */
static void forget(struct following *w, size_t i, uint32_t x) {
    unsigned left = puts_nothing(w->ops, op_of(x)) ? 0 : width(w->ops, x);
    for (unsigned r = a_of(x); left > 0 && r < REGISTERS; left--, r++) {
        w->has[r] = ANYTHING;
        w->since[r] = i;
    }
}

/* Instruction `i` is done. */
static void step(struct following *w, size_t i, uint32_t x) {
    unsigned a = a_of(x), op = op_of(x);
    if (puts_nothing(w->ops, op))
        return;
    uint64_t result = result_of(w, x);
    forget(w, i, x);
    if (op == w->ops->forprep && a + 3 < REGISTERS)
        w->has[a + 3] = KNOWN;
    else
        w->has[a] = result;
}

static void note_jump(struct following *w, size_t i, uint32_t x) {
    size_t to = jump_target(w->ops, i, x);
    if (to && w->njumps < MAX_JUMPS)
        w->jumps[w->njumps++] = (struct jump){i, to};
    else
        w->lost |= to != 0;
}

/* Instruction `i` comes next, and may do so after a jump. */
static void join(struct following *w, size_t i) {
    for (unsigned k = 0; k < w->njumps;) {
        if (w->jumps[k].to > i) {
            k++;
            continue;
        }
        for (unsigned r = 0; r < REGISTERS; r++)
            if (w->since[r] > w->jumps[k].from)
                w->has[r] = ANYTHING;
        w->jumps[k] = w->jumps[--w->njumps];
    }
}

/* Instruction `i` begins a loop, perhaps: what is done in that may have been done before. */
static void enter_loop(struct following *w, size_t i) {
    for (unsigned k = 0; k < w->nloops; k++)
        for (size_t n = i; w->loops[k].to == i && n <= w->loops[k].from; n++)
            forget(w, i, instruction(w->f->code, n));
}

static void find_loops(struct following *w) {
    for (size_t i = 0; i < w->f->n; i++) {
        size_t to = loop_start(w->ops, i, instruction(w->f->code, i));
        if (to <= i && w->nloops < MAX_JUMPS)
            w->loops[w->nloops++] = (struct jump){i, to};
        else
            w->lost |= to <= i;
    }
}

/* The function stores under a key that it computes in such a table. */
static void note_filled(struct scan *s, const struct function *f, uint64_t table) {
    uint32_t variable = (uint32_t)(table - VARIABLE);
    if (table >= NAMES)
        scan_add_setting(s, table, SETTING_FILLED);
    else if (table >= VARIABLE)
        scan_append(s, &s->spread, &variable, sizeof variable);
    else
        s->spreads |=
            table != NEW_TABLE || !f->up; /* what the main function makes may be the module's */
}

/* May others have the table in a register of the main one after `x`, too? */
static void note_given_away(struct scan *s, uint32_t x) {
    const struct opcodes *ops = &s->ops;
    unsigned op = op_of(x);
    if (op == ops->newtable)
        s->given_away[a_of(x)] = false;
    else if (op >= ops->settabup && op <= ops->setfield && !k_of(x))
        s->given_away[c_of(x)] = true;
    else if (op == ops->move)
        s->given_away[a_of(x)] = s->given_away[b_of(x)] = true;
    else if (op == ops->self)
        s->given_away[b_of(x)] = true;
    else if (op == ops->setupval || op == ops->ret)
        s->given_away[a_of(x)] = true;
}

bool tine__scan_spreads(const struct scan *s) {
    const uint32_t *variables = (const uint32_t *)(const void *)s->spread.data;
    bool spreads = s->spreads;
    for (size_t i = 0; !spreads && i < s->spread.len / sizeof *variables; i++)
        spreads = s->given_away[variables[i]] || s->starts.own[variables[i]] != 1u << START_TABLE;
    return spreads;
}

void tine__scan_fills(struct scan *s, const struct function *f) {
    struct following w = {.ops = &s->ops, .f = f};
    find_loops(&w);
    for (size_t i = 0; i < f->n; i++) {
        uint32_t x = instruction(f->code, i);
        join(&w, i);
        enter_loop(&w, i);
        if (op_of(x) == s->ops.settable && (w.lost || w.has[b_of(x)] != KNOWN))
            note_filled(s, f, w.lost ? ANYTHING : w.has[a_of(x)]);
        if (!f->up)
            note_given_away(s, x);
        step(&w, i, x);
        note_jump(&w, i, x);
    }
}

/* The scan of one function's instructions: in which tables does it store under computed keys? Any
** field of such a table may be the code's own doing, as with a counter,
** `counts[kind] = counts[kind] + 1`.
**
** The contents of each register are followed, because tables that the function itself has just made
** do not matter, nor do keys that are numbers or constants, nor values that are new functions or
** tables (`for _, level in ipairs(levels) do M[level] = function ... end end`). Where code can be
** reached from several places, everything is forgotten that was put into a register since the first
** of them, or that is put there in the loop: rather a table too many is found than one too few.
*/
#include "codec/files/scan.h"

/* The content of a register is one of these, or the hash of a key: the value was in a field with
** this key. KNOWN is a number, or a string constant, which is among the file's values
** (tine__file_has_value); NEW_FUNCTION is a closure. The number of a variable of the main function
** is added to VARIABLE. */
#define ANYTHING 0
#define KNOWN 1
#define NEW_TABLE 2
#define NEW_FUNCTION 3
#define VARIABLE 4
#define NAMES (VARIABLE + REGISTERS)

#define MAX_JUMPS 64

struct jump {
    size_t from, to;
};

struct following {
    const struct opcodes *ops;
    const struct function *f;
    uint64_t has[REGISTERS];
    size_t since[REGISTERS];      /* the instruction that has put it there */
    struct jump jumps[MAX_JUMPS]; /* jumps forwards that have not arrived yet */
    struct jump loops[MAX_JUMPS]; /* jumps back */
    unsigned njumps, nloops;
    bool lost; /* there are too many jumps */
};

/* In Lua's list of opcodes so many arithmetic ones follow OP_SELF, which produce numbers; */
#define ARITHMETIC 25
#define METAMETHODS 3 /* then so many, which call metamethods for other operands; */
#define LENGTH 32     /* and OP_LEN is so far behind OP_SELF */

static bool is_known(const struct opcodes *ops, unsigned op) {
    return op == ops->loadk || op == ops->loadkx || op == ops->loadi || op == ops->loadf ||
           op == (unsigned)ops->self + LENGTH ||
           (op > (unsigned)ops->self && op <= (unsigned)ops->self + ARITHMETIC);
}

/* The calls of metamethods do not write to their first register, either. */
static bool puts_nothing(const struct opcodes *ops, unsigned op) {
    return only_reads(ops, op) || (op > (unsigned)ops->self + ARITHMETIC &&
                                   op <= (unsigned)ops->self + ARITHMETIC + METAMETHODS);
}

/* To how many registers, from its first one on, the instruction may write. */
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
    if (op == w->ops->closure)
        return NEW_FUNCTION;
    if (op == w->ops->move)
        return w->has[b_of(x)];
    if (op == w->ops->getfield || op == w->ops->gettabup)
        return hash_at(&w->f->constants, c_of(x));
    if (op == w->ops->getupval && b_of(x) < w->f->nups && w->f->ups[b_of(x)] < REGISTERS)
        return VARIABLE + w->f->ups[b_of(x)];
    return is_known(w->ops, op) ? KNOWN : ANYTHING;
}

/* Instruction `i` writes anything to its registers. */
static void forget(struct following *w, size_t i, uint32_t x) {
    unsigned left = puts_nothing(w->ops, op_of(x)) ? 0 : width(w->ops, x);
    for (unsigned r = a_of(x); left > 0 && r < REGISTERS; left--, r++) {
        w->has[r] = ANYTHING;
        w->since[r] = i;
    }
}

/* Update the registers after instruction `i`. */
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

/* Instruction `i` is next, and may also be reached by jumps: forget what was written since these
** began. */
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

/* If instruction `i` begins a loop, forget what the loop writes: it may have run before. */
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

/* Does the instruction, an OP_SETTABLE, store a number, a string or a boolean in a field whose key
** is not known, as far as can be seen? */
static bool may_set(const struct following *w, uint32_t x) {
    if (w->lost)
        return true;
    bool object = !k_of(x) && (w->has[c_of(x)] == NEW_TABLE || w->has[c_of(x)] == NEW_FUNCTION);
    return w->has[b_of(x)] != KNOWN && !object;
}

/* Note that the function stores under a computed key in the table in register `r`, whose content is
** `table`. */
static void note_filled(struct scan *s, const struct function *f, uint64_t table, uint32_t r) {
    uint32_t variable = table == NEW_TABLE ? r : (uint32_t)(table - VARIABLE);
    if (table >= NAMES)
        scan_add_setting(s, table, SETTING_FILLED);
    else if (table >= VARIABLE || (table == NEW_TABLE && !f->up))
        scan_append(s, &s->spread, &variable, sizeof variable);
    else
        s->spreads |= table != NEW_TABLE;
}

static bool is_spread(const struct scan *s, uint32_t variable) {
    const uint32_t *variables = (const uint32_t *)(const void *)s->spread.data;
    bool spread = false;
    for (size_t i = 0; !spread && i < s->spread.len / sizeof *variables; i++)
        spread = variables[i] == variable;
    return spread;
}

/* The main function makes a table in register `r`. If it had another one there, in which something
** is stored under computed keys, and which may be held elsewhere, too, that may be any table. */
static void note_new_table(struct scan *s, unsigned r) {
    s->spreads |= s->given_away[r] && is_spread(s, r);
    s->given_away[r] = false;
}

/* Note if, after `x`, the table in a register of the main function may be held elsewhere, too. */
static void note_given_away(struct scan *s, uint32_t x) {
    const struct opcodes *ops = &s->ops;
    unsigned op = op_of(x);
    if (op == ops->newtable)
        note_new_table(s, a_of(x));
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
        if (op_of(x) == s->ops.settable && may_set(&w, x))
            note_filled(s, f, w.lost ? ANYTHING : w.has[a_of(x)], a_of(x));
        if (!f->up)
            note_given_away(s, x);
        step(&w, i, x);
        note_jump(&w, i, x);
    }
}

/* The scan of one function's instructions: under which keys, and in which variables, does it store
** something? */
#include <string.h>
#include "codec/files/scan.h"

static void add_key(struct scan *s, const struct function *f, unsigned constant,
                    enum store_rank rank) {
    struct file_key key = {.hash = hash_at(&f->constants, constant), .rank = rank};
    if (key.hash)
        scan_append(s, &s->keys, &key, sizeof key);
}

static void add_value(struct scan *s, const struct function *f, size_t constant) {
    uint64_t hash = hash_at(&f->constants, constant);
    if (hash && hash != CONSTANT_NIL)
        scan_append(s, &s->values, &hash, sizeof hash);
}

/* If `x` stores in a field with a constant key: note the scalar; or that it is something else, or
** is stored by a function inside of the main one, and may differ between processes. */
static void note_setting(struct scan *s, const struct function *f, uint32_t x) {
    if (op_of(x) == s->ops.settable)
        s->computes = true;
    else if (op_of(x) == s->ops.setfield || op_of(x) == s->ops.settabup)
        scan_add_setting(s, hash_at(&f->constants, b_of(x)),
                         !f->up && k_of(x) ? hash_at(&f->scalars, c_of(x)) : SETTING_OTHER);
}

/* If instruction `i` uses a string constant as a value, not as a key, note the string. */
static void note_value(struct scan *s, const struct function *f, size_t i) {
    const struct opcodes *ops = &s->ops;
    uint32_t x = instruction(f->code, i);
    if (op_of(x) == ops->loadk)
        add_value(s, f, bx_of(x));
    else if (op_of(x) == ops->loadkx && i + 1 < f->n)
        add_value(s, f, ax_of(instruction(f->code, i + 1)));
    else if (op_of(x) >= ops->settabup && op_of(x) <= ops->setfield && k_of(x))
        add_value(s, f, c_of(x));
}

/* ---- functions inside of the main function ---- */

/* Where the value in each register comes from: the index + 1 of an upvalue that has the value, or a
** table that the value was in; PARAMETER: an argument of the function; NOTHING: nil or false; 0:
** anything else. Not all instructions that write to registers are followed, so an entry may be out
** of date: rather a table too many is found than one too few. */
struct origins {
    unsigned of[REGISTERS];
};
#define PARAMETER (REGISTERS + 1)
#define NOTHING (REGISTERS + 2) /* the code has nil or false as a constant */

static void note_filled(struct scan *s, const struct function *f, unsigned upvalue,
                        struct buf *variables) {
    if (upvalue && upvalue <= f->nups && f->ups[upvalue - 1] != NO_VARIABLE)
        scan_append(s, variables, &f->ups[upvalue - 1], sizeof f->ups[0]);
}

/* The function executes `x`: does it put something into an upvalue's table, or call a function with
** that table and another argument (as table.insert is)? Update `from`. */
static void follow(struct scan *s, const struct function *f, uint32_t x, struct origins *from) {
    const struct opcodes *ops = &s->ops;
    unsigned op = op_of(x), a = a_of(x);
    if (op == ops->settabup)
        return note_filled(s, f, a + 1, &s->filled);
    if (op > ops->settabup && op <= ops->setfield) /* consecutive in Lua's list of opcodes */
        return note_filled(s, f, from->of[a], &s->filled);
    if (op == ops->call || op == ops->tailcall) {
        if (b_of(x) != 1 && b_of(x) != 2 && a + 1 < REGISTERS)
            note_filled(s, f, from->of[a + 1], &s->filled);
        memset(from->of + a, 0, (REGISTERS - a) * sizeof from->of[0]);
    } else if (op == ops->getupval || op == ops->gettabup) {
        from->of[a] = b_of(x) + 1;
    } else if (op == ops->move || (op >= ops->gettable && op <= ops->getfield)) {
        from->of[a] = from->of[b_of(x)];
    } else if (op == ops->newtable || op == ops->closure || op == ops->self) {
        from->of[a] = 0;
    } else if (op == ops->loadnil || op == ops->loadfalse) {
        unsigned last = op == ops->loadnil ? a + b_of(x) : a;
        for (unsigned r = a; r <= last && r < REGISTERS; r++)
            from->of[r] = NOTHING;
    }
}

/* Does `x` put an argument of the function into an upvalue's table, under a key that is an
** argument, too? */
static void note_told(struct scan *s, const struct function *f, uint32_t x,
                      const struct origins *from) {
    if (op_of(x) == s->ops.settable && !k_of(x) && from->of[b_of(x)] == PARAMETER &&
        from->of[c_of(x)] == PARAMETER)
        note_filled(s, f, from->of[a_of(x)], &s->told);
}

static bool is_nil(const struct function *f, uint32_t x, const struct origins *from) {
    return k_of(x) ? hash_at(&f->constants, c_of(x)) == CONSTANT_NIL : from->of[c_of(x)] == NOTHING;
}

/* Does `x` remove a field? Note the key if it is a constant; or that the code removes fields whose
** keys it finds itself. A key that is an argument does not count. */
static void note_cleared(struct scan *s, const struct function *f, uint32_t x,
                         const struct origins *from) {
    const struct opcodes *ops = &s->ops;
    unsigned op = op_of(x);
    if (op < ops->settabup || op > ops->setfield || !is_nil(f, x, from))
        return;
    if (op == ops->setfield || op == ops->settabup)
        add_key(s, f, b_of(x), STORE_VARIES);
    else if (op == ops->settable)
        s->clears |= from->of[b_of(x)] != PARAMETER;
}

static void note_assigned(struct scan *s, const uint32_t *variable, unsigned origin, bool asked) {
    scan_append(s, &s->assigned, variable, sizeof *variable);
    if (origin == PARAMETER)
        scan_append(s, &s->given, variable, sizeof *variable);
    if (origin == NOTHING)
        scan_append(s, &s->cleared, variable, sizeof *variable);
    if (asked && origin != PARAMETER)
        scan_append(s, &s->asked, variable, sizeof *variable);
}

void tine__scan_inner(struct scan *s, const struct function *f) {
    struct origins from = {{0}};
    bool asked[REGISTERS] = {false}; /* for each upvalue: it was read before */
    for (unsigned i = 0; i < f->parameters; i++)
        from.of[i] = PARAMETER;
    for (size_t i = 0; i < f->n; i++) {
        uint32_t x = instruction(f->code, i);
        note_value(s, f, i);
        note_cleared(s, f, x, &from);
        note_told(s, f, x, &from);
        note_setting(s, f, x);
        follow(s, f, x, &from);
        if (op_of(x) == s->ops.getupval)
            asked[b_of(x)] = true;
        if (op_of(x) == s->ops.setupval && b_of(x) < f->nups)
            note_assigned(s, &f->ups[b_of(x)], from.of[a_of(x)], asked[b_of(x)]);
        else if ((op_of(x) == s->ops.setfield || op_of(x) == s->ops.settabup) && !k_of(x))
            add_key(s, f, b_of(x), STORE_VARIES);
    }
}

/* ---- the main function ---- */

/* What each register has, as far as that is certain. */
struct made {
    bool known;
    bool stored; /* it is in a field already */
    enum store_rank rank;
};

static void forget(struct made made[static REGISTERS], unsigned from) {
    for (unsigned r = from; r < REGISTERS; r++)
        made[r].known = false;
}

static void note_store(struct scan *s, const struct function *f, uint32_t x,
                       struct made made[static REGISTERS]) {
    struct made *m = &made[c_of(x)];
    if (k_of(x) || c_of(x) == a_of(x)) /* Class.__index = Class is no second name */
        return;
    add_key(s, f, b_of(x), m->known && !m->stored ? m->rank : STORE_ALIAS);
    m->stored = true;
}

void tine__scan_main(struct scan *s, const struct function *f) {
    const struct opcodes *ops = &s->ops;
    struct made made[REGISTERS] = {0};
    const struct origins unknown = {{0}};
    for (size_t i = 0; i < f->n; i++) {
        uint32_t x = instruction(f->code, i);
        unsigned op = op_of(x), a = a_of(x);
        note_value(s, f, i);
        note_cleared(s, f, x, &unknown);
        note_setting(s, f, x);
        if (op == ops->setfield)
            note_store(s, f, x, made);
        if (op >= ops->settabup && op <= ops->setfield) /* consecutive in Lua's list of opcodes */
            continue;
        forget(made, op == ops->setlist ? a + 1 : a);
        if (op == ops->newtable || op == ops->closure)
            made[a] = (struct made){.known = true, .rank = STORE_FRESH};
        else if (op == ops->call)
            made[a] = (struct made){.known = true, .rank = STORE_CALLED};
        i += op == ops->newtable; /* it takes two instructions */
    }
}

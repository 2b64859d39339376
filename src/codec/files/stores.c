/* What a file's code says about the names it gives: which of them lead to one thing for good.
**
** A module may hold an object under several names, and some of them are variables: `M.now = M.STOPPED`, or a local that
** functions of the module assign. Such a name stands for something else in each process. Its file tells: a key that a
** function inside of the file stores something in, and an upvalue that such a function assigns, may vary; a key that the
** main function fills with what another one has already is a second name. What is seen errs towards worse names. And of
** tables in upvalues, whether functions of the file may put something into them: it may be what the program has given.
**
** Of functions, too: one that the main function makes in a loop is there many times.
*/
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/hash.h"
#include "base/sys.h"
#include "codec/files/record.h"
#include "codec/files/starts.h"
#include "codec/lua/dump.h"
#include "codec/lua/ops.h"

#define NO_VARIABLE UINT32_MAX
#define NIL 1 /* in place of the hash of a constant */

struct scan {
    struct dump_cursor c;
    const char *dump;
    struct opcodes ops;
    struct buf keys;     /* struct file_key */
    struct buf values;   /* hashes of string constants that are used as values */
    struct buf assigned; /* variables that functions assign */
    struct buf given;    /* variables that functions assign what they were called with */
    struct buf cleared;  /* those that functions assign nil or false */
    struct buf asked;  /* those that functions look at before they assign something of their own */
    struct buf filled; /* those with a table that functions may put something into */
    /* Those with a table into which functions put what they are given, under what they are given. */
    struct buf told;
    struct buf found;    /* struct found: functions, those inside of one before it */
    struct buf ups;      /* the variables that are their upvalues */
    struct buf children; /* numbers in found of functions that the main function makes */
    struct starts starts;
    uint32_t count; /* functions begun so far */
    bool clears; /* the code takes something out of tables under keys that it was not called with */
    bool failed;
};

struct found {
    uint64_t hash;
    uint64_t assigns;     /* which upvalues it assigns, or functions in it do: a bit each */
    uint32_t first, nups; /* in scan.ups */
    bool looped;
};

/* A function: code, string constants by number (hashes; 0: it is none), and whose variables its upvalues are: a variable
** is the number of its function, and its register. */
struct function {
    const struct function *up;
    uint32_t number;
    const unsigned char *code;
    size_t n;
    unsigned parameters;
    struct buf constants;
    uint32_t ups[REGISTERS];
    size_t nups;
};

static void append(struct scan *s, struct buf *b, const void *p, size_t n) {
    s->failed |= n && buf_append(b, p, n) != 0;
}

static void add_key(struct scan *s, const struct function *f, unsigned constant,
                    enum store_rank rank) {
    struct file_key key = {.rank = rank};
    if (((size_t)constant + 1) * sizeof key.hash > f->constants.len)
        return;
    memcpy(&key.hash, f->constants.data + constant * sizeof key.hash, sizeof key.hash);
    append(s, &s->keys, &key, sizeof key);
}

static void add_value(struct scan *s, const struct function *f, size_t constant) {
    uint64_t hash = 0;
    if ((constant + 1) * sizeof hash > f->constants.len)
        return;
    memcpy(&hash, f->constants.data + constant * sizeof hash, sizeof hash);
    if (hash && hash != NIL)
        append(s, &s->values, &hash, sizeof hash);
}

/* Note the string constant that instruction `i` takes as a value, not as the name of a field. */
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

/* ---- functions inside of the main one ---- */

/* From which upvalue each register has its value, or the table in which that was: its number + 1; 0: none; PARAMETER:
** from what the function was called with; NOTHING. It may be one of old, as what writes into registers is not all looked at: a table
** too many is found rather than one too few. */
struct origins {
    unsigned of[REGISTERS];
};
#define PARAMETER (REGISTERS + 1)
#define NOTHING (REGISTERS + 2) /* the code says nil or false */

static void note_filled(struct scan *s, const struct function *f, unsigned upvalue,
                        struct buf *variables) {
    if (upvalue && upvalue <= f->nups && f->ups[upvalue - 1] != NO_VARIABLE)
        append(s, variables, &f->ups[upvalue - 1], sizeof f->ups[0]);
}

/* The function does `x`: does it put something into an upvalue's table, or may who is called, with that and a value, as
** table.insert is? */
static void follow(struct scan *s, const struct function *f, uint32_t x, struct origins *from) {
    const struct opcodes *ops = &s->ops;
    unsigned op = op_of(x), a = a_of(x);
    if (op == ops->settabup)
        return note_filled(s, f, a + 1, &s->filled);
    if (op > ops->settabup && op <= ops->setfield) /* as Lua's list of instructions has them */
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

/* Does it put what the function was called with into an upvalue's table, under what that was called with? */
static void note_told(struct scan *s, const struct function *f, uint32_t x,
                      const struct origins *from) {
    if (op_of(x) == s->ops.settable && !k_of(x) && from->of[b_of(x)] == PARAMETER &&
        from->of[c_of(x)] == PARAMETER)
        note_filled(s, f, from->of[a_of(x)], &s->told);
}

static bool is_nil(const struct function *f, uint32_t x, const struct origins *from) {
    uint64_t hash = 0;
    if (!k_of(x))
        return from->of[c_of(x)] == NOTHING;
    if (((size_t)c_of(x) + 1) * sizeof hash <= f->constants.len)
        memcpy(&hash, f->constants.data + c_of(x) * sizeof hash, sizeof hash);
    return hash == NIL;
}

/* Is something taken out of a table by `x`? Under a key that the code has, or that it finds itself; not one that was given. */
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
    append(s, &s->assigned, variable, sizeof *variable);
    if (origin == PARAMETER)
        append(s, &s->given, variable, sizeof *variable);
    if (origin == NOTHING)
        append(s, &s->cleared, variable, sizeof *variable);
    if (asked && origin != PARAMETER)
        append(s, &s->asked, variable, sizeof *variable);
}

static void scan_inner(struct scan *s, const struct function *f) {
    struct origins from = {{0}};
    bool asked[REGISTERS] = {false}; /* upvalues */
    for (unsigned i = 0; i < f->parameters; i++)
        from.of[i] = PARAMETER;
    for (size_t i = 0; i < f->n; i++) {
        uint32_t x = instruction(f->code, i);
        note_value(s, f, i);
        note_cleared(s, f, x, &from);
        note_told(s, f, x, &from);
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

/* What each register has, as far as that is sure. */
struct made {
    bool known;
    bool stored; /* in a field, already */
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

static void scan_main(struct scan *s, const struct function *f) {
    const struct opcodes *ops = &s->ops;
    struct made made[REGISTERS] = {0};
    const struct origins unknown = {{0}};
    for (size_t i = 0; i < f->n; i++) {
        uint32_t x = instruction(f->code, i);
        unsigned op = op_of(x), a = a_of(x);
        note_value(s, f, i);
        note_cleared(s, f, x, &unknown);
        if (op == ops->setfield)
            note_store(s, f, x, made);
        if (op >= ops->settabup && op <= ops->setfield) /* as Lua's list of instructions has them */
            continue;
        forget(made, op == ops->setlist ? a + 1 : a);
        if (op == ops->newtable || op == ops->closure)
            made[a] = (struct made){.known = true, .rank = STORE_FRESH};
        else if (op == ops->call)
            made[a] = (struct made){.known = true, .rank = STORE_CALLED};
        i += op == ops->newtable; /* it takes two */
    }
}

/* Where the jump back at `i` leads to; `i` + 1: it is none. */
static size_t loop_start(const struct opcodes *ops, uint32_t x, size_t i) {
    long by = op_of(x) == ops->jump                                   ? jump_of(x)
              : op_of(x) == ops->forloop || op_of(x) == ops->tforloop ? -(long)bx_of(x)
                                                                      : 0;
    return by < 0 && (size_t)-by <= i + 1 ? i + 1 - (size_t)-by : i + 1;
}

/* Which of the functions in there are made in a loop? A list of bytes, to be freed. */
static unsigned char *find_looped(struct scan *s, const struct function *f, size_t children) {
    unsigned char *looped = sys.calloc(children + 1, 1);
    s->failed |= !looped;
    for (size_t i = 0; looped && i < f->n; i++) {
        size_t from = loop_start(&s->ops, instruction(f->code, i), i);
        for (; from <= i; from++) {
            uint32_t x = instruction(f->code, from);
            if (op_of(x) == s->ops.closure && bx_of(x) < children)
                looped[bx_of(x)] = 1;
        }
    }
    return looped;
}

/* ---- all of them ---- */

static void read_constants(struct scan *s, struct function *f) {
    size_t len;
    tine__buf_init(&f->constants);
    for (size_t n = tine__dump_number(&s->c); n > 0 && s->c.ok; n--) {
        bool nil = s->c.p < s->c.end && *s->c.p == 0;
        const char *p = tine__dump_constant(&s->c, &len);
        uint64_t hash = p ? tine__hash(p, len) : nil ? NIL : 0;
        append(s, &f->constants, &hash, sizeof hash);
    }
}

static void read_upvalues(struct scan *s, struct function *f) {
    size_t n = tine__dump_number(&s->c);
    s->c.ok = s->c.ok && n < REGISTERS;
    for (f->nups = 0; f->nups < n && s->c.ok; f->nups++) {
        unsigned instack = tine__dump_byte(&s->c), index = tine__dump_byte(&s->c);
        tine__dump_byte(&s->c); /* kind */
        f->ups[f->nups] = !f->up                ? NO_VARIABLE
                          : instack             ? f->up->number << 8 | index
                          : index < f->up->nups ? f->up->ups[index]
                                                : NO_VARIABLE;
    }
}

static void scan_function(struct scan *s, const struct function *up, bool looped);

static void scan_child(struct scan *s, const struct function *f, bool looped) {
    scan_function(s, f, looped);
    uint32_t last = (uint32_t)(s->found.len / sizeof(struct found)) - 1;
    if (!f->up)
        append(s, &s->children, &last, sizeof last);
}

static void scan_children(struct scan *s, const struct function *f) {
    size_t n = tine__dump_number(&s->c);
    s->c.ok = s->c.ok && n <= (size_t)(s->c.end - s->c.p);
    unsigned char *looped = s->c.ok && !f->up ? find_looped(s, f, n) : NULL;
    for (size_t i = 0; i < n && s->c.ok && !s->failed; i++)
        scan_child(s, f, looped && looped[i]);
    free(looped);
}

/* Which of the upvalues are among the variables that were noted as assigned from `from` on: a bit each. */
static uint64_t assigned_since(const struct scan *s, const struct function *f, size_t from) {
    uint64_t bits = 0;
    for (; from < s->assigned.len; from += sizeof f->ups[0]) {
        uint32_t variable;
        memcpy(&variable, s->assigned.data + from, sizeof variable);
        for (size_t i = 0; i < f->nups && i < 64; i++)
            if (f->ups[i] == variable)
                bits |= UINT64_C(1) << i;
    }
    return bits;
}

/* The main function's children have been looked at: what has it put into variables that they share? */
static void find_starts(struct scan *s, const struct function *f) {
    size_t n = s->children.len / sizeof(uint32_t);
    const uint32_t *numbers = (const uint32_t *)(const void *)s->children.data;
    const uint32_t *ups = (const uint32_t *)(const void *)s->ups.data;
    struct child *children = sys.calloc(n + 1, sizeof *children);
    s->failed |= !children;
    for (size_t i = 0; children && i < n; i++) {
        const struct found *found = (const struct found *)(const void *)s->found.data + numbers[i];
        children[i] = (struct child){found->hash, ups + found->first, found->nups, found->assigns};
    }
    struct main_code code = {.code = f->code,
                             .n = f->n,
                             .constants = (const uint64_t *)(const void *)f->constants.data,
                             .nconstants = f->constants.len / sizeof(uint64_t),
                             .children = children,
                             .nchildren = n};
    if (children && !tine__starts_of(&s->ops, &code, &s->starts))
        s->failed = true;
    free(children);
}

static void scan_function(struct scan *s, const struct function *up, bool looped) {
    struct function f = {.up = up, .number = s->count++};
    struct found found = {.looped = looped};
    size_t before = s->assigned.len;
    size_t len;
    tine__dump_string(&s->c, &len);
    const char *start = (const char *)s->c.p;
    tine__dump_number(&s->c), tine__dump_number(&s->c);
    f.parameters = tine__dump_byte(&s->c);
    tine__dump_skip(&s->c, 2);
    f.n = tine__dump_number(&s->c);
    s->c.ok = s->c.ok && f.n <= (size_t)(s->c.end - s->c.p);
    f.code = tine__dump_skip(&s->c, 4 * f.n);
    read_constants(s, &f);
    read_upvalues(s, &f);
    if (s->c.ok)
        (up ? scan_inner : scan_main)(s, &f);
    scan_children(s, &f);
    if (!up && s->c.ok && !s->failed)
        find_starts(s, &f);
    tine__buf_free(&f.constants);
    tine__dump_debug(&s->c);
    if (!s->c.ok)
        return;
    found.hash = tine__hash(start, (size_t)((const char *)s->c.p - start));
    found.assigns = assigned_since(s, &f, before);
    found.first = (uint32_t)(s->ups.len / sizeof f.ups[0]);
    found.nups = (uint32_t)f.nups;
    append(s, &s->ups, f.ups, f.nups * sizeof f.ups[0]);
    append(s, &s->found, &found, sizeof found);
}

/* ---- what is kept of it ---- */

static int compare_keys(const void *a, const void *b) {
    const struct file_key *x = a, *y = b;
    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : (int)x->rank - (int)y->rank;
}

static int compare_variables(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Which of the upvalues are among these variables, which are sorted: a bit each. */
static uint64_t bits_of(const struct buf *variables, const uint32_t *ups, uint32_t nups) {
    size_t n = variables->len / sizeof *ups;
    uint64_t bits = 0;
    for (uint32_t i = 0; i < nups && n; i++)
        if (bsearch(&ups[i], variables->data, n, sizeof ups[i], compare_variables))
            bits |= UINT64_C(1) << (i < 63 ? i : 63);
    return bits;
}

static void keep_start(struct scan *s, const struct found *found, uint32_t i, uint64_t what,
                       struct buf *b) {
    uint64_t hash = tine__start_hash(found->hash, (int)i + 1, what);
    append(s, b, &hash, sizeof hash);
}

/* What may be in the upvalues that the function assigns at first is kept in `b`. */
static void keep_starts(struct scan *s, const struct found *found, const uint32_t *ups,
                        struct buf *b) {
    const struct start *starts = (const struct start *)(const void *)s->starts.list.data;
    size_t n = s->starts.list.len / sizeof *starts;
    uint64_t cleared = bits_of(&s->cleared, ups, found->nups);
    uint64_t asked = bits_of(&s->asked, ups, found->nups);
    for (uint32_t i = 0; i < found->nups && i < 64; i++) {
        if (!(found->assigns >> i & 1))
            continue;
        unsigned kinds = ups[i] < REGISTERS ? s->starts.kinds[ups[i]] : 1u << START_UNKNOWN;
        if (cleared >> i & 1) /* the module does so itself, when it has done something once */
            kinds |= 1u << START_NIL | 1u << START_FALSE;
        if (asked >> i & 1) /* or prepared it */
            kinds |= 1u << START_UNKNOWN;
        for (unsigned kind = 0; kind <= START_UNKNOWN; kind++)
            if (kinds >> kind & 1)
                keep_start(s, found, i, kind, b);
        for (size_t k = 0; k < n; k++)
            if (starts[k].variable == ups[i])
                keep_start(s, found, i, starts[k].what, b);
    }
}

/* Which of the upvalues have functions from the main one's code, and nothing else. */
static uint64_t fixed_of(const struct scan *s, const uint32_t *ups, uint32_t nups) {
    uint64_t bits = 0;
    for (uint32_t i = 0; i < nups && i < 63; i++)
        if (ups[i] < REGISTERS && s->starts.own[ups[i]] == 1u << START_FUNCTION)
            bits |= UINT64_C(1) << i;
    return bits;
}

static void keep_function(struct scan *s, const struct found *found, struct file *f,
                          struct buf *starts) {
    struct file_hash *h = tine__file_function(f, found->hash);
    if (!h)
        return;
    h->again |= found->looped;
    const uint32_t *ups = (const uint32_t *)(const void *)s->ups.data + found->first;
    h->varies |= bits_of(&s->assigned, ups, found->nups);
    h->assigns |= found->assigns;
    f->assigns |= h->assigns;
    h->fixed |= fixed_of(s, ups, found->nups);
    h->given |= bits_of(&s->given, ups, found->nups);
    if (h->assigns)
        keep_starts(s, found, ups, starts);
    h->filled |= bits_of(&s->filled, ups, found->nups);
    h->told |= bits_of(&s->told, ups, found->nups);
}

static void sort_hashes(struct buf *b, uint64_t **list, uint32_t *n) {
    *n = (uint32_t)(b->len / sizeof **list);
    if (*n)
        qsort(b->data, *n, sizeof **list, tine__compare_hashes);
    *list = (uint64_t *)(void *)b->data;
}

static void sort_variables(struct buf *variables) {
    if (variables->len)
        qsort(variables->data, variables->len / sizeof(uint32_t), sizeof(uint32_t),
              compare_variables);
}

static void keep(struct scan *s, struct file *f) {
    f->nkeys = (uint32_t)(s->keys.len / sizeof *f->keys);
    if (f->nkeys)
        qsort(s->keys.data, f->nkeys, sizeof *f->keys, compare_keys);
    f->keys = (struct file_key *)(void *)s->keys.data;
    sort_hashes(&s->values, &f->values, &f->nvalues);
    sort_variables(&s->assigned);
    sort_variables(&s->given);
    sort_variables(&s->cleared);
    sort_variables(&s->asked);
    sort_variables(&s->filled);
    sort_variables(&s->told);
    struct buf starts;
    tine__buf_init(&starts);
    for (size_t i = 0; i < s->found.len / sizeof(struct found); i++)
        keep_function(s, (const struct found *)(const void *)s->found.data + i, f, &starts);
    sort_hashes(&starts, &f->starts, &f->nstarts);
}

bool tine__stores_of(lua_State *L, const char *dump, size_t len, struct file *f) {
    struct scan s = {.c = tine__dump_open(dump, len), .dump = dump, .ops = tine__opcodes(L)};
    tine__buf_init(&s.keys);
    tine__buf_init(&s.values);
    tine__buf_init(&s.assigned);
    tine__buf_init(&s.given);
    tine__buf_init(&s.cleared);
    tine__buf_init(&s.asked);
    tine__buf_init(&s.filled);
    tine__buf_init(&s.told);
    tine__buf_init(&s.children);
    tine__buf_init(&s.starts.list);
    tine__buf_init(&s.found);
    tine__buf_init(&s.ups);
    if (s.c.ok && s.ops.known)
        scan_function(&s, NULL, false);
    f->clears = s.clears;
    keep(&s, f); /* the file has the keys, values and starts now */
    bool good = s.c.ok && s.ops.known && !s.failed;
    tine__buf_free(&s.assigned);
    tine__buf_free(&s.given);
    tine__buf_free(&s.cleared);
    tine__buf_free(&s.asked);
    tine__buf_free(&s.filled);
    tine__buf_free(&s.told);
    tine__buf_free(&s.children);
    tine__buf_free(&s.starts.list);
    tine__buf_free(&s.found);
    tine__buf_free(&s.ups);
    return good;
}

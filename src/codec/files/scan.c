/* The scan of the code in a module's file: which of its names lead to the same thing in each
** process?
**
** A module may hold an object under several names, and some names are variables:
** `M.now = M.STOPPED`, or a local that functions of the module assign. Such a name may lead to
** something else in another process. The code tells: a key under which a function inside of the
** file stores something, and an upvalue that such a function assigns, may vary; a key to which the
** main function assigns what has a name already is a second name. What is uncertain makes a name
** worse.
**
** The scan also finds tables in upvalues into which functions of the file may put something (they
** may hold what the program has given), and functions that the main function makes in a loop (there
** are several closures of them).
*/
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/sys.h"
#include "codec/files/scan.h"

/* ---- loops ---- */

/* Which functions inside of this one are made in a loop? An array of flags, which the caller frees;
** NULL: no memory. */
static unsigned char *find_looped(struct scan *s, const struct function *f, size_t children) {
    unsigned char *looped = sys.calloc(children + 1, 1);
    s->failed |= !looped;
    for (size_t i = 0; looped && i < f->n; i++) {
        size_t from = loop_start(&s->ops, i, instruction(f->code, i));
        for (; from <= i; from++) {
            uint32_t x = instruction(f->code, from);
            if (op_of(x) == s->ops.closure && bx_of(x) < children)
                looped[bx_of(x)] = 1;
        }
    }
    return looped;
}

/* ---- functions ---- */

static void read_constants(struct scan *s, struct function *f) {
    size_t len;
    tine__buf_init(&f->constants);
    tine__buf_init(&f->scalars);
    for (size_t n = tine__dump_number(&s->c); n > 0 && s->c.ok; n--) {
        const unsigned char *dumped = s->c.p;
        bool nil = dumped < s->c.end && *dumped == 0;
        const char *p = tine__dump_constant(&s->c, &len);
        uint64_t hash = p ? tine__hash(p, len) : nil ? CONSTANT_NIL : 0;
        uint64_t scalar = p ? hash : tine__constant_hash(dumped, (size_t)(s->c.p - dumped));
        scan_append(s, &f->constants, &hash, sizeof hash);
        scan_append(s, &f->scalars, &scalar, sizeof scalar);
    }
}

static void read_upvalues(struct scan *s, struct function *f) {
    size_t n = tine__dump_number(&s->c);
    s->c.ok = s->c.ok && n < REGISTERS;
    for (f->nups = 0; f->nups < n && s->c.ok; f->nups++) {
        unsigned instack = tine__dump_byte(&s->c), index = tine__dump_byte(&s->c);
        tine__dump_byte(&s->c); /* the kind */
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
        scan_append(s, &s->children, &last, sizeof last);
}

static void scan_children(struct scan *s, const struct function *f) {
    size_t n = tine__dump_number(&s->c);
    s->c.ok = s->c.ok && n <= (size_t)(s->c.end - s->c.p);
    unsigned char *looped = s->c.ok && !f->up ? find_looped(s, f, n) : NULL;
    for (size_t i = 0; i < n && s->c.ok && !s->failed; i++)
        scan_child(s, f, looped && looped[i]);
    free(looped);
}

/* Which upvalues of the function are among the variables noted as assigned since position `from` of
** the list? A bit each. */
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

/* The functions inside of the main function have been read: find what it puts into variables that
** they share. */
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
    if (s->c.ok) {
        (up ? tine__scan_inner : tine__scan_main)(s, &f);
        tine__scan_fills(s, &f);
    }
    scan_children(s, &f);
    if (!up && s->c.ok && !s->failed)
        find_starts(s, &f);
    tine__buf_free(&f.constants);
    tine__buf_free(&f.scalars);
    tine__dump_debug(&s->c);
    if (!s->c.ok)
        return;
    found.hash = tine__hash(start, (size_t)((const char *)s->c.p - start));
    found.assigns = assigned_since(s, &f, before);
    found.first = (uint32_t)(s->ups.len / sizeof f.ups[0]);
    found.nups = (uint32_t)f.nups;
    scan_append(s, &s->ups, f.ups, f.nups * sizeof f.ups[0]);
    scan_append(s, &s->found, &found, sizeof found);
}

/* ---- the file ---- */

bool tine__file_scan(lua_State *L, const char *dump, size_t len, struct file *f) {
    struct scan s = {.c = tine__dump_open(dump, len), .ops = tine__opcodes(L)};
    tine__buf_init(&s.keys);
    tine__buf_init(&s.settings);
    tine__buf_init(&s.values);
    tine__buf_init(&s.assigned);
    tine__buf_init(&s.given);
    tine__buf_init(&s.cleared);
    tine__buf_init(&s.asked);
    tine__buf_init(&s.filled);
    tine__buf_init(&s.told);
    tine__buf_init(&s.spread);
    tine__buf_init(&s.children);
    tine__buf_init(&s.starts.list);
    tine__buf_init(&s.found);
    tine__buf_init(&s.ups);
    if (s.c.ok && s.ops.known)
        scan_function(&s, NULL, false);
    f->clears = s.clears;
    f->computes = s.computes;
    f->spreads = tine__scan_spreads(&s);
    tine__scan_keep(&s, f); /* takes over keys, settings, values and starts */
    bool good = s.c.ok && s.ops.known && !s.failed;
    tine__buf_free(&s.assigned);
    tine__buf_free(&s.given);
    tine__buf_free(&s.cleared);
    tine__buf_free(&s.asked);
    tine__buf_free(&s.filled);
    tine__buf_free(&s.told);
    tine__buf_free(&s.spread);
    tine__buf_free(&s.children);
    tine__buf_free(&s.starts.list);
    tine__buf_free(&s.found);
    tine__buf_free(&s.ups);
    return good;
}

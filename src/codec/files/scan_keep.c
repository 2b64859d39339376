/* The end of a scan: puts what was found into the record. */
#include <stdlib.h>
#include "codec/files/scan.h"

static int compare_keys(const void *a, const void *b) {
    const struct file_key *x = a, *y = b;
    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : (int)x->rank - (int)y->rank;
}

static int compare_variables(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Which upvalues are in the sorted list `variables`? A bit each; bit 63 stands for all further
** ones. */
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
    scan_append(s, b, &hash, sizeof hash);
}

/* Append to `b` what the upvalues that the function assigns may have at first. */
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
        if (cleared >> i & 1) /* the module itself resets it, after something was done once */
            kinds |= 1u << START_NIL | 1u << START_FALSE;
        if (asked >> i & 1) /* or initializes it */
            kinds |= 1u << START_UNKNOWN;
        for (unsigned kind = 0; kind <= START_UNKNOWN; kind++)
            if (kinds >> kind & 1)
                keep_start(s, found, i, kind, b);
        for (size_t k = 0; k < n; k++)
            if (starts[k].variable == ups[i])
                keep_start(s, found, i, starts[k].what, b);
    }
}

/* Which upvalues have functions made by the main function, and never anything else, at first? */
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

void tine__scan_keep(struct scan *s, struct file *f) {
    f->nkeys = (uint32_t)(s->keys.len / sizeof *f->keys);
    if (f->nkeys)
        qsort(s->keys.data, f->nkeys, sizeof *f->keys, compare_keys);
    f->keys = (struct file_key *)(void *)s->keys.data;
    f->nsettings = (uint32_t)(s->settings.len / sizeof *f->settings);
    if (f->nsettings)
        qsort(s->settings.data, f->nsettings, sizeof *f->settings, tine__compare_hashes);
    f->settings = (struct file_setting *)(void *)s->settings.data;
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

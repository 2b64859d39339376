#include "sched/line.h"

#include "base/error.h"
#include "base/sys.h"

#define FIRST_SIZE 16 /* of the table; a power of two */

/* --- the orders of the heaps --- */

static bool line_before(const struct pairing_node *a, const struct pairing_node *b) {
    return line_of(a)->first < line_of(b)->first;
}

static bool task_before(const struct pairing_node *a, const struct pairing_node *b) {
    return task_of(a)->call.id < task_of(b)->call.id;
}

static bool bucket_before(const struct pairing_node *a, const struct pairing_node *b) {
    const struct bucket *x = bucket_of(a), *y = bucket_of(b);
    return x->rank != y->rank ? x->rank > y->rank : x->first < y->first;
}

/* --- the table --- */

static struct line *find(const struct policy *p, uint64_t hash, int64_t priority, const char *group,
                         uint32_t len) {
    struct line *l = p->table[hash & (p->size - 1)];
    while (l && (l->hash != hash || !line_is(l, priority, group, len)))
        l = l->chain;
    return l;
}

/* A larger table, if there is memory for it. */
static void grow(struct policy *p) {
    uint64_t size = 2 * p->size;
    struct line **table = sys.calloc(size, sizeof *table);
    if (!table)
        return;
    for (uint64_t i = 0; i < p->size; i++)
        for (struct line *l = p->table[i], *next; l; l = next) {
            struct line **at = &table[l->hash & (size - 1)];
            next = l->chain;
            l->chain = *at;
            *at = l;
        }
    free(p->table);
    p->table = table;
    p->size = size;
}

static void add(struct policy *p, struct line *l, struct bucket *b, uint64_t hash) {
    list_init(&l->tasks);
    list_init(&l->turn);
    l->again = (struct pairing){.before = task_before};
    l->bucket = b;
    l->hash = hash;
    if (p->nlines++ >= p->size)
        grow(p);
    struct line **at = &p->table[hash & (p->size - 1)];
    l->chain = *at;
    *at = l;
}

static void unlink_line(struct policy *p, struct line *l) {
    struct line **at = &p->table[l->hash & (p->size - 1)];
    while (*at != l)
        at = &(*at)->chain;
    *at = l->chain;
    p->nlines--;
}

/* --- buckets --- */

/* A bucket lives as long as tasks of its priority do. That of urgent ones comes and goes nearly with
** each task, so some are kept for the next. */
#define MOST_SPARE 16

static struct bucket *bucket_new(struct policy *p) {
    struct list *node = list_pop(&p->spare);
    if (!node)
        return sys.calloc(1, sizeof(struct bucket));
    struct bucket *b = LIST_ITEM(node, struct bucket, turns);
    p->nspare--;
    *b = (struct bucket){0};
    return b;
}

static void bucket_free(struct policy *p, struct bucket *b) {
    tine__timer_clear(&p->steps, &b->step);
    if (p->nspare == MOST_SPARE) {
        free(b);
        return;
    }
    list_push_front(&p->spare, &b->turns);
    p->nspare++;
}

/* Free a line; with `plain`, its bucket. */
static void forget(struct policy *p, struct line *l) {
    struct bucket *b = l->bucket;
    unlink_line(p, l);
    if (l == &b->plain)
        bucket_free(p, b);
    else
        free(l);
}

void tine__line_drop(struct policy *p, struct line *l) {
    struct bucket *b = l->bucket;
    if (l != &b->plain) {
        b->groups--;
        p->ngroups--;
        forget(p, l);
    }
    if (!b->groups && !b->plain.refs && p->recent != &b->plain)
        forget(p, &b->plain);
}

/* The factor is that of Fibonacci hashing (2^64 / golden ratio): neighbours come far apart. */
static uint64_t hash_of(int64_t priority) {
    uint64_t h = (uint64_t)priority * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static struct bucket *bucket_for(struct policy *p, int64_t priority) {
    uint64_t hash = hash_of(priority);
    struct line *l = find(p, hash, priority, NULL, 0);
    if (l)
        return l->bucket;
    struct bucket *b = bucket_new(p);
    if (!b)
        return NULL;
    b->priority = priority;
    list_init(&b->turns);
    b->lines.before = line_before;
    add(p, &b->plain, b, hash);
    return b;
}

struct line *tine__line_for(struct policy *p, const struct settings *set) {
    uint64_t hash = hash_of(set->priority) ^ set->group_hash;
    uint32_t len = set->group_len;
    struct line *l = len ? find(p, hash, set->priority, set->group, len) : NULL;
    if (l)
        return l;
    struct bucket *b = bucket_for(p, set->priority);
    if (!b || !len)
        return b ? &b->plain : NULL;
    b->groups++; /* keeps the bucket alive */
    p->ngroups++;
    l = sys.calloc(1, sizeof *l + len);
    if (!l) {
        b->groups--;
        p->ngroups--;
        if (!b->plain.refs)
            tine__line_drop(p, &b->plain);
        return NULL;
    }
    l->group = memcpy(l + 1, set->group, len);
    l->group_len = len;
    add(p, l, b, hash);
    return l;
}

int tine__line_table_init(struct policy *p) {
    p->buckets.before = bucket_before;
    list_init(&p->spare);
    p->size = FIRST_SIZE;
    p->table = sys.calloc(p->size, sizeof *p->table);
    return p->table ? 0 : TINE_ENOMEM;
}

void tine__line_table_free(struct policy *p) {
    for (int groups = 1; groups >= 0; groups--) /* buckets last: lines with a group refer to them */
        for (uint64_t i = 0; i < p->size && p->table; i++)
            for (struct line *l = p->table[i], *next; l; l = next) {
                next = l->chain;
                if ((l->group_len > 0) == groups)
                    forget(p, l);
            }
    while (p->table && !list_empty(&p->spare))
        free(LIST_ITEM(list_pop(&p->spare), struct bucket, turns));
    free(p->table);
    p->table = NULL;
}

#include "sched/policy.h"

#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "sched/task.h"

#define SECOND 1000000000ull
#define FIRST_SIZE 16 /* of the table; a power of two */

struct line {
    struct line *chain; /* in the table */
    uint64_t hash;
    struct bucket *bucket;
    struct list tasks;    /* in the order of submits */
    struct pairing again; /* of those that came back, by id */
    struct list turn;     /* in bucket->turns, while there are tasks */
    struct pairing_node node;
    uint64_t first; /* id of its oldest task, 0: none */
    uint64_t since; /* when that was submitted */
    uint64_t refs;  /* tasks that are not DONE */
    uint64_t sent;  /* of them with the site */
    uint32_t group_len;
    const char *group;
};

struct bucket {
    struct line plain; /* of the tasks without a group */
    int64_t priority;
    unsigned groups;     /* other lines */
    uint64_t sent;       /* tasks with the site, */
    uint64_t sent_lines; /* of so many lines */
    struct list turns;
    struct pairing lines;     /* that have tasks, by `first` */
    struct pairing_node node; /* in policy->buckets, while it has tasks */
    uint64_t first;           /* id of its oldest task, 0: none */
    uint64_t since;
    int64_t rank;      /* of that task */
    struct timer step; /* when that changes, or earlier */
};

static struct line *line_of(const struct pairing_node *n) {
    return LIST_ITEM(n, struct line, node);
}

static struct bucket *bucket_of(const struct pairing_node *n) {
    return LIST_ITEM(n, struct bucket, node);
}

static struct task *task_of(const struct pairing_node *n) {
    return LIST_ITEM(n, struct task, again);
}

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

/* --- ranks --- */

/* Whole seconds since then. */
static uint64_t waited(const struct policy *p, uint64_t since) {
    uint64_t ns = p->now > since ? p->now - since : 0;
    return ns < SECOND ? 0 : ns / SECOND;
}

static int64_t rank_after(const struct policy *p, int64_t priority, uint64_t seconds) {
    double gained = seconds ? p->ageing * (double)seconds : 0;
    int64_t most = priority > 0 ? INT64_MAX - priority : INT64_MAX;
    return gained < (double)most ? priority + (int64_t)gained : priority + most;
}

/* The rank of a bucket's oldest task, and the step after which it is another one. */
static void rank(struct policy *p, struct bucket *b) {
    uint64_t seconds = waited(p, b->since);
    b->rank = rank_after(p, b->priority, seconds);
    uint64_t step = b->since + (seconds + 1) * SECOND;
    if (p->ageing > 0 && (b->step.when <= p->now || step < b->step.when))
        tine__timer_set(&p->steps, &b->step, step);
}

/* The ranks are those of now. */
static void catch_up(struct policy *p, uint64_t now) {
    struct timer *t;
    p->now = now;
    while ((t = tine__timer_due(&p->steps, now)) != NULL) {
        struct bucket *b = LIST_ITEM(t, struct bucket, step);
        if (!b->first)
            continue;
        tine__pairing_remove(&p->buckets, &b->node);
        rank(p, b);
        tine__pairing_put(&p->buckets, &b->node);
    }
}

/* --- what is first --- */

static struct task *first_of(const struct line *l) {
    struct task *fresh = list_empty(&l->tasks) ? NULL : LIST_ITEM(l->tasks.next, struct task, node);
    struct task *again = l->again.root ? task_of(l->again.root) : NULL;
    return !again || (fresh && fresh->call.id < again->call.id) ? fresh : again;
}

/* Its lines have changed. */
static void settle_bucket(struct policy *p, struct bucket *b) {
    const struct line *oldest = b->lines.root ? line_of(b->lines.root) : NULL;
    uint64_t first = oldest ? oldest->first : 0;
    if (first == b->first)
        return;
    bool stays = oldest && b->first && pairing_is_alone(&p->buckets, &b->node);
    if (b->first && !stays) {
        tine__pairing_remove(&p->buckets, &b->node);
        p->nbuckets--;
    }
    b->first = first;
    if (!oldest)
        return;
    b->since = oldest->since;
    rank(p, b);
    if (stays)
        return;
    tine__pairing_put(&p->buckets, &b->node);
    p->nbuckets++;
}

/* Its tasks have changed. */
static void settle(struct policy *p, struct line *l) {
    const struct task *t = first_of(l);
    struct bucket *b = l->bucket;
    if (t && t->call.id == l->first)
        return;
    bool stays = t && l->first && pairing_is_alone(&b->lines, &l->node);
    if (l->first && !stays)
        tine__pairing_remove(&b->lines, &l->node);
    l->first = t ? t->call.id : 0;
    if (!t) {
        list_remove(&l->turn);
    } else {
        l->since = t->since;
        if (!stays)
            tine__pairing_put(&b->lines, &l->node);
        if (list_empty(&l->turn))
            list_push(&b->turns, &l->turn);
    }
    settle_bucket(p, b);
}

/* --- lines --- */

static bool is_line_of(const struct line *l, int64_t priority, const char *group, uint32_t len) {
    return l->bucket->priority == priority && l->group_len == len &&
           (len == 0 || memcmp(l->group, group, len) == 0);
}

static struct line *find(const struct policy *p, uint64_t hash, int64_t priority, const char *group,
                         uint32_t len) {
    struct line *l = p->table[hash & (p->size - 1)];
    while (l && (l->hash != hash || !is_line_of(l, priority, group, len)))
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

/* Give it back; a bucket with its line of no group. */
static void forget(struct policy *p, struct line *l) {
    struct bucket *b = l->bucket;
    unlink_line(p, l);
    if (l != &b->plain) {
        free(l);
    } else {
        tine__timer_clear(&p->steps, &b->step);
        free(b);
    }
}

/* Nothing belongs to the line any more, nor perhaps to its bucket. */
static void drop(struct policy *p, struct line *l) {
    struct bucket *b = l->bucket;
    if (l != &b->plain) {
        b->groups--;
        forget(p, l);
    }
    if (!b->groups && !b->plain.refs && p->recent != &b->plain)
        forget(p, &b->plain);
}

/* The multiplier of a linear congruential generator: neighbours come far apart. */
static uint64_t hash_of(int64_t priority) {
    uint64_t h = (uint64_t)priority * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static struct bucket *bucket_for(struct policy *p, int64_t priority) {
    uint64_t hash = hash_of(priority);
    struct line *l = find(p, hash, priority, NULL, 0);
    if (l)
        return l->bucket;
    struct bucket *b = sys.calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->priority = priority;
    list_init(&b->turns);
    b->lines.before = line_before;
    add(p, &b->plain, b, hash);
    return b;
}

static struct line *line_for(struct policy *p, const struct settings *set) {
    uint64_t hash = hash_of(set->priority) ^ set->group_hash;
    uint32_t len = set->group_len;
    struct line *l = len ? find(p, hash, set->priority, set->group, len) : NULL;
    if (l)
        return l;
    struct bucket *b = bucket_for(p, set->priority);
    if (!b || !len)
        return b ? &b->plain : NULL;
    b->groups++; /* it lives */
    l = sys.calloc(1, sizeof *l + len);
    if (!l) {
        b->groups--;
        if (!b->plain.refs)
            drop(p, &b->plain);
        return NULL;
    }
    l->group = memcpy(l + 1, set->group, len);
    l->group_len = len;
    add(p, l, b, hash);
    return l;
}

HOT int tine__policy_enter(struct policy *p, struct task *t) {
    const struct settings *set = t->set;
    struct line *l = p->recent;
    if (!l || !is_line_of(l, set->priority, set->group, set->group_len)) {
        struct line *before = l;
        l = line_for(p, set);
        if (!l)
            return TINE_ENOMEM;
        p->recent = l;
        l->refs++;
        if (before && before->refs == 0)
            drop(p, before);
        l->refs--;
    }
    l->refs++;
    t->line = l;
    t->came_back = false;
    return 0;
}

void tine__policy_leave(struct policy *p, struct task *t) {
    struct line *l = t->line;
    t->line = NULL;
    if (--l->refs == 0 && l != p->recent)
        drop(p, l);
}

/* --- waiting --- */

/* Last in its line. True: and first. */
static bool join(struct policy *p, struct task *t) {
    bool first = list_empty(&t->line->tasks);
    list_push(&t->line->tasks, &t->node);
    settle(p, t->line);
    return first;
}

/* Those of the only line may be ordered against others from now on. */
static void unfold(struct policy *p) {
    if (list_empty(&p->plain))
        return;
    struct line *l = LIST_ITEM(p->plain.next, struct task, node)->line;
    list_push_all(&l->tasks, &p->plain);
    settle(p, l);
}

HOT bool tine__policy_push(struct policy *p, struct task *t) {
    t->came_back = false;
    if (p->nlines == 1 && p->nbuckets == 0) {
        bool first = list_empty(&p->plain);
        list_push(&p->plain, &t->node);
        return first;
    }
    unfold(p);
    return join(p, t);
}

void tine__policy_push_back(struct policy *p, struct task *t, bool unspent) {
    struct line *l = t->line;
    unfold(p);
    t->came_back = true;
    tine__pairing_put(&l->again, &t->again);
    settle(p, l);
    if (unspent) {
        list_remove(&l->turn);
        list_push_front(&l->bucket->turns, &l->turn);
    }
}

static void take(struct task *t) {
    if (t->came_back)
        tine__pairing_remove(&t->line->again, &t->again);
    else
        list_remove(&t->node);
}

void tine__policy_remove(struct policy *p, struct task *t) {
    if (!list_empty(&p->plain)) {
        list_remove(&t->node);
        return;
    }
    take(t);
    settle(p, t->line);
}

/* It goes to the site. */
static void hand_over(struct line *l) {
    l->bucket->sent++;
    l->bucket->sent_lines += l->sent++ == 0;
}

void tine__policy_take(struct policy *p, struct task *t) {
    tine__policy_remove(p, t);
    hand_over(t->line);
}

struct task *tine__policy_first(const struct policy *p) {
    if (!list_empty(&p->plain))
        return LIST_ITEM(p->plain.next, struct task, node);
    if (p->nbuckets == 0)
        return NULL;
    const struct bucket *b = bucket_of(p->buckets.root);
    return first_of(LIST_ITEM(b->turns.next, struct line, turn));
}

/* What a line begins with is looked at when the one before it is taken, and may have been submitted long ago: each time the
** one behind it is fetched. */
static void fetch_second(const struct line *l) {
    const struct list *first = l->tasks.next;
    const struct task *second = LIST_ITEM(first->next, struct task, node);
    __builtin_prefetch(&second->next);
    __builtin_prefetch(&second->call);
    __builtin_prefetch(&second->node, 1);
}

/* Of several. */
static struct task *pop(struct policy *p) {
    struct bucket *b = bucket_of(p->buckets.root);
    struct line *l = LIST_ITEM(b->turns.next, struct line, turn);
    struct task *t = first_of(l);
    assert(t); /* lines without tasks have no turn */
    take(t);
    list_remove(&l->turn);
    if (first_of(l))
        list_push(&b->turns, &l->turn);
    settle(p, l);
    fetch_second(l);
    return t;
}

struct task *tine__policy_pop(struct policy *p) {
    struct list *plain = list_pop(&p->plain);
    struct task *t = plain ? LIST_ITEM(plain, struct task, node) : pop(p);
    hand_over(t->line);
    return t;
}

void tine__policy_unsent(struct policy *p, struct task *t) {
    struct line *l = t->line;
    (void)p;
    l->bucket->sent--;
    l->bucket->sent_lines -= --l->sent == 0;
}

bool tine__policy_tick(struct policy *p, uint64_t now) {
    bool due = timers_next(&p->steps) <= now; /* also of those that have no tasks now */
    catch_up(p, now);
    return due && !policy_empty(p);
}

/* Does the oldest of `b` go before `t`, which is of another bucket? */
static inline enum overtaking compare_ranks(const struct policy *p, const struct bucket *b,
                                            const struct task *t) {
    int64_t rank = rank_after(p, t->line->bucket->priority, waited(p, t->since));
    bool before = b->rank != rank ? b->rank > rank : b->first < t->call.id;
    return before ? BY_RANK : BY_NOTHING;
}

enum overtaking tine__policy_overtakes(struct policy *p, const struct task *last, bool all,
                                       uint64_t now) {
    const struct line *l = last->line;
    if (policy_empty(p))
        return BY_NOTHING;
    if (p->nbuckets == 0)
        return all ? BY_TURN : BY_NOTHING; /* of one line */
    if (all) /* what came back may belong before one that lies behind those of other priorities */
        return BY_TURN;
    catch_up(p, now);
    const struct bucket *b = bucket_of(p->buckets.root);
    if (b == l->bucket) {
        bool others = b->turns.next->next != &b->turns || b->turns.next != &l->turn;
        return others && b->sent > b->sent_lines ? BY_TURN : BY_NOTHING;
    }
    return compare_ranks(p, b, last);
}

/* As above, for many: the ranks of what waits are those of now, and turns are not looked into. */
static inline enum overtaking compare(const struct policy *p, const struct bucket *b,
                                      const struct task *t) {
    if (t->line->bucket == b)
        return b->groups > 0 ? BY_TURN : BY_NOTHING;
    return compare_ranks(p, b, t);
}

unsigned tine__policy_behind(const struct policy *p, const struct list *handed, uint32_t *refs,
                             unsigned most) {
    unsigned n = 0;
    if (p->nbuckets == 0)
        return 0;
    const struct bucket *b = bucket_of(p->buckets.root);
    for (const struct list *node = handed->prev; node != handed; node = node->prev) {
        const struct task *t = LIST_ITEM(node, struct task, sent);
        enum overtaking by = compare(p, b, t);
        if (by == BY_TURN || t->doom || t->unrun)
            return 0;
        if (by == BY_NOTHING)
            break;
        if (n == most)
            return 0;
        refs[n++] = t->call.ref;
    }
    return n;
}

bool tine__policy_outranks(const struct policy *p, const struct task *t, int64_t rank) {
    const struct bucket *b = p->nbuckets == 0 ? NULL : bucket_of(p->buckets.root);
    return b && b != t->line->bucket && b->rank > rank;
}

int64_t tine__policy_rank(const struct policy *p, const struct task *t, uint64_t *until) {
    uint64_t seconds = waited(p, t->since);
    *until = p->ageing > 0 ? t->since + (seconds + 1) * SECOND : TIMER_NEVER;
    return rank_after(p, t->line->bucket->priority, seconds);
}

/* --- memory --- */

int tine__policy_init(struct policy *p, double ageing) {
    *p = (struct policy){.ageing = ageing, .size = FIRST_SIZE};
    list_init(&p->plain);
    p->buckets.before = bucket_before;
    tine__timers_init(&p->steps);
    p->table = sys.calloc(p->size, sizeof *p->table);
    return p->table ? 0 : TINE_ENOMEM;
}

void tine__policy_free(struct policy *p) {
    for (int groups = 1; groups >= 0; groups--) /* buckets last, which others are in */
        for (uint64_t i = 0; i < p->size && p->table; i++)
            for (struct line *l = p->table[i], *next; l; l = next) {
                next = l->chain;
                if ((l->group_len > 0) == groups)
                    forget(p, l);
            }
    free(p->table);
    p->table = NULL;
}

#include "sched/policy.h"

#include <assert.h>
#include "base/error.h"
#include "base/hot.h"
#include "sched/line.h"

/* --- ranks --- */

/* Whole steps since `since`. */
static uint64_t waited(const struct policy *p, uint64_t since) {
    uint64_t ns = p->now > since ? p->now - since : 0;
    return ns < p->step ? 0 : ns / p->step;
}

static int64_t rank_after(const struct policy *p, int64_t priority, uint64_t steps) {
    if (steps == 0)
        return priority; /* as mostly, and for many at once (tine__policy_place) */
    double gained = p->gain * (double)steps;
    int64_t most = priority > 0 ? INT64_MAX - priority : INT64_MAX;
    return gained < (double)most ? priority + (int64_t)gained : priority + most;
}

/* Compute the rank of a bucket's oldest task, and set the timer for the next step of it. */
static void rank(struct policy *p, struct bucket *b) {
    uint64_t steps = waited(p, b->since);
    b->rank = rank_after(p, b->priority, steps);
    uint64_t next = b->since + (steps + 1) * p->step;
    if (p->gain > 0 && (b->step.when <= p->now || next < b->step.when))
        tine__timer_set(&p->steps, &b->step, next);
}

/* Make the ranks of all buckets those of `now`. */
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

/* The lines of the bucket have changed: the oldest task may be another one. */
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

/* The tasks of the line have changed: the oldest may be another one. */
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

/* --- its tasks --- */

HOT int tine__policy_enter(struct policy *p, struct task *t) {
    const struct settings *set = t->set;
    struct line *l = p->recent;
    if (!l || !line_is(l, set->priority, set->group, set->group_len)) {
        struct line *before = l;
        l = tine__line_for(p, set);
        if (!l)
            return TINE_ENOMEM;
        p->recent = l;
        l->refs++;
        if (before && before->refs == 0)
            tine__line_drop(p, before);
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
        tine__line_drop(p, l);
}

/* --- waiting --- */

/* Put the task at the end of its line. True: it is the first there. */
static bool join(struct policy *p, struct task *t) {
    bool first = list_empty(&t->line->tasks);
    list_push(&t->line->tasks, &t->node);
    settle(p, t->line);
    return first;
}

/* The tasks of the only line may have to be ordered against others from now on. */
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

static struct task *queued(const struct list *node) {
    return LIST_ITEM(node, struct task, sent);
}

/* A task of the line goes to the site. */
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

/* When a task is taken, the next of its line becomes the first and is looked at. It may have been
** submitted long ago, and be in no cache: so the one behind that is prefetched each time. */
static void fetch_second(const struct line *l) {
    const struct list *first = l->tasks.next;
    const struct task *second = LIST_ITEM(first->next, struct task, node);
    __builtin_prefetch(&second->next);
    __builtin_prefetch(&second->call);
    __builtin_prefetch(&second->node, 1);
}

/* Take the next task while there are buckets. */
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
    t->line->bucket->last = t; /* wherever it is put, it is behind those of its priority */
    return t;
}

void tine__policy_dequeue(const struct list *handed, struct task *t) {
    struct bucket *b = t->line->bucket;
    struct list *before = t->sent.prev;
    if (b->last == t)
        b->last = before != handed && queued(before)->line->bucket == b ? queued(before) : NULL;
    list_remove(&t->sent);
}

void tine__policy_unsent(const struct task *t) {
    struct line *l = t->line;
    l->bucket->sent--;
    l->bucket->sent_lines -= --l->sent == 0;
}

bool tine__policy_tick(struct policy *p, uint64_t now) {
    bool due = timers_next(&p->steps) <= now; /* buckets that have no tasks now included */
    catch_up(p, now);
    return due && !policy_empty(p);
}

/* Does the oldest task of `b` go before `t`, which is of another bucket? */
static inline enum overtaking compare_ranks(const struct policy *p, const struct bucket *b,
                                            const struct task *t) {
    int64_t rank = rank_after(p, t->line->bucket->priority, waited(p, t->since));
    bool before = b->rank != rank ? b->rank > rank : b->first < t->call.id;
    return before ? BY_RANK : BY_NOTHING;
}

enum overtaking tine__policy_overtakes(struct policy *p, const struct task *last, bool all,
                                       uint64_t now) {
    const struct line *l = last->line;
    if (all) /* a task that came back may belong anywhere in the queue */
        return BY_TURN;
    if (p->nbuckets == 0)
        return BY_NOTHING; /* nothing waits, or only tasks of one line */
    catch_up(p, now);
    const struct bucket *b = bucket_of(p->buckets.root);
    if (b == l->bucket) {
        bool others = b->turns.next->next != &b->turns || b->turns.next != &l->turn;
        return others && b->sent > b->sent_lines ? BY_TURN : BY_NOTHING;
    }
    return compare_ranks(p, b, last);
}

/* As tine__policy_overtakes for many tasks: ranks are those of now already, and it does not count
** what turns there are. */
static inline enum overtaking compare(const struct policy *p, const struct bucket *b,
                                      const struct task *t) {
    if (t->line->bucket == b)
        return b->groups > 0 ? BY_TURN : BY_NOTHING;
    return compare_ranks(p, b, t);
}

/* The task is behind the last one of its priority. Those behind that stand in the order of their
** ranks, where there are no groups: the others are not looked at. */
static struct list *place_behind(const struct policy *p, const struct bucket *b,
                                 struct list *handed) {
    struct list *at = b->last->sent.next;
    while (at != handed && compare(p, b, queued(at)) == BY_NOTHING)
        at = at->next;
    return at;
}

struct list *tine__policy_place(const struct policy *p, struct list *handed) {
    if (p->nbuckets == 0)
        return handed;
    const struct bucket *b = bucket_of(p->buckets.root);
    if (b->last && p->ngroups == 0)
        return place_behind(p, b, handed);
    struct list *at = handed;
    while (at->prev != handed) {
        enum overtaking by = compare(p, b, queued(at->prev));
        if (by == BY_TURN)
            return NULL;
        if (by == BY_NOTHING)
            break;
        at = at->prev;
    }
    return at;
}

/* --- the order of the site's queue --- */

bool tine__policy_has_groups(const struct task *t) {
    return t->line->bucket->groups > 0;
}

bool tine__policy_are_equal(const struct task *a, const struct task *b) {
    return a->line->bucket == b->line->bucket;
}

/* A task in the queue is as urgent as the oldest task of its bucket at or behind its place, waiting
** ones included: which of them comes first is a matter of turns. `oldest` is when that task was
** submitted. */
static int64_t rank_there(const struct policy *p, const struct bucket *b) {
    return rank_after(p, b->priority, waited(p, b->oldest));
}

/* The earliest time at which the rank of `behind` may become the higher one. It can do so only when
** it grows itself, and at each such time its oldest task has waited the same number of whole
** steps `longer` than that of `before`. */
static uint64_t crossing(const struct policy *p, const struct bucket *before,
                         const struct bucket *behind) {
    uint64_t x = before->oldest, y = behind->oldest;
    double longer = x > y ? (double)((x - y - 1) / p->step + 1) : -(double)((y - x) / p->step);
    double lead = (double)before->priority - (double)behind->priority;
    bool gains = p->gain * longer > lead;
    return gains ? y + (waited(p, y) + 1) * p->step : TIMER_NEVER;
}

/* The bucket of task `t`, if none of the bucket's tasks lies behind it in the queue. */
static const struct bucket *bucket_at_end(const struct task *t) {
    struct bucket *b = t->line->bucket;
    b->oldest = b->first && b->since < t->since ? b->since : t->since;
    return b;
}

uint64_t tine__policy_crossing(const struct policy *p, const struct task *before,
                               const struct task *behind) {
    return crossing(p, bucket_at_end(before), bucket_at_end(behind));
}

bool tine__policy_is_in_order(const struct policy *p, const struct list *handed, uint64_t *until) {
    const struct bucket *behind = NULL;
    *until = TIMER_NEVER;
    for (const struct list *n = handed->next; n != handed; n = n->next) {
        struct bucket *b = queued(n)->line->bucket;
        b->oldest = b->first ? b->since : UINT64_MAX;
    }
    for (const struct list *n = handed->prev; n != handed; n = n->prev) {
        const struct task *t = queued(n);
        struct bucket *b = t->line->bucket;
        if (t->since < b->oldest)
            b->oldest = t->since;
        if (behind && rank_there(p, b) < rank_there(p, behind))
            return false;
        uint64_t when = behind ? crossing(p, b, behind) : TIMER_NEVER;
        *until = when < *until ? when : *until;
        behind = b;
    }
    return true;
}

/* --- memory --- */

#define LONGEST_STEP (1ull << 62) /* ns, more than a century: so that no sum overflows */

int tine__policy_init(struct policy *p, double ageing) {
    double step = ageing > 0 ? 1e9 / ageing : LONGEST_STEP;
    if (ageing > POLICY_MOST_STEPS)
        *p = (struct policy){.step = 1000000000 / POLICY_MOST_STEPS,
                             .gain = ageing / POLICY_MOST_STEPS};
    else
        *p = (struct policy){.step = step < LONGEST_STEP ? (uint64_t)step : LONGEST_STEP,
                             .gain = ageing > 0};
    list_init(&p->plain);
    tine__timers_init(&p->steps);
    return tine__line_table_init(p);
}

void tine__policy_free(struct policy *p) {
    tine__line_table_free(p);
}

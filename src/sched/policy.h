/* Policy: which of the tasks that wait is next.
**
** THE RULE. A task's rank is its priority and what it has gained by waiting: `ageing` for each whole second
** since its submit; sums saturate. The highest rank is first, among equal ones who was submitted first. What
** waiting adds counts between different priorities only: among tasks of one priority the groups take turns, and
** in a group the order of submits holds.
**
** THE STRUCTURE. Tasks of one priority and group stand in a *line*, those of one priority together are a
** *bucket* (whose tasks of no group are a line of its own). In a line the order of submits is that of ids: a
** list, and beside it a small heap of those that came back from a worker. In a bucket the lines that have
** tasks stand in a ring, and whose turn is over goes to its end. So
**
**     which bucket   the one whose oldest task has the highest rank: a heap of buckets, by (rank, id)
**     which line     the first of the ring
**     which task     its oldest
**
** The oldest of a bucket need not be the one whose turn it is; it says how urgent the bucket is, and turns go
** round, so neither starves. It is known from a heap of the bucket's lines. Ranks change with time, once a
** second for each bucket that has tasks: a heap of these steps is caught up with when a task is taken while
** there are several buckets. All that is constant time for tasks of one priority without groups (each heap has
** one node), and a logarithm of the number of priorities, or groups in one, for others.
**
** OVERTAKING. What was handed to the site, and nobody has taken up, is as good as waiting. One whose rank is higher is
** put before those there that are lower (tine__policy_behind), which stay with the site. Where that is not enough they
** are withdrawn (tine__policy_overtakes), from the last one on, and wait again as if they had never been taken. A line
** that begins to have tasks may claim a turn between two of another line there: then all of that priority come back,
** and the turns are as they would have been. Ranks cross by waiting, too, once a second for each task: what lies there
** is then ordered anew as a whole.
**
** TASKS OF ONE LINE, while there is no other and none of them has come back, have nobody to be ordered against: they
** stand in a plain list, and are put into their line, all at once, when that is so no more.
**
** A line lives as long as a task that is not DONE belongs to it, so what comes back needs no memory.
*/
#ifndef TINE_SCHED_POLICY_H
#define TINE_SCHED_POLICY_H

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "sched/pairing.h"
#include "sched/timer.h"

struct task;
struct line;

struct policy {
    double ageing;
    uint64_t now; /* as it was told last */
    /* What waits, while there is no other line and nothing came back; in none of these. */
    struct list plain;
    struct pairing buckets;
    unsigned nbuckets;   /* in it */
    struct timers steps; /* when ranks change */
    struct line *recent; /* the line that was looked for last */
    struct line **table; /* lines by the hash of priority and group, linked by `chain` */
    uint64_t nlines, size;
};

/* 0 or TINE_ENOMEM. */
int tine__policy_init(struct policy *p, double ageing);
void tine__policy_free(struct policy *p);
/* Give the task its line: a NEW one, before all else. 0 or TINE_ENOMEM. */
int tine__policy_enter(struct policy *p, struct task *t);
/* It is DONE. */
void tine__policy_leave(struct policy *p, struct task *t);

/* It waits, from now on, last in its line. True: and first, so it may be due before others. */
bool tine__policy_push(struct policy *p, struct task *t);
/* It waits again, at its place in the order of submits. With `unspent` as if it had never been taken: its group
** has the turn. */
void tine__policy_push_back(struct policy *p, struct task *t, bool unspent);
/* It does not wait any more. */
void tine__policy_remove(struct policy *p, struct task *t);
/* Take out this one, as if it were the next. */
void tine__policy_take(struct policy *p, struct task *t);
/* The next one, by the ranks of the last tick, or NULL. */
struct task *tine__policy_first(const struct policy *p);
/* Take it; there is one. */
struct task *tine__policy_pop(struct policy *p);
/* It has come from the site, one way or another. */
void tine__policy_unsent(const struct task *t);
/* It may still be to be taken up, and was taken last of all: should another one have been? BY_TURN: there are several of
** its line, and another line has come; all are to be ordered anew then (`all`), as when one has come back. */
enum overtaking { BY_NOTHING, BY_RANK, BY_TURN };
enum overtaking tine__policy_overtakes(struct policy *p, const struct task *last, bool all,
                                       uint64_t now);
/* Those that were taken last, and may still be to be taken up, from the last one of them back along `handed`, which links
** them by `sent`: before how many should another one have been, by its rank? Their refs, `most` at most. 0: before none,
** before more, or turns are to be looked at, too, or one of them is to end by other ways. */
unsigned tine__policy_behind(const struct policy *p, const struct list *handed, uint32_t *refs,
                             unsigned most);
/* Task `before` lies before task `behind` at the end of the site's queue, and the rank of `behind` is not the higher one:
** the earliest time at which it may be; TIMER_NEVER: not as long as no task comes or goes. */
uint64_t tine__policy_crossing(const struct policy *p, const struct task *before,
                               const struct task *behind);
/* Are the tasks in the site's queue (`handed` links them by `sent`) in the order of their ranks? If so *until is the
** earliest time at which ageing may change that, or TIMER_NEVER. */
bool tine__policy_is_in_order(const struct policy *p, const struct list *handed, uint64_t *until);
/* The time, at which it may do so; ranks are those of then. */
bool tine__policy_tick(struct policy *p, uint64_t now);

/* Does its priority have groups? */
bool tine__policy_has_groups(const struct task *t);

static inline bool policy_empty(const struct policy *p) {
    return p->nbuckets == 0 && list_empty(&p->plain);
}

/* When it may change which is next. */
static inline uint64_t policy_due(const struct policy *p) {
    return p->nlines > 1 && p->ageing > 0 && p->nbuckets > 0 ? timers_next(&p->steps) : TIMER_NEVER;
}

/* Does it matter what time it is? */
static inline bool policy_is_timed(const struct policy *p) {
    return p->nbuckets > 1 && p->ageing > 0;
}

#endif

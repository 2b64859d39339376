/* Policy: which waiting task is next.
**
** THE RULE. The rank of a task is its priority plus 1 for each step of waiting since its submit, of
** which there are `ageing` in a second (of more than POLICY_MOST_STEPS several are taken at a
** time); sums saturate. The task of the highest rank is next, among equal ranks the one that was
** submitted first. Ranks decide between different priorities only: among tasks of one priority the
** groups take turns, and in a group the order of submits holds.
**
** THE STRUCTURE. Tasks of one priority and group stand in a *line*, those of one priority together
** are a *bucket* (its tasks without a group are one line). A line is a list in the order of
** submits, which is that of ids, and beside it a small heap of tasks that came back from a worker.
** In a bucket the lines that have tasks stand in a ring; a line whose turn is over goes to its end.
** So
**
**     which bucket   the one whose oldest task has the highest rank: a heap of buckets, by (rank, id)
**     which line     the first of the ring
**     which task     its oldest
**
** The oldest task of a bucket need not be the one whose turn it is. It says how urgent the bucket
** is (it lends its age to the others), and turns go round, so neither starves. A heap of the
** bucket's lines knows it. The rank of a bucket changes with each step: a heap of these is
** caught up with when a task is taken while there are several buckets. All this takes constant time
** for tasks of one priority without groups (each heap has one node), else the logarithm of the
** number of priorities, or of groups in a priority.
**
** OVERTAKING. A task in the site's queue that no worker has taken is as good as waiting. A waiting
** task of higher rank is put before lower ones there (tine__policy_place). Where that is not enough
** these are withdrawn (tine__policy_overtakes), from the end of the queue on, and wait again
** as if they had never been taken. A line that begins to have tasks may claim a turn between two
** tasks of another line in the queue: then the queue is withdrawn as a whole, and the turns are as
** they would have been. So it is when ageing makes two tasks in the queue cross, at the time that
** tine__policy_is_in_order and tine__policy_crossing tell.
**
** TASKS OF THE ONLY LINE, if none of them has come back, need no order: they stand in a plain list.
** All at once they are put into their line when another line, or a task that comes back, appears.
**
** A line lives as long as a task that is not DONE belongs to it, so a task that comes back needs no
** memory.
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
    uint64_t step; /* ns; whoever has waited so long gains `gain` */
    double gain;   /* 0: ranks do not change */
    uint64_t now;  /* the time that was told last */
    /* The waiting tasks of the only line. They are in no bucket. */
    struct list plain;
    struct pairing buckets; /* that have waiting tasks */
    unsigned nbuckets;
    struct timers steps; /* when the ranks of buckets change */
    struct line *recent; /* of the last submit; it may have no tasks */
    struct line **table; /* lines by the hash of priority and group, linked by `chain` */
    uint64_t nlines, size;
    uint64_t ngroups;  /* lines that have a group */
    struct list spare; /* buckets for priorities to come, linked by `turns` */
    unsigned nspare;
};

#define POLICY_MOST_STEPS 20 /* in a second: each wakes the manager, for each priority */

/* `ageing`: steps in a second, of any number; 0: none. 0 or TINE_ENOMEM. */
int tine__policy_init(struct policy *p, double ageing);
void tine__policy_free(struct policy *p);
/* Give a NEW task its line, before all else. 0 or TINE_ENOMEM. */
int tine__policy_enter(struct policy *p, struct task *t);
/* The task is DONE: it leaves its line. */
void tine__policy_leave(struct policy *p, struct task *t);

/* The task waits, last in its line. True: it is also the first there, so it may have to overtake
** others. */
bool tine__policy_push(struct policy *p, struct task *t);
/* The task waits again, at its place in the order of submits. `unspent`: as if it had never been
** taken, so its group has the turn. */
void tine__policy_push_back(struct policy *p, struct task *t, bool unspent);
/* The task does not wait any more. */
void tine__policy_remove(struct policy *p, struct task *t);
/* Take out this task for the site, as if it were the next. */
void tine__policy_take(struct policy *p, struct task *t);
/* The next task, by the ranks of the last tick, or NULL. */
struct task *tine__policy_first(const struct policy *p);
/* Take the next task for the site. There must be one. */
struct task *tine__policy_pop(struct policy *p);
/* The task is not in the site's queue (`handed` links it by `sent`) any more: it leaves `handed`. */
void tine__policy_dequeue(const struct list *handed, struct task *t);
/* The task has left the site, one way or another. */
void tine__policy_unsent(const struct task *t);
/* `last` is the last task of the site's queue. Should a waiting task be before it? BY_RANK: yes.
** BY_TURN: perhaps, as another line claims turns between tasks of this one: order the queue anew.
** Then, and when a task has come back, call with `all` for each task of the queue. */
enum overtaking { BY_NOTHING, BY_RANK, BY_TURN };
enum overtaking tine__policy_overtakes(struct policy *p, const struct task *last, bool all,
                                       uint64_t now);
/* Before which task of the site's queue should the next task be, by its rank? There must be one.
** `handed`: behind all. NULL: turns matter, too, and the queue must be withdrawn. */
struct list *tine__policy_place(const struct policy *p, struct list *handed);
/* Task `before` lies before task `behind` at the end of the site's queue, and the rank of `behind`
** is not the higher one: the earliest time at which it may be; TIMER_NEVER: not as long as no task
** comes or goes. */
uint64_t tine__policy_crossing(const struct policy *p, const struct task *before,
                               const struct task *behind);
/* Are the tasks in the site's queue (`handed` links them by `sent`) in the order of their ranks? If
** so *until is the earliest time at which ageing may change that, or TIMER_NEVER. */
bool tine__policy_is_in_order(const struct policy *p, const struct list *handed, uint64_t *until);
/* Make ranks those of `now`. True: some have changed while tasks wait. */
bool tine__policy_tick(struct policy *p, uint64_t now);

/* Does the priority of the task have groups? */
bool tine__policy_has_groups(const struct task *t);
/* Have the two tasks the same priority? */
bool tine__policy_are_equal(const struct task *a, const struct task *b);

static inline bool policy_empty(const struct policy *p) {
    return p->nbuckets == 0 && list_empty(&p->plain);
}

/* When ageing may change which task is next, or in what order those in the site's queue and those
** that wait are. */
static inline uint64_t policy_due(const struct policy *p) {
    return p->nlines > 1 && p->gain > 0 && p->nbuckets > 0 ? timers_next(&p->steps) : TIMER_NEVER;
}

/* Does the next task depend on the time? */
static inline bool policy_is_timed(const struct policy *p) {
    return p->nbuckets > 1 && p->gain > 0;
}

#endif

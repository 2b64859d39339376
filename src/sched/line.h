/* The lines of a policy (see policy.h): tasks of one priority and group stand in one of them, lines of one priority in a
** bucket. Here is how they are found, made and given back; policy.c says what is next in them, and no other file knows
** of them. Pure.
*/
#ifndef TINE_SCHED_LINE_H
#define TINE_SCHED_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "base/list.h"
#include "sched/pairing.h"
#include "sched/policy.h"
#include "sched/task.h"
#include "sched/timer.h"

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
    /* Scratch of policy.c: when the oldest of its tasks that wait, or lie at or behind some place of the site's queue, was
    ** submitted. */
    uint64_t oldest;
};

static inline struct line *line_of(const struct pairing_node *n) {
    return LIST_ITEM(n, struct line, node);
}

static inline struct bucket *bucket_of(const struct pairing_node *n) {
    return LIST_ITEM(n, struct bucket, node);
}

static inline struct task *task_of(const struct pairing_node *n) {
    return LIST_ITEM(n, struct task, again);
}

/* Is it the line of that priority and group? */
static inline bool line_is(const struct line *l, int64_t priority, const char *group,
                           uint32_t len) {
    return l->bucket->priority == priority && l->group_len == len &&
           (len == 0 || memcmp(l->group, group, len) == 0);
}

/* An empty table. 0 or TINE_ENOMEM. */
int tine__line_table_init(struct policy *p);
/* All lines, whatever stands in them. */
void tine__line_table_free(struct policy *p);
/* The line of these settings, made where there is none; NULL: no memory. */
struct line *tine__line_for(struct policy *p, const struct settings *set);
/* Nothing belongs to the line any more, nor perhaps to its bucket: give back what is not wanted. */
void tine__line_drop(struct policy *p, struct line *l);

#endif

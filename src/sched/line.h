/* The lines of a policy (see policy.h): a line has the tasks of one priority and group, a bucket
** the lines of one priority. line.c finds, creates and frees them; policy.c says what is next in
** them. No other file knows of them. Pure.
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
    struct list tasks;    /* waiting, in the order of submits */
    struct pairing again; /* waiting tasks that came back, by id */
    struct list turn;     /* in bucket->turns, while there are waiting tasks */
    struct pairing_node node;
    uint64_t first; /* id of the oldest waiting task, 0: none */
    uint64_t since; /* when that task was submitted */
    uint64_t refs;  /* tasks that are not DONE */
    uint64_t sent;  /* tasks that are with the site */
    uint32_t group_len;
    const char *group;
};

struct bucket {
    struct line plain; /* tasks without a group */
    int64_t priority;
    unsigned groups;     /* lines other than `plain` */
    uint64_t sent;       /* tasks with the site, */
    uint64_t sent_lines; /* and how many lines have such */
    /* The last of its tasks in the site's queue, if it is known; NULL: look for it. */
    struct task *last;
    struct list turns;        /* lines with waiting tasks; the first one has the turn */
    struct pairing lines;     /* the same lines, by `first` */
    struct pairing_node node; /* in policy->buckets, while there are waiting tasks */
    uint64_t first;           /* id of the oldest waiting task, 0: none */
    uint64_t since;           /* when that task was submitted */
    int64_t rank;             /* its rank */
    struct timer step;        /* when its rank changes, or earlier */
    /* Scratch of policy.c: when the oldest of its tasks that wait, or lie at or behind some place
    ** of the site's queue, was submitted. */
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

/* Is `l` the line of this priority and group? */
static inline bool line_is(const struct line *l, int64_t priority, const char *group,
                           uint32_t len) {
    return l->bucket->priority == priority && l->group_len == len &&
           (len == 0 || memcmp(l->group, group, len) == 0);
}

/* An empty table. 0 or TINE_ENOMEM. */
int tine__line_table_init(struct policy *p);
/* Free the table and all lines, whatever stands in them. */
void tine__line_table_free(struct policy *p);
/* The line of these settings, created if there is none; NULL: no memory. */
struct line *tine__line_for(struct policy *p, const struct settings *set);
/* No task belongs to the line any more: free it, and its bucket if that has no other. */
void tine__line_drop(struct policy *p, struct line *l);

#endif

/* Policy: which of the tasks that wait is next. */
#ifndef TINE_SCHED_POLICY_H
#define TINE_SCHED_POLICY_H

#include "base/list.h"
#include "sched/task.h"

/* In the order of submits; what comes back from a worker that has gone is first. */
struct policy {
    struct list queue;
};

static inline void policy_init(struct policy *p) {
    list_init(&p->queue);
}

static inline void policy_push(struct policy *p, struct task *t) {
    list_push(&p->queue, &t->node);
}

static inline void policy_push_back(struct policy *p, struct task *t) {
    list_push_front(&p->queue, &t->node);
}

static inline bool policy_empty(const struct policy *p) {
    return list_empty(&p->queue);
}

static inline struct task *policy_pop(struct policy *p) {
    return LIST_ITEM(list_pop(&p->queue), struct task, node);
}

#endif

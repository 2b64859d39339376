/* The scheduler played by hand, for tests of a single course of events. */
#ifndef SIM_BY_HAND_H
#define SIM_BY_HAND_H

#include "check.h"
#include "sched/sched.h"

#define SECOND 1000000000ull

static struct sched s;

/* The next order is of this kind, and gets this answer. */
static struct order carry(enum order_kind kind, struct answer a) {
    struct order o;
    CHECK(tine__sched_order(&s, &o));
    CHECK_EQ(o.kind, kind);
    tine__sched_answer(&s, &o, &a, sched_now(&s));
    return o;
}

static void report(struct report r) {
    tine__sched_report(&s, &r, sched_now(&s));
}

/* Open a pool of one worker, hand over this task, and let the worker be READY. */
static void begin(const struct sched_options *o, struct task *t) {
    CHECK_EQ(tine__sched_init(&s, o), 0);
    task_make(t);
    CHECK_EQ(tine__sched_submit(&s, t, 1), 0);
    carry(ORDER_RUN, (struct answer){0});
    carry(ORDER_START, (struct answer){0});
    report((struct report){.kind = REPORT_READY, .worker = 1, .pid = 7});
}

#endif

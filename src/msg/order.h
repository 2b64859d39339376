/* Order: what the pool asks of a site, and what the site answers at once.
**
** Plain data. The scheduler gives out orders one by one (sched/sched.h); the pool carries each to
** its site and brings back the answer. None of them blocks.
*/
#ifndef TINE_MSG_ORDER_H
#define TINE_MSG_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct errand;
struct task;

enum order_kind {
    ORDER_NONE,
    ORDER_RUN, /* hand over the call of `task`, to be run by `worker` on top of one that waits, or (0) by any: 0, TINE_EAGAIN (no room), TINE_ENOMEM */
    ORDER_WITHDRAW, /* take the call back if nobody has taken it up: AT_NOBODY and its bytes if it has some; AT_PAST */
    ORDER_RECALL,  /* take back what of it has not begun: enum whereabouts, `id` */
    ORDER_ASK,     /* ask its task `id` to end: enum whereabouts, `worker` */
    ORDER_STOP,    /* end its task `id` by force: enum whereabouts, `worker` */
    ORDER_LOOK,    /* where is it: enum whereabouts, `id`, `since` */
    ORDER_START,   /* start `worker`: 0, TINE_EAGAIN, TINE_ESYSTEM (`error`), TINE_ENOMEM */
    ORDER_DISMISS, /* `worker` is to end in good order, between two tasks */
    ORDER_SPREAD,  /* have each worker run `errand` before its next task, those to come included */
    ORDER_KILL, /* signal `worker`; with SIGKILL its whole family. The site sees to it that it is done */
    ORDER_FINISH, /* no more calls: workers end in good order when there is none left */
    ORDER_END     /* end everything now; REPORT_GONE follows */
};

struct order {
    enum order_kind kind;
    struct task *task;
    struct errand *errand;
    uint64_t id;
    unsigned worker;
    int signal;
    bool timed; /* ASK: its time is over */
    /* RUN: it is to be before these calls (refs, the last one first), which stay with the site. */
    const uint32_t *behind;
    unsigned nbehind;
};

enum whereabouts {
    AT_SITE, /* LOOK: nobody has begun it; ASK, STOP: it is about to begin, and can be asked in a moment */
    AT_WORKER, /* LOOK: task `id` runs, on `worker`, since `since` (ns; 0 unknown), and has spent `spent` of the processor; ASK: `worker` was told, and its result will be
                   REPORT_ENDED */
    AT_NOBODY, /* RECALL, ASK, STOP, WITHDRAW: tasks from `id` on never run */
    AT_ITS_END, /* STOP: `worker` is being killed in the midst of it, its end will be reported */
    AT_PAST     /* too late: it has ended, and a report will tell */
};

struct answer {
    int err;
    int error; /* errno of TINE_ESYSTEM */
    enum whereabouts where;
    uint64_t id;
    unsigned worker;
    uint64_t since;
    uint64_t spent;    /* ns */
    unsigned behind;   /* RUN: it is before so many of them; the others were taken up */
    const char *bytes; /* the site's, good for now; NULL: they do not lie with it */
    uint64_t length;
};

#endif

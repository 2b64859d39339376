/* Order: what the pool asks of a site, and what the site answers at once.
**
** Plain data. The scheduler gives out orders one by one (sched/sched.h); the pool carries each to
** its site and brings back the answer. No order blocks.
*/
#ifndef TINE_MSG_ORDER_H
#define TINE_MSG_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct errand;
struct task;

enum order_kind {
    ORDER_NONE,
    /* hand over the call of `task`, to be run by `worker` on top of a task that waits, or (0) by
    ** any worker: 0, TINE_EAGAIN (no room), TINE_ENOMEM */
    ORDER_RUN,
    /* take the call back if no worker has taken it: AT_NOBODY, with its bytes if the
    ** site has them; or AT_PAST */
    ORDER_WITHDRAW,
    ORDER_RECALL,  /* take back what has not begun: enum whereabouts, `id` */
    ORDER_ASK,     /* ask task `id` of the call to end: enum whereabouts, `worker` */
    ORDER_STOP,    /* end task `id` of the call by force: enum whereabouts, `worker` */
    ORDER_LOOK,    /* where is the call? enum whereabouts, `id`, `since` */
    ORDER_START,   /* start `worker`: 0, TINE_EAGAIN, TINE_ESYSTEM (`error`), TINE_ENOMEM */
    ORDER_DISMISS, /* `worker` is to end in good order, between two tasks; may be repeated */
    ORDER_SPREAD,  /* have each worker, future ones included, run `errand` before its next task */
    /* signal `worker`; SIGKILL goes to all its descendants, too. The site sees
    ** to it that this is done */
    ORDER_KILL,
    ORDER_FINISH, /* no more calls: workers end in good order when none is left */
    ORDER_END     /* end everything now; REPORT_GONE follows */
};

struct order {
    enum order_kind kind;
    struct task *task;
    struct errand *errand;
    uint64_t id;
    unsigned worker;
    int signal;
    bool timed; /* ASK: because its time is over */
    /* RUN: workers take calls in the order of their labels. `overtakes`: the call is put before
    ** others; a site that cannot do that is never asked to (sched_options.labels). */
    bool overtakes;
    uint64_t label;
};

enum whereabouts {
    /* LOOK: no worker has begun it, though `worker`, if not 0, has taken it; ASK, STOP: it is about
    ** to begin, ask again in a moment */
    AT_SITE,
    /* LOOK: task `id` runs on `worker` since `since` (ns; 0: unknown) and has used `spent` of
    ** processor time; ASK: `worker` was told, and the result will be REPORT_ENDED */
    AT_WORKER,
    AT_NOBODY,  /* RECALL, ASK, STOP, WITHDRAW: tasks from `id` on never run; DISMISS: idle */
    AT_ITS_END, /* STOP: `worker` is being killed in the midst of it; its end will be reported */
    AT_PAST     /* too late: it has ended, and a report will say how */
};

struct answer {
    int err;
    int error; /* errno of TINE_ESYSTEM */
    enum whereabouts where;
    uint64_t id;
    unsigned worker;
    uint64_t since;
    uint64_t spent;    /* ns */
    const char *bytes; /* in the site's memory, valid for now; NULL: the site does not have them */
    uint64_t length;
};

#endif

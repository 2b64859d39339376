/* What a worker says that has written into its link at random. The site can only see that it names
** a task of its call. */
#include "sim/by_hand.h"

static const struct settings limited = {.timeout = SECOND, .grace = SECOND};

static void end_of(struct task *t, uint32_t from, uint32_t to, enum ending how) {
    struct event e;
    do
        CHECK(tine__sched_event(&s, &e));
    while (e.kind != EVENT_ENDED);
    CHECK(e.task == t && e.from == from && e.to == to && e.how == how);
}

/* Of a chunk of five all but the first are cancelled, the first is asked to end, and the dying
** worker seems to have been in its third. The first was taken for one that had answered, ended, and
** was lost once more: its ref was free twice. */
static void in_a_task_that_it_cannot_have_begun(void) {
    const struct sched_options o = {
        .workers = 1, .most = 1, .slots = 4, .replace = true, .exit_timeout = SECOND};
    struct task t = {.set = &limited, .call.count = 5};
    struct event none;
    begin(&o, &t);
    tine__sched_cancel(&s, &t);
    carry(ORDER_RECALL, (struct answer){.where = AT_NOBODY, .id = t.call.id + 1});
    end_of(&t, 1, 5, ENDING_CANCELLED);
    const struct answer there = {.where = AT_WORKER, .worker = 1, .id = t.call.id, .since = 1};
    carry(ORDER_LOOK, there);
    tine__sched_tick(&s, 3 * SECOND);
    carry(ORDER_LOOK, there);
    carry(ORDER_ASK, there);
    report((struct report){.kind = REPORT_LOST, .worker = 1, .id = t.call.id + 3});
    report((struct report){.kind = REPORT_EXITED, .worker = 1, .pid = 7, .status = 9});
    end_of(&t, 0, 1, ENDING_TIMEOUT);
    CHECK(!tine__sched_event(&s, &none));
    CHECK_EQ(t.state, TASK_DONE);
    CHECK_EQ(s.nfree, s.nrefs);
    tine__sched_free(&s);
}

int main(void) {
    in_a_task_that_it_cannot_have_begun();
    return 0;
}

/* Workers that are stopped (SIGSTOP) at an odd moment. */
#include "sim/by_hand.h"

static const struct settings plain = {.plain = true};
static const struct settings limited = {.timeout = SECOND}, quick = {.timeout = SECOND / 1000};

static void no_order(void) {
    struct order o;
    CHECK(!tine__sched_order(&s, &o));
}

/* A worker that may be 5 seconds old, and one task, which was handed over. */
static void begin_with(struct task *t, const struct settings *set) {
    const struct sched_options o = {.workers = 1,
                                    .most = 1,
                                    .slots = 4,
                                    .replace = true,
                                    .max_age = 5 * SECOND,
                                    .exit_timeout = SECOND};
    *t = (struct task){.set = set, .call.count = 1};
    begin(&o, t);
}

/* It had taken a call and not begun it. Its time limit was to count from the beginning. */
static void with_a_call_that_it_has_not_begun(void) {
    const struct answer nobody = {.where = AT_SITE}, taken = {.where = AT_SITE, .worker = 1};
    struct task t;
    begin_with(&t, &limited);
    if (s.stirred || t.wish)
        no_order();
    tine__sched_tick(&s, 2 * SECOND);
    carry(ORDER_LOOK, nobody);
    tine__sched_tick(&s, 4 * SECOND);
    carry(ORDER_LOOK, taken); /* it may have been taken just now */
    no_order();
    tine__sched_tick(&s, 6 * SECOND); /* the worker grows old, too */
    carry(ORDER_LOOK, taken);
    CHECK_EQ(t.doom, ENDING_TIMEOUT);
    carry(ORDER_STOP, (struct answer){.where = AT_ITS_END, .worker = 1});
    tine__sched_free(&s);
}

/* On a busy machine a worker may be kept from beginning for longer than a short limit. */
static void with_a_call_that_it_is_about_to_begin(void) {
    const struct answer taken = {.where = AT_SITE, .worker = 1};
    struct task t;
    begin_with(&t, &quick);
    for (uint64_t now = SECOND; now < 2 * SECOND; now += SECOND / 10) {
        tine__sched_tick(&s, now);
        carry(ORDER_LOOK, taken);
        no_order();
    }
    tine__sched_tick(&s, 2 * SECOND);
    carry(ORDER_LOOK, taken);
    CHECK_EQ(t.doom, ENDING_TIMEOUT);
    carry(ORDER_STOP, (struct answer){.where = AT_ITS_END, .worker = 1});
    tine__sched_free(&s);
}

/* It was told to leave when it had nothing to do. Nobody looked whether it did, and no other worker
** was started in its place. */
static void when_it_is_to_leave(bool busy) {
    const struct answer idle = {.where = busy ? AT_WORKER : AT_NOBODY};
    struct task t;
    uint32_t k;
    enum ending how;
    bool again;
    begin_with(&t, &plain);
    const struct report r = {.kind = REPORT_VALUES, .worker = 1, .id = t.call.id};
    CHECK(tine__sched_result(&s, &r, &k, &how, &again) == &t);
    tine__sched_tick(&s, 7 * SECOND);
    carry(ORDER_DISMISS, idle);
    tine__sched_tick(&s, 7 * SECOND + SECOND / 2);
    no_order();
    tine__sched_tick(&s, 8 * SECOND);
    carry(ORDER_DISMISS, idle);
    if (busy)
        no_order();
    else
        CHECK_EQ(carry(ORDER_KILL, (struct answer){0}).worker, 1);
    report((struct report){.kind = REPORT_LEAVING, .worker = 1});
    tine__sched_tick(&s, 8 * SECOND + SECOND / 2);
    no_order();
    tine__sched_tick(&s, 9 * SECOND + SECOND / 2);
    if (busy)
        CHECK_EQ(carry(ORDER_KILL, (struct answer){0}).worker, 1);
    no_order();
    tine__sched_free(&s);
}

int main(void) {
    with_a_call_that_it_has_not_begun();
    with_a_call_that_it_is_about_to_begin();
    when_it_is_to_leave(false);
    when_it_is_to_leave(true);
    return 0;
}

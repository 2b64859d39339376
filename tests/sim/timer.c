/* The heap of timers against a plain array. */
#include "sched/timer.h"
#include "check.h"

#define TIMERS 100

static struct timers heap;
static struct timer timers[TIMERS];
static unsigned long long when[TIMERS]; /* 0: not set */
static unsigned long long seed = 1;

static unsigned below(unsigned n) {
    return (unsigned)(check_random(&seed) >> 33) % n;
}

static unsigned long long earliest(void) {
    unsigned long long least = TIMER_NEVER;
    for (int i = 0; i < TIMERS; i++)
        if (when[i] && when[i] < least)
            least = when[i];
    return least;
}

static void set(unsigned i, unsigned long long at) {
    tine__timer_set(&heap, &timers[i], at);
    when[i] = at == TIMER_NEVER ? 0 : at;
    CHECK_EQ(timers[i].when, when[i]);
}

static void clear(unsigned i) {
    tine__timer_clear(&heap, &timers[i]);
    when[i] = 0;
    CHECK_EQ(timers[i].when, 0);
}

/* Take out all timers that are due, in their order. */
static void take_due(unsigned long long now) {
    struct timer *t;
    unsigned long long last = 0;
    while ((t = tine__timer_due(&heap, now)) != NULL) {
        unsigned i = (unsigned)(t - timers);
        CHECK(when[i] && when[i] <= now && when[i] == earliest());
        CHECK(last <= when[i]);
        last = when[i];
        when[i] = 0;
        CHECK_EQ(t->when, 0);
        if (below(4) == 0)
            set(i, now + 1 + below(50)); /* set again, as by a task that is looked at */
    }
    CHECK(earliest() > now);
}

static void agrees_with_an_array(void) {
    unsigned long long now = 1;
    for (int step = 0; step < 300000; step++) {
        unsigned i = below(TIMERS);
        switch (below(8)) {
        case 0:
        case 1:
            clear(i);
            break;
        case 2:
            take_due(now += below(20));
            break;
        case 3:
            set(i, below(20) ? now + below(5) : TIMER_NEVER);
            break;
        default:
            set(i, now + below(1000));
        }
        CHECK(timers_next(&heap) == earliest());
    }
    for (unsigned i = 0; i < TIMERS; i++)
        clear(i);
    CHECK(!heap.heap.root);
}

static void all_at_once(void) {
    for (unsigned i = 0; i < TIMERS; i++)
        set(i, 7);
    CHECK(!tine__timer_due(&heap, 6));
    for (unsigned i = 0; i < TIMERS; i++) {
        struct timer *t = tine__timer_due(&heap, 7);
        CHECK(t && when[t - timers] == 7);
        when[t - timers] = 0;
    }
    CHECK(!tine__timer_due(&heap, TIMER_NEVER - 1));
    CHECK(timers_next(&heap) == TIMER_NEVER);
}

static void clearing_what_is_not_set_is_harmless(void) {
    clear(0);
    set(1, 5);
    clear(0);
    set(0, TIMER_NEVER);
    CHECK(timers_next(&heap) == 5);
    clear(1);
    CHECK(!heap.heap.root);
}

int main(void) {
    tine__timers_init(&heap);
    clearing_what_is_not_set_is_harmless();
    all_at_once();
    agrees_with_an_array();
    return 0;
}

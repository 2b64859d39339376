#include "base/yield.h"

#include <sched.h>
#include <stdatomic.h>
#include "base/clock.h"

#define SLICE 1000000u   /* ns: somebody else had the processor for a time slice */
#define IN_A_ROW 4       /* so often in a row that it is no accident */
#define PAUSE 500000000u /* ns without yielding afterwards */

static _Atomic unsigned slow_ones; /* number in a row */
static _Atomic uint64_t paused_until;

bool tine__yield_begin(struct yield *y, uint64_t longest) {
    if (longest == 0)
        return false;
    y->now = tine__now();
    y->end = clock_after(y->now, longest);
    return y->now >= atomic_load_explicit(&paused_until, memory_order_relaxed);
}

bool tine__yield(struct yield *y) {
    sched_yield();
    uint64_t now = tine__now();
    y->slow = now - y->now > SLICE;
    y->now = now;
    return now < y->end;
}

void tine__yield_news(const struct yield *y, bool much) {
    unsigned n = y->slow && !much ? atomic_load_explicit(&slow_ones, memory_order_relaxed) + 1 : 0;
    atomic_store_explicit(&slow_ones, n % IN_A_ROW, memory_order_relaxed);
    if (n == IN_A_ROW)
        atomic_store_explicit(&paused_until, y->now + PAUSE, memory_order_relaxed);
}

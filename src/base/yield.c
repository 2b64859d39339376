#include "base/yield.h"

#include <sched.h>
#include <stdatomic.h>
#include "base/sys.h"

#define LONG 1000000u    /* ns: somebody else had the processor for a slice */
#define SOON 100000000u  /* twice in this time is no accident */
#define PAUSE 500000000u /* without yields, afterwards */

static _Atomic uint64_t last_regret, paused_until;

bool tine__yield_begin(struct yield *y, uint64_t longest) {
    if (longest == 0)
        return false;
    y->now = tine__now();
    y->end = y->now + longest;
    return y->now >= atomic_load_explicit(&paused_until, memory_order_relaxed);
}

bool tine__yield(struct yield *y) {
    sched_yield();
    uint64_t now = tine__now();
    y->slow = now - y->now > LONG;
    y->now = now;
    return now < y->end;
}

void tine__yield_regret(const struct yield *y) {
    uint64_t last = atomic_exchange_explicit(&last_regret, y->now, memory_order_relaxed);
    if (last > 0 && y->now - last < SOON)
        atomic_store_explicit(&paused_until, y->now + PAUSE, memory_order_relaxed);
}

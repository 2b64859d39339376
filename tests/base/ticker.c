/* The ticker tells the time as the clock does, also to a thread that is moved between processors, kept from them or
** sleeps, and never goes back. */
#include "base/ticker.h"

#include <sched.h>
#include <stdio.h>
#include "check.h"

#define SLACK 1000u /* ns */

/* Between two readings of the clock, again and again for so many ns. */
static void compare(struct ticker *t, uint64_t ns) {
    uint64_t last = 0;
    for (uint64_t start = tine__now(), after = start; after - start < ns;) {
        uint64_t before = tine__now(), told = ticker_now(t);
        after = tine__now();
        CHECK(told + SLACK >= before && told <= after + SLACK);
        CHECK(told >= last);
        last = told;
    }
}

static void move(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    sched_setaffinity(0, sizeof set, &set); /* if there is such a one */
}

int main(void) {
    struct ticker t = {0};
    compare(&t, 20000000);
    for (int i = 0; i < 200; i++) {
        move(i % 2);
        compare(&t, 200000);
    }
    for (int i = 0; i < 20; i++) {
        const struct timespec nap = {0, 3000000};
        nanosleep(&nap, NULL);
        compare(&t, 100000);
    }
#ifdef __x86_64__
    printf("trusted for %llu ticks\n", (unsigned long long)t.trust);
#endif
    return 0;
}

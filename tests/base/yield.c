/* Waiting without sleeping: for how long, and when not. */
#include "base/sys.h"
#include "base/yield.h"
#include "check.h"

#define SECOND 1000000000ull

static void regret(uint64_t when) {
    tine__yield_regret(&(struct yield){.now = when});
}

static bool begins(void) {
    struct yield y;
    return tine__yield_begin(&y, 1000);
}

static void it_ends_when_the_time_is_over(void) {
    struct yield y;
    uint64_t start = tine__now();
    CHECK(!tine__yield_begin(&y, 0));
    CHECK(tine__yield_begin(&y, 200000));
    while (tine__yield(&y))
        CHECK_LE(y.now, start + SECOND);
    CHECK_LE(start + 200000, tine__now());
    CHECK_LE(start, y.now);
}

static void two_regrets_in_a_row_are_enough(void) {
    uint64_t now = tine__now();
    regret(now - 5 * SECOND);
    CHECK(begins());
    regret(now - 4 * SECOND); /* long after */
    CHECK(begins());
    regret(now - 4 * SECOND + SECOND / 20); /* soon, but the pause is over */
    CHECK(begins());
    regret(now);
    CHECK(begins());
    regret(now + 1);
    CHECK(!begins());
}

int main(void) {
    it_ends_when_the_time_is_over();
    two_regrets_in_a_row_are_enough();
    return 0;
}

/* Waiting without sleeping: for how long, and when not. */
#include <stdbool.h>
#include "base/sys.h"
#include "base/yield.h"
#include "check.h"

#define SECOND 1000000000ull

/* What came by a yield that took so long. */
static void news(bool slow, bool much) {
    tine__yield_news(&(struct yield){.now = tine__now(), .slow = slow}, much);
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

static void it_waits_longer_for_large_messages(void) {
    CHECK_EQ(yield_span(50000, 0), 50000);
    CHECK_EQ(yield_span(50000, 4000), 51000);
    CHECK_EQ(yield_span(50000, UINT64_MAX), 50000 + YIELD_LONGER);
    CHECK_EQ(yield_span(0, UINT64_MAX), 0); /* who does not want to wait so never does */
    CHECK(yield_span(UINT64_MAX, 8000) == UINT64_MAX);
    CHECK(yield_span(UINT64_MAX - 10, 8000) == UINT64_MAX - 10);
}

static void it_pauses_when_little_comes_late_in_a_row(void) {
    for (int i = 0; i < 20; i++) {
        news(true, true);
        CHECK(begins());
    }
    for (int i = 0; i < 20; i++) {
        news(true, false);
        news(true, false);
        news(true, false);
        news(i % 2, i % 2); /* one that was quick, or came with much */
        CHECK(begins());
    }
    for (int i = 0; i < 4; i++) {
        CHECK(begins());
        news(true, false);
    }
    CHECK(!begins());
}

int main(void) {
    it_ends_when_the_time_is_over();
    it_waits_longer_for_large_messages();
    it_pauses_when_little_comes_late_in_a_row();
    return 0;
}

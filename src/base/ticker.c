#include "base/ticker.h"

#ifdef __x86_64__

#include <stdbool.h>

#define LEAST 1000000u   /* ns that a measurement takes at least */
#define MOST 4000000000u /* ns at most; a longer one is begun anew (32 bits) */
#define TOGETHER 1024u   /* ticks in which the clock is read if the thread is not interrupted */
#define AGREE 2048u      /* two measurements agree if they differ by less than this part */

static void begin(struct ticker *t, uint64_t ticks, uint64_t now) {
    t->from_ticks = ticks;
    t->from_at = now;
}

/* Measure the counter's speed. True: the same as before. */
static bool measure(struct ticker *t, uint64_t ticks, uint64_t now) {
    uint64_t before = t->scale;
    t->scale = ((now - t->from_at) << 32) / (ticks - t->from_ticks);
    uint64_t apart = t->scale > before ? t->scale - before : before - t->scale;
    return apart < before / AGREE;
}

/* Counter and clock were read at the same moment. */
static void compare(struct ticker *t, uint64_t ticks, uint64_t now) {
    uint64_t ns = now - t->from_at;
    if (ns < LEAST && ticks > t->from_ticks)
        return;
    bool good = ns <= MOST && ticks > t->from_ticks && measure(t, ticks, now);
    t->trust = good ? ((uint64_t)TICKER_TRUST << 32) / t->scale : 0;
    begin(t, ticks, now);
}

uint64_t tine__ticker_read(struct ticker *t) {
    uint64_t before = ticker_count(), now = tine__now(), after = ticker_count();
    uint64_t past = before - t->ticks;
    /* the latest time told so far */
    uint64_t told = past < 2 * t->trust ? t->at + (past * t->scale >> 32) : 0;
    if (after - before < TOGETHER)
        compare(t, after, now);
    else
        t->trust = 0;
    t->ticks = after;
    t->at = now > told ? now : told;
    return t->at;
}

#endif

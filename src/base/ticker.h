/* Ticker: the time (tine__now) for who wants it with each small task, at half the cost or less.
**
** The processor's own counter tells how much time has passed since the clock was read last, which is done again after
** TICKER_TRUST: so the time follows the clock when that is corrected, and is right to half a microsecond, which the two
** readings may be apart. On a machine whose processors' counters differ it may be off by TICKER_TRUST.
** How fast the counter runs is measured against the clock, and believed when two measurements agree; where they do not
** (it stands still while the processor sleeps, a virtual machine moves, the thread was kept from the processor between
** the two readings), and where there is no such counter, the clock is read each time. It never goes back.
**
** One thread at a time uses one. Zeroed is ready to be used.
*/
#ifndef TINE_BASE_TICKER_H
#define TINE_BASE_TICKER_H

#include <stdint.h>
#include "base/sys.h"

#define TICKER_TRUST 50000u /* ns */

struct ticker {
    uint64_t ticks, at;           /* the counter, and the clock, when both were read last */
    uint64_t trust;               /* ticks after that for which it is believed; 0: not at all */
    uint64_t scale;               /* ns a tick, in 2^-32; 0: not known */
    uint64_t from_ticks, from_at; /* where the measurement that is under way began */
};

/* The same (ticker_now), by reading the clock, and see whether the counter goes with it. */
uint64_t tine__ticker_read(struct ticker *t);

#ifdef __x86_64__
static inline uint64_t ticker_count(void) {
    return __builtin_ia32_rdtsc();
}

/* The time. */
static inline uint64_t ticker_now(struct ticker *t) {
    uint64_t past =
        ticker_count() - t->ticks; /* on another processor perhaps before: then it is huge */
    return past < t->trust ? t->at + (past * t->scale >> 32) : tine__ticker_read(t);
}
#else
static inline uint64_t ticker_now(struct ticker *t) {
    (void)t;
    return tine__now();
}
#endif

#endif

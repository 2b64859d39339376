/* Ticker: the time (tine__now) for code that wants it with each small task, at half the cost or
** less.
**
** The processor's time stamp counter tells how much time has passed since the clock was last read,
** which is done again after TICKER_TRUST. So the time follows corrections of the clock, and is
** right to half a microsecond, by which the two readings may be apart. On a machine whose
** processors' counters differ it may be off by TICKER_TRUST.
**
** The speed of the counter is measured against the clock, and believed when two measurements agree.
** If they do not (the counter stops while the processor sleeps, a virtual machine is moved, the
** thread lost the processor between two readings), or if there is no counter, the clock is read
** each time. The time never goes back.
**
** Used by one thread at a time. Zeroed memory is a valid ticker.
*/
#ifndef TINE_BASE_TICKER_H
#define TINE_BASE_TICKER_H

#include <stdint.h>
#include "base/sys.h"

#define TICKER_TRUST 50000u /* ns */

struct ticker {
    uint64_t ticks, at; /* counter and clock when last read */
    uint64_t trust;     /* ticks after that for which the counter is believed; 0: not at all */
    uint64_t scale;     /* ns per tick, in 2^-32; 0: unknown */
    uint64_t from_ticks, from_at; /* start of the current measurement */
};

/* The time, by reading the clock; also compares the counter with it. */
uint64_t tine__ticker_read(struct ticker *t);

#ifdef __x86_64__
static inline uint64_t ticker_count(void) {
    return __builtin_ia32_rdtsc();
}

/* The time. */
static inline uint64_t ticker_now(struct ticker *t) {
    uint64_t past = ticker_count() - t->ticks; /* huge if another processor's counter is behind */
    return past < t->trust ? t->at + (past * t->scale >> 32) : tine__ticker_read(t);
}
#else
static inline uint64_t ticker_now(struct ticker *t) {
    (void)t;
    return tine__now();
}
#endif

#endif

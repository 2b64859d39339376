/* Histogram of times. It has a fixed size and costs a few instructions, so it can always be on.
**
** PURE. Log-linear, after Tene's HdrHistogram: each power of two is cut into 32 equal parts, so
** what is read out of it is within 1.6 % of what went in; the sum and the largest are exact. Times
** are ns, of any size.
*/
#ifndef TINE_SCHED_HISTOGRAM_H
#define TINE_SCHED_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS 5u
#define HISTOGRAM_PARTS (1u << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((64u - HISTOGRAM_BITS + 1) * HISTOGRAM_PARTS)

struct histogram {
    uint64_t sum, max;
    uint64_t n[HISTOGRAM_BUCKETS];
};

/* Below 32 each time has a bucket of its own. */
static inline unsigned histogram_bucket(uint64_t ns) {
    if (ns < HISTOGRAM_PARTS)
        return (unsigned)ns;
    unsigned shift = 63 - HISTOGRAM_BITS - (unsigned)__builtin_clzll(ns);
    return shift * HISTOGRAM_PARTS + (unsigned)(ns >> shift);
}

static inline void histogram_add(struct histogram *h, uint64_t ns) {
    h->n[histogram_bucket(ns)]++;
    h->sum += ns;
    if (ns > h->max)
        h->max = ns;
}

/* What a person wants to know of a histogram; seconds. */
struct histogram_summary {
    uint64_t count;
    double mean, max, p50, p90, p99, p999;
};

void tine__histogram_read(const struct histogram *h, struct histogram_summary *out);

#endif

#include "sched/histogram.h"

#include <stddef.h>

/* The middle of a bucket: it is within 1.6 % of every time in the bucket. */
static uint64_t middle(unsigned bucket) {
    if (bucket < 2 * HISTOGRAM_PARTS)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_PARTS - 1;
    uint64_t low = (uint64_t)(bucket % HISTOGRAM_PARTS + HISTOGRAM_PARTS) << shift;
    return low + ((uint64_t)1 << shift) / 2;
}

/* The time of this rank, which counts from 1. Continues from `bucket`, `before` of the last
** call. */
static double at_rank(const struct histogram *h, uint64_t rank, unsigned *bucket,
                      uint64_t *before) {
    while (*before + h->n[*bucket] < rank)
        *before += h->n[(*bucket)++];
    uint64_t ns = middle(*bucket);
    return (double)(ns < h->max ? ns : h->max) / 1e9;
}

/* The nearest rank: of `count` times in order the first that is not below this share of them. */
static uint64_t rank_of(uint64_t count, uint64_t per_mille) {
    uint64_t whole = count / 1000 * per_mille, rest = count % 1000 * per_mille;
    return whole + (rest + 999) / 1000;
}

void tine__histogram_read(const struct histogram *h, struct histogram_summary *out) {
    static const uint64_t shares[] = {500, 900, 990, 999};
    double *const to[] = {&out->p50, &out->p90, &out->p99, &out->p999};
    unsigned bucket = 0;
    uint64_t before = 0;
    *out = (struct histogram_summary){0};
    for (unsigned i = 0; i <= histogram_bucket(h->max); i++)
        out->count += h->n[i];
    if (out->count == 0)
        return;
    out->mean = (double)h->sum / 1e9 / (double)out->count;
    out->max = (double)h->max / 1e9;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        *to[i] = at_rank(h, rank_of(out->count, shares[i]), &bucket, &before);
}

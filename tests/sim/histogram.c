/* Histograms: what is read out of one is within 3 % of what went in. */
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "sched/histogram.h"

#define N 5000

static struct histogram h;
static uint64_t times[N];

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void near(double seconds, uint64_t ns) {
    double true_one = (double)ns / 1e9;
    CHECK(seconds <= true_one * 1.03);
    CHECK(seconds >= true_one * 0.97);
}

/* Times of every size. */
static void one_of_each_size(void) {
    struct histogram_summary s;
    for (unsigned bit = 0; bit < 64; bit++)
        for (unsigned part = 0; part < 200; part++) {
            uint64_t ns = ((uint64_t)1 << bit) + (((uint64_t)1 << bit) * part) / 200;
            memset(&h, 0, sizeof h);
            histogram_add(&h, UINT64_MAX / 2);
            histogram_add(&h, ns);
            histogram_add(&h, UINT64_MAX / 2);
            tine__histogram_read(&h, &s);
            CHECK_EQ(s.count, 3);
            CHECK(histogram_bucket(ns) < HISTOGRAM_BUCKETS);
            memset(&h, 0, sizeof h);
            histogram_add(&h, ns);
            histogram_add(&h, ns);
            tine__histogram_read(&h, &s);
            near(s.p50, ns);
            near(s.p999, ns);
            CHECK(s.max == (double)ns / 1e9);
        }
    CHECK(histogram_bucket(UINT64_MAX) < HISTOGRAM_BUCKETS);
}

/* The percentiles are those of the sorted times, by the nearest rank. */
static void as_by_sorting(unsigned long long seed, unsigned n) {
    struct histogram_summary s;
    double sum = 0;
    memset(&h, 0, sizeof h);
    for (unsigned i = 0; i < n; i++) {
        times[i] = check_random(&seed) >> (20 + check_random(&seed) % 40);
        histogram_add(&h, times[i]);
        sum += (double)times[i];
    }
    qsort(times, n, sizeof *times, by_size);
    tine__histogram_read(&h, &s);
    CHECK_EQ(s.count, n);
    near(s.p50, times[(n * 500 + 999) / 1000 - 1]);
    near(s.p90, times[(n * 900 + 999) / 1000 - 1]);
    near(s.p99, times[(n * 990 + 999) / 1000 - 1]);
    near(s.p999, times[(n * 999 + 999) / 1000 - 1]);
    CHECK(s.max == (double)times[n - 1] / 1e9);
    double mean = sum / n / 1e9;
    CHECK(s.mean > mean * 0.999999 && s.mean < mean * 1.000001);
}

static void none(void) {
    struct histogram_summary s;
    memset(&h, 0, sizeof h);
    tine__histogram_read(&h, &s);
    CHECK_EQ(s.count, 0);
    CHECK(s.mean == 0 && s.max == 0 && s.p50 == 0 && s.p999 == 0);
}

int main(void) {
    none();
    one_of_each_size();
    for (unsigned n = 1; n <= N; n = n * 3 / 2 + 1)
        as_by_sorting(n, n);
    return 0;
}

/* The C library's statistics and lists of workers. */
#include <string.h>
#include "api/api.h"
#include "api/structs.h"
#include "base/sys.h"

static tine_times times(const struct histogram_summary *h) {
    return (tine_times){h->count, h->mean, h->max, h->p50, h->p90, h->p99, h->p999};
}

int tine_pool_stats(tine_pool *pool, tine_stats *out) {
    int err = pool_check(pool);
    struct pool_stats s;
    if (err || !out)
        return err ? err : TINE_EARG;
    tine__pool_stats(pool->core, &s);
    tine__api_collect(pool);
    tine_stats ours = {.submitted = s.submitted,
                       .pending = s.pending,
                       .running = s.running,
                       .finished = s.finished,
                       .failed = s.failed,
                       .cancelled = s.cancelled,
                       .workers_started = s.workers_started,
                       .workers_lost = s.workers_lost,
                       .wait = times(&s.wait),
                       .run = times(&s.run),
                       .round_trip = times(&s.round_trip),
                       .bytes_in = s.bytes_in,
                       .bytes_out = s.bytes_out,
                       .cpu = s.cpu,
                       .busy = s.busy};
    _Static_assert(sizeof ours.by_code == sizeof s.by_code, "the same codes");
    memcpy(ours.by_code, s.by_code, sizeof ours.by_code);
    size_t least = STRUCT_UPTO(tine_stats, workers_lost);
    return tine__struct_write(out, least, &ours, sizeof ours) ? 0 : TINE_EARG;
}

/* Fill in a struct of `size` bytes: an older program's lacks the last fields, a newer one's gets
** zeros. */
static void describe(const struct worker_info *w, uint64_t now, void *out, size_t size) {
    tine_worker ours = {.id = w->id,
                        .pid = w->pid,
                        .state = w->state,
                        .tasks = w->tasks,
                        .busy = w->busy,
                        .memory = tine__worker_memory(w),
                        .task = w->task,
                        .seconds = now > w->since ? (double)(now - w->since) / 1e9 : 0};
    _Static_assert(sizeof ours.label == sizeof w->label, "a label fits");
    _Static_assert(sizeof ours.host == sizeof w->host, "a host fits");
    memcpy(ours.label, w->label, sizeof ours.label);
    memcpy(ours.host, w->host, sizeof ours.host);
    memset(out, 0, size);
    memcpy(out, &ours, size < sizeof ours ? size : sizeof ours);
}

int tine_pool_workers(tine_pool *pool, tine_worker *out, size_t n, size_t size) {
    int err = pool_check(pool);
    if (err || size < STRUCT_UPTO(tine_worker, label) || (n && !out))
        return err ? err : TINE_EARG;
    if (n > POOL_MAX_WORKERS)
        n = POOL_MAX_WORKERS;
    struct worker_info *info = n ? sys.malloc(n * sizeof *info) : NULL;
    if (n && !info)
        return TINE_ENOMEM;
    unsigned there = tine__pool_workers(pool->core, info, (unsigned)n);
    tine__api_collect(pool);
    uint64_t now = tine__now();
    for (unsigned i = 0; i < there && i < n; i++)
        describe(&info[i], now, (char *)out + i * size, size);
    free(info);
    return (int)there;
}

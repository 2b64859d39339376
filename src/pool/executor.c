#include "pool/executor.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "codec/segment.h"
#include "pool/internal.h"
#include "pool/task.h"
#include "worker/root.h"

/* --- options --- */

/* The caller's struct, of whatever version, as today's. */
static bool read_options(tine_options *out, const tine_options *given) {
    *out = (tine_options)TINE_OPTIONS_INIT;
    if (!given)
        return true;
    if (given->size < offsetof(tine_options, workers) || given->size > 4096)
        return false;
    memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
    return true;
}

/* Zero or more, and no NaN; so many nanoseconds, "for ever" when it is more than the clock can tell. */
static bool to_ns(double seconds, uint64_t *ns) {
    if (!(seconds >= 0))
        return false;
    *ns = seconds >= 1e9 ? UINT64_MAX / 2 : (uint64_t)(seconds * 1e9);
    return true;
}

static bool check_options(const tine_options *o, struct pool_options *p) {
    *p = (struct pool_options){.workers = o->workers ? o->workers : tine_cpu_count(),
                               .max_pending = o->max_pending,
                               .spawn = o->start_method == TINE_SPAWN,
                               .replace = o->on_crash == TINE_REPLACE,
                               .on_done = tine__executor_dispatch};
    p->boot = (struct boot){.name = o->name ? o->name : "tine",
                            .path = o->package_path,
                            .cpath = o->package_cpath,
                            .environ = environ,
                            .max_tasks = o->max_tasks_per_worker,
                            .send_globals = true,
                            .hook = o->prepare,
                            .hook_arg = o->prepare_arg,
                            .hook_name = o->prepare_symbol};
    return p->workers < QUEUE_MAX_WORKERS && to_ns(o->task_timeout, &p->task_limit) &&
           to_ns(o->spin < 0 ? 50e-6 : o->spin, &p->boot.spin) &&
           (o->start_method == TINE_FORK || o->start_method == TINE_SPAWN) &&
           (o->on_crash == TINE_BREAK || o->on_crash == TINE_REPLACE) && !(p->spawn && o->prepare);
}

/* The initializer as a call without arguments. */
static int encode_initializer(const tine_options *o, struct boot *boot, struct buf *out) {
    tine_task task = TINE_TASK_INIT;
    if (!o->initializer)
        return 0;
    task.function = o->initializer;
    int err = tine__task_function(&task, out);
    boot->initializer_function = out->len;
    if (!err)
        err = tine__task_arguments(NULL, 0, out);
    boot->initializer = out->data;
    boot->initializer_len = out->len;
    return err;
}

static mode_t current_umask(void) {
    mode_t mask = umask(0);
    umask(mask);
    return mask;
}

/* --- pools --- */

int tine_prepare(void) {
    return tine__root_take();
}

int tine_pool_open(tine_pool **out, const tine_options *given) {
    tine_options options;
    struct pool_options inner;
    struct buf initializer;
    if (!out)
        return TINE_EARG;
    *out = NULL;
    if (!read_options(&options, given) || !check_options(&options, &inner))
        return TINE_EARG;
    struct tine_pool *pool = sys.calloc(1, sizeof *pool);
    if (!pool)
        return TINE_ENOMEM;
    pool->refs = 1;
    inner.boot.umask = current_umask();
    tine__buf_init(&initializer);
    int err = encode_initializer(&options, &inner.boot, &initializer);
    if (!err)
        err = tine__pool_open(&pool->core, &inner, NULL);
    int saved = errno;
    tine__buf_free(&initializer);
    if (err)
        free(pool);
    else
        *out = pool;
    errno = saved;
    return err;
}

void tine__executor_unref(struct tine_pool *pool) {
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1)
        return;
    tine__pool_unref(pool->core);
    free(pool);
}

static int check_pool(const tine_pool *pool) {
    if (!pool)
        return TINE_EARG;
    return tine__pool_is_forked(pool->core) ? TINE_EFORKED : 0;
}

int tine_pool_shutdown(tine_pool *pool, bool cancel) {
    int err = check_pool(pool);
    if (!err)
        tine__pool_shutdown(pool->core, cancel);
    return err;
}

int tine_pool_kill(tine_pool *pool, bool hard) {
    int err = check_pool(pool);
    if (!err)
        tine__pool_kill(pool->core, hard ? SIGKILL : SIGTERM);
    return err;
}

uint64_t tine__deadline(double timeout) {
    uint64_t ns;
    return to_ns(timeout, &ns) ? tine__now() + ns : WAIT_FOREVER;
}

static bool pool_has_ended(void *arg) {
    struct pool *p = arg;
    return tine__pool_ended(p);
}

static int wait_end(struct pool *p, uint64_t deadline) {
    const struct wait_hook hook = {.ready = pool_has_ended, .arg = p};
    for (;;) {
        tine__pool_poll(p);
        tine__executor_dispatch(p);
        if (tine__pool_ended(p) && !tine__pool_has_done(p))
            return 0;
        int err = tine__wait(&p, 1, deadline, &hook);
        if (err && err != TINE_EAGAIN)
            return err;
    }
}

int tine_pool_wait(tine_pool *pool, double timeout) {
    int err = check_pool(pool);
    if (err)
        return err;
    if (tine__pool_is_open(pool->core))
        return TINE_EINVALID;
    return wait_end(pool->core, tine__deadline(timeout));
}

void tine_pool_close(tine_pool *pool) {
    if (!pool)
        return;
    if (!tine__pool_is_forked(pool->core)) {
        tine__pool_shutdown(pool->core, false);
        while (wait_end(pool->core, WAIT_FOREVER))
            sched_yield(); /* no descriptor to sleep on: without one, then */
        tine__pool_join(pool->core);
    }
    tine__executor_unref(pool);
}

size_t tine_pool_dispatch(tine_pool *pool) {
    if (check_pool(pool))
        return 0;
    tine__pool_poll(pool->core);
    return tine__executor_dispatch(pool->core);
}

int tine_pool_fileno(tine_pool *pool) {
    int err = check_pool(pool);
    return err ? err : tine__pool_fileno(pool->core);
}

int tine_pool_stats(tine_pool *pool, tine_stats *out) {
    int err = check_pool(pool);
    struct pool_stats s;
    if (err || !out || out->size < sizeof *out)
        return err ? err : TINE_EARG;
    tine__pool_stats(pool->core, &s);
    *out = (tine_stats){.size = sizeof *out,
                        .submitted = s.submitted,
                        .pending = s.pending,
                        .running = s.running,
                        .finished = s.finished,
                        .failed = s.failed,
                        .cancelled = s.cancelled,
                        .workers_started = s.workers_started,
                        .workers_lost = s.workers_lost};
    return 0;
}

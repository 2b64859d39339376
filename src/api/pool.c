/* The C library's pools. */
#include "pool/executor.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "pool/task.h"

#define FIELD_END(type, field) (offsetof(type, field) + sizeof((type){0}.field))

/* --- structs that may grow --- */

bool tine__read_struct(void *ours, size_t size, const void *given, size_t least) {
    size_t theirs;
    memcpy(&theirs, given, sizeof theirs);
    if (theirs < least || theirs > 4096)
        return false;
    for (size_t i = size; i < theirs; i++)
        if (((const char *)given)[i]) /* something newer than us */
            return false;
    memcpy(ours, given, theirs < size ? theirs : size);
    return true;
}

bool tine__write_struct(void *given, size_t least, void *ours, size_t size) {
    size_t theirs;
    memcpy(&theirs, given, sizeof theirs);
    if (theirs < least)
        return false;
    memcpy(ours, &theirs, sizeof theirs);
    memcpy(given, ours, theirs < size ? theirs : size);
    return true;
}

/* --- options --- */

/* Zero or more, and no NaN; so many nanoseconds, `most` when the clock cannot tell so many. */
static bool to_ns(double seconds, uint64_t most, uint64_t *ns) {
    if (!(seconds >= 0))
        return false;
    *ns = seconds >= 1e9 ? most : (uint64_t)(seconds * 1e9);
    if (*ns == 0 && seconds > 0 && most == 0) /* 0 would be no limit */
        *ns = 1;
    return true;
}

static bool check_choices(const tine_options *o) {
    return (o->start_method == TINE_FORK || o->start_method == TINE_SPAWN) &&
           (o->on_crash == TINE_BREAK || o->on_crash == TINE_REPLACE) &&
           !(o->prepare && (o->start_method == TINE_SPAWN || o->prepare_symbol));
}

static bool check_options(const tine_options *o, struct pool_options *p) {
    *p = (struct pool_options){.workers = o->workers ? o->workers : tine_cpu_count(),
                               .max_pending = o->max_pending,
                               .spawn = o->start_method == TINE_SPAWN,
                               .replace = o->on_crash == TINE_REPLACE,
                               .on_done = tine__executor_manage};
    p->boot = (struct boot){.name = o->name ? o->name : "tine",
                            .path = o->package_path,
                            .cpath = o->package_cpath,
                            .environ = environ,
                            .max_tasks = o->max_tasks_per_worker,
                            .send_globals = true,
                            .hook = o->prepare,
                            .hook_arg = o->prepare_arg,
                            .hook_name = o->prepare_symbol};
    return p->workers < QUEUE_MAX_WORKERS && check_choices(o) &&
           to_ns(o->task_timeout, 0, &p->task_limit) &&
           to_ns(o->spin < 0 ? 50e-6 : o->spin, UINT64_MAX / 2, &p->boot.spin);
}

/* Initializer and preload as calls without arguments, one after the other. */
static int encode_chunks(const tine_options *o, struct boot *boot, struct buf *out) {
    int err = 0;
    if (o->initializer)
        err = tine__task_chunk(o->initializer, out, &boot->initializer_function);
    boot->initializer_len = out->len;
    if (!err && o->preload)
        err = tine__task_chunk(o->preload, out, &boot->preload_function);
    boot->preload_len = out->len - boot->initializer_len;
    if (o->initializer)
        boot->initializer = out->data;
    if (o->preload) {
        boot->preload = out->data + boot->initializer_len;
        boot->preload_count = 1;
    }
    return err;
}

/* --- opening and freeing --- */

static void init_quiet(struct tine_pool *pool) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->quiet, &attr);
    pthread_condattr_destroy(&attr);
}

static int open_core(struct tine_pool *pool, const tine_options *options,
                     struct pool_options *inner) {
    struct buf chunks;
    tine__buf_init(&chunks);
    int err = encode_chunks(options, &inner->boot, &chunks);
    if (!err)
        err = tine_prepare();
    if (!err)
        err = tine__pool_open(&pool->core, inner, NULL);
    int saved = errno;
    tine__buf_free(&chunks);
    errno = saved;
    return err;
}

int tine_pool_open(tine_pool **out, const tine_options *given) {
    tine_options options = TINE_OPTIONS_INIT;
    struct pool_options inner;
    if (!out)
        return TINE_EARG;
    *out = NULL;
    size_t least = FIELD_END(tine_options, preload);
    if (given && !tine__read_struct(&options, sizeof options, given, least))
        return TINE_EARG;
    if (!check_options(&options, &inner))
        return TINE_EARG;
    struct tine_pool *pool = sys.calloc(1, sizeof *pool);
    if (!pool)
        return TINE_ENOMEM;
    pool->refs = 1;
    init_quiet(pool);
    int err = open_core(pool, &options, &inner);
    if (err) {
        free(pool);
        return err;
    }
    *out = pool;
    return 0;
}

void tine__executor_ref(struct tine_pool *pool) {
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
}

void tine__executor_unref(struct tine_pool *pool) {
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (!tine__pool_is_forked(pool->core)) { /* there they may be in use by a thread that is not */
        pthread_cond_destroy(&pool->quiet);
        pthread_mutex_destroy(&pool->lock);
    }
    tine__pool_unref(pool->core);
    tine__failure_unref(pool->reason);
    free(pool);
}

/* --- the end --- */

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

bool tine__deadline(double timeout, uint64_t *deadline) {
    uint64_t ns;
    *deadline = WAIT_FOREVER;
    if (timeout != timeout)
        return false;
    if (timeout >= 0 && to_ns(timeout, UINT64_MAX / 2, &ns))
        *deadline = tine__now() + ns;
    return true;
}

static bool pool_has_ended(void *arg) {
    struct pool *p = arg;
    return tine__pool_ended(p);
}

static int wait_end(struct tine_pool *pool, uint64_t deadline) {
    struct pool *p = pool->core;
    const struct wait_hook hook = {.ready = pool_has_ended, .arg = p};
    for (;;) {
        tine__pool_poll(p);
        tine__executor_dispatch(pool);
        if (tine__pool_ended(p) && !tine__pool_has_done(p))
            return tine__executor_await_quiet(pool, deadline) ? 0 : TINE_ETIMEOUT;
        if (deadline != WAIT_FOREVER && tine__now() >= deadline)
            return TINE_ETIMEOUT;
        int err = tine__wait(&p, 1, deadline, &hook);
        if (err && err != TINE_EAGAIN)
            return err;
    }
}

int tine_pool_wait(tine_pool *pool, double timeout) {
    uint64_t deadline;
    int err = check_pool(pool);
    if (err)
        return err;
    if (!tine__deadline(timeout, &deadline))
        return TINE_EARG;
    if (tine__pool_is_open(pool->core) || tine__executor_is_calling(pool))
        return TINE_EINVALID;
    return wait_end(pool, deadline);
}

void tine_pool_close(tine_pool *pool) {
    if (!pool)
        return;
    if (!tine__pool_is_forked(pool->core)) {
        tine__pool_shutdown(pool->core, false);
        while (wait_end(pool, WAIT_FOREVER))
            sched_yield(); /* no descriptor to sleep on: without one, then */
        tine__pool_join(pool->core);
    }
    tine__executor_unref(pool);
}

/* --- looking --- */

size_t tine_pool_dispatch(tine_pool *pool) {
    if (check_pool(pool))
        return 0;
    tine__pool_poll(pool->core);
    return tine__executor_dispatch(pool);
}

int tine_pool_fileno(tine_pool *pool) {
    int err = check_pool(pool);
    return err ? err : tine__pool_fileno(pool->core);
}

int tine_pool_stats(tine_pool *pool, tine_stats *out) {
    int err = check_pool(pool);
    struct pool_stats s;
    if (err || !out)
        return err ? err : TINE_EARG;
    tine__pool_stats(pool->core, &s);
    tine__executor_leave(pool);
    tine_stats ours = {.submitted = s.submitted,
                       .pending = s.pending,
                       .running = s.running,
                       .finished = s.finished,
                       .failed = s.failed,
                       .cancelled = s.cancelled,
                       .workers_started = s.workers_started,
                       .workers_lost = s.workers_lost};
    size_t least = FIELD_END(tine_stats, workers_lost);
    return tine__write_struct(out, least, &ours, sizeof ours) ? 0 : TINE_EARG;
}

const char *tine_pool_message(tine_pool *pool) {
    if (check_pool(pool))
        return "";
    struct failure *reason = atomic_load(&pool->reason), *none = NULL;
    if (!reason) {
        reason = tine__pool_reason(pool->core);
        if (reason && !atomic_compare_exchange_strong(&pool->reason, &none, reason)) {
            tine__failure_unref(reason); /* another thread was first, and has the same */
            reason = none;
        }
    }
    if (!reason)
        return "";
    return reason->message ? reason->message : tine_error_text(reason->code);
}

const char *tine_version(void) {
    return TINE_VERSION;
}

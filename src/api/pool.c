/* The C library's pools. */
#include <errno.h>
#include <string.h>
#include "api/api.h"
#include "api/structs.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/why.h"
#include "msg/errand.h"
#include "trace/trace.h"

const char *tine_version(void) {
    return TINE_VERSION;
}

#define ROOM 1024 /* encoded bytes of an initializer that fit on the stack */

/* --- opening --- */

static void init_lock(struct tine_pool *pool) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->quiet, &attr);
    pthread_condattr_destroy(&attr);
}

/* Open the trace. `file` NULL: the environment names it. */
static int open_trace(struct pool_options *o, const char *file) {
    const char *name = file ? file : getenv("TINE_TRACE");
    int err = tine__trace_open(&o->trace, name, o->boot.name, tine__boot_depth() > 0);
    if (err == TINE_ESYSTEM)
        tine__why(errno, "the trace '%s': %s", name, strerror(errno));
    return err;
}

/* Send the initializer to workers on other machines, which run it before their first task. */
static int initialize_far(struct pool *p, const struct boot *boot) {
    const struct errand_head head = {.function = 0};
    char room[ROOM];
    struct call_buf cb;
    if (!boot->initializer)
        return 0;
    tine__call_buf_init(&cb, p, room, sizeof room);
    int err = buf_append(&cb.b, &head, sizeof head);
    if (!err)
        err = buf_append(&cb.b, boot->initializer, boot->initializer_len);
    if (!err)
        err = tine__pool_initialize(p, &cb, (uint32_t)boot->initializer_function);
    tine__call_buf_drop(&cb);
    return err;
}

static int open_core(struct tine_pool *pool, const tine_options *given) {
    struct pool_options options = {0};
    struct far_options far;
    struct buf calls;
    tine__buf_init(&calls);
    const char *file = NULL;
    int err = tine__api_options(given, &options, &far, &calls, &file);
    if (!err && !(pool->name = tine__text_copy(options.boot.name)))
        err = TINE_ENOMEM;
    if (!err && options.in_process)
        tine__api_dress();
    else if (!err && !options.far)
        err = tine_prepare();
    if (!err)
        err = open_trace(&options, file);
    if (!err)
        err = tine__pool_open(&pool->core, &options);
    if (!err && options.far && (err = initialize_far(pool->core, &options.boot)) != 0) {
        tine__pool_kill(pool->core, WHY_KILLED);
        tine__pool_join(pool->core);
        tine__pool_unref(pool->core);
    }
    pool->workers = options.workers;
    int saved = errno;
    tine__settings_unref(options.settings);
    tine__buf_free(&calls);
    errno = saved;
    return err;
}

const char *tine_error_detail(void) {
    return tine__why_said();
}

void tine__api_explain(int err) {
    if (err != TINE_ESYSTEM && err != TINE_EARG)
        tine__why_clear();
    else if (err == TINE_ESYSTEM && tine__why_text(errno) != tine__why_said())
        /* The text noted so far is about an earlier error, which was handled. */
        tine__why(errno, "%s", strerror(errno));
}

int tine_pool_open(tine_pool **out, const tine_options *given) {
    tine__why_clear();
    if (!out)
        return TINE_EARG;
    *out = NULL;
    struct tine_pool *pool = sys.calloc(1, sizeof *pool);
    if (!pool)
        return TINE_ENOMEM;
    int err = open_core(pool, given);
    if (err) {
        tine__api_explain(err);
        int saved = errno;
        free(pool->name);
        free(pool);
        errno = saved;
        return err;
    }
    pool->refs = 1;
    init_lock(pool);
    list_init(&pool->due);
    list_init(&pool->unread);
    pool->inbox.owner = pool;
    pool->inbox.on_news = tine__api_manage;
    tine__inbox_open(&pool->inbox, pool->core);
    *out = pool;
    return 0;
}

int tine_pool_resize(tine_pool *pool, unsigned workers) {
    int err = pool_check(pool);
    if (err || workers < 1 || workers > POOL_MAX_WORKERS)
        return err ? err : TINE_EARG;
    err = tine__pool_resize(pool->core, workers);
    if (!err)
        pool->workers = workers;
    return err;
}

/* --- the end --- */

int tine_pool_shutdown(tine_pool *pool, bool cancel) {
    int err = pool_check(pool);
    if (err)
        return err;
    tine__pool_shutdown(pool->core, cancel);
    tine__api_collect(pool);
    return 0;
}

int tine_pool_kill(tine_pool *pool, bool hard) {
    int err = pool_check(pool);
    if (err)
        return err;
    tine__pool_kill(pool->core, hard ? WHY_KILLED : WHY_TERMINATED);
    tine__api_collect(pool);
    return 0;
}

static bool has_ended(void *arg) {
    struct tine_pool *pool = arg;
    return tine__pool_ended(pool->core);
}

static int wait_end(struct tine_pool *pool, uint64_t deadline) {
    int err;
    while ((err = tine__api_wait(pool, has_ended, NULL, pool, deadline)) == TINE_EAGAIN)
        ; /* go on after a signal */
    if (err)
        return err;
    tine__api_dispatch(pool); /* the last callbacks */
    return tine__api_await_quiet(pool, deadline) ? 0 : TINE_ETIMEOUT;
}

int tine_pool_wait(tine_pool *pool, double timeout) {
    uint64_t deadline;
    int err = pool_check(pool);
    if (err)
        return err;
    if (!tine__api_deadline(timeout, &deadline))
        return TINE_EARG;
    if (tine__pool_is_open(pool->core) || tine__api_is_calling(pool))
        return TINE_EINVALID;
    tine__events_await_end(pool->core, true);
    err = wait_end(pool, deadline);
    tine__events_await_end(pool->core, false);
    return err;
}

void tine_pool_close(tine_pool *pool) {
    if (!pool)
        return;
    if (!tine__pool_is_forked(pool->core)) {
        tine__events_await_end(pool->core, true);
        tine__pool_shutdown(pool->core, false);
        wait_end(pool, WAIT_FOREVER);
        tine__pool_join(pool->core);
        tine__inbox_close_fd(&pool->inbox); /* futures may keep the rest for long */
    }
    tine__api_unref(pool);
}

/* --- looking --- */

size_t tine_pool_dispatch(tine_pool *pool) {
    if (pool_check(pool))
        return 0;
    tine__unread_age(pool);
    tine__pool_poll(pool->core);
    return tine__api_dispatch(pool);
}

int tine_pool_fileno(tine_pool *pool) {
    int err = pool_check(pool);
    return err ? err : tine__inbox_fileno(&pool->inbox);
}

const char *tine_pool_message(tine_pool *pool) {
    if (pool_check(pool))
        return "";
    const char *text = atomic_load(&pool->message);
    struct failure *reason = text ? NULL : tine__pool_reason(pool->core);
    if (!reason)
        return text ? text : "";
    text = tine__api_keep_text(&pool->message, tine__api_failure_text(reason));
    tine__failure_unref(reason);
    return text;
}

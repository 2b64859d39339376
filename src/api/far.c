/* Pools of the C library with workers on other machines. */
#include <string.h>
#include "api/api.h"
#include "api/checks.h"
#include "base/clock.h"

/* An option for workers of this machine that is set; NULL: none is. */
static const char *find_local(const tine_options *o) {
    const struct {
        const char *name;
        bool is_set;
    } local[] = {
        {"workers", o->workers > 0},
        {"in_process", o->in_process},
        {"prepare", o->prepare != NULL},
        {"prepare_symbol", o->prepare_symbol != NULL},
        {"preload", o->preload != NULL},
        {"finalizer", o->finalizer != NULL},
        {"max_tasks_per_worker", o->max_tasks_per_worker > 0},
        {"min_workers", o->min_workers > 0},
        {"max_worker_memory", o->max_worker_memory > 0},
        {"max_worker_age", o->max_worker_age > 0},
        {"idle_timeout", o->idle_timeout > 0},
        {"start_timeout", o->start_timeout > 0},
        {"exit_timeout", o->exit_timeout >= 0},
        {"package_path", o->package_path != NULL},
        {"package_cpath", o->package_cpath != NULL},
        {"start_method", o->start_method != TINE_FORK},
    };
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (local[i].is_set)
            return local[i].name;
    return NULL;
}

bool tine__api_means_far(const tine_options *o) {
    return o->key || o->window || o->connect_timeout != 0 || o->lost_after != 0 || o->unconfirmed;
}

/* 0: the default; INFINITY: for ever. */
static uint64_t span(double seconds, uint64_t normal) {
    return seconds == 0 ? normal : clock_span(seconds);
}

static bool check(const tine_options *o) {
    const char *local = find_local(o);
    if (local)
        return tine__refuse("%s is for workers of this machine, so it cannot be set beside backend",
                            local);
    if (o->window > FAR_SLOTS)
        return tine__refuse("window is %u: %u at most", o->window, (unsigned)FAR_SLOTS);
    return tine__check_time("connect_timeout", o->connect_timeout) &&
           tine__check_time("lost_after", o->lost_after);
}

static bool find(const tine_options *o, struct far_options *out) {
    char why[512];
    const char *other;
    if (!tine__gm_resolve(o->backend, &out->servers, why, sizeof why))
        return tine__refuse("%s", why);
    if (o->key)
        return tine__seal_read(o->key, &out->keys, why, sizeof why) || tine__refuse("%s", why);
    return tine__gm_are_loopback(&out->servers, &other) ||
           tine__refuse("%s is not on this machine, so a key is needed", other);
}

int tine__api_far(const tine_options *o, struct far_options *out) {
    memset(out, 0, sizeof *out);
    if (!check(o) || !find(o, out))
        return TINE_EARG;
    out->window = o->window;
    out->connect_timeout = span(o->connect_timeout, FAR_CONNECT_TIMEOUT);
    out->lost_after = span(o->lost_after, FAR_LOST_AFTER);
    out->confirm = !o->unconfirmed;
    return 0;
}

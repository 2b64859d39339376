/* Pools of the C library with workers on other machines. */
#include <string.h>
#include "api/api.h"
#include "api/checks.h"
#include "base/clock.h"

/* Are options set that are for workers of this machine? */
static bool is_for_here(const tine_options *o) {
    return o->workers || o->in_process || o->prepare || o->prepare_symbol || o->preload ||
           o->finalizer || o->max_tasks_per_worker || o->min_workers || o->max_worker_memory ||
           o->idle_timeout > 0 || o->max_worker_age > 0 || o->start_timeout > 0 ||
           o->exit_timeout >= 0 || o->package_path || o->package_cpath ||
           o->start_method != TINE_FORK;
}

bool tine__api_means_far(const tine_options *o) {
    return o->key || o->window || o->connect_timeout != 0 || o->lost_after != 0 || o->unconfirmed;
}

/* 0: the default; INFINITY: for ever. */
static uint64_t span(double seconds, uint64_t normal) {
    return seconds == 0 ? normal : clock_span(seconds);
}

static bool check(const tine_options *o) {
    if (is_for_here(o))
        return tine__refuse("an option for workers of this machine is set beside `backend`");
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

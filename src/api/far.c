/* Pools of the C library whose workers are on other machines. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "api/api.h"
#include "base/why.h"

/* Options that are for workers of this machine. */
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

static uint64_t span(double seconds, uint64_t none) {
    uint64_t ns = tine__api_limit(seconds);
    return ns ? ns : none;
}

/* False: why not. */
static bool find(const tine_options *o, struct far_options *out, char *why, size_t size) {
    const char *other;
    if (is_for_here(o)) {
        snprintf(why, size, "an option for workers of this machine is set beside `backend`");
        return false;
    }
    if (!(o->connect_timeout >= 0) || !(o->lost_after >= 0) || o->window > FAR_SLOTS) {
        snprintf(why, size, "connect_timeout, lost_after or window is out of range");
        return false;
    }
    if (!tine__gm_resolve(o->backend, &out->servers, why, size))
        return false;
    if (o->key)
        return tine__seal_read(o->key, &out->keys, why, size);
    if (tine__gm_are_loopback(&out->servers, &other))
        return true;
    snprintf(why, size, "%s is not on this machine, so a key is needed", other);
    return false;
}

int tine__api_far(const tine_options *o, struct far_options *out) {
    char why[512];
    memset(out, 0, sizeof *out);
    if (!find(o, out, why, sizeof why)) {
        tine__why(EINVAL, "%s", why);
        return TINE_EARG;
    }
    out->window = o->window;
    out->connect_timeout = span(o->connect_timeout, FAR_CONNECT_TIMEOUT);
    out->lost_after = span(o->lost_after, FAR_LOST_AFTER);
    out->confirm = !o->unconfirmed;
    return 0;
}

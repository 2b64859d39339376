/* Translating tine_options to pool_options. */
#include <unistd.h>
#include "api/api.h"
#include "api/checks.h"
#include "api/encode.h"
#include "api/structs.h"
#include "base/clock.h"

#define SPIN 50000u /* ns, the default */

bool tine__api_deadline(double timeout, uint64_t *deadline) {
    *deadline = timeout < 0 ? WAIT_FOREVER : clock_deadline(clock_span(timeout));
    return timeout == timeout;
}

#define CHECK_TIME(field) tine__check_time(#field, o->field)
#define CHECK_NUMBER(field) tine__check_number(#field, o->field)

static bool check_numbers(const tine_options *o) {
    return CHECK_TIME(task_timeout) && CHECK_TIME(start_timeout) && CHECK_TIME(idle_timeout) &&
           CHECK_TIME(max_worker_age) && CHECK_TIME(deadline) && CHECK_TIME(cpu) &&
           CHECK_NUMBER(spin) && CHECK_NUMBER(exit_timeout) && CHECK_NUMBER(ageing) &&
           CHECK_NUMBER(grace) && tine__check_retry(&o->retry) && tine__check_output(o->output);
}

static bool check_workers(const tine_options *o) {
    if (o->workers > POOL_MAX_WORKERS)
        return tine__refuse("workers is %u: %u at most", o->workers, POOL_MAX_WORKERS);
    if (o->workers > 0 && !o->in_process && o->min_workers > o->workers)
        return tine__refuse("min_workers is %u, and workers is %u", o->min_workers, o->workers);
    return true;
}

static bool check_choices(const tine_options *o) {
    if (o->start_method != TINE_FORK && o->start_method != TINE_SPAWN)
        return tine__refuse("start_method is %d: TINE_FORK or TINE_SPAWN is wanted",
                            o->start_method);
    if (o->on_crash != TINE_BREAK && o->on_crash != TINE_REPLACE)
        return tine__refuse("on_crash is %d: TINE_BREAK or TINE_REPLACE is wanted", o->on_crash);
    if (o->prepare && o->start_method == TINE_SPAWN)
        return tine__refuse("prepare is no address in a program that TINE_SPAWN has executed: "
                            "prepare_symbol is wanted");
    if (o->prepare && o->prepare_symbol)
        return tine__refuse("prepare and prepare_symbol are both set");
    if (!o->backend && tine__api_means_far(o))
        return tine__refuse("key, window, connect_timeout, lost_after or unconfirmed is set, which "
                            "are for pools with a backend");
    return true;
}

/* Here 0 is no missing limit but the shortest one. */
static uint64_t exit_timeout(double seconds) {
    return seconds < 0 ? POOL_EXIT_TIMEOUT : seconds == 0 ? 1 : tine__api_limit(seconds);
}

static void translate(const tine_options *o, struct pool_options *p) {
    *p = (struct pool_options){.workers = o->workers ? o->workers : tine_cpu_count(),
                               .in_process = o->in_process,
                               .min_workers = o->min_workers,
                               .max_age = tine__api_limit(o->max_worker_age),
                               .max_bytes = o->max_pending_bytes,
                               .max_pending = o->max_pending,
                               .ageing = o->ageing < 0 ? POOL_AGEING : o->ageing,
                               .spawn = o->start_method == TINE_SPAWN,
                               .replace = o->on_crash == TINE_REPLACE,
                               .start_timeout = tine__api_limit(o->start_timeout),
                               .exit_timeout = exit_timeout(o->exit_timeout)};
    p->boot = (struct boot){.name = o->name ? o->name : "tine",
                            .path = o->package_path,
                            .cpath = o->package_cpath,
                            .environ = environ,
                            .max_tasks = o->max_tasks_per_worker,
                            .max_memory = o->max_worker_memory,
                            .idle = tine__api_limit(o->idle_timeout),
                            .event_buffer = o->event_buffer ? o->event_buffer : POOL_EVENT_BUFFER,
                            .spin = o->spin < 0 ? SPIN : clock_span(o->spin),
                            .send_globals = true,
                            .hook = o->prepare,
                            .hook_arg = o->prepare_arg,
                            .hook_name = o->prepare_symbol};
}

/* Encode initializer, preload and finalizer as calls without arguments, one behind the other. */
static int encode_chunks(const tine_options *o, struct boot *boot, struct buf *out) {
    int err = 0;
    if (o->initializer)
        err = tine__task_chunk(o->initializer, out, &boot->initializer_function);
    boot->initializer_len = out->len;
    if (!err && o->preload)
        err = tine__task_chunk(o->preload, out, &boot->preload_function);
    boot->preload_len = out->len - boot->initializer_len;
    size_t before = out->len;
    if (!err && o->finalizer)
        err = tine__task_chunk(o->finalizer, out, &boot->finalizer_function);
    boot->finalizer_len = out->len - before;
    if (o->finalizer && out->data)
        boot->finalizer = out->data + before;
    if (o->initializer)
        boot->initializer = out->data;
    if (o->preload) {
        boot->preload = out->data + boot->initializer_len;
        boot->preload_count = 1;
    }
    return err;
}

int tine__api_options(const tine_options *given, struct pool_options *out, struct far_options *far,
                      struct buf *calls, const char **trace) {
    tine_options options = TINE_OPTIONS_INIT;
    size_t least = STRUCT_UPTO(tine_options, preload); /* the size in version 0.1.0 */
    bool was_read = !given || tine__struct_read(&options, sizeof options, given, least);
    if (!tine__check_struct(was_read, "TINE_OPTIONS_INIT") || !check_numbers(&options) ||
        !check_workers(&options) || !check_choices(&options) ||
        (options.backend && tine__api_far(&options, far)))
        return TINE_EARG;
    translate(&options, out);
    *trace = options.trace;
    if (options.backend)
        out->far = far;
    out->replace |= options.backend != NULL;
    int err = encode_chunks(&options, &out->boot, calls);
    return err ? err : tine__api_defaults(&options, &out->settings);
}

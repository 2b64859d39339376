/* From tine_options to what the pool is told. */
#include <unistd.h>
#include "api/api.h"
#include "api/encode.h"
#include "api/structs.h"
#include "base/clock.h"

#define SPIN 50000u /* ns, when nothing is said */

bool tine__api_deadline(double timeout, uint64_t *deadline) {
    *deadline = timeout < 0 ? WAIT_FOREVER : clock_deadline(clock_span(timeout));
    return timeout == timeout;
}

static bool check_times(const tine_options *o) {
    return o->task_timeout >= 0 && o->start_timeout >= 0 && o->idle_timeout >= 0 &&
           o->max_worker_age >= 0 && o->spin == o->spin && o->exit_timeout == o->exit_timeout &&
           o->ageing == o->ageing && o->deadline >= 0 && o->cpu >= 0 && o->grace == o->grace &&
           tine__api_check_retry(&o->retry) && api_check_output(o->output);
}

static bool check_choices(const tine_options *o) {
    bool too_few = o->workers > 0 && !o->in_process && o->min_workers > o->workers;
    return !too_few && (o->start_method == TINE_FORK || o->start_method == TINE_SPAWN) &&
           (o->on_crash == TINE_BREAK || o->on_crash == TINE_REPLACE) &&
           !(o->prepare && (o->start_method == TINE_SPAWN || o->prepare_symbol));
}

/* There 0 is a time. */
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

/* Initializer, preload and finalizer as calls without arguments, one after the other. */
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
    size_t least = STRUCT_UPTO(tine_options, preload); /* 0.1.0 */
    if (given && !tine__struct_read(&options, sizeof options, given, least))
        return TINE_EARG;
    if (!check_times(&options) || !check_choices(&options))
        return TINE_EARG;
    if (!options.backend && tine__api_means_far(&options))
        return TINE_EARG;
    translate(&options, out);
    *trace = options.trace;
    if (out->workers > POOL_MAX_WORKERS || (options.backend && tine__api_far(&options, far)))
        return TINE_EARG;
    if (options.backend)
        out->far = far;
    out->replace |= options.backend != NULL;
    int err = encode_chunks(&options, &out->boot, calls);
    return err ? err : tine__api_defaults(&options, &out->settings);
}

/* The C library's futures: looking, waiting, ending by force. */
#include "api/api.h"

int tine_future_state(tine_future *f) {
    static const int states[] = {[LOOK_PENDING] = TINE_PENDING, [LOOK_RUNNING] = TINE_RUNNING};
    int err = future_check(f);
    if (err)
        return err;
    enum task_look look = tine__task_look(f->pool->core, &f->item, 0);
    tine__api_collect(f->pool);
    if (look != LOOK_SETTLED)
        return states[look];
    return f->outcome.code == TINE_ECANCELLED ? TINE_CANCELLED : TINE_FINISHED;
}

static bool is_settled(void *arg) {
    const struct tine_future *f = arg;
    return outcome_settled(&f->outcome);
}

int tine_future_wait(tine_future *f, double timeout) {
    uint64_t deadline;
    int err = future_check(f);
    if (err || !tine__api_deadline(timeout, &deadline))
        return err ? err : TINE_EARG;
    if (is_settled(f))
        return 0;
    if (tine__api_is_managing(f->pool))
        return TINE_EINVALID; /* deaths and replacements would wait for us */
    return tine__api_wait(f->pool, is_settled, f, deadline);
}

bool tine_future_cancel(tine_future *f) {
    if (future_check(f))
        return false;
    bool cancelled = tine__task_cancel(f->pool->core, &f->item, 0);
    tine__api_collect(f->pool);
    return cancelled;
}

bool tine_future_abort(tine_future *f) {
    if (future_check(f))
        return false;
    bool ended = tine__task_abort(f->pool->core, &f->item);
    tine__api_collect(f->pool);
    return ended;
}

size_t tine_future_label(tine_future *f, char *out, size_t size) {
    if (size > 0)
        *out = '\0';
    return future_check(f) ? 0 : tine__label(&f->item.name, 0, out, size);
}

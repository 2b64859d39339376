/* How the C library's futures have ended. */
#include <sys/wait.h>
#include "api/api.h"
#include "api/structs.h"
#include "base/text.h"

/* 0 if the future is done and may be looked at. */
static int check(tine_future *f) {
    int err = future_check(f);
    if (err || !outcome_settled(&f->outcome))
        return err ? err : TINE_EAGAIN;
    future_told(f);
    return 0;
}

int tine_future_code(tine_future *f) {
    int err = check(f);
    return err ? err : f->outcome.code;
}

/* The result segment: values, or [error, traceback] of the task or of what broke the pool. */
static const char *segment_of(const tine_future *f, size_t *length) {
    if (f->outcome.state != OUTCOME_FAILED)
        return tine__outcome_bytes(&f->outcome, length);
    const struct failure *failure = tine__outcome_failure(&f->outcome);
    *length = failure ? failure->cause_len : 0;
    return failure ? failure->cause : NULL;
}

const void *tine_future_values(tine_future *f, size_t *length) {
    size_t whole;
    *length = 0;
    if (check(f))
        return NULL;
    const char *segment = segment_of(f, &whole);
    return segment ? tine__api_body(segment, whole, length) : NULL;
}

const void *tine_future_output(tine_future *f, size_t *length) {
    *length = 0;
    if (check(f) || !item_printed(&f->item))
        return NULL;
    *length = item_printed(&f->item)->length;
    return item_printed(&f->item)->bytes;
}

/* --- texts --- */

static char *make_message(const tine_future *f) {
    size_t length;
    const struct failure *failure = tine__outcome_failure(&f->outcome);
    if (failure && failure->message)
        return tine__api_failure_text(failure);
    const char *bytes = tine__outcome_bytes(&f->outcome, &length);
    if (f->outcome.state == OUTCOME_ERROR)
        return tine__api_error_text(bytes, length);
    return bytes ? tine__text_copy_n(bytes, length)
                 : tine__text_copy(tine_error_text(f->outcome.code));
}

static char *make_traceback(const tine_future *f) {
    size_t length;
    const struct failure *failure = tine__outcome_failure(&f->outcome);
    if (failure && failure->traceback)
        return tine__text_copy(failure->traceback);
    const char *segment = segment_of(f, &length);
    return tine__api_traceback_text(segment, segment ? length : 0);
}

const char *tine_future_message(tine_future *f) {
    if (check(f) || f->outcome.state == OUTCOME_VALUES)
        return "";
    const char *text = atomic_load(&f->message);
    return text ? text : tine__api_keep_text(&f->message, make_message(f));
}

const char *tine_future_traceback(tine_future *f) {
    if (check(f) || f->outcome.state == OUTCOME_VALUES)
        return "";
    const char *text = atomic_load(&f->traceback);
    return text ? text : tine__api_keep_text(&f->traceback, make_traceback(f));
}

/* --- blame --- */

int tine_future_blame(tine_future *f, tine_blame *out) {
    size_t least = STRUCT_UPTO(tine_blame, line);
    int err = check(f);
    if (err && err != TINE_EAGAIN)
        return err;
    if (!out || out->size < least)
        return TINE_EARG;
    const struct failure *b = err ? NULL : tine__outcome_failure(&f->outcome);
    if (!b || b->code == TINE_ETIMEOUT || b->code == TINE_ECANCELLED || b->code == TINE_EMEMORY)
        return TINE_EINVALID; /* no worker or host is to blame */
    bool exited = b->has_status && WIFEXITED(b->status);
    bool signaled = b->has_status && WIFSIGNALED(b->status);
    tine_blame ours = {.pid = b->pid,
                       .exit_code = exited ? WEXITSTATUS(b->status) : -1,
                       .signal = signaled ? WTERMSIG(b->status) : 0,
                       .error = b->error,
                       .task = b->task,
                       .label = b->label,
                       .source = b->source,
                       .line = b->line,
                       .host = b->host,
                       .server = b->server};
    return tine__struct_write(out, least, &ours, sizeof ours) ? 0 : TINE_EARG;
}

/* The C library's futures. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <msgpack.h>
#include "base/error.h"
#include "base/sys.h"
#include "codec/segment.h"
#include "pool/executor.h"
#include "pool/task.h"

#define ROOM 4096 /* bytes of a call that are encoded on the stack */

/* --- references --- */

tine_future *tine_future_ref(tine_future *f) {
    if (f)
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void tine_future_free(tine_future *f) {
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    tine__outcome_free(&f->outcome);
    tine__executor_unref(f->pool);
    free(f->label);
    free(atomic_load(&f->message));
    free(f);
}

size_t tine__executor_dispatch(struct pool *p) {
    struct item *item;
    size_t called = 0;
    while ((item = tine__pool_take_done(p)) != NULL) {
        struct tine_future *f = item->owner;
        if (f->done) {
            f->done(f, f->done_arg);
            called++;
        }
        tine_future_free(f); /* the task's own reference */
    }
    return called;
}

/* --- submitting --- */

static bool read_task(tine_task *out, const tine_task *given) {
    *out = (tine_task)TINE_TASK_INIT;
    if (!given || given->size < offsetof(tine_task, args) || given->size > 4096)
        return false;
    memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
    return out->timeout >= 0;
}

static struct tine_future *new_future(tine_pool *pool, const tine_task *task) {
    struct tine_future *f = sys.calloc(1, sizeof *f);
    if (!f)
        return NULL;
    if (task->label && !(f->label = strdup(task->label))) {
        free(f);
        return NULL;
    }
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
    f->refs = 2;
    f->pool = pool;
    f->done = task->done;
    f->done_arg = task->done_arg;
    f->item.count = 1;
    f->item.outcomes = &f->outcome;
    f->item.owner = f;
    f->item.watched = task->done != NULL;
    f->item.label = f->label;
    f->item.label_len = f->label ? (uint32_t)strlen(f->label) : 0;
    f->item.limit = task->timeout >= 1e9 ? 0 : (uint64_t)(task->timeout * 1e9);
    return f;
}

/* What labels say of the task. */
static const struct codec_origin *origin_of(struct pool *p, const tine_task *task) {
    static const char *const names[] = {[TINE_SOURCE] = "source", [TINE_ENCODED] = "function"};
    struct codec_origin o = {.source = ""};
    o.name = task->kind == TINE_NAME ? task->function : names[task->kind];
    return task->label ? NULL : tine__pool_put_origin(p, &o);
}

static int encode(struct call_buf *cb, const struct tine_future *f, const tine_task *task,
                  uint32_t *function) {
    int err = f->label ? buf_append(&cb->b, f->label, f->item.label_len) : 0;
    if (!err)
        err = tine__task_function(task, &cb->b);
    *function = (uint32_t)cb->b.len - f->item.label_len;
    return err ? err : tine__task_arguments(task->args, task->args_length, &cb->b);
}

int tine_submit(tine_pool *pool, const tine_task *given, tine_future **out) {
    tine_task task;
    char room[ROOM];
    struct call_buf cb;
    uint32_t function;
    if (out)
        *out = NULL;
    if (!pool || !read_task(&task, given))
        return TINE_EARG;
    if (tine__pool_is_forked(pool->core))
        return TINE_EFORKED;
    struct tine_future *f = new_future(pool, &task);
    if (!f)
        return TINE_ENOMEM;
    tine__call_buf_init(&cb, pool->core, room, sizeof room);
    int err = encode(&cb, f, &task, &function);
    if (!err) {
        f->item.origin = origin_of(pool->core, &task);
        err = tine__pool_submit(pool->core, &f->item, &cb, f->item.label_len, function);
    }
    tine__call_buf_drop(&cb);
    if (err)
        tine_future_free(f);
    if (err || !out)
        tine_future_free(f);
    else
        *out = f;
    return err;
}

/* --- looking and waiting --- */

int tine_future_state(tine_future *f) {
    if (!f)
        return TINE_EARG;
    switch (tine__task_state(f->pool->core, &f->item, 0)) {
    case TASK_PENDING:
        return TINE_PENDING;
    case TASK_RUNNING:
        return TINE_RUNNING;
    default:
        return f->outcome.code == TINE_ECANCELLED ? TINE_CANCELLED : TINE_FINISHED;
    }
}

static bool future_is_done(void *arg) {
    const struct tine_future *f = arg;
    return outcome_settled(&f->outcome);
}

int tine_future_wait(tine_future *f, double timeout) {
    if (!f)
        return TINE_EARG;
    struct pool *p = f->pool->core;
    uint64_t deadline = tine__deadline(timeout);
    const struct wait_hook hook = {.ready = future_is_done, .arg = f};
    while (!outcome_settled(&f->outcome)) {
        if (tine__pool_is_forked(p))
            return TINE_EFORKED;
        tine__pool_poll(p);
        tine__executor_dispatch(p);
        if (outcome_settled(&f->outcome))
            break;
        int err = tine__wait(&p, 1, deadline, &hook);
        if (err)
            return outcome_settled(&f->outcome) ? 0 : err;
    }
    return 0;
}

int tine_future_code(tine_future *f) {
    if (!f)
        return TINE_EARG;
    return outcome_settled(&f->outcome) ? f->outcome.code : TINE_EAGAIN;
}

const void *tine_future_values(tine_future *f, size_t *length) {
    size_t whole;
    *length = 0;
    if (!f || !outcome_settled(&f->outcome) || f->outcome.state == OUTCOME_FAILED)
        return NULL;
    const char *bytes = tine__outcome_bytes(&f->outcome, &whole);
    if (!bytes || whole < SEGMENT_HEAD)
        return NULL;
    *length = segment_body(bytes, whole);
    return bytes + SEGMENT_HEAD;
}

/* --- what happened --- */

/* The text of an error value that a task raised: a string, or what kind of value it was. */
static char *task_error_text(tine_future *f) {
    size_t length;
    const void *bytes = tine_future_values(f, &length);
    msgpack_unpacked unpacked;
    char *text = NULL;
    msgpack_unpacked_init(&unpacked);
    if (bytes && msgpack_unpack_next(&unpacked, bytes, length, NULL) == MSGPACK_UNPACK_SUCCESS &&
        unpacked.data.type == MSGPACK_OBJECT_ARRAY && unpacked.data.via.array.size > 0) {
        const msgpack_object *value = unpacked.data.via.array.ptr;
        if (value->type == MSGPACK_OBJECT_STR)
            text = strndup(value->via.str.ptr, value->via.str.size);
    }
    msgpack_unpacked_destroy(&unpacked);
    return text ? text : strdup("(error object that is no string)");
}

static char *make_message(tine_future *f) {
    size_t length;
    const struct failure *failure = tine__outcome_failure(&f->outcome);
    const char *text;
    if (f->outcome.state == OUTCOME_VALUES)
        return strdup("");
    if (f->outcome.state == OUTCOME_ERROR)
        return task_error_text(f);
    if (failure && failure->message)
        return strdup(failure->message);
    text = tine__outcome_bytes(&f->outcome, &length);
    return text ? strndup(text, length) : strdup(tine_error_text(f->outcome.code));
}

const char *tine_future_message(tine_future *f) {
    if (!f || !outcome_settled(&f->outcome))
        return "";
    char *message = atomic_load(&f->message), *none = NULL;
    if (message)
        return message;
    message = make_message(f);
    if (!message)
        return "out of memory";
    if (atomic_compare_exchange_strong(&f->message, &none, message))
        return message;
    free(message); /* another thread was first */
    return none;
}

int tine_future_blame(tine_future *f, tine_blame *out) {
    if (!f || !out || out->size < sizeof *out)
        return TINE_EARG;
    const struct failure *b =
        outcome_settled(&f->outcome) ? tine__outcome_failure(&f->outcome) : NULL;
    if (!b)
        return TINE_EINVALID;
    bool exited = b->has_status && WIFEXITED(b->status);
    bool signaled = b->has_status && WIFSIGNALED(b->status);
    *out = (tine_blame){.size = sizeof *out,
                        .pid = b->pid,
                        .exit_code = exited ? WEXITSTATUS(b->status) : -1,
                        .signal = signaled ? WTERMSIG(b->status) : 0,
                        .error = b->error,
                        .task = b->task,
                        .label = b->label,
                        .source = b->source,
                        .line = b->line};
    return 0;
}

bool tine_future_cancel(tine_future *f) {
    return f && tine__task_cancel(f->pool->core, &f->item, 0);
}

bool tine_future_abort(tine_future *f) {
    return f && tine__task_abort(f->pool->core, &f->item, 0);
}

size_t tine_future_label(tine_future *f, char *out, size_t size) {
    return f ? tine__task_label(&f->item, 0, out, size) : 0;
}

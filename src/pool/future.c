/* The C library's futures: submitting, waiting, ending by force. */
#include <stddef.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/executor.h"
#include "pool/task.h"

#define ROOM 4096 /* bytes of a call that are encoded on the stack */
#define FIELD_END(type, field) (offsetof(type, field) + sizeof((type){0}.field))

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
    if (f->origin && !tine__pool_is_forked(f->pool->core))
        tine__store_drop(tine__pool_store(f->pool->core), f->origin);
    tine__executor_unref(f->pool);
    free(f->label);
    free(f->message);
    free(f->traceback);
    free(f);
}

/* --- submitting --- */

static bool read_task(tine_task *out, const tine_task *given) {
    size_t least = FIELD_END(tine_task, done_arg);
    *out = (tine_task)TINE_TASK_INIT;
    return given && tine__read_struct(out, sizeof *out, given, least) && out->timeout >= 0;
}

static char *copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = sys.malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static uint64_t limit_of(const tine_task *task) {
    if (task->timeout >= 1e9)
        return 0;
    uint64_t ns = (uint64_t)(task->timeout * 1e9);
    return ns == 0 && task->timeout > 0 ? 1 : ns;
}

static struct tine_future *new_future(tine_pool *pool, const tine_task *task) {
    struct tine_future *f = sys.calloc(1, sizeof *f);
    if (!f)
        return NULL;
    if (task->label && !(f->label = copy_text(task->label))) {
        free(f);
        return NULL;
    }
    tine__executor_ref(pool);
    f->refs = 2;
    f->pool = pool;
    f->done = task->done;
    f->done_arg = task->done_arg;
    f->item.count = 1;
    f->item.outcomes = &f->outcome;
    f->item.owner = f;
    f->item.watched = task->done != NULL;
    f->item.name.label = f->label;
    f->item.name.label_len = f->label ? (uint32_t)strlen(f->label) : 0;
    f->item.limit = limit_of(task);
    return f;
}

/* What labels say of the task, here and in its worker: held by the call and by the future. */
static int name_task(struct tine_future *f, struct call_buf *cb, const tine_task *task) {
    struct store *store = tine__pool_store(cb->pool);
    static const char *const names[] = {[TINE_SOURCE] = "source", [TINE_ENCODED] = "function"};
    char name[128];
    struct codec_origin o = {.name = name, .source = ""};
    if (task->label)
        return 0;
    if (task->kind == TINE_NAME) {
        size_t n = task->function_length ? task->function_length : strlen(task->function);
        n = n < sizeof name ? n : sizeof name - 1;
        memcpy(name, task->function, n);
        name[n] = '\0';
    } else {
        o.name = names[task->kind];
    }
    f->origin = tine__store_put(store, &(struct codec_code){0}, &o);
    if (!f->origin)
        return 0; /* no memory: the label is only `task #1` */
    f->item.name.origin = &f->origin->origin;
    return tine__store_hold(&cb->refs, f->origin);
}

static int encode(struct call_buf *cb, const struct tine_future *f, const tine_task *task,
                  const struct buf *arguments, uint32_t *function) {
    int err = f->label ? buf_append(&cb->b, f->label, f->item.name.label_len) : 0;
    if (!err)
        err = tine__task_function(task, &cb->b);
    *function = (uint32_t)(cb->b.len - f->item.name.label_len);
    if (!err && arguments)
        return buf_append(&cb->b, arguments->data, arguments->len);
    return err ? err : tine__task_arguments(task->args, task->args_length, &cb->b);
}

static int send_task(tine_pool *pool, struct tine_future *f, const tine_task *task,
                     const struct buf *arguments) {
    char room[ROOM];
    struct call_buf cb;
    uint32_t function;
    tine__call_buf_init(&cb, pool->core, room, sizeof room);
    int err = encode(&cb, f, task, arguments, &function);
    if (!err)
        err = name_task(f, &cb, task);
    if (!err)
        err = tine__pool_submit(pool->core, &f->item, &cb, f->item.name.label_len, function);
    tine__call_buf_drop(&cb);
    tine__executor_leave(pool);
    return err;
}

int tine_submit(tine_pool *pool, const tine_task *task, tine_future **out) {
    return tine__executor_submit(pool, task, NULL, out);
}

int tine__executor_submit(tine_pool *pool, const tine_task *given, const struct buf *arguments,
                          tine_future **out) {
    tine_task task;
    if (out)
        *out = NULL;
    if (!pool || !read_task(&task, given))
        return TINE_EARG;
    if (tine__pool_is_forked(pool->core))
        return TINE_EFORKED;
    struct tine_future *f = new_future(pool, &task);
    if (!f)
        return TINE_ENOMEM;
    int err = send_task(pool, f, &task, arguments);
    if (err)
        tine_future_free(f); /* there is no task that holds it */
    if (err || !out)
        tine_future_free(f);
    else
        *out = f;
    return err;
}

/* --- looking and waiting --- */

static int check(const tine_future *f) {
    if (!f)
        return TINE_EARG;
    return tine__pool_is_forked(f->pool->core) ? TINE_EFORKED : 0;
}

int tine_future_state(tine_future *f) {
    int err = check(f);
    if (err)
        return err;
    enum task_state state = tine__task_state(f->pool->core, &f->item, 0);
    tine__executor_leave(f->pool);
    if (state != TASK_SETTLED)
        return state == TASK_RUNNING ? TINE_RUNNING : TINE_PENDING;
    return f->outcome.code == TINE_ECANCELLED ? TINE_CANCELLED : TINE_FINISHED;
}

static bool future_is_done(void *arg) {
    const struct tine_future *f = arg;
    return outcome_settled(&f->outcome);
}

static int wait_until(tine_future *f, uint64_t deadline) {
    struct pool *p = f->pool->core;
    const struct wait_hook hook = {.ready = future_is_done, .arg = f};
    for (;;) {
        tine__pool_poll(p);
        tine__executor_dispatch(f->pool);
        if (outcome_settled(&f->outcome))
            return 0;
        if (deadline != WAIT_FOREVER && tine__now() >= deadline)
            return TINE_ETIMEOUT;
        int err = tine__wait(&p, 1, deadline, &hook);
        if (err && err != TINE_ETIMEOUT)
            return outcome_settled(&f->outcome) ? 0 : err;
    }
}

int tine_future_wait(tine_future *f, double timeout) {
    uint64_t deadline;
    int err = check(f);
    if (err || !tine__deadline(timeout, &deadline))
        return err ? err : TINE_EARG;
    if (outcome_settled(&f->outcome))
        return 0;
    if (tine__executor_is_managing(f->pool))
        return TINE_EINVALID; /* deaths and replacements would wait for us */
    return wait_until(f, deadline);
}

/* --- ending it --- */

bool tine_future_cancel(tine_future *f) {
    if (check(f))
        return false;
    bool cancelled = tine__task_cancel(f->pool->core, &f->item, 0);
    tine__executor_leave(f->pool);
    return cancelled;
}

bool tine_future_abort(tine_future *f) {
    if (check(f))
        return false;
    bool ended = tine__task_abort(f->pool->core, &f->item, 0);
    tine__executor_leave(f->pool);
    return ended;
}

size_t tine_future_label(tine_future *f, char *out, size_t size) {
    if (size > 0)
        *out = '\0';
    return check(f) ? 0 : tine__task_label(&f->item.name, 0, out, size);
}

/* tine_submit: from a tine_task to a submitted item. */
#include <string.h>
#include "api/api.h"
#include "msg/errand.h"
#include "api/checks.h"
#include "api/encode.h"
#include "api/structs.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/why.h"
#include "msg/extra.h"

#define ROOM 4096 /* encoded bytes of a call that fit on the stack */

static bool read_task(tine_task *out, const tine_task *given) {
    size_t least = STRUCT_UPTO(tine_task, done_arg); /* the size in version 0.1.0 */
    *out = (tine_task)TINE_TASK_INIT;
    if (!given)
        return tine__refuse("the task is NULL");
    return tine__check_struct(tine__struct_read(out, sizeof *out, given, least),
                              "TINE_TASK_INIT") &&
           tine__check_time("timeout", out->timeout) &&
           tine__check_time("deadline", out->deadline) && tine__check_time("cpu", out->cpu) &&
           tine__check_number("grace", out->grace) && tine__check_retry(&out->retry) &&
           tine__check_output(out->output);
}

static void describe(struct item *item, const struct tine_future *f) {
    item->inbox = &f->pool->inbox;
    item->owner = (void *)f;
    item->watched = f->done != NULL;
    item->name.label = f->label;
    item->name.label_len = f->label ? (uint32_t)strlen(f->label) : 0;
    item->task.call.count = 1;
}

struct tine_future *tine__api_future(struct tine_pool *pool, const tine_task *task) {
    struct tine_future *f = sys.calloc(1, sizeof *f);
    if (!f)
        return NULL;
    struct settings *set = NULL;
    if ((task->label && !(f->label = tine__text_copy(task->label))) ||
        tine__api_settings(task, tine__pool_settings(pool->core), &set)) {
        free(f->label);
        free(f);
        return NULL;
    }
    tine__api_ref(pool);
    item_init(&f->item);
    list_init(&f->unread);
    f->refs = 2;
    f->pool = pool;
    f->done = task->done;
    f->done_arg = task->done_arg;
    f->item.outcomes = &f->outcome;
    f->item.settings = f->settings = set;
    describe(&f->item, f);
    return f;
}

/* Store the function's name for labels, here and in the worker. The call and the future hold it. */
static int name_task(struct tine_future *f, struct call_buf *cb, const tine_task *task) {
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
    f->origin = tine__store_put(tine__pool_store(cb->pool), &(struct codec_code){0}, &o);
    if (!f->origin)
        return 0; /* no memory: the label is only `task #1` */
    f->item.name.origin = &f->origin->origin;
    return tine__store_hold(&cb->refs, f->origin);
}

/* Append what precedes the function segment: for an errand (`everywhere`) a head, which the pool
** fills in. */
static int encode_head(struct call_buf *cb, const struct tine_future *f, bool everywhere) {
    if (everywhere)
        return buf_append(&cb->b, &(struct errand_head){.function = 0}, sizeof(struct errand_head));
    const struct settings *set = f->settings ? f->settings : tine__pool_settings(cb->pool);
    const struct call_extra extra = extra_of(set, 0);
    int err = buf_append(&cb->b, &extra, settings_extra(set));
    return err || !f->label ? err : buf_append(&cb->b, f->label, f->item.name.label_len);
}

/* Encode the call; *function is the length of its function segment. */
static int encode(struct call_buf *cb, const struct tine_future *f, const tine_task *task,
                  bool everywhere, uint32_t *function) {
    int err = encode_head(cb, f, everywhere);
    size_t from = cb->b.len;
    if (!err)
        err = tine__task_function(task, &cb->b);
    *function = (uint32_t)(cb->b.len - from);
    return err ? err : tine__task_arguments(task->args, task->args_length, &cb->b);
}

static int send_out(tine_pool *pool, struct tine_future *f, const tine_task *task,
                    bool everywhere) {
    char room[ROOM];
    struct call_buf cb;
    uint32_t function;
    tine__call_buf_init(&cb, pool->core, room, sizeof room);
    int err = encode(&cb, f, task, everywhere, &function);
    if (!err)
        err = name_task(f, &cb, task);
    if (!err)
        err = everywhere
                  ? tine__pool_everywhere(pool->core, &f->item, &cb, function)
                  : tine__pool_submit(pool->core, &f->item, &cb, f->item.name.label_len, function);
    tine__call_buf_drop(&cb);
    tine__api_collect(pool);
    return err;
}

static int submit(tine_pool *pool, const tine_task *given, tine_future **out, bool everywhere) {
    tine_task task;
    tine__why_clear();
    if (out)
        *out = NULL;
    int err = pool_check(pool);
    if (err)
        return err;
    if (!read_task(&task, given))
        return TINE_EARG;
    struct tine_future *f = tine__api_future(pool, &task);
    if (!f)
        return TINE_ENOMEM;
    f->item.task.mute = !out && !task.done; /* nobody can read its events */
    err = send_out(pool, f, &task, everywhere);
    if (err)
        tine_future_free(f); /* no task holds it */
    if (err || !out)
        tine_future_free(f);
    else
        *out = f;
    return err;
}

int tine_submit(tine_pool *pool, const tine_task *task, tine_future **out) {
    return submit(pool, task, out, false);
}

int tine_pool_everywhere(tine_pool *pool, const tine_task *task, tine_future **out) {
    return submit(pool, task, out, true);
}

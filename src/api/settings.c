/* From what struct tine_task and tine_options say of how a task is to be run to struct settings. */
#include <string.h>
#include "api/api.h"
#include "base/clock.h"

uint64_t tine__api_limit(double seconds) {
    uint64_t span = clock_span(seconds);
    return span == WAIT_FOREVER ? 0 : span;
}

/* Is it a number of the kind that is meant, or (negative) the default? */
bool tine__api_check_retry(const tine_retry *r) {
    return r->delay == r->delay && r->max_delay == r->max_delay && r->factor == r->factor &&
           r->jitter <= 1;
}

static bool is_set(const tine_retry *r) {
    return r->error || r->crashed || r->timeout || r->lost;
}

static void read_retry(const tine_retry *from, struct retry *to) {
    *to = tine__settings_none.retry;
    to->budget[RETRY_ERROR] = from->error;
    to->budget[RETRY_CRASHED] = from->crashed;
    to->budget[RETRY_TIMEOUT] = from->timeout;
    to->budget[RETRY_LOST] = from->lost;
    if (from->delay >= 0)
        to->delay = clock_span(from->delay);
    if (from->max_delay >= 0)
        to->most = clock_span(from->max_delay);
    if (from->factor >= 0)
        to->factor = from->factor;
    if (from->jitter >= 0)
        to->jitter = from->jitter;
}

static struct settings *copy(const struct settings *from, const char *group) {
    return group ? tine__settings_copy(from, group, strlen(group))
                 : tine__settings_copy(from, from->group, from->group_len);
}

int tine__api_settings(const tine_task *task, const struct settings *from, struct settings **out) {
    *out = NULL;
    if (task->timeout == 0 && task->deadline == 0 && task->priority == 0 && !task->group &&
        !is_set(&task->retry))
        return 0;
    struct settings *s = copy(from, task->group);
    if (!s)
        return TINE_ENOMEM;
    if (task->timeout != 0)
        s->timeout = tine__api_limit(task->timeout);
    if (task->deadline != 0)
        s->deadline = tine__api_limit(task->deadline);
    if (task->priority != 0)
        s->priority = task->priority;
    if (is_set(&task->retry))
        read_retry(&task->retry, &s->retry);
    *out = s;
    return 0;
}

int tine__api_defaults(const tine_options *o, struct settings **out) {
    struct settings *s = copy(&tine__settings_none, o->group);
    if (!s)
        return TINE_ENOMEM;
    s->timeout = tine__api_limit(o->task_timeout);
    s->deadline = tine__api_limit(o->deadline);
    s->priority = o->priority;
    read_retry(&o->retry, &s->retry);
    *out = s;
    return 0;
}

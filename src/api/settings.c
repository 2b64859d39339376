/* From what struct tine_task and tine_options say of how a task is to be run to struct settings. */
#include "api/api.h"
#include "base/clock.h"

uint64_t tine__api_limit(double seconds) {
    uint64_t span = clock_span(seconds);
    return span == WAIT_FOREVER ? 0 : span;
}

int tine__api_settings(const tine_task *task, const struct settings *from, struct settings **out) {
    *out = NULL;
    if (task->timeout == 0)
        return 0;
    struct settings *s = tine__settings_copy(from, from->group, from->group_len);
    if (!s)
        return TINE_ENOMEM;
    s->timeout = tine__api_limit(task->timeout);
    *out = s;
    return 0;
}

int tine__api_defaults(const tine_options *o, struct settings **out) {
    struct settings *s = tine__settings_copy(&tine__settings_none, NULL, 0);
    if (!s)
        return TINE_ENOMEM;
    s->timeout = tine__api_limit(o->task_timeout);
    *out = s;
    return 0;
}

#include "msg/settings.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/sys.h"

const struct settings tine__settings_none = {
    .plain = true,
    .grace = SETTINGS_GRACE,
    .output_limit = SETTINGS_OUTPUT_LIMIT,
    .retry = {.delay = SETTINGS_RETRY_DELAY,
              .most = SETTINGS_RETRY_MOST,
              .factor = 2,
              .jitter = 0.1},
};

struct settings *tine__settings_copy(const struct settings *s, const char *group, size_t len) {
    struct settings *copy = sys.malloc(sizeof *copy + len);
    if (!copy)
        return NULL;
    memcpy(copy, s, sizeof *copy);
    atomic_init(&copy->refs, 1);
    copy->group_len = (uint32_t)len;
    copy->group_hash = len ? tine__hash(group, len) : 0;
    if (len)
        memcpy(copy->group, group, len);
    settings_look(copy);
    return copy;
}

struct settings *tine__settings_ref(struct settings *s) {
    if (s)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void tine__settings_unref(struct settings *s) {
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        free(s);
}

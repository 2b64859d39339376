#include "msg/label.h"

#include <stdio.h>

size_t tine__label(const struct task_name *name, uint32_t k, char *out, size_t size) {
    const struct codec_origin *o = name->origin;
    char index[32] = "";
    unsigned long long id = name->id + k;
    int n;
    if (name->index)
        snprintf(index, sizeof index, "[%llu]", (unsigned long long)name->index + k);
    if (name->label)
        n = snprintf(out, size, "%.*s%s", (int)name->label_len, name->label, index);
    else if (!o || !o->name)
        n = snprintf(out, size, "task%s #%llu", index, id);
    else if (o->line > 0 && o->source && *o->source)
        n = snprintf(out, size, "%s%s (%s:%d) #%llu", o->name, index, o->source, o->line, id);
    else
        n = snprintf(out, size, "%s%s #%llu", o->name, index, id);
    return n < 0 ? 0 : (size_t)n;
}

#include "msg/label.h"

#include <string.h>

/* A text that is cut to the room there is. */
struct text {
    char *out;
    size_t size, length;
};

static void add(struct text *t, const char *bytes, size_t n) {
    if (t->length < t->size)
        memcpy(t->out + t->length, bytes, n < t->size - t->length ? n : t->size - t->length);
    t->length += n;
}

static void add_text(struct text *t, const char *text) {
    add(t, text, strlen(text));
}

static void add_number(struct text *t, uint64_t n) {
    char digits[20], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    add(t, at, (size_t)(digits + sizeof digits - at));
}

static void add_index(struct text *t, const struct task_name *name, uint32_t k) {
    if (!name->index)
        return;
    add(t, "[", 1);
    add_number(t, name->index + k);
    add(t, "]", 1);
}

static void add_place(struct text *t, const struct codec_origin *o) {
    if (!o || !o->name || o->line <= 0 || !o->source || !*o->source)
        return;
    add(t, " (", 2);
    add_text(t, o->source);
    add(t, ":", 1);
    add_number(t, (uint64_t)o->line);
    add(t, ")", 1);
}

size_t tine__label(const struct task_name *name, uint32_t k, char *out, size_t size) {
    const struct codec_origin *o = name->origin;
    struct text t = {out, size, 0};
    if (name->label)
        add(&t, name->label, strnlen(name->label, name->label_len));
    else
        add_text(&t, o && o->name ? o->name : "task");
    add_index(&t, name, k);
    if (!name->label) {
        add_place(&t, o);
        add(&t, " #", 2);
        add_number(&t, name->id + k);
    }
    if (size > 0)
        out[t.length < size ? t.length : size - 1] = '\0';
    return t.length;
}

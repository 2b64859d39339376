#include "pool/printed.h"

#include <string.h>
#include "base/sys.h"
#include "base/text.h"
#include "pool/internal.h"

#define LAST_WORDS 4096u /* bytes of output that go into an error */

/* A printed with one reference. NULL: no memory. */
static struct printed *new_printed(uint64_t task, const char *bytes, size_t length) {
    struct printed *o = sys.malloc(sizeof *o + length);
    if (!o)
        return NULL;
    o->refs = 1;
    o->task = task;
    o->length = length;
    if (length > 0)
        memcpy(o->bytes, bytes, length);
    return o;
}

struct printed *tine__printed_ref(struct printed *o) {
    if (o)
        atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

void tine__printed_unref(struct printed *o) {
    if (o && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1)
        free(o);
}

static bool is_captured(const struct item *item) {
    return item->task.set->output == OUTPUT_CAPTURE;
}

void tine__printed_deliver(struct pool *p, const struct report *r) {
    struct task *t = sched_sent(&p->s, r->ref);
    if (!t || r->id - t->call.id >= t->call.count)
        return;
    struct item *item = item_of(t);
    /* the output of items of a map is used only in errors */
    size_t over = t->call.count > 1 && r->length > LAST_WORDS ? r->length - LAST_WORDS : 0;
    struct item_rare *rare = tine__item_need_rare(item);
    if (!rare)
        return;
    tine__printed_unref(rare->printed);
    rare->printed = new_printed(r->id, r->bytes + over, r->length - over);
}

void tine__printed_end(struct pool *p, struct item *item) {
    if (!is_captured(item) || item_printed(item) || item->task.call.count > 1 || p->in_process)
        return;
    struct item_rare *rare = tine__item_need_rare(item);
    if (rare)
        rare->printed = new_printed(0, NULL, 0);
}

void tine__printed_blame(const struct item *item, uint32_t k, struct failure *f) {
    const struct printed *o = item_printed(item);
    if (!is_captured(item))
        return;
    bool its = o && o->task == item->task.call.id + k;
    size_t n = !its ? 0 : o->length < LAST_WORDS ? o->length : LAST_WORDS;
    f->output = tine__text_copy_n(its ? o->bytes + o->length - n : "", n);
    f->output_len = n;
}

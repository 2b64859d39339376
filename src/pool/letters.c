/* The contents of letters to workers: a call to be run on top of a waiting task, or the end of a
** task that is waited for. */
#include <string.h>
#include "base/stream.h"
#include "base/text.h"
#include "msg/nested.h"
#include "pool/internal.h"

struct letter *tine__letter_of_call(struct pool *p, const struct item *item, uint64_t *place) {
    const struct call_head *call = &item->task.call;
    size_t more = call->offset ? 0 : call->length;
    struct letter *letter = tine__letter_new(p, more, place);
    if (!letter)
        return NULL;
    letter->kind = LETTER_RUN;
    letter->call = *call;
    if (more)
        memcpy(letter + 1, item->bytes, more);
    return letter;
}

/* --- ends --- */

static uint32_t text_size(const char *text) {
    return text ? (uint32_t)strlen(text) + 1 : 0;
}

static struct letter *failed_letter(struct pool *p, const struct failure *f, uint64_t *place) {
    struct letter_failure l = {.error = f->error,
                               .pid = f->pid,
                               .status = f->status,
                               .line = f->line,
                               .worker = f->worker,
                               .has_status = f->has_status,
                               .cpu = f->cpu,
                               .pending = f->phase && strcmp(f->phase, "pending") == 0,
                               .running = f->phase && strcmp(f->phase, "running") == 0,
                               .task = f->task,
                               .limit = f->limit,
                               .used = f->used,
                               .message = text_size(f->message),
                               .label = text_size(f->label),
                               .source = text_size(f->source),
                               .traceback = text_size(f->traceback)};
    struct letter *letter =
        tine__letter_new(p, sizeof l + (size_t)l.message + l.label + l.source + l.traceback, place);
    if (!letter)
        return NULL;
    char *at = (char *)(letter + 1);
    memcpy(at, &l, sizeof l);
    at += sizeof l;
    text_put(&at, f->message, l.message);
    text_put(&at, f->label, l.label);
    text_put(&at, f->source, l.source);
    text_put(&at, f->traceback, l.traceback);
    letter->failed = 1;
    return letter;
}

/* Adds to *names references to the regions that the bytes name. */
static struct letter *bytes_letter(struct pool *p, const struct outcome *o, uint64_t *place,
                                   struct carried *names) {
    size_t length;
    const char *bytes = tine__outcome_bytes(o, &length);
    const struct carried *carried = tine__outcome_carried(o);
    if (carried && tine__carry_all(names, carried))
        return NULL;
    struct letter *letter = tine__letter_new(p, length + names->n * sizeof(struct handle), place);
    if (!letter)
        return NULL;
    letter->length = length;
    letter->regions = names->n;
    char *at = (char *)(letter + 1);
    if (length)
        stream_copy(at, bytes, length);
    at += length;
    for (uint32_t i = 0; i < names->n; i++, at += sizeof(struct handle)) {
        const struct handle h = tine__region_handle(names->list[i]);
        memcpy(at, &h, sizeof h);
    }
    return letter;
}

struct letter *tine__letter_of_end(struct pool *p, const struct outcome *o, uint64_t *place,
                                   struct carried *names) {
    const struct failure *f = tine__outcome_failure(o);
    return f ? failed_letter(p, f, place) : bytes_letter(p, o, place, names);
}

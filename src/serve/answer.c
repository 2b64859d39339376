/* From ended tasks to answers. */
#include <string.h>
#include "api/api.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "msg/report.h"
#include "serve/internal.h"

static void add(struct work *w, const struct gm_answer *a, const void *bytes) {
    size_t before = w->answers.len;
    if (!w->server) /* nobody waits for it any more */
        return;
    if (buf_append(&w->answers, a, sizeof *a) ||
        (bytes && buf_append(&w->answers, bytes, a->length)))
        w->answers.len = before; /* the submitter will notice that it is missing */
}

/* How long task `k` ran, in ns; 0: not known. */
static uint64_t ran(const struct work *w, uint32_t k) {
    const struct item *item = &w->item;
    const struct item_rare *rare = item_rare(item);
    if (w->task.head.count > 1)
        return rare && rare->ran ? rare->ran[k] : 0;
    return item->started && item->ended > item->started ? item->ended - item->started : 0;
}

void tine__answer(struct work *w, enum gm_answer_kind kind, uint32_t k, const void *bytes,
                  size_t n) {
    struct gm_answer a = {.kind = kind, .k = k, .length = n};
    if (kind >= ANSWER_VALUES)
        a.ran = ran(w, k);
    a.worker = w->item.task.worker;
    a.pid = w->item.task.pid;
    add(w, &a, bytes);
}

void tine__answer_begun(struct serve *s, struct work *w) {
    struct gm_answer a = {.kind = ANSWER_BEGUN, .k = w->told};
    int pid;
    a.worker = tine__item_runner(s->pool, &w->item, &pid);
    a.pid = pid;
    add(w, &a, NULL);
}

/* --- our workers --- */

#define SHOW_EVERY SERVE_SECOND

/* Describe our workers to the submitter, unless that was done a moment ago. */
static void answer_workers(struct serve *s, struct work *w) {
    const uint64_t now = tine__now();
    unsigned n = 0;
    if (!w->peer || now < clock_after(w->peer->shown, SHOW_EVERY))
        return;
    w->peer->shown = now;
    struct worker_info *list = tine__pool_known_workers(s->pool, &n);
    struct gm_worker *told = n > 0 ? sys.calloc(n, sizeof *told) : NULL;
    for (unsigned i = 0; told && i < n; i++)
        told[i] = (struct gm_worker){list[i].id, list[i].pid, tine__worker_memory(&list[i])};
    const struct gm_answer a = {.kind = ANSWER_WORKERS, .length = n * sizeof *told};
    if (told)
        add(w, &a, told);
    free(told);
    free(list);
}

/* --- sending answers --- */

void tine__answer_say(struct serve *s, struct work *w, bool last) {
    struct gm_about about;
    struct server *v = w->server;
    s->sealed.len = 0;
    if (!v)
        return;
    answer_workers(s, w);
    bool ok = w->answers.len <= GM_MESSAGE && buf_append(&s->sealed, v->id, sizeof v->id) == 0 &&
              tine__seal(&s->o->keys, w->key,
                         tine__gm_about(&about, KIND_ANSWERS, v->id, w->unique, w->said),
                         w->answers.data, w->answers.len, &s->sealed) == 0;
    const struct gm_text args[] = {{w->handle, strlen(w->handle)}, {s->sealed.data, s->sealed.len}};
    if (!ok)
        tine__work_refuse(v, args[0]);
    else
        tine__gm_send(&v->conn, last ? GM_WORK_COMPLETE : GM_WORK_DATA, 2, args);
    w->said++;
    w->answers.len = 0;
}

void tine__answer_progress(struct serve *s, struct work *w) {
    struct progress p;
    bool told = w->task.head.count == 1 && tine__task_progress(s->pool, &w->item, &p);
    tine__answer(w, ANSWER_PROGRESS, w->told, &p, told ? progress_size(&p) : 0);
}

/* --- events --- */

static bool next_event(const struct serve *s, struct work *w) {
    if (w->item.emitted && !w->events)
        w->events = tine__item_events(s->pool, &w->item);
    struct events *e = w->events ? w->events : w->item.released ? item_events(&w->item) : NULL;
    return w->event.state != OUTCOME_NONE || (e && tine__events_take(e, &w->event, &w->event_k));
}

/* Add the events of task `k`, which must come before its end. */
static void answer_events(const struct serve *s, struct work *w, uint32_t k) {
    size_t n;
    while (next_event(s, w) && w->event_k <= k) {
        const char *bytes = tine__outcome_bytes(&w->event, &n);
        if (w->event_k == k)
            tine__answer(w, ANSWER_EVENT, k, bytes, n);
        tine__outcome_free(&w->event);
        w->event = (struct outcome){0};
    }
}

/* --- printed output --- */

/* Add the output that has come. All output of a task comes before its end. */
static void answer_printed(struct serve *s, struct work *w) {
    struct piece *piece;
    while ((piece = tine__item_piece(s->pool, &w->item)) != NULL) {
        const struct gm_printed head = {piece->to};
        struct buf b;
        tine__buf_init(&b);
        if (w->server && buf_append(&b, &head, sizeof head) == 0 &&
            buf_append(&b, piece->bytes, piece->length) == 0)
            tine__answer(w, ANSWER_PRINTED, piece->k, b.data, b.len);
        else
            tine__item_written(s->pool, &w->item, piece->length);
        tine__buf_free(&b);
        free(piece);
    }
}

/* --- ends --- */

static void answer_crash(struct work *w, uint32_t k, const struct failure *f) {
    struct report_crash c = {0};
    if (f)
        c = (struct report_crash){.worker = f->worker,
                                  .pid = f->pid,
                                  .has_status = f->has_status,
                                  .status = f->status,
                                  .error = f->error};
    tine__answer(w, ANSWER_CRASHED, k, &c, sizeof c);
}

static void answer_text(struct work *w, enum gm_answer_kind kind, uint32_t k, const char *text) {
    tine__answer(w, kind, k, text, text ? strlen(text) : 0);
}

/* Our own pool has failed: with what its initializer or preload has raised. */
static void answer_lost(struct work *w, uint32_t k, const struct failure *f, int code) {
    char *why = f ? tine__api_failure_text(f) : NULL;
    answer_text(w, ANSWER_LOST, k, why ? why : tine_error_text(code));
    free(why);
}

static void answer_failed(struct work *w, uint32_t k, const struct outcome *o) {
    const struct failure *f = tine__outcome_failure(o);
    const struct report_memory memory = {f ? f->limit : 0, f ? f->used : 0};
    size_t n;
    const char *bytes = tine__outcome_bytes(o, &n);
    switch (o->code) {
    case TINE_ESERIALIZE:
        tine__answer(w, ANSWER_REFUSED, k, bytes, n);
        break;
    case TINE_EMEMORY:
        tine__answer(w, ANSWER_MEMORY, k, &memory, sizeof memory);
        break;
    case TINE_ETIMEOUT:
        answer_text(w, f && f->cpu ? ANSWER_CPU : ANSWER_TIMEOUT, k, f ? f->traceback : NULL);
        break;
    case TINE_ECANCELLED:
        answer_text(w, ANSWER_ENDED, k, f ? f->traceback : NULL);
        break;
    case TINE_ECRASHED:
        answer_crash(w, k, f);
        break;
    default:
        answer_lost(w, k, f, o->code);
    }
}

/* For items of a map only errors have output. */
static void answer_output(struct work *w, uint32_t k, const struct failure *f) {
    const struct printed *p = item_printed(&w->item);
    if (w->task.head.count == 1 && p)
        tine__answer(w, ANSWER_OUTPUT, k, p->bytes, p->length);
    else if (f && f->output)
        tine__answer(w, ANSWER_OUTPUT, k, f->output, f->output_len);
}

/* Has the task not begun, because it was recalled or stopped in time? */
static bool is_unrun(const struct work *w, const struct outcome *o) {
    const struct failure *f = o->state == OUTCOME_FAILED ? tine__outcome_failure(o) : NULL;
    if (o->state == OUTCOME_FAILED && o->code == TINE_ECANCELLED)
        return !w->stopped || w->task.head.count > 1 || w->item.task.worker == 0;
    return f && f->phase && strcmp(f->phase, "pending") == 0;
}

static void answer_end(struct work *w, uint32_t k) {
    struct outcome *o = &w->outcomes[k];
    size_t n;
    if (is_unrun(w, o)) {
        tine__answer(w, ANSWER_STOPPED, k, NULL, 0);
        tine__outcome_free(o);
        return;
    }
    answer_output(w, k, tine__outcome_failure(o));
    const char *bytes = tine__outcome_bytes(o, &n);
    if (o->state == OUTCOME_VALUES)
        tine__answer(w, ANSWER_VALUES, k, bytes, n);
    else if (o->state == OUTCOME_ERROR)
        tine__answer(w, ANSWER_ERROR, k, bytes, n);
    else
        answer_failed(w, k, o);
    tine__outcome_free(o);
}

static void tell(struct serve *s, struct work *w) {
    uint32_t count = w->task.head.count;
    bool unrun = false;
    while (w->told < count && !unrun && outcome_settled(&w->outcomes[w->told])) {
        /* And so are all tasks behind it, which is told once. */
        unrun = is_unrun(w, &w->outcomes[w->told]);
        answer_events(s, w, w->told);
        answer_printed(s, w);
        const struct progress *said = count == 1 ? item_told(&w->item) : NULL;
        if (said)
            tine__answer(w, ANSWER_PROGRESS, 0, said, progress_size(said));
        answer_end(w, w->told++);
    }
    if (w->told < count && !unrun) {
        answer_events(s, w, w->told);
        answer_printed(s, w);
    }
    if (w->item.released)
        tine__answer_say(s, w, true);
    else if (w->answers.len > 0)
        tine__answer_say(s, w, false);
    if (w->item.released)
        tine__work_free(s, w);
}

/* Failed errands of a submitter: the error is sent with the task for which the errand was run. */
static void answer_faults(struct serve *s) {
    struct item *item;
    struct outcome error;
    uint64_t number;
    size_t n;
    while (tine__inbox_next_fault(&s->inbox, &number, &item, &error)) {
        const char *bytes = tine__outcome_bytes(&error, &n);
        struct buf b;
        tine__buf_init(&b);
        if (item && buf_append(&b, &number, sizeof number) == 0 && buf_append(&b, bytes, n) == 0)
            tine__answer(item->owner, ANSWER_FAULT, ((struct work *)item->owner)->told, b.data,
                         b.len);
        tine__buf_free(&b);
        tine__outcome_free(&error);
    }
}

void tine__answer_all(struct serve *s) {
    struct item *items[64];
    unsigned n;
    bool any = false;
    while ((n = tine__inbox_take(&s->inbox, items, sizeof items / sizeof *items)) > 0) {
        answer_faults(s);
        for (unsigned i = 0; i < n; i++, any = true)
            tell(s, items[i]->owner);
    }
    if (any && s->waiting > 0) { /* the next tasks may have been taken up by workers */
        s->rest = SERVE_MILLISECOND;
        s->look = tine__now() + s->rest;
    }
}

void tine__answer_unrun(struct serve *s, struct work *w, enum gm_answer_kind kind,
                        const char *why) {
    for (uint32_t k = w->told; k < w->task.head.count; k++)
        answer_text(w, kind, k, why);
    tine__answer_say(s, w, true);
    tine__work_free(s, w);
}

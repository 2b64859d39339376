/* Writing to the pool's trace, if it has one. */
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "codec/segment.h"
#include "pool/internal.h"

/* --- tasks --- */

/* The text of the task's error, inside its outcome; NULL: none. */
static const char *message(const struct outcome *o, size_t *length) {
    const struct failure *f = tine__outcome_failure(o);
    const char *bytes = tine__outcome_bytes(o, length);
    if (o->state == OUTCOME_ERROR)
        bytes = bytes ? segment_error_text(bytes, *length, length) : NULL;
    else if (o->state != OUTCOME_FAILED)
        bytes = NULL;
    else if (f && f->message)
        *length = strlen(bytes = f->message);
    if (!bytes)
        *length = 0;
    return bytes;
}

void tine__tracing_attempt(struct pool *p, const struct item *item, uint32_t k, uint32_t attempt,
                           const struct outcome *o, uint64_t started, uint64_t ended) {
    const struct task *t = &item->task;
    bool ran = started >= t->since && started <= ended && started > 0;
    struct trace_task task = {.name = &item->name,
                              .k = k,
                              .parent = item->parent,
                              .attempt = ran ? attempt : 0,
                              .worker = !ran       ? 0
                                        : t->place ? t->place
                                                   : t->worker,
                              .submitted = t->since,
                              .started = ran ? started : 0,
                              .ended = ended,
                              .code = o->state == OUTCOME_VALUES ? 0 : o->code};
    if (ran && t->place) { /* a late report must not overlap with earlier ones */
        const struct remote *place = &p->remotes.list[t->place - 1];
        task.started = place->from;
        task.ended = place->until;
    }
    const struct attempts *attempts = item_attempts(item);
    if (ran && attempt > 1 && attempts && attempts->n >= attempt - 1) {
        const struct attempt *before = &attempts->list[attempt - 2];
        task.before = before->place ? before->place : before->times.worker;
        task.before_at = before->times.started;
    }
    if (task.code)
        task.error = message(o, &task.error_len);
    tine__trace_task(p->trace, &task);
}

void tine__tracing_end(struct pool *p, const struct item *item, uint32_t k, uint64_t started,
                       uint64_t ended) {
    const struct attempts *attempts = item_attempts(item);
    uint32_t tried = attempts ? attempts->n : 0;
    tine__tracing_attempt(p, item, k, tried + 1, &item->outcomes[k], started, ended);
}

/* --- workers and the pool --- */

void tine__tracing_ready(struct pool *p, const struct report *r) {
    unsigned w = r->worker;
    /* The starts of workers on other machines are not known. */
    if (p->far || !sched_is_worker(&p->s, w))
        return;
    tine__trace_ready(p->trace, w, r->pid ? r->pid : (int)r->id, p->s.workers[w].since,
                      r->ended ? r->ended : (uint64_t)tine__now());
}

void tine__tracing_event(struct pool *p, const struct event *e) {
    if (e->kind == EVENT_EXIT && !p->far)
        tine__trace_exit(p->trace, e->exit, tine__now());
    else if (e->kind == EVENT_STOPPED)
        tine__trace_stopped(p->trace, p->reason && p->reason->message ? p->reason->message : "",
                            tine__now());
}

/* --- counters --- */

#define COUNT_PAUSE (20 * MILLISECOND) /* pause between two records of them */

void tine__tracing_count(struct pool *p, uint64_t now) {
    uint64_t running = tine__pool_running(p);
    uint64_t open = p->submitted - p->ends.finished - p->ends.failed - p->ends.cancelled;
    const struct trace_counts counts = {.at = now,
                                        .pending = open > running ? open - running : 0,
                                        .running = running,
                                        .workers = p->s.present};
    tine__trace_count(p->trace, &counts);
    p->uncounted = false;
    p->count_at = now + COUNT_PAUSE;
}

void tine__tracing_changed(struct pool *p, uint64_t now) {
    if (now >= p->count_at)
        tine__tracing_count(p, now);
    else
        p->uncounted = true;
}

/* --- trouble --- */

char *tine__pool_trace_trouble(struct pool *p) {
    return p->trace && !tine__pool_is_forked(p) ? tine__trace_trouble(p->trace) : NULL;
}

/* Reports of the site without processes. */
#include <errno.h>
#include <unistd.h>
#include "sched/errand.h"
#include "site/here/internal.h"

static bool has_answer(struct here_call *c) {
    return c->reported < c->call.answered || c->over || tine__inner_event(&c->call);
}

bool tine__here_news(struct site *s, bool pressed) {
    const struct here *h = here_of(s);
    (void)pressed;
    return here_is_over(h) || h->errand || h->stage == STAGE_STARTED || h->stage == STAGE_JUDGED ||
           h->stage == STAGE_ENDED ||
           (!list_empty(&h->told) && has_answer(LIST_ITEM(h->told.next, struct here_call, node)));
}

/* Report the result of the start. */
static void judge(struct here *h, struct report *r) {
    static const enum report_kind kinds[] = {[INNER_READY] = REPORT_READY,
                                             [INNER_NO_MEMORY] = REPORT_NOT_STARTED,
                                             [INNER_NO_PRELOAD] = REPORT_FAILED,
                                             [INNER_NO_INITIALIZER] = REPORT_INITIALIZER};
    r->kind = kinds[h->judgement];
    r->error = h->judgement == INNER_NO_MEMORY ? ENOMEM : 0;
    r->ended = h->judged_at;
    r->bytes = h->said.data;
    r->length = h->said.len;
    h->stage = h->judgement == INNER_READY ? STAGE_UP : STAGE_OVER;
}

static void describe(struct here_call *c, struct report *r) {
    static const uint8_t kinds[RECORD_KINDS] = {[RECORD_VALUES] = REPORT_VALUES,
                                                [RECORD_ERROR] = REPORT_ERROR,
                                                [RECORD_REFUSED] = REPORT_REFUSED,
                                                [RECORD_MEMORY] = REPORT_MEMORY,
                                                [RECORD_ENDED] = REPORT_ENDED};
    struct inner_answer *answer = &c->call.answers[c->reported];
    r->kind = kinds[answer->kind];
    r->bytes = answer->bytes.data;
    r->length = answer->bytes.len;
    r->started = answer->started;
    r->ended = answer->ended;
    r->carried = &answer->carried;
    r->id = c->call.head.id + c->reported++;
}

/* Report the next event of the task whose answer comes next; all its events come before the
** answer. */
static bool tell_event(struct here_call *c, struct report *r) {
    if (c->told)
        tine__inner_take_event(&c->call);
    struct inner_event *e = tine__inner_event(&c->call);
    c->told = e && e->k == c->reported;
    if (!c->told)
        return false;
    r->kind = REPORT_EVENT;
    r->id = c->call.head.id + e->k;
    r->bytes = e->bytes.data;
    r->length = e->bytes.len;
    r->carried = &e->carried;
    return true;
}

/* Report what comes next of the oldest call that was begun. */
static bool tell_call(struct here *h, struct report *r) {
    if (list_empty(&h->told))
        return false;
    struct here_call *c = LIST_ITEM(h->told.next, struct here_call, node);
    r->ref = c->call.head.ref;
    if (tell_event(c, r))
        return true;
    /* (nobody asks for that of a chunk, whose next task may be writing it just now) */
    if (c->call.head.count == 1 && c->call.answered == 1 && c->reported == 0 && c->call.said.id &&
        !c->said) {
        c->said = true;
        r->kind = REPORT_PROGRESS;
        r->id = c->call.said.id;
        r->bytes = (const char *)&c->call.said;
        r->length = progress_size(&c->call.said);
        return true;
    }
    if (c->reported < c->call.answered) {
        describe(c, r);
        return true;
    }
    if (!c->over)
        return false;
    if (c->reported < c->call.head.count) {
        r->kind = REPORT_STOPPED;
        r->id = c->call.head.id + c->reported;
    }
    tine__here_forget(h, c);
    return r->kind != REPORT_NONE || tell_call(h, r);
}

bool tine__here_report(struct site *s, struct report *r, bool listen) {
    struct here *h = here_of(s);
    (void)listen;
    *r = (struct report){.worker = HERE_WORKER, .pid = getpid()};
    if (h->stage == STAGE_STARTED) {
        r->kind = REPORT_STARTED;
        h->stage = STAGE_JUDGED;
    } else if (h->stage == STAGE_JUDGED) {
        judge(h, r);
    } else if (h->errand) {
        r->kind = REPORT_RAN;
        r->id = h->errand->number;
        r->bytes = h->errand_said.data;
        r->length = h->errand_said.len;
        h->errand = NULL;
    } else if (!tell_call(h, r) && h->stage == STAGE_ENDED) {
        r->kind = REPORT_EXITED;
        h->stage = STAGE_OVER;
    } else if (r->kind == REPORT_NONE && here_is_over(h)) {
        h->gone = true;
        *r = (struct report){.kind = REPORT_GONE, .error = h->lost ? EBADF : 0};
    }
    return r->kind != REPORT_NONE;
}

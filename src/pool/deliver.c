/* Delivering: from reports and events to outcomes, and from outcomes to the inboxes of owners. */
#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "pool/internal.h"

COLD static void count_failed(struct pool *p, const struct item *item, uint32_t k) {
    const struct outcome *o = &item->outcomes[k];
    if (o->state == OUTCOME_FAILED && o->code == TINE_ECANCELLED) {
        p->ends.cancelled++;
    } else {
        p->ends.failed++;
        tine__figures_failed(p, item, k);
    }
}

/* Count task `k` of the item, which has ended for good. */
static inline void count(struct pool *p, const struct item *item, uint32_t k) {
    if (item->outcomes[k].state == OUTCOME_VALUES)
        p->ends.finished++;
    else
        count_failed(p, item, k);
}

/* Tasks [from, to) of the item, or at least their current attempts, have ended: end their
** children. */
static inline void end_children(struct pool *p, struct item *item, uint32_t from, uint32_t to) {
    const struct item_rare *rare = item_rare(item);
    for (uint32_t k = from; rare && k < to && !list_empty(&rare->children); k++)
        tine__children_end(p, item, item->task.call.id + k);
}

/* Tell everything else that depends on the item that it is DONE. */
COLD static void end_rare(struct pool *p, struct item *item) {
    tine__events_end(item);
    tine__followers_end(item);
    tine__needs_meet(p, item);
}

/* The owner wants to learn of the end at once. */
COLD static void end_watched(struct item *item) {
    item->inbox->watched--;
    item->inbox->urgent = true;
    item->watched = false;
}

/* Free what a DONE item has beside its outcomes. */
static void clear(struct pool *p, struct item *item) {
    item->asking = false;
    if (item->bytes || item->task.call.offset)
        tine__item_free_bytes(p, item);
    tine__store_release(p->store, &item->refs);
    if (item->settings)
        tine__settings_unref(item->settings);
    item->settings = NULL;
    item->task.set = p->settings;
    if (item->watched)
        end_watched(item);
    if (item->needs)
        tine__needs_drop(p, item);
    if (item_rare(item))
        end_rare(p, item);
    if (p->refused)
        tine__inboxes_room(p);
}

/* Outcomes of the item were set: put it into its inbox. */
static void post(struct pool *p, struct item *item) {
    if (item->task.state == TASK_DONE)
        clear(p, item);
    tine__inbox_post(item->inbox, item);
}

void tine__item_ended(struct pool *p, struct item *item) {
    post(p, item);
}

/* --- results --- */

static struct failure *unreadable(int error) {
    struct failure *f = tine__failure_new(TINE_ESYSTEM);
    if (f) {
        f->error = error;
        tine__failure_say(f, "the result cannot be read: %s", strerror(error));
    }
    return f;
}

COLD static void set_other(struct pool *p, struct outcome *o, const struct report *r) {
    enum outcome_state state = r->kind == REPORT_VALUES  ? OUTCOME_VALUES
                               : r->kind == REPORT_ERROR ? OUTCOME_ERROR
                                                         : OUTCOME_FAILED;
    int code = r->kind == REPORT_ERROR     ? TINE_ETASK
               : r->kind == REPORT_REFUSED ? TINE_ESERIALIZE
                                           : 0;
    if (r->error) {
        struct failure *f = unreadable(r->error);
        tine__outcome_set_failure(o, TINE_ESYSTEM, f);
        tine__failure_unref(f);
    } else {
        tine__outcome_set_report(o, state, code, p, r);
    }
}

static void set_result(struct pool *p, struct outcome *o, const struct report *r) {
    /* Without a report a task has not ended by a result. */
    assert(r);
    if (r->kind == REPORT_VALUES && !r->error) /* nearly all results */
        tine__outcome_set_report(o, OUTCOME_VALUES, 0, p, r);
    else
        set_other(p, o, r);
}

/* --- progress --- */

void tine__deliver_progress(struct pool *p, const struct report *r) {
    struct task *t = sched_sent(&p->s, r->ref);
    struct progress said = {0};
    if (!t || t->call.count > 1 || r->id != t->call.id || r->length > sizeof said)
        return;
    memcpy(&said, r->bytes, r->length);
    struct item *item = item_of(t);
    struct item_rare *rare = tine__item_need_rare(item);
    if (said.length > PROGRESS_TEXT || !rare ||
        (!rare->told && !(rare->told = sys.malloc(sizeof said))))
        return;
    *rare->told = said;
}

/* Set the outcome of task `k` of the item, which has ended other than by a result. `r` is what its
** worker reported about that, or NULL. */
COLD static void set_end(struct pool *p, struct item *item, uint32_t k, enum ending how,
                         const struct report *r, struct outcome *o) {
    static const int codes[] = {[ENDING_CANCELLED] = TINE_ECANCELLED,
                                [ENDING_TIMEOUT] = TINE_ETIMEOUT,
                                [ENDING_LATE] = TINE_ETIMEOUT,
                                [ENDING_CRASHED] = TINE_ECRASHED,
                                [ENDING_BROKEN] = TINE_EBROKEN,
                                [ENDING_NOMEM] = TINE_ENOMEM,
                                [ENDING_CPU] = TINE_ETIMEOUT,
                                [ENDING_MEMORY] = TINE_EMEMORY,
                                [ENDING_LOST] = TINE_ELOST};
    struct failure *ended = NULL;
    tine__printed_end(p, item);
    bool limit =
        how == ENDING_TIMEOUT || how == ENDING_LATE || how == ENDING_CPU || how == ENDING_MEMORY;
    if (limit || (how == ENDING_CANCELLED && r))
        ended = tine__failure_ended(item, k, how, r);
    if (r && (r->kind == REPORT_CRASHED || r->kind == REPORT_AWAY))
        ended = tine__failure_far(item, k, r);
    struct failure *f = ended                   ? ended
                        : how == ENDING_CRASHED ? p->crash
                        : how == ENDING_BROKEN  ? p->reason
                        : how == ENDING_LOST    ? p->desert
                                                : NULL;
    tine__outcome_set_failure(o, codes[how], f);
    tine__failure_unref(ended);
}

/* Set the outcome of task `k`, which has ended by a result (ENDING_NONE) or otherwise. */
static void set_outcome(struct pool *p, struct item *item, uint32_t k, enum ending how,
                        const struct report *r, struct outcome *o) {
    if (how == ENDING_NONE) {
        if (!item->task.set->plain)
            tine__printed_end(p, item);
        set_result(p, o, r);
    } else {
        set_end(p, item, k, how, r, o);
    }
}

void tine__deliver_fault(struct pool *p, const struct report *r) {
    struct item *item = tine__fault_note(p, r);
    if (item)
        tine__inbox_post(item->inbox, item);
}

void tine__deliver_desert(struct pool *p, const struct report *r) {
    tine__failure_unref(p->desert);
    p->desert = tine__failure_desert(r);
}

/* --- attempts --- */

/* An attempt of the item has failed, and it may be tried again: note the attempt, and ask the owner
** or have the scheduler try again. */
COLD static void try_again(struct pool *p, struct item *item, enum ending how,
                           const struct report *r) {
    struct attempt *a = tine__attempt_add(item);
    if (a)
        set_outcome(p, item, 0, how, r, &a->error);
    if (a && p->trace) {
        const struct attempts *all = item_attempts(item);
        assert(all); /* the list has at least `a` */
        tine__tracing_attempt(p, item, 0, all->n, &a->error, a->times.started, a->times.ended);
    }
    item->started = item->ended = 0;
    item->asking = a && item->answers && item->task.set->retry.asks;
    if (item->asking)
        tine__inbox_post(item->inbox, item);
    else
        tine__sched_again(&p->s, &item->task, tine__now());
}

void tine__item_end_held(struct pool *p, struct item *item, const struct outcome *how) {
    item->ended = tine__now();
    tine__printed_end(p, item);
    tine__outcome_share(item->outcomes, how);
    tine__sched_give_up(&p->s, &item->task);
    count(p, item, 0);
    if (p->trace)
        tine__tracing_end(p, item, 0, 0, item->ended);
    post(p, item);
}

void tine__item_refuse(struct pool *p, struct item *item) {
    struct attempts *attempts = item_attempts(item);
    assert(attempts && attempts->n > 0); /* the attempt that the owner was asked about */
    struct attempt *last = &attempts->list[--attempts->n];
    item_set_times(item, &last->times);
    item->task.place = last->place;
    tine__outcome_share(item->outcomes, &last->error);
    tine__outcome_free(&last->error);
    tine__sched_give_up(&p->s, &item->task);
    count(p, item, 0);
    post(p, item);
}

/* --- ends --- */

COLD static void trace_result(struct pool *p, const struct item *item, uint32_t k,
                              const struct report *r) {
    uint64_t ended = r->ended ? r->ended : tine__now();
    tine__tracing_end(p, item, k, r->started, ended);
    tine__tracing_changed(p, ended);
}

/* The submitter of a chunk from another machine wants to know how long each of its tasks ran. */
COLD static void note_ran(struct item *item, uint32_t k, const struct report *r) {
    struct item_rare *rare =
        r->started && r->ended > r->started ? tine__item_need_rare(item) : NULL;
    if (rare && !rare->ran)
        rare->ran = sys.calloc(item->task.call.count, sizeof *rare->ran);
    if (rare && rare->ran)
        rare->ran[k] = r->ended - r->started;
}

/* Calls usually end in the order of their sending: prefetch what the next result will change. */
static inline void fetch_next(struct pool *p, const struct report *r) {
    const struct task *t = sched_sent(&p->s, r->ref);
    if (!t || t->call.count > 1)
        return;
    const struct item *next = item_of(LIST_ITEM(t->sent.next, struct task, sent));
    __builtin_prefetch(next, 1);
    __builtin_prefetch(&next->task, 1);
    __builtin_prefetch(&next->task.call, 1);
    __builtin_prefetch(&next->task.node, 1);
    __builtin_prefetch(&next->task.ready);
    __builtin_prefetch(&next->bytes, 1);
    __builtin_prefetch(&next->inbox);
}

HOT void tine__deliver_result(struct pool *p, const struct report *r) {
    uint32_t k;
    enum ending how;
    bool again;
    fetch_next(p, r);
    struct task *t = tine__sched_result(&p->s, r, &k, &how, &again);
    if (!t)
        return;
    struct item *item = item_of(t);
    t->place = tine__remote_note(p, r);
    if (how == ENDING_NONE && r->kind == REPORT_MEMORY)
        how = ENDING_MEMORY;
    end_children(p, item, k, k + 1);
    if (t->call.count == 1)
        tine__attempt_times(item, r->started, r->ended);
    else if (t->far)
        note_ran(item, k, r);
    p->figures.bytes_out += r->length;
    tine__figures_ran(p, item, k, r->started, r->ended);
    if (again) {
        try_again(p, item, how, r);
        return;
    }
    tine__figures_through(p, item, r->ended);
    set_outcome(p, item, k, how, r, &item->outcomes[k]);
    count(p, item, k);
    if (p->trace)
        trace_result(p, item, k, r);
    post(p, item);
}

static void deliver_end(struct pool *p, const struct event *e) {
    struct item *item = item_of(e->task);
    end_children(p, item, e->from, e->to);
    if (e->task->call.count == 1)
        tine__attempt_times(item, item->started, 0);
    if (item->started)
        tine__figures_ran(p, item, 0, item->started, item->ended);
    if (item->started && !e->again)
        tine__figures_through(p, item, item->ended);
    if (e->again) {
        try_again(p, item, e->how, NULL);
        return;
    }
    for (uint32_t k = e->from; k < e->to; k++) {
        set_end(p, item, k, e->how, NULL, &item->outcomes[k]);
        count(p, item, k);
        if (p->trace) /* the last task of a chunk is the one that was running */
            tine__tracing_end(p, item, k, k + 1 == e->to ? item->started : 0, tine__now());
    }
    if (e->task->call.count > 1)
        item->started = 0;
    if (p->trace)
        tine__tracing_changed(p, tine__now());
    post(p, item);
}

static void take_event(struct pool *p, const struct event *e) {
    switch (e->kind) {
    case EVENT_STOPPED:
        p->reason = tine__failure_of(&p->s.reason, true);
        tine__inboxes_room(p); /* there never will be room */
        p->fresh = true;
        break;
    case EVENT_DIED:
        tine__failure_unref(p->crash);
        p->crash = tine__failure_of(&p->s.blame, false);
        break;
    case EVENT_EXIT:
        tine__exits_tell(p, e->exit);
        break;
    case EVENT_ERRAND:
        post(p, tine__errand_done(p, e->errand));
        break;
    case EVENT_ENDED:
        deliver_end(p, e);
        break;
    case EVENT_NONE:
        break;
    }
}

void tine__deliver(struct pool *p, const struct event *e) {
    take_event(p, e);
    if (p->trace)
        tine__tracing_event(p, e);
}

void tine__deliver_text(struct pool *p, struct item *item, uint32_t k, int code, const char *text,
                        size_t length) {
    tine__printed_end(p, item);
    tine__outcome_set_bytes(&item->outcomes[k], OUTCOME_FAILED, code, text, length, NULL);
    item->ended = tine__now();
    count(p, item, k);
    if (p->trace)
        tine__tracing_end(p, item, k, 0, item->ended);
    post(p, item);
}

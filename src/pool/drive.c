/* The loop between scheduler and site: reports in, orders out. */
#include <errno.h>
#include <string.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "base/text.h"
#include "pool/internal.h"

/* --- orders --- */

/* Prepare the item's bytes for the site. 0 or TINE_ENOMEM. */
static int prepare(struct pool *p, struct item *item) {
    const struct task *t = &item->task;
    if (!item->bytes)
        return TINE_ENOMEM; /* a copy of them could not be kept at the submit */
    if (t->next > item->first) {
        int err = tine__item_cut_bytes(p, item);
        if (err)
            return err;
    }
    return !t->call.offset && t->call.length > CALL_INLINE && !p->far
               ? tine__item_move_bytes(p, item)
               : 0;
}

/* Run the call on top of a waiting task: post it to that task's worker. */
COLD static void run_there(struct pool *p, const struct order *o, const struct site_call *call,
                           struct answer *a) {
    uint64_t place;
    struct letter *letter = tine__letter_of_call(p, item_of(o->task), &place);
    if (!letter) {
        a->err = TINE_ENOMEM;
        return;
    }
    p->site->ops->give(p->site, o, call, a);
    if (a->err)
        tine__store_free(p->store, place);
    else
        tine__letter_post(p, o->worker, place, letter, &(struct carried){0});
}

/* Run a chunk of which some tasks have ended or are cancelled. */
COLD static void run_rest(struct pool *p, const struct order *o, struct answer *a) {
    struct item *item = item_of(o->task);
    struct call_head rest = o->task->call;
    rest.id += item->first;
    rest.count = o->task->upto - item->first;
    if (rest.index)
        rest.index += item->first;
    p->site->ops->give(p->site, o, &(struct site_call){&rest, item->bytes, &item->refs}, a);
}

static void run(struct pool *p, const struct order *o, struct answer *a) {
    struct task *t = o->task;
    struct item *item = item_of(t);
    struct site_call call = {&t->call, item->bytes, &item->refs};
    if (o->worker)
        run_there(p, o, &call, a);
    else if (item->first > 0 || t->upto < t->call.count)
        run_rest(p, o, a);
    else
        p->site->ops->give(p->site, o, &call, a);
    if (a->err || o->worker)
        return;
    __builtin_prefetch(item->outcomes, 1); /* its result will come soon */
    p->figures.bytes_in += t->call.length;
    if (t->call.count == 1 && !t->call.offset && !p->far &&
        (t->set->plain || !settings_retry(t->set)))
        item_forget_bytes(item); /* the site has a copy; a chunk may have to be sent again */
}

/* The call has come back from the site, and the item's bytes were not kept. */
static void keep_withdrawn(struct item *item, const struct answer *a) {
    if (!item->bytes && a->bytes)
        tine__item_copy_bytes(item, a->bytes, a->length);
}

static void run_next(struct pool *p, const struct order *o) {
    struct answer a = {.err = prepare(p, item_of(o->task))};
    if (!a.err)
        run(p, o, &a);
    sched_answer_run(&p->s, o, &a, o->task->call.flags & CALL_TIMED ? tine__now() : 0);
}

/* Is the task about to end? Then what it has submitted is ended, too: one that runs on top of it dies
** with it, and has crashed nothing. */
static bool ends_task(const struct order *o, const struct answer *a) {
    return (o->kind == ORDER_ASK && a->where == AT_WORKER) ||
           (o->kind == ORDER_STOP && a->where == AT_ITS_END);
}

COLD static void carry_other(struct pool *p, const struct order *o) {
    struct answer a = {0};
    bool extra = o->kind == ORDER_START && o->worker > p->s.o.workers;
    if (extra) /* beyond the number of workers of the pool */
        a.err = p->site->ops->resize(p->site, o->worker);
    if (a.err) {
        a.error = ENOMEM;
    } else {
        const struct site_call call = {o->task ? &o->task->call : NULL, NULL, NULL};
        p->site->ops->give(p->site, o, o->task ? &call : NULL, &a);
        if (o->kind == ORDER_WITHDRAW)
            keep_withdrawn(item_of(o->task), &a);
        if (ends_task(o, &a))
            tine__children_end(p, item_of(o->task), o->id);
    }
    tine__sched_answer(&p->s, o, &a, o->kind != ORDER_WITHDRAW ? tine__now() : 0);
}

static void carry(struct pool *p, const struct order *o) {
    if (o->kind == ORDER_RUN)
        run_next(p, o);
    else
        carry_other(p, o);
}

static void deliver_events(struct pool *p) {
    struct event e;
    while (sched_has_event(&p->s) && tine__sched_event(&p->s, &e))
        tine__deliver(p, &e);
}

COLD static void deliver_some(struct pool *p) {
    deliver_events(p);
    if (!list_empty(&p->met))
        tine__needs_settle(p);
    while (p->children > 0 && tine__children_settle(p))
        deliver_events(p);
}

/* There is nothing to do after nearly every order. */
static inline void deliver_all(struct pool *p) {
    if (sched_has_event(&p->s) || (p->needing | p->children) > 0)
        deliver_some(p);
}

void tine__wake_manager(struct pool *p) {
    if (!p->asleep)
        return;
    uint64_t due = pool_due(p);
    if (due >= p->until)
        return;
    p->until = due;
    tine__wakeup_send(&p->wakeup);
}

/* A recent time that costs no clock read: calls are handed over just after a submit or a batch of
** results, for which the clock was read. Reading it again would cost a small task some percent. */
static uint64_t latest_time(const struct pool *p) {
    uint64_t now = sched_now(&p->s);
    return p->heard > now ? p->heard : now;
}

bool tine__drive(struct pool *p) {
    struct order o;
    bool ran = false;
    if (sched_wants_time(&p->s))
        sched_time(&p->s, ticker_now(&p->ticker));
    do {
        deliver_all(p); /* also of tasks whose deadline passed before they were sent */
        while (tine__sched_order(&p->s, &o)) {
            carry(p, &o);
            ran = o.kind == ORDER_RUN && o.task->state == TASK_SENT;
            deliver_all(p);
        }
    } while (sched_has_event(&p->s));
    p->site->ops->flush(p->site, latest_time(p));
    tine__wake_manager(p);
    return ran;
}

/* --- reports --- */

/* The bytes of a single call are not kept after it was sent. When its worker died before beginning
** it, the site still has them, and the call runs elsewhere. */
COLD static void keep_lost(struct pool *p, const struct report *r) {
    struct task *t = sched_sent(&p->s, r->ref);
    struct item *item = t ? item_of(t) : NULL;
    if (item)
        item->started = r->started;
    if (item && !item->bytes && r->bytes && r->length == t->call.length)
        tine__item_copy_bytes(item, r->bytes, r->length);
}

#define OTHERS_AT_ONCE 4096 /* such reports may come faster than they are handled */

/* Handle a report that is no result. True: this kind may come faster than it is handled. */
COLD static bool hear_other(struct pool *p, const struct report *r) {
    if (r->kind == REPORT_EVENT || r->kind == REPORT_PRINTED) {
        if (r->kind == REPORT_EVENT)
            tine__deliver_event(p, r);
        else
            tine__deliver_printed(p, r);
        return true;
    }
    if (r->kind == REPORT_PROGRESS)
        tine__deliver_progress(p, r);
    if (r->kind == REPORT_OUTPUT)
        tine__printed_deliver(p, r);
    if (r->kind == REPORT_RAN)
        tine__deliver_ran(p, r);
    if (r->kind == REPORT_FAULT)
        tine__deliver_fault(p, r);
    if (r->kind == REPORT_LOST)
        keep_lost(p, r);
    if (report_is_nested(r))
        tine__children_hear(p, r);
    if (r->kind == REPORT_DESERTED)
        tine__deliver_desert(p, r);
    if (r->kind == REPORT_EXITED)
        p->figures.spent += r->spent;
    tine__sched_report(&p->s, r, tine__now());
    if (p->trace && r->kind == REPORT_READY)
        tine__tracing_ready(p, r);
    deliver_all(p); /* the bytes of the report are valid only now */
    if (r->kind == REPORT_EXITED)
        tine__mail_tidy(p, r->worker, true);
    return false;
}

/* Handle all reports; returns the number of results. */
static unsigned hear(struct pool *p, bool listen) {
    struct report r;
    unsigned n = 0, others = 0;
    r.kind = REPORT_NONE;
    while (others < OTHERS_AT_ONCE && !pool_site_is_gone(p) &&
           p->site->ops->report(p->site, &r, listen)) {
        listen = false;
        if (report_is_result(&r)) {
            if (n++ == 0)
                p->heard = ticker_now(&p->ticker);
            tine__deliver_result(p, &r);
        } else {
            others += hear_other(p, &r);
        }
    }
    return n;
}

void tine__take_in(struct pool *p, bool listen) {
    do {
        if (hear(p, listen) > 0 && sched_wants_pace(&p->s))
            tine__sched_pace(&p->s, p->heard);
        listen = false;
        tine__drive(p);
        tine__children_answer(p);
        /* ask to be told of room first, and only then look again */
    } while (sched_wants_room(&p->s) && p->site->ops->want_room(p->site, sched_low_water(&p->s)) &&
             p->site->ops->news(p->site, false));
    if (p->unsure > 0)
        pthread_cond_broadcast(&p->word);
    tine__wake_waiters(p, p->stood); /* waiting threads may have to loosen a task that stands */
    p->stood = false;
}

bool tine__overdue(struct pool *p, bool wake) {
    if (list_empty(&p->s.handed) || pool_site_is_gone(p))
        return false;
    return p->site->ops->overdue && p->site->ops->overdue(p->site, wake);
}

void tine__work(struct pool *p) {
    const struct site_ops *ops = p->site->ops;
    p->waiting++; /* so that the site is not retired meanwhile */
    while (ops->work && !pool_site_is_gone(p) && ops->work(p->site, &p->lock))
        do
            tine__take_in(p, true);
        while (!pool_site_is_gone(p) && ops->news(p->site, false));
    p->waiting--;
    if (pool_site_is_gone(p))
        tine__wakeup_send(&p->wakeup); /* the manager thread must end, too */
}

void tine__serve_timers(void *pool) {
    struct pool *p = pool;
    if (tine__pool_is_forked(p) || pthread_mutex_trylock(&p->lock))
        return;
    uint64_t now = tine__now();
    if (!pool_site_is_gone(p) && pool_due(p) <= now) {
        tine__sched_tick(&p->s, now);
        tine__take_in(p, false);
    }
    pthread_mutex_unlock(&p->lock);
}

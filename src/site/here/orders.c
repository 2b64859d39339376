/* Orders to the site without processes, and questions about its calls. */
#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "sched/errand.h"
#include "site/here/internal.h"

void tine__here_forget(struct here *h, struct here_call *c) {
    list_remove(&c->node);
    if (h->by_ref[c->call.head.ref] == c)
        h->by_ref[c->call.head.ref] = NULL;
    for (uint32_t k = 0; k < c->call.answered; k++) {
        tine__buf_free(&c->call.answers[k].bytes);
        tine__carried_drop(&c->call.answers[k].carried);
    }
    tine__inner_events_close(&c->call);
    free(c);
}

void tine__here_forget_all(struct here *h, struct list *list) {
    while (!list_empty(list))
        tine__here_forget(h, LIST_ITEM(list->next, struct here_call, node));
}

static int run(struct here *h, const struct site_call *call) {
    assert(call); /* an order to run comes with a call */
    struct here_call *c = sys.calloc(1, sizeof *c + call->head->count * sizeof c->call.answers[0]);
    if (!c || tine__inner_events_open(&c->call)) {
        free(c);
        return TINE_ENOMEM;
    }
    c->call.head = *call->head;
    c->call.bytes = call->bytes; /* bytes in the call heap stay until the task has ended */
    c->call.upto = call->head->count;
    if (!call->head->offset) {
        memcpy(c->bytes, call->bytes, call->head->length);
        c->call.bytes = c->bytes;
    }
    list_push(&h->calls, &c->node);
    h->by_ref[call->head->ref] = c;
    return 0;
}

/* Take the call back, if it has not begun. */
static bool withdraw(struct here *h, struct here_call *c, struct answer *a) {
    if (c->begun)
        return false;
    a->where = AT_NOBODY;
    a->id = c->call.head.id;
    a->bytes = c->call.head.offset ? NULL : c->bytes;
    a->length = c->call.head.length;
    h->by_ref[c->call.head.ref] = NULL;
    list_remove(&c->node);
    tine__here_forget_all(h, &h->withdrawn);
    list_push(&h->withdrawn, &c->node);
    return true;
}

/* Tasks of the call that have not begun are reported as REPORT_STOPPED. */
static void recall(struct here *h, struct here_call *c, struct answer *a) {
    a->where = AT_PAST;
    if (c && !withdraw(h, c, a))
        c->call.upto = c->call.answered + 1;
}

static void stop(struct here *h, struct here_call *c, struct answer *a) {
    a->where = AT_PAST;
    if (c)
        withdraw(h, c, a);
}

/* Ask a task to end: it does at its next Lua instructions, unless it resists. */
static void ask(struct here *h, struct here_call *c, const struct order *o, struct answer *a) {
    stop(h, c, a);
    if (a->where != AT_PAST || !c)
        return;
    if (tine__inner_ask(&c->call, (uint32_t)(o->id - c->call.head.id), o->timed)) {
        a->where = AT_WORKER;
        a->worker = HERE_WORKER;
    }
}

/* Ask running tasks (in another thread) to end, and let no further task of their calls begin. */
static void ask_all(struct here *h) {
    for (struct list *n = h->told.next; n != &h->told; n = n->next) {
        struct here_call *c = LIST_ITEM(n, struct here_call, node);
        /* first: a thread that begins a task stores `running` before it reads `upto` */
        c->call.upto = 0;
        uint64_t word = c->call.running;
        if (word)
            (void)tine__inner_ask(&c->call, (uint32_t)(word >> 8) - 1, false);
    }
}

void tine__here_end(struct here *h) {
    if (h->busy)
        ask_all(h);
    h->ending = true;
}

static void look(const struct here_call *c, struct answer *a) {
    if (c && !c->begun)
        return; /* AT_SITE */
    a->since = c ? c->call.since : 0;
    a->where = a->since ? AT_WORKER : AT_PAST;
    a->id = c ? c->call.head.id + c->call.answered : 0;
}

static void spread(struct here *h, struct errand *e) {
    e->next = NULL;
    if (h->errands)
        h->last_errand->next = e;
    else
        h->errands = e;
    h->last_errand = e;
}

void tine__here_give(struct site *s, const struct order *o, const struct site_call *call,
                     struct answer *a) {
    struct here *h = here_of(s);
    struct here_call *c = call && o->kind != ORDER_RUN ? h->by_ref[call->head->ref] : NULL;
    *a = (struct answer){.where = AT_SITE};
    switch (o->kind) {
    case ORDER_RUN:
        a->err = run(h, call);
        break;
    case ORDER_RECALL:
        recall(h, c, a);
        break;
    case ORDER_ASK:
        ask(h, c, o, a);
        break;
    case ORDER_STOP:
    case ORDER_WITHDRAW:
        stop(h, c, a);
        break;
    case ORDER_LOOK:
        look(c, a);
        break;
    case ORDER_START:
        h->stage = STAGE_WANTED;
        break;
    case ORDER_SPREAD:
        spread(h, o->errand);
        break;
    case ORDER_KILL:
        ask_all(h);
        h->leaving = true;
        break;
    case ORDER_DISMISS:
    case ORDER_FINISH:
        h->leaving = true;
        break;
    case ORDER_END:
        tine__here_end(h);
        break;
    case ORDER_NONE:
        break;
    }
}

bool tine__here_taken(struct site *s, uint32_t ref) {
    const struct here *h = here_of(s);
    return h->by_ref[ref] && h->by_ref[ref]->begun;
}

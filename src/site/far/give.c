/* The scheduler's orders: what the site can do by itself, and what hosts have to be told. */
#include "site/far/internal.h"

#define FAREWELL (5 * FAR_SECOND) /* how long servers may take to accept the last messages */

/* What is under way of the call, or NULL. */
static struct far_sending *sending_of(struct far *f, const struct site_call *call) {
    return call ? f->by_ref[call->head->ref] : NULL;
}

/* Take the sending back, if no host may have begun it. */
static bool take_back(struct far *f, struct far_sending *s, struct answer *a) {
    a->where = AT_PAST;
    if (!s || s->stage != FAR_SENT)
        return false;
    a->where = AT_NOBODY;
    a->id = s->id + s->next;
    tine__far_cancel(f, s);
    return true;
}

/* Have the host, once it is known, take back what has not begun; the host then says so. */
static void recall(struct far *f, struct far_sending *s, struct answer *a) {
    if (!take_back(f, s, a) && s)
        tine__far_want(f, s, SAY_RECALL);
}

/* Have the host end it, by force if need be. */
static void stop(struct far *f, struct far_sending *s, enum gm_order_kind how, struct answer *a) {
    if (take_back(f, s, a) || !s)
        return;
    tine__far_want(f, s, how);
    a->where = AT_WORKER;
    a->worker = FAR_WORKER;
}

static void kill_all(struct far *f) {
    struct answer a;
    for (uint32_t ref = 0; ref < FAR_REFS; ref++)
        if (f->by_ref[ref])
            stop(f, f->by_ref[ref], SAY_KILL, &a);
}

/* Since when it runs, as far as the host has said. */
static void look(const struct far_sending *s, struct answer *a) {
    if (!s || s->stage != FAR_BEGUN)
        return;
    a->where = AT_WORKER;
    a->worker = FAR_WORKER;
    a->id = s->id + s->next;
    a->since = s->begun;
}

static void start(struct far *f) {
    tine__far_tell(f, REPORT_STARTED, NULL);
    tine__far_tell(f, REPORT_READY, NULL);
    f->started = true;
}

static void leave(struct far *f) {
    if (f->started && !f->leaving)
        tine__far_tell(f, REPORT_EXITED, NULL);
    f->leaving = true;
}

/* Do not wait for what hosts will say to that. */
static void end_all(struct far *f) {
    kill_all(f);
    for (uint32_t ref = 0; ref < FAR_REFS; ref++)
        if (f->by_ref[ref])
            tine__far_leave_behind(f, f->by_ref[ref]);
    leave(f);
}

void tine__far_give(struct site *s, const struct order *o, const struct site_call *call,
                    struct answer *a) {
    struct far *f = far_of(s);
    *a = (struct answer){.where = AT_SITE};
    switch (o->kind) {
    case ORDER_RUN:
        a->err = tine__far_run(f, o, call);
        break;
    case ORDER_RECALL:
        recall(f, sending_of(f, call), a);
        break;
    case ORDER_ASK:
        stop(f, sending_of(f, call), o->timed ? SAY_LATE : SAY_STOP, a);
        break;
    case ORDER_LOOK:
        look(sending_of(f, call), a);
        break;
    case ORDER_STOP:
    case ORDER_WITHDRAW:
        take_back(f, o->kind == ORDER_STOP ? sending_of(f, call) : NULL, a);
        break;
    case ORDER_START:
        start(f);
        break;
    case ORDER_KILL:
        kill_all(f);
        leave(f);
        break;
    case ORDER_DISMISS:
    case ORDER_FINISH:
        leave(f);
        break;
    case ORDER_END: /* nothing runs any more, or nothing shall */
        end_all(f);
        f->ending = true;
        f->farewell = tine__now() + FAREWELL;
        break;
    case ORDER_SPREAD:
        tine__far_spread(f, o->errand);
        break;
    case ORDER_NONE:
        break;
    }
}

/* How the local site carries out orders. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/proc.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "msg/nested.h"
#include "msg/extra.h"
#include "sched/errand.h"
#include "site/local/internal.h"
#include "site/local/printer.h"
#include "worker/protocol.h"

/* --- where calls are --- */

bool tine__local_taken(struct site *s, uint32_t ref) {
    struct local *l = local_of(s);
    return l->handed[ref].seq && tine__local_who(l, ref) != 0;
}

bool tine__local_progress(struct site *s, uint32_t ref, uint64_t id, struct progress *out) {
    struct local *l = local_of(s);
    unsigned worker = l->handed[ref].seq ? tine__local_who(l, ref) : 0;
    return worker && tine__link_progress(&l->lanes[worker]->link, id, out);
}

void tine__local_grant(struct site *s, uint32_t ref, unsigned worker, uint64_t id,
                       uint64_t number) {
    struct local *l = local_of(s);
    (void)ref;
    if (worker <= l->workers && l->lanes[worker])
        tine__link_grant(&l->lanes[worker]->link, id,
                         number == SITE_NO_EVENTS ? LINK_NO_EVENTS : number);
}

/* The processor time that the worker has used since its task began, if that was noted. */
static uint64_t spent(const struct lane *lane) {
    uint64_t before = tine__link_spent(&lane->link);
    uint64_t now = before && lane->pid ? tine__proc_spent(lane->pid) : 0;
    return now > before ? now - before : 0;
}

static void look(struct local *l, struct handed *h, unsigned worker, struct answer *a) {
    uint64_t id, since;
    unsigned holder;
    if (!worker)
        return; /* AT_SITE */
    enum run_state state = tine__link_find(&l->lanes[worker]->link, h->id, h->count, &id, &since);
    bool runs = state == RUN_RUNNING || state == RUN_KILLED;
    bool held = state == RUN_IDLE && !h->letter &&
                tine__queue_state(&l->queue, h->seq, &holder) == SLOT_TAKEN;
    a->where = runs ? AT_WORKER : held ? AT_SITE : AT_PAST;
    a->worker = worker;
    a->id = id;
    a->since = since;
    a->spent = runs ? spent(l->lanes[worker]) : 0;
}

/* --- ending calls --- */

/* Take the call back, if no worker has taken it. */
static bool withdraw(struct local *l, struct handed *h, struct answer *a) {
    if (h->letter || !tine__queue_withdraw(&l->queue, h->seq))
        return false;
    h->seq = 0;
    a->where = AT_NOBODY;
    a->id = h->id;
    return true;
}

/* Take the call back; its bytes still lie in its slot. */
static void take_back(struct local *l, struct handed *h, struct answer *a) {
    const struct queue_slot *slot = h->letter ? NULL : tine__queue_slot(&l->queue, h->seq);
    a->where = AT_PAST;
    if (!h->seq || h->letter || !withdraw(l, h, a) || slot->call.offset)
        return;
    a->bytes = slot->bytes;
    a->length = slot->call.length;
}

static void recall(struct local *l, struct handed *h, uint32_t ref, struct answer *a) {
    uint64_t next;
    a->where = AT_PAST;
    if (withdraw(l, h, a))
        return;
    unsigned worker = tine__local_who(l, ref);
    if (h->count > 1 && worker &&
        tine__link_stop(&l->lanes[worker]->link, h->id, h->count, &next)) {
        a->where = AT_NOBODY;
        a->id = next;
    }
}

static void send_signals(struct local *l) {
    if (!tine__local_send_signals(l))
        l->blocked = true;
}

static void kill_worker(struct local *l, unsigned worker, int signal) {
    l->lanes[worker]->signal = signal;
    send_signals(l);
}

void tine__local_unblock(struct local *l) {
    unsigned worker = tine__queue_blocker(&l->queue);
    if (worker && worker <= l->workers && l->lanes[worker] && !l->lanes[worker]->signal)
        kill_worker(l, worker, SIGCONT);
}

/* Has the worker read the letter with this call, or begun it? Before that
** nothing can be asked of it. */
static bool has_begun(struct local *l, const struct handed *h) {
    uint64_t id, since;
    return tine__local_was_read(l, h) ||
           tine__link_find(&l->lanes[h->worker]->link, h->id, h->count, &id, &since) != RUN_IDLE;
}

/* Until a worker has noted in its link that it runs the call, it learns of the request by the
** queue's state word; after that by the word in its link. */
static void ask(struct local *l, struct handed *h, uint32_t ref, const struct order *o,
                struct answer *a) {
    a->where = AT_PAST;
    if (withdraw(l, h, a))
        return;
    unsigned worker = a->worker = tine__local_who(l, ref);
    if (!worker)
        return;
    if (!h->letter && tine__queue_ask(&l->queue, h->seq, worker)) {
        a->where = AT_WORKER;
    } else if (h->letter && !has_begun(l, h)) {
        a->where = AT_SITE; /* too early: ask again in a moment */
    } else if (tine__link_ask(&l->lanes[worker]->link, o->id, o->timed)) {
        a->where = AT_WORKER;
        l->lanes[worker]->ask = true;
        send_signals(l);
    }
}

/* Until a worker has noted in its link that it runs the call, it is condemned by the queue's state
** word; after that by the word in its link. Each is decided by one compare-and-swap, which either
** the worker or this side wins. */
static void stop(struct local *l, struct handed *h, uint32_t ref, uint64_t id, struct answer *a) {
    a->where = AT_PAST;
    if (withdraw(l, h, a))
        return;
    unsigned worker = tine__local_who(l, ref);
    if (!worker)
        return;
    if (h->letter && !has_begun(l, h)) {
        a->where = AT_SITE;
    } else if ((!h->letter && tine__queue_condemn(&l->queue, h->seq, worker)) ||
               tine__link_condemn(&l->lanes[worker]->link, id)) {
        a->where = AT_ITS_END;
        a->worker = worker;
        kill_worker(l, worker, SIGKILL);
    }
}

/* --- where a task stands --- */

bool tine__local_inquire(struct site *s, unsigned worker, bool want) {
    struct local *l = local_of(s);
    struct lane *lane = worker <= l->workers ? l->lanes[worker] : NULL;
    if (!lane || lane->broken)
        return false;
    tine__link_inquire(&lane->link, want);
    if (want) {
        lane->ask = true;
        send_signals(l);
    }
    return true;
}

bool tine__local_inquired(struct site *s, unsigned worker, uint64_t id, char *out, size_t size,
                          size_t *length) {
    struct local *l = local_of(s);
    const struct lane *lane = worker <= l->workers ? l->lanes[worker] : NULL;
    return lane && tine__link_inquired(&lane->link, id, out, size, length);
}

/* --- running calls --- */

/* The item overwritten by a put may still be answered: remember which worker took it. */
static void remember(struct local *l, const struct queue_past *past) {
    if (past->ref >= l->nrefs || l->handed[past->ref].seq != past->seq)
        return;
    if (past->worker >= 1 && past->worker <= l->workers && l->lanes[past->worker])
        l->handed[past->ref].worker = past->worker;
}

/* Make room for calls with this ref. 0 or TINE_ENOMEM. */
static int grow(struct local *l, uint32_t ref) {
    if (ref < l->nrefs)
        return 0;
    uint32_t n = ref + 1 + ref / 2;
    struct handed *handed = sys.realloc(l->handed, n * sizeof *handed);
    if (!handed)
        return TINE_ENOMEM;
    memset(handed + l->nrefs, 0, (n - l->nrefs) * sizeof *handed);
    l->handed = handed;
    l->nrefs = n;
    return 0;
}

/* The output mode, if the output comes to this site; lines with prefixes go to the printer. */
static uint8_t comes_here(enum output_mode output) {
    return output == OUTPUT_CAPTURE || output == OUTPUT_RELAY ? (uint8_t)output : OUTPUT_INHERIT;
}

/* Hand over a call to one worker; the pool posts the letter next. */
COLD static int run_there(struct local *l, unsigned worker, const struct call_head *head,
                          enum output_mode output) {
    struct lane *lane = l->lanes[worker];
    if (!lane || lane->broken)
        return TINE_EAGAIN; /* its end is about to be reported */
    l->handed[head->ref] = (struct handed){.seq = UINT64_MAX,
                                           .letter = lane->posted + 1,
                                           .id = head->id,
                                           .count = head->count,
                                           .worker = worker,
                                           .output = comes_here(output)};
    return 0;
}

COLD static enum output_mode output_of(const struct site_call *call) {
    struct call_extra extra;
    memcpy(&extra, call->bytes, sizeof extra);
    return extra.output;
}

/* Start the thread that writes lines with prefixes, if it is needed now. 0 or TINE_ENOMEM. */
COLD static int have_printer(struct local *l, enum output_mode output) {
    if (output != OUTPUT_PREFIX || l->printer)
        return 0;
    return tine__printer_start(&l->printer, l->prints, l->manager) ? TINE_ENOMEM : 0;
}

/* Where many calls are put before an old one, it must not make workers look through all the places
** behind it. */
static void renew_oldest(struct local *l) {
    struct queue_past past;
    uint32_t ref;
    uint64_t seq;
    if (!tine__queue_renew(&l->queue, &ref, &seq, &past))
        return;
    remember(l, &past);
    l->handed[ref].seq = seq;
    l->unwoken++; /* the worker woken for it may have found the queue empty */
}

static int put(struct local *l, const struct order *o, const struct site_call *call,
               uint64_t *seq) {
    struct queue_past past;
    if (o->overtakes)
        renew_oldest(l);
    int err = tine__queue_put(&l->queue, call->head, call->bytes, o->label, seq, &past);
    if (!err)
        remember(l, &past);
    return err;
}

static int run(struct local *l, const struct order *o, const struct site_call *call) {
    const struct call_head *head = call->head;
    unsigned worker = o->worker;
    enum output_mode output = OUTPUT_INHERIT;
    uint64_t seq;
    int err = grow(l, head->ref);
    if (head->flags & CALL_EXTRA && !err) {
        output = output_of(call);
        l->captures |= comes_here(output) != OUTPUT_INHERIT;
        err = have_printer(l, output);
    }
    if (err || worker)
        return err ? err : run_there(l, worker, head, output);
    err = put(l, o, call, &seq);
    if (err)
        return err;
    l->handed[head->ref] = (struct handed){
        .seq = seq, .id = head->id, .count = head->count, .output = comes_here(output)};
    l->unwoken++;
    return 0;
}

/* --- errands --- */

static void spread(struct local *l, struct errand *e) {
    if (l->errand)
        l->errand->head->next = e->place;
    else
        l->errands = e->place;
    l->errand = e;
    tine__queue_spread(&l->queue, &l->errands);
}

void tine__local_post(struct site *s, unsigned worker, uint64_t place, struct letter *letter) {
    struct lane *lane = local_of(s)->lanes[worker];
    if (!lane)
        return; /* the worker has ended */
    lane->posted++;
    tine__link_post(&lane->link, place, &letter->next);
}

uint64_t tine__local_read(struct site *s, unsigned worker) {
    const struct local *l = local_of(s);
    const struct lane *lane = worker <= l->workers ? l->lanes[worker] : NULL;
    return lane ? tine__link_read(&lane->link) : UINT64_MAX;
}

/* --- workers --- */

static int start(struct local *l, unsigned worker) {
    assert(worker >= 1 && worker <= l->workers && !l->lanes[worker]);
    if (l->control == -1 || l->blocked)
        return TINE_EAGAIN; /* gone: that will be reported, with its reason */
    struct lane *lane = tine__lane_new();
    if (!lane)
        return errno == ENOMEM ? TINE_ENOMEM : TINE_ESYSTEM;
    lane->seat = tine__seat_give(l->arena);
    struct message m = {.kind = MESSAGE_START, .worker = worker, .seat = lane->seat};
    int err = tine__control_send(l->control, &m, sizeof m, &lane->link.shm.fd, 1);
    if (err) {
        l->blocked |= err == TINE_EAGAIN;
        tine__seat_vacate(l->arena, lane->seat);
        tine__lane_unref(lane);
        return err == TINE_ESHUTDOWN ? TINE_EAGAIN : err;
    }
    l->lanes[worker] = lane;
    l->unnamed = true;
    if (worker > l->top)
        l->top = worker;
    return 0;
}

/* Send a message to the fork server. False: the socket is full. If the fork server is gone, so are
** its workers, and the message is not needed. */
static bool tell_server(struct local *l, const struct message *m) {
    return l->control == -1 || tine__control_send(l->control, m, sizeof *m, NULL, 0) != TINE_EAGAIN;
}

bool tine__local_send_signals(struct local *l) {
    for (unsigned w = 1; w <= l->top; w++) {
        struct lane *lane = l->lanes[w];
        struct message m = {.kind = MESSAGE_ASK, .worker = w};
        if (lane && lane->ask && !tell_server(l, &m))
            return false;
        if (lane)
            lane->ask = false;
        if (!lane || !lane->signal)
            continue;
        m = (struct message){.kind = MESSAGE_KILL, .worker = w, .status = lane->signal};
        if (!tell_server(l, &m))
            return false;
        if (lane->signal == SIGKILL) {
            lane->killed = true;
            tine__local_owe(l);
        }
        lane->signal = 0;
    }
    return true;
}

static void dismiss(struct local *l, unsigned worker, struct answer *a) {
    uint64_t id, since;
    tine__queue_dismiss(&l->queue, worker);
    if (tine__link_running(&l->lanes[worker]->link, &id, &since) == RUN_IDLE &&
        !tine__queue_held(&l->queue, worker))
        a->where = AT_NOBODY;
}

/* --- the end --- */

static void finish(struct local *l) {
    const struct message m = {.kind = MESSAGE_SHUT};
    tine__queue_shut(&l->queue);
    if (l->control != -1)
        tine__control_send(l->control, &m, sizeof m, NULL, 0); /* to save time; `end` would do */
}

static void end(struct local *l) {
    const struct message m = {.kind = MESSAGE_END};
    l->over = true;
    tine__local_owe(l);
    if (l->control == -1 || !tine__fd_ours(l->control))
        return;
    tine__control_send(l->control, &m, sizeof m, NULL, 0);
    /* the fork server reads end of file; its last messages can still be received */
    shutdown(l->control, SHUT_WR);
}

COLD static void give_other(struct local *l, const struct order *o, const struct site_call *call,
                            struct answer *a) {
    uint32_t ref = call ? call->head->ref : 0;
    *a = (struct answer){.where = AT_SITE};
    switch (o->kind) {
    case ORDER_WITHDRAW:
        take_back(l, &l->handed[ref], a);
        break;
    case ORDER_RECALL:
        recall(l, &l->handed[ref], ref, a);
        break;
    case ORDER_ASK:
        ask(l, &l->handed[ref], ref, o, a);
        break;
    case ORDER_STOP:
        stop(l, &l->handed[ref], ref, o->id, a);
        break;
    case ORDER_LOOK:
        look(l, &l->handed[ref], tine__local_who(l, ref), a);
        break;
    case ORDER_START:
        a->err = start(l, o->worker);
        a->error = error_errno(a->err);
        break;
    case ORDER_DISMISS:
        if (l->lanes[o->worker])
            dismiss(l, o->worker, a);
        break;
    case ORDER_SPREAD:
        spread(l, o->errand);
        break;
    case ORDER_KILL:
        if (l->lanes[o->worker])
            kill_worker(l, o->worker, o->signal);
        break;
    case ORDER_FINISH:
        finish(l);
        break;
    case ORDER_END:
        end(l);
        break;
    case ORDER_RUN:
    case ORDER_NONE:
        break;
    }
}

HOT void tine__local_give(struct site *s, const struct order *o, const struct site_call *call,
                          struct answer *a) {
    if (o->kind == ORDER_RUN) /* as for nearly all orders */
        a->err = run(local_of(s), o, call);
    else
        give_other(local_of(s), o, call, a);
}

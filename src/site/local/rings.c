/* What workers have written into their rings, as reports. It is foreign input: what makes no sense
** is reported as rubbish, and nothing more is read from that worker.
*/
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "base/error.h"
#include "base/hot.h"
#include "site/local/internal.h"

void tine__local_give_back(struct local *l) {
    struct lane *lane = l->reading;
    if (l->told)
        tine__local_told_output(l);
    if (!lane)
        return;
    l->reading = NULL;
    if (lane->carried.list)
        tine__lane_drop_carried(lane);
    if (l->kept)
        lane->refs++;
    else if (l->large)
        tine__heap_release(lane->link.heap, l->block);
    tine__link_next(&lane->link);
}

void tine__local_keep(struct site *s, const struct report *r) {
    struct local *l = local_of(s);
    assert(l->reading && l->large && r->offset == l->block);
    (void)r;
    l->kept = true;
}

COLD static void rubbish(struct lane *lane, unsigned worker, struct report *r) {
    lane->broken = true;
    *r = (struct report){.kind = REPORT_RUBBISH, .worker = worker};
}

/* Was the call given to this worker? */
static inline bool has_call(struct local *l, unsigned worker, uint32_t ref) {
    return ref < l->nrefs && l->handed[ref].seq && tine__local_who(l, ref) == worker;
}

/* ... and is the task one of that call? */
static inline bool is_its_call(struct local *l, unsigned worker, const struct report *r) {
    return has_call(l, worker, r->ref) && r->id - l->handed[r->ref].id < l->handed[r->ref].count;
}

static void describe(struct local *l, struct lane *lane, const struct record *head,
                     struct report *r) {
    static const uint8_t kinds[RECORD_KINDS] = {
        [RECORD_READY] = REPORT_READY,       [RECORD_VALUES] = REPORT_VALUES,
        [RECORD_ERROR] = REPORT_ERROR,       [RECORD_REFUSED] = REPORT_REFUSED,
        [RECORD_STOPPED] = REPORT_STOPPED,   [RECORD_FAILED] = REPORT_INITIALIZER,
        [RECORD_LEAVING] = REPORT_LEAVING,   [RECORD_IDLE] = REPORT_IDLE,
        [RECORD_PROGRESS] = REPORT_PROGRESS, [RECORD_MEMORY] = REPORT_MEMORY,
        [RECORD_ENDED] = REPORT_ENDED,       [RECORD_SUBMIT] = REPORT_SUBMIT,
        [RECORD_AWAIT] = REPORT_AWAIT,       [RECORD_CANCEL] = REPORT_CANCEL,
        [RECORD_EVENT] = REPORT_EVENT,       [RECORD_RAN] = REPORT_RAN,
        [RECORD_FAULT] = REPORT_FAULT};
    r->kind = kinds[head->kind];
    r->ref = head->ref;
    r->id = head->id;
    r->started = lane->link.times.started;
    r->ended = lane->link.times.ended;
    r->large = head->large;
    r->carried = lane->carried.n > 0 ? &lane->carried : NULL;
    r->lane = lane;
    r->offset = l->block = head->large ? tine__link_block(head, &lane->link) : 0;
    l->reading = lane;
    l->large = head->large && !r->error;
    l->kept = false;
}

bool tine__local_tell_printed(struct local *l, struct lane *lane, struct report *r) {
    if (l->handed[r->ref].output == OUTPUT_RELAY) {
        tine__local_finish_output(l, lane, r->id);
        return tine__local_tell_relayed(l, r); /* the rest is reported before anything else */
    }
    tine__local_tell_output(l, lane, r);
    return true;
}

/* A task whose output comes to this site has ended: report its output first. */
static bool tell_output(struct local *l, struct lane *lane, const struct record *head,
                        struct report *r) {
    bool result = head->kind >= RECORD_VALUES && head->kind <= RECORD_REFUSED;
    result |= head->kind == RECORD_MEMORY || head->kind == RECORD_ENDED;
    r->ref = head->ref;
    r->id = head->id;
    if (!result || r->ref >= l->nrefs || l->handed[r->ref].output == OUTPUT_INHERIT ||
        !is_its_call(l, r->worker, r) || lane->output_told == r->id)
        return false;
    lane->output_told = r->id;
    return tine__local_tell_printed(l, lane, r);
}

/* The worker is about to send a result that names these regions: hold them from now on. */
static void take_carried(struct local *l, struct lane *lane, const char *bytes, uint64_t length) {
    struct handle h;
    for (; length >= sizeof h; bytes += sizeof h, length -= sizeof h) {
        memcpy(&h, bytes, sizeof h);
        tine__carried_take(&lane->carried, l->arena, lane->seat, &h);
    }
    tine__link_next(&lane->link);
}

/* Report a record that is not a plain result, if its call is the worker's or it belongs to no
** call. */
COLD static bool tell_other(struct local *l, struct lane *lane, const struct record *head,
                            struct report *r) {
    unsigned worker = r->worker;
    describe(l, lane, head, r);
    bool result = report_is_result(r);
    if (!result && r->kind != REPORT_READY)
        r->started = r->ended = 0;
    if (result)
        lane->output_told = 0; /* the next attempt has the same id */
    else if (r->kind == REPORT_EVENT)
        r->number = lane->link.events++;
    bool may_be_past =
        r->kind == REPORT_STOPPED || r->kind == REPORT_EVENT || r->kind == REPORT_FAULT;
    bool its = r->kind == REPORT_FAULT ? has_call(l, worker, r->ref) : is_its_call(l, worker, r);
    if (!(result || may_be_past || report_is_nested(r)) || its)
        return true;
    tine__local_give_back(l);
    /* the call may have ended by being cancelled, and its ref may be another call's by now */
    if (may_be_past)
        return tine__local_read_lane(l, worker, r);
    rubbish(lane, worker, r);
    return true;
}

/* Handle a record that is not just a result, or that could not be read (err). Its
** payload is at r->bytes. */
COLD static bool read_other(struct local *l, struct lane *lane, int err, const struct record *head,
                            struct report *r) {
    unsigned worker = r->worker;
    if (err == TINE_EAGAIN)
        return false;
    if (err && err != TINE_ESYSTEM) {
        rubbish(lane, worker, r);
        return true;
    }
    if (err) { /* no memory to map the block: the answer is lost */
        r->error = errno;
        r->bytes = NULL;
        r->length = 0;
    }
    if (head->kind == RECORD_CARRIED && !head->large) {
        take_carried(l, lane, r->bytes, r->length);
        return tine__local_read_lane(l, worker, r);
    }
    if (head->kind == RECORD_SPOILT) { /* the end of the worker follows, and will say so */
        lane->spoilt = lane->broken = true;
        return false;
    }
    if (head->kind == RECORD_UNFIT) {
        lane->unfit = (int)head->id;
        lane->broken = true;
        return false;
    }
    if (l->captures && tell_output(l, lane, head, r))
        return true;
    return tell_other(l, lane, head, r);
}

bool tine__local_read_lane(struct local *l, unsigned worker, struct report *r) {
    struct lane *lane = l->lanes[worker];
    struct record head;
    if (lane->broken || !tine__link_pending(&lane->link))
        return false;
    *r = (struct report){.worker = worker};
    int err = tine__link_peek(&lane->link, &head, &r->bytes, &r->length);
    if (err || l->captures || head.kind < RECORD_VALUES || head.kind > RECORD_REFUSED)
        return read_other(l, lane, err, &head, r);
    describe(l, lane, &head, r); /* a result, as nearly always */
    if (is_its_call(l, worker, r))
        return true;
    tine__local_give_back(l);
    rubbish(lane, worker, r);
    return true;
}

bool tine__local_read_again(struct local *l, struct report *r) {
    struct lane *lane = l->reading;
    const struct handed *h = &l->handed[r->ref];
    struct record head;
    if (r->id + 1 - h->id >= h->count || !lane || r->large || r->carried || lane->carried.list ||
        l->captures)
        return false;
    l->reading = NULL;
    tine__link_next(&lane->link);
    if (!link_has_more(&lane->link) || tine__link_peek(&lane->link, &head, &r->bytes, &r->length) ||
        head.kind != RECORD_VALUES || head.large || head.ref != r->ref || head.id != r->id + 1)
        return false;
    r->id = head.id;
    r->started = lane->link.times.started;
    r->ended = lane->link.times.ended;
    l->reading = lane;
    return true;
}

bool tine__local_read_rings(struct local *l, struct report *r) {
    for (; l->cursor <= l->top; l->cursor++)
        if (l->lanes[l->cursor] && tine__local_read_lane(l, l->cursor, r))
            return true;
    l->cursor = 1;
    return false;
}

#include "worker/channel/shm.h"

#include "base/error.h"
#include "base/sys.h"
#include "base/yield.h"
#include "worker/channel/internal.h"

/* Of the one channel in a process. Static, since most of these pages are never touched. */
static char reply_bytes[LINK_INLINE], event_bytes[LINK_INLINE];

/* --- calls --- */

static bool told(struct channel *ch) {
    return tine__queue_told(&shm_self(ch)->queue);
}

static bool dismissed(struct channel *ch) {
    return tine__queue_is_dismissed(&shm_self(ch)->queue, shm_self(ch)->worker);
}

static int take(struct channel *ch, struct call *out, uint64_t patience) {
    struct shm_channel *c = shm_self(ch);
    const struct queue_slot *slot;
    while (!(slot = tine__queue_take(&c->queue, c->worker, &c->seq))) {
        c->now = 0;
        int err = tine__queue_wait(&c->queue, c->worker, yield_span(c->spin, c->moved), patience);
        c->moved = 0;
        if (err)
            return err;
        if (tine__queue_has_told(&c->queue))
            return TINE_EAGAIN;
    }
    tine__shm_copy_slot(&c->slot, slot);
    c->moved = c->slot.call.length;
    tine__shm_describe(ch, &c->slot.call, c->slot.bytes, &c->extra, out);
    return 0;
}

static int begin(struct channel *ch, const struct call *call, uint32_t k, uint64_t *when) {
    struct shm_channel *c = shm_self(ch);
    if (call->spends)
        tine__link_note_spent(&c->link);
    /* One task ends when the next begins, and one look at the clock does for both: it costs more
    ** than all else that a small task does here. A time limit counts from a look of its own. */
    *when = c->now && !call->timed ? c->now : ticker_now(&c->ticker);
    int err = tine__link_begin(&c->link, call->id + k, k == 0, *when);
    if (k == 0 && c->link.level == 0) {
        bool asked;
        /* the link says that we run the call: now the slot may be freed */
        if (!tine__queue_free(&c->queue, c->worker, c->seq, &asked))
            return TINE_EAGAIN;
        if (asked)
            tine__link_ask(&c->link, call->id, false);
        if (tine__queue_is_low(&c->queue))
            tine__shm_ring(c, BELL_PRESSURE);
    }
    return err;
}

static void hold(struct channel *ch) {
    shm_self(ch)->now = 0;
    tine__link_restart(&shm_self(ch)->link, 0);
}

static void resume(struct channel *ch, const struct call *call) {
    if (call->spends)
        tine__link_note_spent(&shm_self(ch)->link);
    tine__link_restart(&shm_self(ch)->link, tine__now());
}

static unsigned asked(struct channel *ch) {
    return tine__link_asked(&shm_self(ch)->link);
}

static bool inquired(struct channel *ch) {
    return tine__link_wanted(&shm_self(ch)->link);
}

static void tell_place(struct channel *ch, const char *place, size_t length) {
    tine__link_tell(&shm_self(ch)->link, place, length);
}

static void done(struct channel *ch, const struct call *call) {
    (void)call;
    tine__link_idle(&shm_self(ch)->link);
}

/* --- records --- */

static struct buf *reply(struct channel *ch) {
    return parcel_empty(&shm_self(ch)->reply);
}

static struct buf *event(struct channel *ch) {
    return parcel_empty(&shm_self(ch)->event);
}

static void progress(struct channel *ch, const struct progress *p) {
    tine__link_set_progress(&shm_self(ch)->link, p);
}

/* Written directly, since the reply buffer is in use. */
static void last_progress(struct channel *ch, const struct call *call, const struct progress *p) {
    struct shm_channel *c = shm_self(ch);
    const struct record r = {.kind = RECORD_PROGRESS,
                             .id = p->id,
                             .ref = call->ref,
                             .length = (uint32_t)progress_size(p)};
    tine__link_write(&c->link, r, p, tine__shm_ring_hard, c);
}

static bool may_emit(struct channel *ch, const struct call *call, uint32_t k) {
    struct shm_channel *c = shm_self(ch);
    uint64_t limit = call->event_buffer ? call->event_buffer : c->event_buffer;
    return tine__link_await_grant(&c->link, call->id + k, limit, tine__shm_ring_hard, c);
}

static void emit(struct channel *ch, const struct call *call, uint32_t k) {
    struct shm_channel *c = shm_self(ch);
    struct record r = {.kind = RECORD_EVENT, .id = call->id + k, .ref = call->ref};
    parcel_write(&c->event, r);
    c->link.events++;
    tine__shm_ring(c, tine__link_half_full(&c->link) ? BELL_PRESSURE : BELL_RESULT);
}

static int answer(struct channel *ch, const struct call *call, uint32_t k, enum record_kind kind) {
    struct shm_channel *c = shm_self(ch);
    struct record r = {.kind = kind, .id = call->id + k, .ref = call->ref};
    bool asked;
    int err = tine__link_finish(&c->link, r.id, &asked);
    if (err)
        return err;
    c->now = ticker_now(&c->ticker);
    tine__link_stamp(&c->link, &r, c->now);
    if (asked && kind != RECORD_ENDED) { /* asked just when it had ended */
        r.kind = RECORD_ENDED;
        reply(ch);
    }
    parcel_write(&c->reply, r);
    bool urgent = call->again && (kind == RECORD_ERROR || kind == RECORD_MEMORY);
    urgent |= tine__link_half_full(&c->link);
    tine__shm_ring(c, urgent ? BELL_PRESSURE : BELL_RESULT);
    return 0;
}

static void say(struct channel *ch, enum record_kind kind, uint64_t id, uint32_t ref) {
    struct shm_channel *c = shm_self(ch);
    struct record r = {.kind = kind, .id = id, .ref = ref};
    if (kind == RECORD_READY)
        tine__link_stamp_now(&c->link, &r);
    parcel_write(&c->reply, r);
    if (kind == RECORD_READY)
        tine__shm_ring_ready(c);
    else
        tine__shm_ring(c, BELL_PRESSURE);
}

/* --- tasks that tasks submit --- */

static bool up(struct channel *ch) {
    shm_self(ch)->now = 0;
    return tine__link_up(&shm_self(ch)->link);
}

static void down(struct channel *ch) {
    tine__link_down(&shm_self(ch)->link);
}

static void listen_to_mail(struct channel *ch, uint64_t ns) {
    shm_self(ch)->now = 0;
    tine__link_await_mail(&shm_self(ch)->link, ns);
}

/* --- memory --- */

static bool untidy(struct channel *ch) {
    return tine__heap_untidy(shm_self(ch)->link.heap);
}

static void tidy(struct channel *ch) {
    shm_self(ch)->now = 0;
    tine__heap_tidy(shm_self(ch)->link.heap, tine__now());
}

/* Attach the link first, which can tell if there is no queue. */
static int attach(struct shm_channel *c, const struct shm_channel_parts *p) {
    int calls = p->calls, claims = p->claims;
    int err = tine__link_attach(&c->link, p->link);
    if (err) {
        tine__close(&calls);
        tine__close(&claims);
        return err;
    }
    err = tine__queue_attach(&c->queue, calls, claims);
    if (err) {
        tine__shm_last_word(c, RECORD_UNFIT, (uint64_t)error_errno(err));
        return err;
    }
    tine__close(&c->queue.calls.fd); /* the mappings stay */
    tine__close(&c->queue.claims.fd);
    return 0;
}

static const struct channel operations = {
    .told = told,
    .dismissed = dismissed,
    .errand = tine__shm_errand,
    .hold = hold,
    .resume = resume,
    .take = take,
    .begin = begin,
    .asked = asked,
    .inquired = inquired,
    .tell_place = tell_place,
    .reply = reply,
    .progress = progress,
    .last_progress = last_progress,
    .may_emit = may_emit,
    .event = event,
    .emit = emit,
    .answer = answer,
    .done = done,
    .say = say,
    .untidy = untidy,
    .tidy = tidy,
    .describe = tine__shm_describe,
    .up = up,
    .down = down,
    .mail = tine__shm_mail,
    .listen = listen_to_mail,
};

int tine__shm_channel_open(struct channel **out, const struct shm_channel_parts *p) {
    struct shm_channel *c = sys.malloc(sizeof *c);
    if (!c)
        return TINE_ENOMEM;
    *c = (struct shm_channel){0};
    tine__parcel_init(&c->reply, c, reply_bytes);
    tine__parcel_init(&c->event, c, event_bytes);
    c->base = operations;
    c->queue = QUEUE_CLOSED;
    c->link = LINK_CLOSED;
    c->calls = p->heap;
    c->worker = p->worker;
    c->spin = p->spin;
    c->event_buffer = p->event_buffer;
    int err = attach(c, p);
    if (err) {
        tine__queue_close(&c->queue);
        free(c);
        return err;
    }
    c->waiter = (struct bell){tine__queue_bell(&c->queue, 0), p->waiter};
    c->manager = (struct bell){tine__queue_bell(&c->queue, 1), p->manager};
    reply(&c->base);
    *out = &c->base;
    return 0;
}

#include "worker/shm_channel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/sys.h"
#include "base/ticker.h"
#include "ipc/arena.h"
#include "ipc/bell.h"
#include "ipc/queue.h"
#include "store/store.h"
#include "worker/process.h"

/* Bytes that are about to be written into the link. */
struct parcel {
    struct buf buf;
    struct shm_channel *channel;
    struct carried carried; /* what they name */
    uint64_t block;         /* in the link's heap, where they lie; 0: they lie in `bytes` */
    char *bytes;            /* LINK_INLINE of them */
};

struct shm_channel {
    struct channel base;
    struct queue queue;
    struct link link;
    struct heap *calls;
    struct bell waiter, manager;
    unsigned worker;
    uint64_t spin;
    struct ticker ticker;
    /* When the last task ended, if nothing has taken time since; 0: the clock is to be read. */
    uint64_t now;
    uint64_t seq;                   /* of the item in hand */
    struct queue_slot slot;         /* our copy of it: the place in the queue is free again */
    struct call_extra extra;        /* and of what it says beyond */
    uint64_t errands;               /* that were given, */
    const struct errand_head *last; /* the last of them */
    uint64_t event_buffer;
    bool mute; /* no bell can be rung any more */
    struct parcel reply, event;
};

/* The parcels' own, of the one channel that a process has: pages of which most are never touched. */
static char reply_bytes[LINK_INLINE], event_bytes[LINK_INLINE];

static struct shm_channel *self(struct channel *ch) {
    return (struct shm_channel *)ch;
}

/* --- bells --- */

static inline struct buf *empty(struct parcel *p);
static void at_home(struct parcel *p);
static inline void write_record(struct parcel *p, struct record r);

/* We cannot be heard any more, but for our end, when this is read. What was answered stands. */
static void last_word(struct shm_channel *c, enum record_kind kind, uint64_t id) {
    struct record r = {.kind = kind, .id = id};
    at_home(&c->reply); /* the heap may not be there any more */
    c->mute = true;
    empty(&c->reply);
    write_record(&c->reply, r);
}

/* Somebody has closed or replaced descriptors of ours: a task, no other code runs here. */
static _Noreturn void end_spoilt(struct shm_channel *c) {
    last_word(c, RECORD_SPOILT, 0);
    tine__process_exit(1);
}

static void see_rung(struct shm_channel *c, enum bell_rung rung) {
    if (rung != BELL_QUIET)
        c->now = 0;
    if (rung == BELL_LOST && !c->mute)
        end_spoilt(c);
}

static void ring(struct shm_channel *c, enum bell_level level) {
    see_rung(c, tine__bell_ring_both(&c->waiter, &c->manager, level));
}

/* That we are ready nobody waits for but the manager: who waits for a result is left alone until there is one. */
static void ring_ready(struct shm_channel *c) {
    see_rung(c, tine__bell_ring_either(&c->manager, &c->waiter, BELL_PRESSURE));
}

/* Before it waits. */
static void ring_hard(void *arg) {
    self(arg)->now = 0;
    ring(arg, BELL_PRESSURE);
}

/* --- calls --- */

/* Copy the slot that lies in the queue. */
static void copy_slot(struct queue_slot *to, const struct queue_slot *from) {
    to->call = from->call;
    if (to->call.offset)
        return;
    if (to->call.length > CALL_INLINE)
        to->call.length = CALL_INLINE;
    memcpy(to->bytes, from->bytes, to->call.length);
}

static uint32_t extra_size(const struct call_head *h) {
    return h->flags & CALL_EXTRA ? sizeof(struct call_extra) : 0;
}

/* Where the payload is, `bytes` unless it lies in the heap; NULL: it cannot be mapped. */
static const char *payload(struct shm_channel *c, const struct call_head *h, const char *bytes) {
    int err;
    if ((uint64_t)h->label + h->function > h->length || h->label < extra_size(h))
        return NULL;
    const char *p = h->offset ? tine__heap_at(c->calls, h->offset, h->length, &err) : bytes;
    if (!p && errno == EBADF)
        end_spoilt(c);
    return p;
}

/* It came from another machine: what is said of that, from `at` on. The bytes that it takes; 0: it is damaged. */
static uint32_t describe_far(const char *p, uint32_t room, struct call *out) {
    struct call_far far;
    if (room < sizeof far)
        return 0;
    memcpy(&far, p, sizeof far);
    if (far.names > room / sizeof(struct call_far_name) || far_size(far.names) > room)
        return 0;
    out->far = true;
    out->names = p + sizeof far;
    out->nnames = far.names;
    out->shown = far.id;
    out->attempt = far.attempt;
    out->crew = far.crew;
    out->errands = far.errands;
    out->errand = far.errand;
    out->event_buffer = far.event_buffer;
    return far_size(far.names);
}

static void describe(struct channel *ch, const struct call_head *s, const char *bytes,
                     struct call_extra *room, struct call *out) {
    struct shm_channel *c = self(ch);
    const char *p = payload(c, s, bytes);
    *out = (struct call){.id = s->id,
                         .depth = call_depth(s),
                         .count = s->count,
                         .ref = s->ref,
                         .timed = s->flags & CALL_TIMED,
                         .spends = s->flags & CALL_SPENDS,
                         .shown = s->id,
                         .mute = s->flags & CALL_MUTE,
                         .attempt = call_attempt(s),
                         .index = s->index,
                         .heap = c->calls,
                         .callee = s->callee};
    if (!p)
        return;
    uint32_t extra = extra_size(s);
    if (extra)
        out->extra = memcpy(room, p, sizeof *room);
    if (s->flags & CALL_FAR) {
        uint32_t far = describe_far(p + extra, s->label - extra, out);
        if (!far)
            return;
        extra += far;
    }
    out->label = s->label > extra ? p + extra : NULL;
    out->label_len = s->label - extra;
    out->function = p + s->label;
    out->function_len = s->function;
    out->arguments = out->function + s->function;
    out->arguments_len = s->length - s->label - s->function;
}

static bool told(struct channel *ch) {
    return tine__queue_told(&self(ch)->queue);
}

/* One that cannot be mapped is looked for again when we are told of something else. */
static uint64_t errand(struct channel *ch, struct errand_call *out) {
    struct shm_channel *c = self(ch);
    struct errand_place place;
    int err;
    if (tine__queue_errands(&c->queue, &place) <= c->errands)
        return 0;
    if (c->last)
        place = c->last->next;
    const struct errand_head *head =
        place.length < sizeof *head ? NULL
                                    : tine__heap_at(c->calls, place.offset, place.length, &err);
    if (!head || head->function > place.length - sizeof *head)
        return 0;
    c->now = 0; /* it takes its time */
    c->last = head;
    *out = errand_call_of(head, place.length);
    return ++c->errands;
}

static bool dismissed(struct channel *ch) {
    return tine__queue_is_dismissed(&self(ch)->queue, self(ch)->worker);
}

static int take(struct channel *ch, struct call *out, uint64_t patience) {
    struct shm_channel *c = self(ch);
    const struct queue_slot *slot;
    while (!(slot = tine__queue_take(&c->queue, c->worker, &c->seq))) {
        c->now = 0;
        int err = tine__queue_wait(&c->queue, c->worker, c->spin, patience);
        if (err)
            return err;
        if (tine__queue_has_told(&c->queue))
            return TINE_EAGAIN;
    }
    copy_slot(&c->slot, slot);
    describe(ch, &c->slot.call, c->slot.bytes, &c->extra, out);
    return 0;
}

static int begin(struct channel *ch, const struct call *call, uint32_t k, uint64_t *when) {
    struct shm_channel *c = self(ch);
    if (call->spends)
        tine__link_note_spent(&c->link);
    /* One task ends as the next begins, and one look at the clock does for both: it costs more than all else that a
    ** small task makes of it here. A limit counts from a look of its own. */
    *when = c->now && !call->timed ? c->now : ticker_now(&c->ticker);
    int err = tine__link_begin(&c->link, call->id + k, k == 0, *when);
    if (k == 0 && c->link.level == 0) {
        bool asked;
        /* the link says that it is ours: only now may the slot forget it */
        if (!tine__queue_free(&c->queue, c->worker, c->seq, &asked))
            return TINE_EAGAIN;
        if (asked)
            tine__link_ask(&c->link, call->id, false);
        if (tine__queue_is_low(&c->queue))
            ring(c, BELL_PRESSURE);
    }
    return err;
}

static void hold(struct channel *ch) {
    self(ch)->now = 0;
    tine__link_restart(&self(ch)->link, 0);
}

static void resume(struct channel *ch, const struct call *call) {
    if (call->spends)
        tine__link_note_spent(&self(ch)->link);
    tine__link_restart(&self(ch)->link, tine__now());
}

static unsigned asked(struct channel *ch) {
    return tine__link_asked(&self(ch)->link);
}

static bool inquired(struct channel *ch) {
    return tine__link_wanted(&self(ch)->link);
}

static void tell_place(struct channel *ch, const char *place, size_t length) {
    tine__link_tell(&self(ch)->link, place, length);
}

static void done(struct channel *ch, const struct call *call) {
    (void)call;
    tine__link_idle(&self(ch)->link);
}

/* --- what is written --- */

/* Move the bytes to a block of the link's heap, or to a larger one. */
static int grow(struct buf *b, size_t need) {
    struct parcel *parcel = b->owner;
    struct heap *heap = parcel->channel->link.heap;
    size_t size = need < 2 * b->cap ? 2 * b->cap : need;
    uint64_t offset = parcel->block;
    char *p = offset ? tine__heap_grow(heap, &offset, b->len, size)
                     : tine__heap_alloc(heap, size, &offset);
    if (!p && errno == EBADF)
        end_spoilt(parcel->channel);
    if (!p)
        return TINE_ENOMEM;
    if (!parcel->block)
        memcpy(p, b->data, b->len);
    parcel->block = offset;
    b->data = p;
    b->cap = tine__heap_capacity(heap, offset);
    return 0;
}

/* The buffer is the parcel's own bytes. */
static void at_home(struct parcel *p) {
    p->block = 0;
    p->buf.data = p->bytes;
    p->buf.cap = LINK_INLINE;
}

static inline struct buf *empty(struct parcel *p) {
    if (p->block) {
        tine__heap_free(p->channel->link.heap, p->block);
        at_home(p);
    }
    if (p->carried.list)
        tine__carried_drop(&p->carried);
    bool far = p->channel->slot.call.flags & CALL_FAR; /* there nobody sees them */
    p->buf.carried = far ? NULL : &p->carried;
    p->buf.len = 0;
    return &p->buf;
}

static struct buf *reply(struct channel *ch) {
    return empty(&self(ch)->reply);
}

static struct buf *event(struct channel *ch) {
    return empty(&self(ch)->event);
}

#define CARRIED_AT_ONCE 64

/* Say what the record that comes next names. */
static void write_carried(struct parcel *p) {
    struct shm_channel *c = p->channel;
    struct handle handles[CARRIED_AT_ONCE];
    for (uint32_t at = 0; at < p->carried.n;) {
        uint32_t n = tine__carried_send(&p->carried, at, handles, CARRIED_AT_ONCE);
        const struct record r = {.kind = RECORD_CARRIED, .length = n * (uint32_t)sizeof *handles};
        KILL_POINT("carrying");
        tine__link_write(&c->link, r, handles, ring_hard, c);
        at += n;
    }
}

/* Write a record with the parcel as its payload. A block goes over to the reader. */
static void write_other(struct parcel *p, struct record r) {
    struct shm_channel *c = p->channel;
    struct record_block large = {p->block, p->buf.len};
    const void *bytes = p->bytes;
    if (p->carried.n > 0 && !c->mute)
        write_carried(p);
    r.length = (uint32_t)p->buf.len;
    if (p->block) {
        bytes = &large;
        r.length = sizeof large;
        r.large = 1;
        tine__heap_give(c->link.heap, p->block);
        at_home(p);
    }
    p->buf.len = 0;
    tine__link_write(&c->link, r, bytes, ring_hard, c);
    if (p->carried.list)
        tine__carried_drop(&p->carried);
}

/* ... nearly all of which are small and name nothing. */
static inline void write_record(struct parcel *p, struct record r) {
    if (p->block || p->carried.list) {
        write_other(p, r);
        return;
    }
    r.length = (uint32_t)p->buf.len;
    p->buf.len = 0;
    tine__link_write(&p->channel->link, r, p->bytes, ring_hard, p->channel);
}

static void progress(struct channel *ch, const struct progress *p) {
    tine__link_set_progress(&self(ch)->link, p);
}

/* Beside the reply, which is in hand. */
static void last_progress(struct channel *ch, const struct call *call, const struct progress *p) {
    struct shm_channel *c = self(ch);
    const struct record r = {.kind = RECORD_PROGRESS,
                             .id = p->id,
                             .ref = call->ref,
                             .length = (uint32_t)progress_size(p)};
    tine__link_write(&c->link, r, p, ring_hard, c);
}

static bool may_emit(struct channel *ch, const struct call *call, uint32_t k) {
    struct shm_channel *c = self(ch);
    uint64_t limit = call->event_buffer ? call->event_buffer : c->event_buffer;
    return tine__link_await_grant(&c->link, call->id + k, limit, ring_hard, c);
}

static void emit(struct channel *ch, const struct call *call, uint32_t k) {
    struct shm_channel *c = self(ch);
    struct record r = {.kind = RECORD_EVENT, .id = call->id + k, .ref = call->ref};
    write_record(&c->event, r);
    c->link.events++;
    ring(c, tine__link_half_full(&c->link) ? BELL_PRESSURE : BELL_RESULT);
}

static int answer(struct channel *ch, const struct call *call, uint32_t k, enum record_kind kind) {
    struct shm_channel *c = self(ch);
    struct record r = {.kind = kind, .id = call->id + k, .ref = call->ref};
    bool asked;
    int err = tine__link_finish(&c->link, r.id, &asked);
    if (err)
        return err;
    c->now = ticker_now(&c->ticker);
    tine__link_stamp(&c->link, &r, c->now);
    if (asked && kind != RECORD_ENDED) { /* when it was just through */
        r.kind = RECORD_ENDED;
        reply(ch);
    }
    write_record(&c->reply, r);
    ring(c, tine__link_half_full(&c->link) ? BELL_PRESSURE : BELL_RESULT);
    return 0;
}

static void say(struct channel *ch, enum record_kind kind, uint64_t id, uint32_t ref) {
    struct shm_channel *c = self(ch);
    struct record r = {.kind = kind, .id = id, .ref = ref};
    if (kind == RECORD_READY)
        tine__link_stamp_now(&c->link, &r);
    write_record(&c->reply, r);
    if (kind == RECORD_READY)
        ring_ready(c);
    else
        ring(c, BELL_PRESSURE);
}

/* --- tasks that tasks submit --- */

static bool up(struct channel *ch) {
    self(ch)->now = 0;
    return tine__link_up(&self(ch)->link);
}

static void down(struct channel *ch) {
    tine__link_down(&self(ch)->link);
}

/* Hold what it names: that lies at `p`. What cannot be held is not there when it is looked for. */
static void hold_named(struct posted *letter, const char *p) {
    for (uint32_t i = 0; i < letter->letter.regions; i++, p += sizeof(struct handle)) {
        struct handle h;
        memcpy(&h, p, sizeof h);
        (void)!tine__carry_named(&letter->names, &h);
    }
}

/* A copy of the letter at this place; NULL: it cannot be had. */
static struct posted *copy_letter(struct shm_channel *c, uint64_t place, uint64_t *before) {
    int err;
    const struct letter *letter = tine__heap_at(c->calls, place, sizeof *letter, &err);
    if (!letter)
        return NULL;
    *before = letter->next;
    size_t length = letter->length, more = letter->regions * sizeof(struct handle);
    struct posted *p = sys.malloc(sizeof *p + length);
    letter = p ? tine__heap_at(c->calls, place, sizeof *letter + length + more, &err) : NULL;
    if (!letter) {
        free(p);
        return NULL;
    }
    memcpy(&p->letter, letter, sizeof *letter + length);
    p->names = (struct carried){0};
    hold_named(p, (const char *)(letter + 1) + length);
    return p;
}

static struct posted *mail(struct channel *ch, bool *lost) {
    struct shm_channel *c = self(ch);
    struct posted *list = NULL;
    uint64_t n = 0, place = tine__link_take_mail(&c->link);
    while (place) {
        uint64_t before = 0;
        struct posted *p = copy_letter(c, place, &before);
        *lost |= !p;
        if (p) {
            p->next = list;
            list = p;
        }
        place = before;
        n++;
    }
    if (n)
        tine__link_has_read(&c->link, n);
    return list;
}

static void listen_to_mail(struct channel *ch, uint64_t ns) {
    self(ch)->now = 0;
    tine__link_await_mail(&self(ch)->link, ns);
}

/* --- memory --- */

static bool untidy(struct channel *ch) {
    return tine__heap_untidy(self(ch)->link.heap);
}

static void tidy(struct channel *ch) {
    self(ch)->now = 0;
    tine__heap_tidy(self(ch)->link.heap, tine__now());
}

/* --- opening --- */

static void parcel_init(struct parcel *p, struct shm_channel *c, char *bytes) {
    p->channel = c;
    p->bytes = bytes;
    p->buf.grow = grow;
    p->buf.owner = p;
    at_home(p);
}

/* The link first: it can say that there is no queue. */
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
        last_word(c, RECORD_UNFIT, (uint64_t)error_errno(err));
        return err;
    }
    tine__close(&c->queue.calls.fd); /* the mappings stay */
    tine__close(&c->queue.claims.fd);
    return 0;
}

int tine__shm_channel_open(struct channel **out, const struct shm_channel_parts *p) {
    struct shm_channel *c = sys.malloc(sizeof *c);
    if (!c)
        return TINE_ENOMEM;
    *c = (struct shm_channel){0};
    parcel_init(&c->reply, c, reply_bytes);
    parcel_init(&c->event, c, event_bytes);
    c->base = (struct channel){.told = told,
                               .dismissed = dismissed,
                               .errand = errand,
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
                               .describe = describe,
                               .up = up,
                               .down = down,
                               .mail = mail,
                               .listen = listen_to_mail};
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

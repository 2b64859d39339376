/* What comes to a worker: the parts of a call in a slot or in the call heap, and errands.
** All of it is read-only. */
#include <errno.h>
#include <string.h>

#include "worker/channel/internal.h"

void tine__shm_copy_slot(struct queue_slot *to, const struct queue_slot *from) {
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

/* Find the payload: `bytes`, unless it lies in the heap. NULL: it cannot be mapped, or is
** damaged. */
static const char *payload(struct shm_channel *c, const struct call_head *h, const char *bytes) {
    int err;
    if ((uint64_t)h->label + h->function > h->length || h->label < extra_size(h))
        return NULL;
    const char *p = h->offset ? tine__heap_at(c->calls, h->offset, h->length, &err) : bytes;
    if (!p && errno == EBADF)
        tine__shm_end_spoilt(c);
    return p;
}

/* Read what a call from another machine has in addition, at `p`. Returns its size; 0: damaged. */
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

void tine__shm_describe(struct channel *ch, const struct call_head *s, const char *bytes,
                        struct call_extra *room, struct call *out) {
    struct shm_channel *c = shm_self(ch);
    const char *p = payload(c, s, bytes);
    *out = (struct call){.id = s->id,
                         .depth = call_depth(s),
                         .count = s->count,
                         .ref = s->ref,
                         .timed = s->flags & CALL_TIMED,
                         .spends = s->flags & CALL_SPENDS,
                         .again = s->flags & CALL_AGAIN,
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

/* An errand that cannot be mapped now is tried again when the submitter tells
** workers something else. */
uint64_t tine__shm_errand(struct channel *ch, struct errand_call *out) {
    struct shm_channel *c = shm_self(ch);
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
    c->now = 0; /* an errand takes time */
    c->last = head;
    *out = errand_call_of(head, place.length);
    return ++c->errands;
}

/* What the files of the shared-memory channel share (shm.h): its state, the bytes that are written into the link, and
** the bells. A worker has one channel and one thread, so nothing here is locked.
*/
#ifndef TINE_WORKER_CHANNEL_INTERNAL_H
#define TINE_WORKER_CHANNEL_INTERNAL_H

#include "base/ticker.h"
#include "ipc/arena.h"
#include "ipc/bell.h"
#include "ipc/queue.h"
#include "worker/channel/shm.h"

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
    uint64_t moved;          /* bytes that came with the last call, and large ones that went */
    uint64_t seq;            /* of the item in hand */
    struct queue_slot slot;  /* our copy of it: the place in the queue is free again */
    struct call_extra extra; /* and of what it says beyond */
    uint64_t errands;        /* that were given, */
    const struct errand_head *last; /* the last of them */
    uint64_t event_buffer;
    bool mute; /* no bell can be rung any more */
    struct parcel reply, event;
};

static inline struct shm_channel *shm_self(struct channel *ch) {
    return (struct shm_channel *)ch;
}

/* ---- parcel.c: what is written, and bells ---- */

void tine__shm_ring(struct shm_channel *c, enum bell_level level);
/* That we are ready nobody waits for but the manager: who waits for a result is left alone until there is one. */
void tine__shm_ring_ready(struct shm_channel *c);
/* Before it waits. `arg` is the channel. */
void tine__shm_ring_hard(void *arg);
/* We cannot be heard any more, but for our end, when this is read. What was answered stands. */
void tine__shm_last_word(struct shm_channel *c, enum record_kind kind, uint64_t id);
/* Somebody has closed or replaced descriptors of ours: a task, no other code runs here. */
_Noreturn void tine__shm_end_spoilt(struct shm_channel *c);

void tine__parcel_init(struct parcel *p, struct shm_channel *c, char *bytes);
/* The buffer is the parcel's own bytes. */
void tine__parcel_home(struct parcel *p);
/* An empty buffer. */
static inline struct buf *parcel_empty(struct parcel *p) {
    if (p->block) {
        tine__heap_free(p->channel->link.heap, p->block);
        tine__parcel_home(p);
    }
    if (p->carried.list)
        tine__carried_drop(&p->carried);
    bool far = p->channel->slot.call.flags & CALL_FAR; /* there nobody sees them */
    p->buf.carried = far ? NULL : &p->carried;
    p->buf.len = 0;
    return &p->buf;
}

/* Write a record with the parcel as its payload. A block goes over to the reader. */
void tine__parcel_write_other(struct parcel *p, struct record r);
/* The same: nearly all are small and name nothing. */
static inline void parcel_write(struct parcel *p, struct record r) {
    if (p->block || p->carried.list) {
        tine__parcel_write_other(p, r);
        return;
    }
    r.length = (uint32_t)p->buf.len;
    p->buf.len = 0;
    tine__link_write(&p->channel->link, r, p->bytes, tine__shm_ring_hard, p->channel);
}

/* ---- call.c: what comes by queue and call heap ---- */

/* Copy the slot that lies in the queue. */
void tine__shm_copy_slot(struct queue_slot *to, const struct queue_slot *from);
/* As in struct channel. */
void tine__shm_describe(struct channel *ch, const struct call_head *s, const char *bytes,
                        struct call_extra *room, struct call *out);
uint64_t tine__shm_errand(struct channel *ch, struct errand_call *out);

/* ---- mail.c ---- */

/* As in struct channel. */
struct posted *tine__shm_mail(struct channel *ch, bool *lost);

#endif

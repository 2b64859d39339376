/* What the files of the shared-memory channel share (shm.h): its state, what is written into the
** link, and the bells. A worker has one channel and one thread, so nothing here is locked.
*/
#ifndef TINE_WORKER_CHANNEL_INTERNAL_H
#define TINE_WORKER_CHANNEL_INTERNAL_H

#include "base/ticker.h"
#include "ipc/arena.h"
#include "ipc/bell.h"
#include "ipc/queue.h"
#include "worker/channel/shm.h"

/* Bytes to be written into the link. */
struct parcel {
    struct buf buf;
    struct shm_channel *channel;
    struct carried carried; /* the regions they name */
    uint64_t block; /* the block in the link's heap where they lie; 0: they lie in `bytes` */
    char *bytes;    /* LINK_INLINE bytes */
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
    /* When the last task ended, as long as hardly any time has passed; 0: read the clock. */
    uint64_t now;
    uint64_t moved;                 /* bytes of the last call, and of large answers since */
    uint64_t seq;                   /* sequence number of the current item */
    struct queue_slot slot;         /* our copy of its slot, which is free again */
    struct call_extra extra;        /* and of its extra */
    uint64_t errands;               /* errands given to the loop */
    const struct errand_head *last; /* the last one given */
    uint64_t event_buffer;
    bool mute; /* no bell can be rung any more */
    struct parcel reply, event;
};

static inline struct shm_channel *shm_self(struct channel *ch) {
    return (struct shm_channel *)ch;
}

/* ---- parcel.c: what is written, and bells ---- */

void tine__shm_ring(struct shm_channel *c, enum bell_level level);
/* RECORD_READY interests only the manager; a thread that waits for a result is left alone. */
void tine__shm_ring_ready(struct shm_channel *c);
/* Ring before waiting for room. `arg` is the channel. */
void tine__shm_ring_hard(void *arg);
/* Write a last record, to be found when the link is read after our end; no bell is rung any more.
** Earlier answers stand. */
void tine__shm_last_word(struct shm_channel *c, enum record_kind kind, uint64_t id);
/* Somebody has closed or replaced our descriptors; it must have been a task, since
** no other code runs here. */
_Noreturn void tine__shm_end_spoilt(struct shm_channel *c);

void tine__parcel_init(struct parcel *p, struct shm_channel *c, char *bytes);
/* Let the buffer be the parcel's own bytes again. */
void tine__parcel_home(struct parcel *p);
/* The parcel's buffer, emptied. */
static inline struct buf *parcel_empty(struct parcel *p) {
    if (p->block) {
        tine__heap_free(p->channel->link.heap, p->block);
        tine__parcel_home(p);
    }
    if (p->carried.list)
        tine__carried_drop(&p->carried);
    bool far = p->channel->slot.call.flags & CALL_FAR; /* nobody there could see regions */
    p->buf.carried = far ? NULL : &p->carried;
    p->buf.len = 0;
    return &p->buf;
}

/* Write a record with the parcel as its payload. A block of the heap goes over to the reader. */
void tine__parcel_write_other(struct parcel *p, struct record r);
/* The same, with a quick way: nearly all are small and name nothing. */
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

/* Copy a slot of the queue. */
void tine__shm_copy_slot(struct queue_slot *to, const struct queue_slot *from);
/* As in struct channel. */
void tine__shm_describe(struct channel *ch, const struct call_head *s, const char *bytes,
                        struct call_extra *room, struct call *out);
uint64_t tine__shm_errand(struct channel *ch, struct errand_call *out);

/* ---- mail.c ---- */

/* As in struct channel. */
struct posted *tine__shm_mail(struct channel *ch, bool *lost);

#endif
